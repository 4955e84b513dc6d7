//! Records read page by page, with what they refer to, and printed into a body as it is taken.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use domain::catalogue::{Catalogue, EntityIx};
use domain::names::InternalId;
use domain::query::{Column, Condition};
use domain::value::Value;
use engine::{Caller, Engine, Error, Filter, Question, Records};
use futures_util::stream;
use jiff::tz::TimeZone;
use tokio::task::JoinHandle;

use super::{Door, Format, Subject};
use crate::decisions;
use crate::fault::Fault;
use crate::translate::Wanted;
use crate::translate::records::{Member, Objects, Printer};

/// A page of records with the objects of what they refer to.
pub struct Page {
    /// The records.
    pub records: Records,
    /// Printed records, where references are expanded.
    pub objects: Objects,
}

/// A question with how its records are printed.
pub struct Pages {
    shared: Arc<Shared>,
    question: Question,
}

struct Shared {
    engine: Engine,
    caller: Caller,
    catalogue: Arc<Catalogue>,
    printer: Printer,
    /// Places of expanded references among the values of a record, with their entities.
    expanded: Vec<(usize, EntityIx)>,
    zone: TimeZone,
    companies: Vec<String>,
}

impl Pages {
    /// The pages of a question.
    pub fn new(door: &Door, caller: Caller, subject: &Subject, wanted: &Wanted, question: Question) -> Self {
        let Subject { project, catalogue, entity } = subject;
        let (zone, companies) = (project.zone(), project.settings().companies.clone());
        let printer =
            Printer::new(entity, &wanted.members, &wanted.fields, &wanted.expanded, zone.clone(), &companies);
        let places = wanted.fields.iter().enumerate().filter(|(_, field)| wanted.expanded.contains(field));
        let expanded =
            places.filter_map(|(at, field)| Some((at, entity.field(*field).kind.target()?))).collect();
        let (engine, catalogue) = (door.engine.clone(), catalogue.clone());
        let shared = Shared { engine, caller, catalogue, printer, expanded, zone, companies };
        Pages { shared: Arc::new(shared), question }
    }

    /// How the records are printed.
    pub fn printer(&self) -> &Printer {
        &self.shared.printer
    }

    /// The one page that the question asks for.
    pub async fn first(&self) -> Result<Page, Fault> {
        Ok(self.shared.page(self.question.clone()).await?)
    }

    /// At most `most` records as a body, with the journal position before the first of them. While
    /// one page is printed, the next one is read.
    pub async fn stream(self, format: Format, most: u64) -> Result<(u64, Body), Fault> {
        let Pages { shared, mut question } = self;
        question.limit = page_limit(most);
        let first = shared.page(question.clone()).await?;
        let seq = first.records.seq;
        let mut state = Streaming {
            shared,
            question,
            format,
            left: most,
            page: None,
            at: 0,
            ahead: None,
            header: format == Format::Csv,
            scratch: Vec::new(),
        };
        state.turn_to(first);
        let pieces = stream::try_unfold(state, |mut state| async move {
            let piece = state.piece().await?;
            Ok::<_, Error>(piece.map(|piece| (piece, state)))
        });
        Ok((seq, Body::from_stream(pieces)))
    }
}

fn page_limit(left: u64) -> u32 {
    left.min(u64::from(decisions::STREAM_PAGE)) as u32
}

/// A body under way.
struct Streaming {
    shared: Arc<Shared>,
    question: Question,
    format: Format,
    left: u64,
    page: Option<Page>,
    at: usize,
    ahead: Option<JoinHandle<Result<Page, Error>>>,
    header: bool,
    scratch: Vec<u8>,
}

