//! Customer events: in bulk and one by one.

use std::ops::Range;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use domain::batch::{Commit, Outcome, Parameters as Told, Report};
use domain::find::{Find, Record, Wanted};
use domain::query::{Column, Comparison, Condition};
use domain::row::{By, Cell, Mode, Named, Row};
use domain::rule::Rule;
use domain::value::Value;
use engine::{Call, Error, Idempotency, RowsInMemory};

use super::{Answer, Body, Door, Work, ok, query_as_body, replayed};
use crate::decisions::{CANCELLED, MOST_ROWS};
use crate::fault::{Code, Fault};
use crate::names::{Bound, Kind, Lookup};
use crate::resolve::Resolver;
use crate::translate::FieldsSet;
use crate::translate::objects::Plan;
use crate::translate::question::{self, Filter, Parameters};
use crate::translate::report::{self, Context};
use crate::translate::rows::{self, Author, Batch, Identified, Reader};
use crate::wire::{self, Json};
use crate::{NAME, caller, names};

/// Creates up to 1000 events; every row succeeds or fails alone.
///
/// Source: crmcom §6.1 to §6.5.
pub(super) async fn create_bulk(door: Arc<Door>, kind: usize, request: Request) -> Answer {
    let body = Body::receive(&door, request).await?;
    let call = BulkCall::open(&door, kind, body).await?;
    let caller = caller::of_token(&door.engine, &call.part(&call.token)).await?;
    let work = Work::of(door, caller).await?;
    let fields_set = FieldsSet::read(&call.part(&call.fields_set))?;
    let operation = format!("customer_events/bulk/{}/create", work.kind(kind).path);
    let idempotency = call.body.idempotency(&operation, call.hash)?;
    let batch = call.read(&work, kind).await?;
    let bound = work.bound(kind)?;
    let (report, context) = work.execute(&bound, batch, operation, idempotency).await?;
    let created = report::created(&bound, &report, &context, bound.field("number")?, &fields_set);
    Ok(replayed(ok(created), report.replayed))
}

/// A bulk call whose outermost object was read: where in the body its members stand.
#[derive(Clone)]
struct BulkCall {
    body: Body,
    token: Range<usize>,
    fields_set: Range<usize>,
    rows: Range<usize>,
    hash: Option<[u8; 32]>,
}

impl BulkCall {
    async fn open(door: &Arc<Door>, kind: usize, body: Body) -> Result<Self, Fault> {
        let door = door.clone();
        super::work(body.bytes.len(), move || {
            let text = body.text()?;
            let lookup = Lookup::new(["token", "fields_set", &*door.names.kinds[kind].rows]);
            let members = wire::object(text, &lookup).map_err(|_| Fault::unreadable())?;
            // A member is a piece of the body: its place is the distance of their beginnings.
            let place = |n: usize| {
                members[n].map_or(0..0, |raw| {
                    let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
                    start..start + raw.get().len()
                })
            };
            let (token, fields_set, rows) = (place(0), place(1), place(2));
            let hash = body.hash(members[0].map(|token| token.get()))?;
            Ok(BulkCall { token, fields_set, rows, hash, body: body.clone() })
        })
        .await?
    }

    fn part(&self, place: &Range<usize>) -> Json<'_> {
        Json::of_text(self.body.text().ok().and_then(|text| text.get(place.clone())).unwrap_or_default())
    }

    /// Reads the rows.
    async fn read(&self, work: &Work, kind: usize) -> Result<Batch, Fault> {
        let (call, work) = (self.clone(), work.clone());
        super::work(self.rows.len(), move || {
            let bound = work.bound(kind)?;
            let json = call.part(&call.rows);
            let rows = rows_of(bound.kind, &json)?;
            Ok(Reader::new(&bound, &work.project.zone(), &work.author())?.bulk(&rows))
        })
        .await?
    }
}

/// The rows of a bulk call.
///
/// Source: crmcom §6.4.
fn rows_of<'a>(kind: &Kind, json: &Json<'a>) -> Result<Vec<&'a serde_json::value::RawValue>, Fault> {
    let text = match json {
        json if json.is_empty() => return Err(Fault::mandatory(&kind.rows)),
        Json::Array(text) => text,
        _ => return Err(Fault::invalid(&kind.rows)),
    };
    match wire::array(text, MOST_ROWS).map_err(|_| Fault::unreadable())? {
        (_, 0) => Err(Fault::mandatory(&kind.rows)),
        (rows, count) if count <= MOST_ROWS => Ok(rows),
        _ => Err(Fault::new(
            Code::Maximum,
            format!("Parameter ({}) has more than {MOST_ROWS} rows.", kind.rows),
        )),
    }
}

