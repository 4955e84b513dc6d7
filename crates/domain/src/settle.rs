//! Settling: in the write turn, placeholders become ids, codes, numbers, revisions and instants.

use std::collections::{BTreeMap, HashMap};

use crate::batch::{CodeForm, Outcome, RowReport};
use crate::catalogue::{Catalogue, Entity, EntityIx, FieldIx, KeyIx, Numbering};
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
}

/// Settles one chunk. `ids` maps the placeholders of the batch to internal ids and grows with it.
pub fn settle<F: Finder + ?Sized>(
    settling: &Settling<'_>,
    finder: &mut F,
    head: &mut Head,
    ids: &mut Vec<InternalId>,
    mut plan: Plan,
) -> Result<Settled, F::Error> {
    note_given_numbers(settling.catalogue, head, &plan.changes);
    assign_ids(settling, finder, head, ids, &mut plan.changes)?;
    assign_numbers(settling, finder, head, &mut plan.changes)?;
    let mut settled = Settled::default();
    settled.page.instant = settling.instant;
    settled.page.first_seq = head.seq + 1;
    let mut sets = Sets::new(settling);
    let mut fates: Vec<RowReport> = plan.rows.into_iter().map(report_of).collect();
    for mut change in plan.changes {
        head.seq += 1;
        let entity = settling.catalogue.entity(change.entity);
        change.id = known(ids, change.id);
        replace_placeholders(ids, &mut change.kind);
        let (operation, code) = entry_of(entity, &change, &mut settled.page);
        touch(settling, entity, &change, &code, &mut settled.touched);
        let row = change.row.map(|place| fates[place as usize].row);
        settled.page.change(entity, Entry { seq: head.seq, row, company: change.company, id: change.id, code: &code, operation });
        if let Some(place) = change.row {
            let fate = &mut fates[place as usize];
            fate.record = Some(change.id);
            fate.revision = head.seq;
            fate.numbers = numbers_of(entity, &change.kind);
            fate.code = Some(code);
        }
        sets.add(change, head.seq);
    }
    for fate in &mut fates {
        fate.record = fate.record.map(|id| known(ids, id));
        let entity = settling.catalogue.entity(fate.entity);
        if !matches!(fate.outcome, Outcome::Refused | Outcome::Skipped) {
            settled.page.fate(entity, RowFate { row: fate.row, id: fate.id.as_deref(), record: fate.record, outcome: fate.outcome, revision: fate.revision, code: fate.code.as_deref() });
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
fn entry_of<'c>(entity: &Entity, change: &'c Change, page: &mut PageBuilder) -> (Operation<'c>, Box<str>) {
    let _ = (entity, &page);
    match &change.kind {
        ChangeKind::Insert { code, values, .. } => {
            let code = match code {
                NewCode::Given(code) => code.clone(),
                _ => Box::default(),
            };
            (Operation::Added(values), code)
        }
        ChangeKind::Revive { code, values, .. } => (Operation::Added(values), code.clone()),
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
    let whole = secret.whole(entity.ix);
    if touched.first() != Some(&whole) {
        touched.push(whole);
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

/// The number that a text is under a rule; `None` when the rule would never print that text.
fn number_in(rule: &Numbering, text: &str) -> Option<i64> {
    let digits = text.strip_prefix(&*rule.prefix)?;
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    (rule.print(number) == text).then_some(number as i64)
}

/// Remembers numbers that callers gave themselves, so that ours avoid them.
fn note_given_numbers(catalogue: &Catalogue, head: &mut Head, changes: &[Change]) {
    let mut highest: HashMap<(EntityIx, Option<FieldIx>), i64> = HashMap::new();
    let mut note = |entity: &Entity, field: Option<FieldIx>, text: &str| {
        let own_digits = Numbering { field: None, prefix: "".into(), digits: 0, next: 0 };
        let rule = entity.numbering_of(field).unwrap_or(&own_digits);
        if let Some(number) = number_in(rule, text) {
            let slot = highest.entry((entity.ix, field)).or_insert(0);
            *slot = number.max(*slot);
        }
    };
    for change in changes {
        let entity = catalogue.entity(change.entity);
        let numbered = entity.numbering.iter().filter_map(|rule| rule.field);
        match &change.kind {
            ChangeKind::Insert { code, values, .. } => {
                if let NewCode::Given(code) = code {
                    note(entity, None, code);
                }
                for field in numbered {
                    if let Ok(at) = values.binary_search_by_key(&field, |(ix, _)| *ix)
                        && let Some(text) = values[at].1.as_text()
                    {
                        note(entity, Some(field), text);
                    }
                }
            }
            ChangeKind::Update { new_code, fields, .. } => {
                if let Some(code) = new_code {
                    note(entity, None, code);
                }
                for (field, _, after) in fields {
                    if entity.numbering_of(Some(*field)).is_some()
                        && let Some(text) = after.as_text()
                    {
                        note(entity, Some(*field), text);
                    }
                }
            }
            _ => {}
        }
    }
    for ((ix, field), number) in highest {
        let given = head.counter(&counter_name("given", catalogue.entity(ix), field));
        *given = number.max(*given);
    }
}

fn assign_ids<F: Finder + ?Sized>(
    settling: &Settling<'_>,
    finder: &mut F,
    head: &mut Head,
    ids: &mut Vec<InternalId>,
    changes: &mut [Change],
) -> Result<(), F::Error> {
    let catalogue = settling.catalogue;
    for change in changes.iter() {
        let Some(n) = change.id.new_record() else { continue };
        let entity = catalogue.entity(change.entity);
        let last = head.counter(&counter_name("id", entity, None));
        *last += 1;
        let mut id = InternalId(i64::from(entity.prefix) * InternalId::SPAN + *last);
        let in_digits = matches!(&change.kind, ChangeKind::Insert { code: NewCode::Form(CodeForm::InternalId), .. });
        if in_digits {
            // A caller may have given these very digits to another record.
            let given = *head.counter(&counter_name("given", entity, None));
            while given >= id.0 && is_taken(finder, entity, change.company, By::Code, &id.to_string())? {
                let last = head.counter(&counter_name("id", entity, None));
                *last += 1;
                id = InternalId(i64::from(entity.prefix) * InternalId::SPAN + *last);
            }
        }
        debug_assert_eq!(ids.len(), n as usize, "placeholders are given in the order of changes");
        ids.push(id);
    }
    for change in changes.iter_mut() {
        let id = known(ids, change.id);
        if let ChangeKind::Insert { code, .. } = &mut change.kind
            && let NewCode::Form(form) = code
        {
            *code = NewCode::Given(match form {
                CodeForm::InternalId => id.to_string().into(),
                CodeForm::Hex => hex_code(settling, id).into(),
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

fn is_taken<F: Finder + ?Sized>(finder: &mut F, entity: &Entity, company: Company, by: By, text: &str) -> Result<bool, F::Error> {
    let wanted = match by {
        By::Key(key) => Wanted::Keys(key, vec![vec![Value::Text(text.into())]]),
        _ => Wanted::Codes(vec![text.into()]),
    };
    let find = Find { entity: entity.ix, company, wanted, fields: Vec::new() };
    Ok(!finder.find(&find)?.is_empty())
}

fn assign_numbers<F: Finder + ?Sized>(
    settling: &Settling<'_>,
    finder: &mut F,
    head: &mut Head,
    changes: &mut [Change],
) -> Result<(), F::Error> {
    for change in changes {
        let entity = settling.catalogue.entity(change.entity);
        let company = change.company;
        let mut next = |field: Option<FieldIx>| -> Result<Box<str>, F::Error> {
            let Some(rule) = entity.numbering_of(field) else { return Ok(Box::default()) };
            let by = match field.and_then(|field| entity.key_of_field(field)) {
                Some(key) => Some(By::Key(key)),
                None if field.is_none() => Some(By::Code),
                None => None,
            };
            let given = *head.counter(&counter_name("given", entity, field));
            let counter = head.counter(&counter_name("next", entity, field));
            loop {
                let number = (*counter).max(rule.next as i64);
                *counter = number + 1;
                let text = rule.print(number as u64);
                match by {
                    Some(by) if given >= number && is_taken(finder, entity, company, by, &text)? => {}
                    _ => return Ok(text.into()),
                }
            }
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

mod sets;
use sets::Sets;

#[cfg(test)]
mod tests;
