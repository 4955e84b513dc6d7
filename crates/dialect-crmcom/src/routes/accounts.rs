//! What events refer to: accounts and classifications.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use domain::catalogue::EntityIx;
use domain::find::{Find, Record, Wanted};
use domain::names::Company;
use domain::query::{Column, Comparison, Condition};
use domain::value::Value;
use engine::{Filter, Question};

use super::{Answer, Body, Door, Work, ok, query_as_body};
use crate::caller;
use crate::fault::Fault;
use crate::names;
use crate::translate::objects::{Plan, Related};
use crate::translate::question::{Page, Parameters};

/// Lists the classifications of a kind of event.
///
/// Source: crmcom §8.1.
pub(super) async fn classifications(door: Arc<Door>, request: Request) -> Answer {
    let body = query_as_body(request.uri().query().unwrap_or_default());
    let parameters = Parameters::of_body(&body)?;
    let caller = caller::of_token(&door.engine, &parameters.get("token")).await?;
    let word = parameters.mandatory_text("type")?;
    if !door.names.kinds.iter().any(|kind| kind.word == word) {
        return Err(Fault::invalid("type"));
    }
    let fields_set = parameters.fields_set()?;
    let work = Work::of(door, caller).await?;
    let entity = names::entity(&work.catalogue, "event_type")?;
    let plan = Plan::new(&work.catalogue, &work.door.names, "classification", None, work.project.zone())?;
    let kind = Column::Field(names::field(entity, "kind")?);
    let condition = Condition::Compare(kind, Comparison::Eq, Value::text(word));
    let page = Page { offset: 0, limit: u32::MAX };
    let records = work.select(&plan, entity.ix, condition, page).await?;
    let related = Related::new();
    let objects: Vec<_> = records.iter().map(|record| plan.print(record, &related, &fields_set)).collect();
    Ok(ok(objects))
}

/// Shows one account.
///
/// Source: crmcom §8.2.
pub(super) async fn show(door: Arc<Door>, request: Request) -> Answer {
    let query =
        (request.method() != Method::POST).then(|| query_as_body(request.uri().query().unwrap_or_default()));
    let body;
    let text = match &query {
        Some(query) => query,
        None => {
            body = Body::receive(&door, request).await?;
            body.text()?
        }
    };
    let parameters = Parameters::of_body(text)?;
    let caller = caller::of_token(&door.engine, &parameters.get("token")).await?;
    let work = Work::of(door, caller).await?;
    let identifier =
        work.door.names.identifier("accounts_receivable_identifier").map_err(engine::Error::from)?;
    let identified = parameters.mandatory(identifier)?;
    let fields_set = parameters.fields_set()?;
    let plan =
        Plan::new(&work.catalogue, &work.door.names, "accounts_receivable", None, work.project.zone())?;
    let fields = plan.fields(names::entity(&work.catalogue, "customer")?.ix).unwrap_or_default().to_vec();
    let record = work.resolver().one(identifier, &identified, fields).await?;
    let related = work.related(&plan, std::slice::from_ref(&record)).await?;
    Ok(ok(plan.print(&record, &related, &fields_set)))
}

/// Records read from the store in one go, while the caller asks for no more.
const PAGE: u32 = 1_000;

impl Work {
    /// Records for which a condition holds, in the order of their making.
    pub(super) async fn select(
        &self,
        plan: &Plan<'_>,
        entity: EntityIx,
        condition: Condition,
        page: Page,
    ) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::new();
        let mut after = None;
        loop {
            let left = page.limit - records.len() as u32;
            let question = Question {
                filter: Some(Filter::Condition(condition.clone())),
                fields: plan.fields(entity).unwrap_or_default().to_vec(),
                offset: if after.is_none() { page.offset } else { 0 },
                after,
                with_codes: false,
                ..Question::all(entity, left.min(PAGE))
            };
            let mut found = self.door.engine.records(&self.caller, question).await?;
            records.append(&mut found.records);
            after = found.next;
            if after.is_none() || records.len() as u32 >= page.limit {
                return Ok(records);
            }
        }
    }

    /// The records that these refer to, and those that they refer to, as far as the plan shows them
    /// and the caller may read them: one question for each step, whatever the number of records.
    pub(super) async fn related(&self, plan: &Plan<'_>, records: &[Record]) -> Result<Related, Fault> {
        let mut related = Related::new();
        let mut wanted = plan.references(records.iter());
        loop {
            let may_read = |entity: EntityIx| {
                let entity = self.catalogue.entity(entity);
                entity.access.read && self.caller.rights.has("read", &entity.name)
            };
            wanted.retain(|entity, _| may_read(*entity));
            let finds: Vec<Find> = wanted
                .into_iter()
                .map(|(entity, ids)| Find {
                    entity,
                    company: Company::SHARED,
                    wanted: Wanted::Ids(ids),
                    fields: plan.fields(entity).unwrap_or_default().to_vec(),
                })
                .collect();
            if finds.is_empty() {
                return Ok(related);
            }
            let found = self.door.engine.find(&self.caller, finds).await?;
            let new: Vec<Record> = found.into_iter().flatten().map(|hit| hit.record).collect();
            wanted = plan.references(new.iter());
            for record in new {
                related.insert(record.id, record);
            }
            for ids in wanted.values_mut() {
                ids.retain(|id| !related.contains_key(id));
            }
            wanted.retain(|_, ids| !ids.is_empty());
        }
    }
}