/// Creates one event and shows it.
///
/// Source: crmcom §7.2.
pub(super) async fn create(door: Arc<Door>, kind: usize, request: Request) -> Answer {
    let body = Body::receive(&door, request).await?;
    let parameters = Parameters::of_body(body.text()?)?;
    let caller = caller::of_token(&door.engine, &parameters.get("token")).await?;
    let work = Work::of(door, caller).await?;
    let fields_set = parameters.fields_set()?;
    let operation = format!("customer_events/{}/create", work.kind(kind).path);
    let idempotency = body.idempotency(&operation, body.hash(parameters.raw("token"))?)?;
    let bound = work.bound(kind)?;
    let members = wire::object(body.text()?, &bound.kind.lookup).map_err(|_| Fault::unreadable())?;
    let batch = Reader::new(&bound, &work.project.zone(), &work.author())?.single(body.text()?, &members);
    let (report, context) = work.execute(&bound, batch, operation, idempotency).await?;
    match report.rows.first().and_then(|row| row.code.as_deref()) {
        Some(code) => Ok(replayed(work.shown(&bound, code, &fields_set).await?, report.replayed)),
        None => Err(context.fault(&bound, &report, 1)),
    }
}

/// Shows one event of the kind.
///
/// Source: crmcom §7.3.
pub(super) async fn show(door: Arc<Door>, kind: usize, request: Request) -> Answer {
    let body = query_as_body(request.uri().query().unwrap_or_default());
    let parameters = Parameters::of_body(&body)?;
    let caller = caller::of_token(&door.engine, &parameters.get("token")).await?;
    let work = Work::of(door, caller).await?;
    let fields_set = parameters.fields_set()?;
    let bound = work.bound(kind)?;
    let plan = work.plan(&bound)?;
    let record = work.event(&bound, &plan, &parameters).await?;
    work.answer_event(&plan, record, &fields_set).await
}

/// Lists events of the kind, oldest first.
///
/// Source: crmcom §7.4.
pub(super) async fn list(door: Arc<Door>, kind: usize, request: Request) -> Answer {
    let body = Body::receive(&door, request).await?;
    let parameters = Parameters::of_body(body.text()?)?;
    let caller = caller::of_token(&door.engine, &parameters.get("token")).await?;
    let work = Work::of(door, caller).await?;
    let bound = work.bound(kind)?;
    let list = question::list(&parameters, &bound, &work.project.zone())?;
    let mut conditions = list.conditions;
    conditions.extend(work.filter(&bound, &list.filter).await?);
    let plan = work.plan(&bound)?;
    let condition = question::of_kind(&bound, conditions)?;
    let records = work.select(&plan, bound.entity.ix, condition, list.page).await?;
    let related = work.related(&plan, &records).await?;
    // An event is a kilobyte or two of JSON.
    let (bytes, fields_set, work) = (records.len() * 1_500, list.fields_set, work.clone());
    super::work(bytes, move || {
        let bound = work.bound(kind)?;
        let plan = work.plan(&bound)?;
        let objects: Vec<_> =
            records.iter().map(|record| plan.print(record, &related, &fields_set)).collect();
        Ok(ok(objects))
    })
    .await?
}

