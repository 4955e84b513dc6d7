//! Settling: in the write turn, placeholders become ids, codes, numbers, revisions and instants.

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::{CodeForm, Outcome, RowReport};
use crate::catalogue::{Catalogue, Entity, EntityIx, FieldIx, KeyIx};
use crate::changes::{Change, ChangeKind, NewCode, Plan};
use crate::find::{Find, Finder, Wanted};
use crate::keys::{KeyHash, KeySecret};
use crate::names::{Company, InternalId};
use crate::page::{Entry, Operation, PageBuilder, RowFate};
use crate::row::{By, State};
use crate::value::Value;

/// What only one writer at a time may know: the head of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Seq of the last journal entry.
    pub seq: u64,
    /// Instant of the last commit, milliseconds since 1970.
    pub instant: i64,
    /// Version of the catalogue.
    pub catalogue_version: u64,
    /// Counters by name: last internal ids, next numbers, highest numbers that callers gave.
    pub counters: BTreeMap<Box<str>, i64>,
}

impl Head {
    /// Takes the instant of the next commit: later than the one before, even if the clock is not.
    pub fn tick(&mut self, now_ms: i64) -> i64 {
        self.instant = now_ms.max(self.instant + 1);
        self.instant
    }

    fn counter(&mut self, name: &str) -> &mut i64 {
        if !self.counters.contains_key(name) {
            self.counters.insert(name.into(), 0);
        }
        self.counters.get_mut(name).unwrap_or_else(|| unreachable!("the counter was just made"))
    }
}

/// One set of rows for the store's best bulk form. Sets are written in the order given.
#[derive(Debug, Clone)]
pub enum Write {
    /// New records that fill the same columns.
    Insert(InsertSet),
    /// Records that change the same columns.
    Update(UpdateSet),
    /// Records that get another code: id and code.
    Rename(EntityIx, Vec<(InternalId, Box<str>)>),
    /// Records marked as deleted, merged or live: id, revision, state.
    Mark(MarkSet),
    /// Records that go for good.
    Remove(EntityIx, Vec<InternalId>),
    /// Long values, by their hash; one already there is left alone.
    Blobs(Vec<([u8; 32], Vec<u8>)>),
}

/// New records of one entity that fill the same columns.
#[derive(Debug, Clone)]
pub struct InsertSet {
    /// The kind of record.
    pub entity: EntityIx,
    /// Their columns.
    pub fields: Vec<FieldIx>,
    /// When they were added and changed.
    pub instant: i64,
    /// Their export mark.
    pub export_mark: u8,
    /// The records, each with values in the order of `fields`.
    pub rows: Vec<InsertRow>,
}

/// One new record.
#[derive(Debug, Clone)]
pub struct InsertRow {
    /// Internal id.
    pub id: InternalId,
    /// Company.
    pub company: Company,
    /// Code.
    pub code: Box<str>,
    /// Revision.
    pub revision: u64,
    /// Values.
    pub values: Vec<Value>,
}

/// Records of one entity that change the same columns.
#[derive(Debug, Clone)]
pub struct UpdateSet {
    /// The kind of record.
    pub entity: EntityIx,
    /// The columns.
    pub fields: Vec<FieldIx>,
    /// When they changed.
    pub instant: i64,
    /// Their export mark; `None` leaves it.
    pub export_mark: Option<u8>,
    /// Id, revision and values in the order of `fields`.
    pub rows: Vec<(InternalId, u64, Vec<Value>)>,
}

/// Records of one entity whose state changes.
#[derive(Debug, Clone)]
pub struct MarkSet {
    /// The kind of record.
    pub entity: EntityIx,
    /// When they changed.
    pub instant: i64,
    /// Their export mark; `None` leaves it.
    pub export_mark: Option<u8>,
    /// Id, revision, state.
    pub rows: Vec<(InternalId, u64, State)>,
}

/// What one chunk comes to once it has its turn.
#[derive(Debug, Default)]
pub struct Settled {
    /// What to write.
    pub writes: Vec<Write>,
    /// Journal and ledger of the chunk.
    pub page: PageBuilder,
    /// Hashes of everything that changed, for plans that looked at it.
    pub touched: Vec<KeyHash>,
    /// The rows, for the report.
    pub rows: Vec<RowReport>,
}