impl Streaming {
    /// Goes on with a page, and has the next one read meanwhile.
    fn turn_to(&mut self, mut page: Page) {
        self.left = self.left.saturating_sub(page.records.records.len() as u64);
        if let Some(after) = page.records.next.take().filter(|_| self.left > 0) {
            let question =
                Question { after: Some(after), limit: page_limit(self.left), ..self.question.clone() };
            let shared = self.shared.clone();
            self.ahead = Some(tokio::spawn(async move { shared.page(question).await }));
        }
        self.page = Some(page);
        self.at = 0;
    }

    /// The next piece of the body; `None` at its end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        let mut piece = Vec::with_capacity(64 << 10);
        if std::mem::take(&mut self.header) {
            self.shared.printer.csv_header(&mut piece);
        }
        loop {
            if let Some(page) = &self.page {
                let end = page.records.records.len().min(self.at + decisions::STREAM_PIECE);
                for record in &page.records.records[self.at..end] {
                    self.shared.print(self.format, record, page, &mut self.scratch, &mut piece);
                }
                self.at = end;
                if !piece.is_empty() {
                    return Ok(Some(piece.into()));
                }
                self.page = None;
            }
            let Some(ahead) = self.ahead.take() else { return Ok(None) };
            match ahead.await {
                Ok(Ok(page)) => self.turn_to(page),
                Ok(Err(error)) => return Err(broken(error)),
                Err(gone) => return Err(broken(Error::internal(gone.to_string()))),
            }
        }
    }
}

/// The answer has begun: its end is all that can be told, and the log the rest.
fn broken(error: Error) -> Error {
    tracing::error!(error = %error, "a stream of records was broken off");
    error
}

impl Shared {
    fn print(
        &self,
        format: Format,
        record: &domain::find::Record,
        page: &Page,
        scratch: &mut Vec<u8>,
        into: &mut Vec<u8>,
    ) {
        match format {
            Format::Csv => self.printer.csv(record, &page.records.codes, scratch, into),
            Format::Json | Format::Ndjson => {
                self.printer.json(record, &page.records.codes, &page.objects, into);
                into.push(b'\n');
            }
        }
    }

    async fn page(&self, question: Question) -> Result<Page, Error> {
        let records = self.engine.records(&self.caller, question).await?;
        let objects = self.expand(&records).await?;
        Ok(Page { records, objects })
    }

    /// Prints the records that the expanded references name, once each.
    async fn expand(&self, records: &Records) -> Result<Objects, Error> {
        let mut wanted: HashMap<EntityIx, Vec<InternalId>> = HashMap::new();
        for (at, target) in &self.expanded {
            let ids = wanted.entry(*target).or_default();
            for record in &records.records {
                match record.values.get(*at) {
                    Some(Value::Reference(id)) => ids.push(*id),
                    Some(Value::References(many)) => ids.extend(many.iter()),
                    _ => {}
                }
            }
        }
        let mut objects = Objects::new();
        for (target, mut ids) in wanted {
            ids.sort_unstable();
            ids.dedup();
            for part in ids.chunks(decisions::STREAM_PAGE as usize) {
                self.objects(target, part, &mut objects).await?;
            }
        }
        Ok(objects)
    }

    async fn objects(&self, target: EntityIx, ids: &[InternalId], into: &mut Objects) -> Result<(), Error> {
        let entity = self.catalogue.entity(target);
        let fields: Vec<_> = entity.fields().filter(|(_, field)| !field.secret).map(|(ix, _)| ix).collect();
        let printer = Printer::new(entity, &Member::ALL, &fields, &[], self.zone.clone(), &self.companies);
        let mut question = Question::all(target, ids.len() as u32);
        let values = ids.iter().map(|id| Value::Integer(id.0)).collect();
        question.filter = Some(Filter::Condition(Condition::In(Column::Id, values)));
        question.fields = fields;
        // A reference may still name what was deleted logically.
        question.with_deleted = true;
        let found = self.engine.records(&self.caller, question).await?;
        for record in &found.records {
            let mut object = Vec::new();
            printer.json(record, &found.codes, &Objects::new(), &mut object);
            into.insert(record.id, object.into());
        }
        Ok(())
    }
}