/// Takes a posted event back.
///
/// Source: crmcom §7.5.
pub(super) async fn cancel(door: Arc<Door>, kind: usize, request: Request) -> Answer {
    let body = Body::receive(&door, request).await?;
    let parameters = Parameters::of_body(body.text()?)?;
    let caller = caller::of_token(&door.engine, &parameters.get("token")).await?;
    let work = Work::of(door, caller).await?;
    let fields_set = parameters.fields_set()?;
    let bound = work.bound(kind)?;
    let operation = format!("customer_events/{}/cancel", work.kind(kind).path);
    let idempotency = body.idempotency(&operation, body.hash(parameters.raw("token"))?)?;
    let plan = work.plan(&bound)?;
    let record = work.event(&bound, &plan, &parameters).await?;
    let code = record.code.clone();
    let row = work.cancelling(&bound, &plan, record)?;
    let call = Call {
        door: NAME,
        operation,
        parameters: Told::new(Mode::Update, Commit::Alone),
        rows: Box::new(RowsInMemory::new(vec![row], vec![format!("{{\"id\":\"{code}\"}}").into()])),
        idempotency,
        columns: Vec::new(),
        memo: String::new(),
        progress: None,
    };
    let report = work.door.engine.execute(&work.caller, call).await?;
    let outcome = report.rows.first().map(|row| row.outcome);
    let stale = report.refusals.iter().any(|refusal| refusal.problem.rule == Rule::StaleRevision);
    match outcome {
        Some(Outcome::Updated) => {
            Ok(replayed(work.shown(&bound, &code, &fields_set).await?, report.replayed))
        }
        Some(Outcome::Refused) if !stale => Err(Context::default().fault(&bound, &report, 1)),
        _ => Err(Fault::new(Code::NotAllowed, "The customer event is not in state POSTED.")),
    }
}

impl Work {
    /// Who makes the rows.
    fn author(&self) -> Author {
        Author {
            user: self.caller.user.as_deref().map(Into::into),
            unit: self.caller.unit.as_deref().map(Into::into),
        }
    }

    fn plan<'w>(&'w self, bound: &Bound<'w>) -> Result<Plan<'w>, Fault> {
        let (names, zone) = (&self.door.names, self.project.zone());
        Ok(Plan::new(&self.catalogue, names, "event", Some(bound.kind), zone)?)
    }

    /// Hands rows to the engine.
    async fn execute(
        &self,
        bound: &Bound<'_>,
        mut batch: Batch,
        operation: String,
        idempotency: Option<Idempotency>,
    ) -> Result<(Report, Context), Fault> {
        let resolver = Resolver { written: Some(bound.entity.ix), ..self.resolver() };
        resolver.rows(bound, &mut batch).await?;
        let context = Context::of(&mut batch);
        let call = Call {
            door: NAME,
            operation,
            parameters: rows::parameters(bound, &self.catalogue)?,
            rows: Box::new(RowsInMemory::new(batch.rows, batch.received)),
            idempotency,
            columns: Vec::new(),
            memo: String::new(),
            progress: None,
        };
        let mut report = self.door.engine.execute(&self.caller, call).await?;
        if report.forgotten {
            return Err(
                Error::NotFound("the answer of this call is no longer kept in full".to_owned()).into()
            );
        }
        self.complete(bound, &mut report).await?;
        Ok((report, context))
    }

    /// Fetches numbers where the report does not say them.
    async fn complete(&self, bound: &Bound<'_>, report: &mut Report) -> Result<(), Error> {
        let engine = &self.door.engine;
        let number = bound.field("number")?;
        let wanting: Vec<usize> = (0..report.rows.len())
            .filter(|n| report.rows[*n].outcome == Outcome::Added && report.rows[*n].numbers.is_empty())
            .collect();
        let ids = wanting.iter().filter_map(|n| report.rows[*n].record).collect::<Vec<_>>();
        if ids.is_empty() {
            return Ok(());
        }
        let wanted = Wanted::Ids(ids);
        let find =
            Find { entity: bound.entity.ix, company: self.caller.company, wanted, fields: vec![number] };
        let found = engine.find_for_write(&self.caller, bound.entity.ix, vec![find]).await?;
        for hit in found.into_iter().flatten() {
            let own = |row: &&mut domain::batch::RowReport| row.record == Some(hit.record.id);
            if let (Some(row), Some(text)) =
                (report.rows.iter_mut().find(own), hit.record.values[0].as_text())
            {
                row.numbers.push((number, text.into()));
            }
        }
        Ok(())
    }