/// What settling needs beside the plan.
pub struct Settling<'a> {
    /// The catalogue that the plan was made with.
    pub catalogue: &'a Catalogue,
    /// Secret of key hashes.
    pub secret: KeySecret,
    /// The instant of the commit.
    pub instant: i64,
    /// See [`crate::batch::Parameters::export_mark`].
    pub export_mark: Option<u8>,
    /// What the rows of other chunks of the same turn bring; empty when there are none.
    pub given: &'a Given,
}

/// Settles one chunk. `ids` maps the placeholders of the batch to internal ids and grows with it.
pub fn settle<F: Finder + ?Sized>(
    settling: &Settling<'_>,
    finder: &mut F,
    head: &mut Head,
    ids: &mut Vec<InternalId>,
    mut plan: Plan,
) -> Result<Settled, F::Error> {
    let given = Given::by(settling.catalogue, &plan.changes);
    given.raise(settling.catalogue, head);
    settling.given.raise(settling.catalogue, head);
    let given = [settling.given, &given];
    assign_ids(settling, finder, head, ids, &given, &mut plan.changes)?;
    assign_numbers(settling, finder, head, &given, &mut plan.changes)?;
    let mut settled = Settled::default();
    settled.page.instant = settling.instant;
    settled.page.first_seq = head.seq + 1;
    let mut sets = Sets::new(settling);
    let mut entities = BTreeSet::new();
    let mut fates: Vec<RowReport> = plan.rows.into_iter().map(report_of).collect();
    for mut change in plan.changes {
        head.seq += 1;
        let entity = settling.catalogue.entity(change.entity);
        change.id = known(ids, change.id);
        replace_placeholders(ids, &mut change.kind);
        let (operation, code) = entry_of(&change);
        touch(settling, entity, &change, &code, &mut settled.touched);
        entities.insert(change.entity);
        let row = change.row.map(|place| fates[place as usize].row);
        settled.page.change(
            entity,
            Entry { seq: head.seq, row, company: change.company, id: change.id, code: &code, operation },
        );
        if let Some(place) = change.row {
            let fate = &mut fates[place as usize];
            fate.record = Some(change.id);
            fate.revision = head.seq;
            fate.numbers = numbers_of(entity, &change.kind);
            fate.code = Some(code);
        }
        sets.add(change, head.seq);
    }
    settled.touched.extend(entities.into_iter().map(|entity| settling.secret.whole(entity)));
    for fate in &mut fates {
        fate.record = fate.record.map(|id| known(ids, id));
        let entity = settling.catalogue.entity(fate.entity);
        if !matches!(fate.outcome, Outcome::Refused | Outcome::Skipped) {
            settled.page.fate(
                entity,
                RowFate {
                    row: fate.row,
                    id: fate.id.as_deref(),
                    record: fate.record,
                    outcome: fate.outcome,
                    revision: fate.revision,
                    code: fate.code.as_deref(),
                },
            );
        }
    }
    settled.rows = fates;
    settled.writes = sets.finish(std::mem::take(&mut settled.page.blobs));
    Ok(settled)
}

fn report_of(planned: crate::changes::Planned) -> RowReport {
    RowReport {
        row: planned.number,
        id: planned.id,
        entity: planned.entity,
        outcome: planned.outcome,
        record: planned.record,
        company: planned.company,
        code: planned.code,
        revision: planned.revision,
        numbers: Vec::new(),
    }
}

fn known(ids: &[InternalId], id: InternalId) -> InternalId {
    match id.new_record() {
        Some(n) => ids[n as usize],
        None => id,
    }
}

fn replace_placeholders(ids: &[InternalId], kind: &mut ChangeKind) {
    let replace = |value: &mut Value| match value {
        Value::Reference(id) => *id = known(ids, *id),
        Value::References(many) => {
            for id in many.iter_mut() {
                *id = known(ids, *id);
            }
        }
        _ => {}
    };
    match kind {
        ChangeKind::Insert { values, .. } | ChangeKind::Revive { values, .. } => {
            values.iter_mut().for_each(|(_, value)| replace(value));
        }
        ChangeKind::Update { fields, .. } => fields.iter_mut().for_each(|(_, _, after)| replace(after)),
        ChangeKind::Mark { .. } | ChangeKind::Remove { .. } => {}
    }
}