    /// The event that a call names.
    async fn event(
        &self,
        bound: &Bound<'_>,
        plan: &Plan<'_>,
        parameters: &Parameters<'_>,
    ) -> Result<Record, Fault> {
        let identifier = self.door.names.identifier("customer_event_identifier").map_err(Error::from)?;
        let Identified::By(n, text) = parameters.mandatory(identifier)? else {
            return Err(Fault::invalid(&identifier.name));
        };
        let column = match names::bys(identifier, &self.catalogue)?[n] {
            By::Code | By::Id => Column::Code,
            By::Key(key) => Column::Field(bound.entity.key(key).fields[0].0),
            By::Field(field) => Column::Field(field),
        };
        let named = Condition::Compare(column, Comparison::Eq, Value::text(&*text));
        let condition = question::of_kind(bound, vec![named])?;
        let page = question::Page { offset: 0, limit: 2 };
        let mut records = self.select(plan, bound.entity.ix, condition, page).await?.into_iter();
        match (records.next(), records.next()) {
            (Some(record), None) => Ok(record),
            (None, _) => Err(Fault::not_found(&identifier.called, &text)),
            (Some(_), Some(_)) => Err(Fault::invalid(&identifier.name)),
        }
    }

    /// The event of a code, which was there a moment ago.
    async fn shown(&self, bound: &Bound<'_>, code: &str, fields_set: &FieldsSet) -> Result<Response, Fault> {
        let plan = self.plan(bound)?;
        let condition = Condition::Compare(Column::Code, Comparison::Eq, Value::text(code));
        let page = question::Page { offset: 0, limit: 1 };
        let mut records = self.select(&plan, bound.entity.ix, condition, page).await?;
        let record = records.pop().ok_or_else(|| Fault::not_found("Customer Event", code))?;
        self.answer_event(&plan, record, fields_set).await
    }

    async fn answer_event(&self, plan: &Plan<'_>, record: Record, fields_set: &FieldsSet) -> Answer {
        let related = self.related(plan, std::slice::from_ref(&record)).await?;
        Ok(ok(plan.print(&record, &related, fields_set)))
    }

    /// What the one filter of a list means.
    async fn filter(&self, bound: &Bound<'_>, filter: &Filter<'_>) -> Result<Option<Condition>, Fault> {
        let (name, identified) = match filter {
            Filter::Account(identified) => ("accounts_receivable_identifier", identified),
            Filter::Participant(identified) => ("rewards_participant_identifier", identified),
            Filter::Classification(identified) => ("classification_identifier", identified),
            Filter::CreatedAfter => return Ok(None),
        };
        let identifier = self.door.names.identifier(name).map_err(Error::from)?;
        let entity = names::entity(&self.catalogue, &identifier.entity)?;
        let columns = match filter {
            Filter::Classification(_) => vec![Column::Field(bound.field("event_type")?)],
            _ => question::owners(bound, entity)?,
        };
        let fields = match filter {
            Filter::Classification(_) => vec![names::field(entity, "kind")?],
            _ => Vec::new(),
        };
        let record = self.resolver().one(identifier, identified, fields).await?;
        if matches!(filter, Filter::Classification(_))
            && record.values[0].as_text() != Some(&*bound.kind.word)
        {
            return Err(Fault::invalid(name));
        }
        let named = Value::Reference(record.id);
        let one = |column| Condition::Compare(column, Comparison::Eq, named.clone());
        let mut conditions: Vec<Condition> = columns.into_iter().map(one).collect();
        Ok(Some(match conditions.len() {
            1 => conditions.remove(0),
            _ => Condition::Or(conditions),
        }))
    }

    /// The row that cancels an event. On one that is cancelled already it changes nothing.
    fn cancelling(&self, bound: &Bound<'_>, plan: &Plan<'_>, record: Record) -> Result<Row, Fault> {
        let status = bound.field("status")?;
        let fields = plan.fields(bound.entity.ix).unwrap_or_default();
        let held = fields.binary_search(&status).ok().and_then(|at| record.values[at].as_text());
        let already = held == Some(CANCELLED);
        let mut row = Row::new(1, bound.entity.ix);
        row.revision = Some(record.revision).filter(|_| !already);
        row.code = Some(record.code);
        row.set(status, Cell::Set(Value::text(CANCELLED)));
        if !already {
            let author = self.author();
            let by_code = |text: Box<str>| Cell::Refer(Named { by: By::Code, text });
            for (name, code) in [("modified_by", author.user), ("modified_by_unit", author.unit)] {
                if let Some(code) = code {
                    row.set(bound.field(name)?, by_code(code));
                }
            }
        }
        Ok(row)
    }
}