/// What the journal says of a change, with the record's code.
fn entry_of(change: &Change) -> (Operation<'_>, Box<str>) {
    match &change.kind {
        ChangeKind::Insert { code, values, .. } => {
            let code = match code {
                NewCode::Given(code) => code.clone(),
                _ => Box::default(),
            };
            (Operation::Added(values), code)
        }
        ChangeKind::Revive { code, new_code, values, .. } => {
            (Operation::Added(values), new_code.as_ref().unwrap_or(code).clone())
        }
        ChangeKind::Update { code, new_code, fields, .. } => {
            let before = new_code.as_ref().map(|_| &**code);
            (Operation::Updated { fields, code_before: before }, new_code.as_ref().unwrap_or(code).clone())
        }
        ChangeKind::Mark { code, values, .. } | ChangeKind::Remove { code, values } => {
            (Operation::Deleted(values), code.clone())
        }
    }
}

fn numbers_of(entity: &Entity, kind: &ChangeKind) -> Vec<(FieldIx, Box<str>)> {
    let values = match kind {
        ChangeKind::Insert { values, .. } | ChangeKind::Revive { values, .. } => values,
        _ => return Vec::new(),
    };
    let rules = entity.numbering.iter().filter_map(|rule| rule.field);
    rules
        .filter_map(|field| {
            let at = values.binary_search_by_key(&field, |(ix, _)| *ix).ok()?;
            Some((field, values[at].1.as_text()?.into()))
        })
        .collect()
}

/// Notes every hash that this change makes stale in plans of others.
fn touch(settling: &Settling<'_>, entity: &Entity, change: &Change, code: &str, touched: &mut Vec<KeyHash>) {
    let secret = settling.secret;
    touched.push(secret.id(change.id));
    if let ChangeKind::Revive { code, new_code: Some(_), .. } = &change.kind {
        touched.push(secret.text(entity.ix, change.company, By::Code, code));
    }
    match &change.kind {
        ChangeKind::Update { given_up, taken, .. } => {
            touched.extend(given_up.iter().chain(taken));
        }
        ChangeKind::Insert { values, .. } | ChangeKind::Revive { values, .. } => {
            touched.push(secret.text(entity.ix, change.company, By::Code, code));
            for (n, key) in entity.keys.iter().enumerate() {
                let value = |field: FieldIx| {
                    let at = values.binary_search_by_key(&field, |(ix, _)| *ix).ok()?;
                    Some(&values[at].1)
                };
                let complete = key.fields.iter().all(|(field, null)| *null || value(*field).is_some());
                if complete {
                    let parts = key.fields.iter().map(|(field, _)| value(*field).unwrap_or(&Value::Null));
                    touched.push(secret.values(entity.ix, change.company, By::Key(KeyIx(n as u16)), parts));
                }
            }
        }
        ChangeKind::Mark { .. } | ChangeKind::Remove { .. } => {
            touched.push(secret.text(entity.ix, change.company, By::Code, code));
        }
    }
}

/// The name of a counter.
fn counter_name(kind: &str, entity: &Entity, field: Option<FieldIx>) -> String {
    match field {
        Some(field) => format!("{kind}:{}.{}", entity.name, entity.field(field).name),
        None => format!("{kind}:{}", entity.name),
    }
}

fn assign_ids<F: Finder + ?Sized>(
    settling: &Settling<'_>,
    finder: &mut F,
    head: &mut Head,
    ids: &mut Vec<InternalId>,
    given: &[&Given],
    changes: &mut [Change],
) -> Result<(), F::Error> {
    for change in changes.iter_mut() {
        let Some(n) = change.id.new_record() else { continue };
        let entity = settling.catalogue.entity(change.entity);
        let first = i64::from(entity.prefix) * InternalId::SPAN;
        let mut id = first + *head.counter(&counter_name("id", entity, None)) + 1;
        if matches!(&change.kind, ChangeKind::Insert { code: NewCode::Form(CodeForm::InternalId), .. }) {
            // A caller may have given these very digits to another record.
            let series = Series { entity, company: change.company, field: None, by: By::Code, given };
            let highest = *head.counter(&counter_name("given", entity, None));
            id = series.first_free(finder, id, highest, |id| id.to_string())?;
        }
        *head.counter(&counter_name("id", entity, None)) = id - first;
        debug_assert_eq!(ids.len(), n as usize, "placeholders are given in the order of changes");
        ids.push(InternalId(id));
        if let ChangeKind::Insert { code, .. } = &mut change.kind
            && let NewCode::Form(form) = code
        {
            *code = NewCode::Given(match form {
                CodeForm::InternalId => id.to_string().into(),
                CodeForm::Hex => hex_code(settling, InternalId(id)).into(),
            });
        }
    }
    Ok(())
}

/// 32 upper-case hex digits, ascending with time so that indexes grow at one end.
fn hex_code(settling: &Settling<'_>, id: InternalId) -> String {
    let tail = settling.secret.id(id) as u32 & 0xff_ffff;
    format!("{:011X}{:015X}{tail:06X}", settling.instant.max(0), id.0)
}

/// Codes or numbers that are given one after the other.
struct Series<'a> {
    entity: &'a Entity,
    company: Company,
    /// The field; `None` for the code.
    field: Option<FieldIx>,
    by: By,
    given: &'a [&'a Given],
}

impl Series<'_> {
    /// The first number from `next` on that no record has. Beyond `highest` none is taken.
    fn first_free<F: Finder + ?Sized>(
        &self,
        finder: &mut F,
        mut next: i64,
        highest: i64,
        print: impl Fn(i64) -> String,
    ) -> Result<i64, F::Error> {
        // Who gave one number often gave thousands: ask for ever more at a time.
        let mut width = 1;
        while next <= highest {
            let last = highest.min(next + width - 1);
            let texts: Vec<Box<str>> = (next..=last).map(|number| print(number).into()).collect();
            let taken = self.taken(finder, &texts)?;
            let free = (next..=last).zip(taken).position(|(number, taken)| {
                let holds = |given: &&Given| given.holds(self.entity.ix, self.company, self.field, number);
                !taken && !self.given.iter().any(holds)
            });
            if let Some(free) = free {
                return Ok(next + free as i64);
            }
            next = last + 1;
            width = (width * 2).min(1000);
        }
        Ok(next)
    }

    fn taken<F: Finder + ?Sized>(&self, finder: &mut F, texts: &[Box<str>]) -> Result<Vec<bool>, F::Error> {
        let wanted = match self.by {
            By::Key(key) => {
                Wanted::Keys(key, texts.iter().map(|text| vec![Value::Text(text.clone())]).collect())
            }
            _ => Wanted::Codes(texts.to_vec()),
        };
        let find = Find { entity: self.entity.ix, company: self.company, wanted, fields: Vec::new() };
        let mut taken = vec![false; texts.len()];
        finder.find(&find)?.iter().for_each(|hit| taken[hit.at as usize] = true);
        Ok(taken)
    }
}

fn assign_numbers<F: Finder + ?Sized>(
    settling: &Settling<'_>,
    finder: &mut F,
    head: &mut Head,
    given: &[&Given],
    changes: &mut [Change],
) -> Result<(), F::Error> {
    for change in changes {
        let entity = settling.catalogue.entity(change.entity);
        let company = change.company;
        let mut next = |field: Option<FieldIx>| -> Result<Box<str>, F::Error> {
            let Some(rule) = entity.numbering_of(field) else { return Ok(Box::default()) };
            let print = |number: i64| rule.print(number as u64);
            let mut number = (*head.counter(&counter_name("next", entity, field))).max(rule.next as i64);
            let by = match field {
                None => Some(By::Code),
                Some(field) => entity.key_of_field(field).map(By::Key),
            };
            // A field that is no key may hold a number twice.
            if let Some(by) = by {
                let series = Series { entity, company, field, by, given };
                let highest = *head.counter(&counter_name("given", entity, field));
                number = series.first_free(finder, number, highest, print)?;
            }
            *head.counter(&counter_name("next", entity, field)) = number + 1;
            Ok(print(number).into())
        };
        let (values, numbered) = match &mut change.kind {
            ChangeKind::Insert { code, values, numbered, .. } => {
                if *code == NewCode::Numbered {
                    *code = NewCode::Given(next(None)?);
                }
                (values, std::mem::take(numbered))
            }
            ChangeKind::Revive { values, numbered, .. } => (values, std::mem::take(numbered)),
            _ => continue,
        };
        for field in numbered {
            let text = Value::Text(next(Some(field))?);
            if let Err(at) = values.binary_search_by_key(&field, |(ix, _)| *ix) {
                values.insert(at, (field, text));
            }
        }
    }
    Ok(())
}

mod given;
mod sets;

pub use given::Given;
use sets::Sets;

#[cfg(test)]
mod tests;
