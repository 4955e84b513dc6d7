//! Records in memory for tests: asked as a store is, written as a store is, and told as text.
//!
//! A store, a row, a change are one line each: `event E1 label=x customer=C1`. A reference is a
//! code, or `number:N1` for another key; `null` clears; `@3` is an expected revision, `#a` the
//! caller's id, `-` no code.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::Write as _;

use crate::batch::{Parameters, RowReport};
use crate::catalogue::file::{EntityFile, compile};
use crate::catalogue::{Catalogue, Entity, EntityIx, FieldIx, KeyIx};
use crate::changes::{Change, ChangeKind, NewCode, Plan};
use crate::field::{FieldType, Reading, Scalar, read_scalar};
use crate::find::{Find, Finder, Found, Record, Wanted};
use crate::keys::KeySecret;
use crate::names::{Company, InternalId};
use crate::plan::{All, Made, Permits, Task, plan};
use crate::row::{By, Cell, Mode, Named, Row, State};
use crate::rule::Problem;
use crate::settle::{Head, Settled, Settling, Write, settle};
use crate::value::{Value, compare};

/// A unit is shared; a contact has a key with a reference; an event numbers itself, a ticket's
/// code does.
const ENTITIES: [&str; 5] = [
    "name = 'unit'
    plural = 'units'
    prefix = 105
    scope = 'shared'
    field = [{ name = 'name', type = 'text(20)' }]",
    "name = 'customer'
    plural = 'customers'
    prefix = 101
    field = [
        { name = 'name', type = 'text(20)', required = true },
        { name = 'number', type = 'text(20)' },
        { name = 'state', type = 'text(20)', default = 'ACTIVE' },
        { name = 'place', type = 'text(20)' },
        { name = 'parent', type = 'reference(customer)' },
        { name = 'unit', type = 'reference(unit)' },
        { name = 'score', type = 'integer', read_only = true },
    ]
    key = [{ name = 'number', fields = ['number'] }]",
    "name = 'contact'
    plural = 'contacts'
    prefix = 102
    field = [
        { name = 'customer', type = 'reference(customer)' },
        { name = 'position', type = 'text(20)' },
        { name = 'units', type = 'references(unit)' },
    ]
    key = [{ name = 'position', fields = ['customer', 'position'] }]",
    "name = 'event'
    plural = 'events'
    prefix = 104
    field = [
        { name = 'label', type = 'text(2000)' },
        { name = 'number', type = 'text(20)' },
        { name = 'customer', type = 'reference(customer)' },
        { name = 'unit', type = 'reference(unit)' },
        { name = 'sent_at', type = 'datetime' },
        { name = 'system', type = 'text(20)' },
        { name = 'foreign', type = 'text(20)' },
        { name = 'secret', type = 'text(20)', secret = true },
        { name = 'amount', type = 'decimal(8,2)' },
    ]
    key = [
        { name = 'number', fields = ['number'] },
        { name = 'foreign', fields = ['system', 'foreign'], null_is_value = ['system'] },
    ]
    numbering = [{ field = 'number', prefix = 'EV', digits = 4 }]",
    "name = 'ticket'
    plural = 'tickets'
    prefix = 106
    field = [{ name = 'label', type = 'text(20)' }]
    numbering = [{ field = 'code', prefix = 'T', digits = 3 }]",
];

/// The caller's company.
pub(crate) const COMPANY: Company = Company(1);
/// The secret of key hashes.
pub(crate) const SECRET: KeySecret = KeySecret(1, 2);

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) entity: EntityIx,
    pub(crate) record: Record,
}

/// The records, and the head of their project.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) catalogue: Catalogue,
    pub(crate) records: BTreeMap<InternalId, Stored>,
    pub(crate) head: Head,
    /// How often it was asked.
    pub(crate) asked: usize,
}

impl Memory {
    pub(crate) fn empty() -> Self {
        let files: Vec<EntityFile> = ENTITIES.iter().map(|text| toml::from_str(text).unwrap()).collect();
        let catalogue = compile(0, &files).unwrap();
        Memory { catalogue, records: BTreeMap::new(), head: Head::default(), asked: 0 }
    }

    /// Records as text: each refers only to those above it. `r3` gives a revision, `deleted` and
    /// `merged:C1` a state.
    pub(crate) fn of(text: &str) -> Self {
        let mut memory = Memory::empty();
        for line in lines(text) {
            memory.add(line);
        }
        memory
    }

    fn add(&mut self, line: &str) {
        let catalogue = self.catalogue.clone();
        let row = read_row(&catalogue, 1, line);
        let entity = catalogue.entity(row.entity);
        let counter = self.head.counters.entry(format!("id:{}", entity.name).into()).or_insert(0);
        *counter += 1;
        let id = InternalId(i64::from(entity.prefix) * InternalId::SPAN + *counter);
        self.head.seq += 1;
        let company = company_of(entity, row.company.unwrap_or(COMPANY));
        let mut record = Record {
            id,
            company,
            code: row.code.clone().unwrap_or_else(|| id.to_string().into()),
            revision: self.head.seq,
            state: State::Live,
            created_at: 0,
            changed_at: 0,
            export_mark: 0,
            values: vec![Value::Null; entity.fields.len()],
        };
        for (field, cell) in &row.cells {
            let target = entity.field(*field).kind.target().unwrap_or(row.entity);
            record.values[usize::from(field.0)] = match cell {
                Cell::Clear => Value::Null,
                Cell::Set(value) => value.clone(),
                Cell::Refer(named) => Value::Reference(self.id_of(target, named)),
                Cell::ReferMany(many) => {
                    Value::References(many.iter().map(|named| self.id_of(target, named)).collect())
                }
            };
        }
        for word in line.split_whitespace() {
            if word == "deleted" {
                record.state = State::Deleted;
            } else if let Some(code) = word.strip_prefix("merged:") {
                record.state =
                    State::Merged(self.id_of(entity.ix, &Named { by: By::Code, text: code.into() }));
            } else if let Some(revision) = word.strip_prefix('r').and_then(|text| text.parse().ok()) {
                record.revision = revision;
            }
        }
        self.records.insert(id, Stored { entity: entity.ix, record });
    }

    fn id_of(&self, entity: EntityIx, named: &Named) -> InternalId {
        let found =
            self.records.values().find(|stored| stored.entity == entity && stored.record.code == named.text);
        found.unwrap_or_else(|| panic!("no record {}", named.text)).record.id
    }

    /// Plans rows as one chunk.
    pub(crate) fn plan(&mut self, batch: &Batch<'_>, rows: Vec<Row>, made: &mut Made) -> Plan {
        let catalogue = self.catalogue.clone();
        let task = Task {
            catalogue: &catalogue,
            parameters: &batch.parameters,
            company: COMPANY,
            permits: batch.permits,
            secret: SECRET,
        };
        let Ok(plan) = plan(&task, self, rows, &batch.known, made);
        plan
    }

    /// Settles a plan and writes what it comes to.
    pub(crate) fn carry_out(&mut self, plan: Plan, ids: &mut Vec<InternalId>) -> Settled {
        let catalogue = self.catalogue.clone();
        let mut head = self.head.clone();
        let instant = head.tick(1_000);
        let given = crate::settle::Given::default();
        let (secret, export_mark) = (SECRET, Some(1));
        let settling = Settling { catalogue: &catalogue, secret, instant, export_mark, given: &given };
        let Ok(settled) = settle(&settling, self, &mut head, ids, plan);
        self.head = head;
        for write in &settled.writes {
            self.write(write);
        }
        self.check();
        settled
    }

    /// Plans, settles and writes rows as one chunk.
    pub(crate) fn run(&mut self, batch: &Batch<'_>, rows: Vec<Row>) -> Vec<RowReport> {
        let plan = self.plan(batch, rows, &mut Made::default());
        self.carry_out(plan, &mut Vec::new()).rows
    }

    /// Writes one set, as a database with foreign keys would.
    fn write(&mut self, write: &Write) {
        match write {
            Write::Insert(set) => {
                for row in &set.rows {
                    let mut values = vec![Value::Null; self.catalogue.entity(set.entity).fields.len()];
                    for (field, value) in set.fields.iter().zip(&row.values) {
                        self.must_exist(value);
                        values[usize::from(field.0)] = value.clone();
                    }
                    let record = Record {
                        id: row.id,
                        company: row.company,
                        code: row.code.clone(),
                        revision: row.revision,
                        state: State::Live,
                        created_at: set.instant,
                        changed_at: set.instant,
                        export_mark: set.export_mark,
                        values,
                    };
                    let before = self.records.insert(row.id, Stored { entity: set.entity, record });
                    assert_eq!(before, None, "an internal id is used twice");
                }
            }
            Write::Update(set) => {
                for (id, revision, values) in &set.rows {
                    values.iter().for_each(|value| self.must_exist(value));
                    let record = self.record(*id);
                    (record.revision, record.changed_at) = (*revision, set.instant);
                    record.export_mark = set.export_mark.unwrap_or(record.export_mark);
                    for (field, value) in set.fields.iter().zip(values) {
                        record.values[usize::from(field.0)] = value.clone();
                    }
                }
            }
            Write::Rename(_, rows) => rows.iter().for_each(|(id, code)| self.record(*id).code = code.clone()),
            Write::Mark(set) => {
                for (id, revision, state) in &set.rows {
                    let record = self.record(*id);
                    (record.revision, record.changed_at, record.state) = (*revision, set.instant, *state);
                    record.export_mark = set.export_mark.unwrap_or(record.export_mark);
                }
            }
            Write::Remove(_, ids) => ids.iter().for_each(|id| {
                assert!(self.records.remove(id).is_some(), "{id} goes twice");
            }),
            Write::Blobs(_) => {}
        }
    }

    fn record(&mut self, id: InternalId) -> &mut Record {
        &mut self.records.get_mut(&id).unwrap_or_else(|| panic!("no record {id}")).record
    }

    fn must_exist(&self, value: &Value) {
        if let Value::Reference(id) = value {
            assert!(self.records.contains_key(id), "{id} is referred to before it exists");
        }
    }

    /// Unique keys are unique, references lead somewhere.
    fn check(&self) {
        let mut taken = HashMap::new();
        for Stored { entity, record } in self.records.values() {
            record.values.iter().for_each(|value| self.must_exist(value));
            let entity = self.catalogue.entity(*entity);
            let code = (entity.ix, record.company, None, vec![Value::Text(record.code.clone())]);
            assert_eq!(taken.insert(code, record.id), None, "two records have the code {}", record.code);
            for n in 0..entity.keys.len() {
                let key = KeyIx(n as u16);
                if let Some(values) = key_values(entity, key, &record.values) {
                    let before = taken.insert((entity.ix, record.company, Some(key), values), record.id);
                    assert_eq!(
                        before,
                        None,
                        "two records have the {} of {}",
                        entity.key(key).name,
                        record.code
                    );
                }
            }
        }
    }

    /// All records as text, by entity and code.
    pub(crate) fn dump(&self) -> String {
        let mut lines: Vec<String> = self.records.values().map(|stored| self.line(stored)).collect();
        lines.sort();
        lines.join("\n")
    }

    fn line(&self, Stored { entity, record }: &Stored) -> String {
        let entity = self.catalogue.entity(*entity);
        let values: Vec<_> =
            entity.fields().map(|(ix, _)| (ix, record.values[usize::from(ix.0)].clone())).collect();
        let state = match record.state {
            State::Live => "",
            State::Deleted => " deleted",
            State::Merged(_) => " merged",
        };
        format!("{} {}{state}{}", entity.name, record.code, self.values(entity, &values))
    }

    fn values(&self, entity: &Entity, values: &[(FieldIx, Value)]) -> String {
        let mut text = String::new();
        for (field, value) in values.iter().filter(|(_, value)| !value.is_null()) {
            let _ = write!(text, " {}={}", entity.field(*field).name, self.shown(value));
        }
        text
    }

    fn shown(&self, value: &Value) -> String {
        let name = |id: &InternalId| match (id.new_record(), self.records.get(id)) {
            (Some(n), _) => format!("new{n}"),
            (None, Some(stored)) => stored.record.code.to_string(),
            (None, None) => format!("?{id}"),
        };
        match value {
            Value::Null => "null".to_owned(),
            Value::Text(text) => text.to_string(),
            Value::Integer(n) => n.to_string(),
            Value::Decimal(n) => crate::field::print_decimal(*n, 2),
            Value::Datetime(ms) => crate::instant::print_utc(*ms),
            Value::Reference(id) => name(id),
            Value::References(ids) => format!("[{}]", ids.iter().map(name).collect::<Vec<_>>().join(",")),
            other => format!("{other:?}"),
        }
    }

    /// A plan as text: rows with their outcomes and problems, then changes.
    pub(crate) fn tell(&self, plan: &Plan) -> String {
        let mut text = String::new();
        for row in &plan.rows {
            let entity = &self.catalogue.entity(row.entity).name;
            let code = row.code.as_deref().unwrap_or("-");
            let _ = writeln!(text, "{} {} {entity} {code}", row.number, row.outcome.name());
            for Problem { field, rule, message, hint, .. } in &row.problems {
                let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                let _ = writeln!(text, "    {field} {rule}: {message}{hint}");
            }
        }
        for change in &plan.changes {
            let _ = writeln!(text, "{}", self.change(change));
        }
        for difference in &plan.differences {
            let _ = writeln!(text, "? {} {}", difference.row, difference.outcome.name());
        }
        text
    }

    fn change(&self, Change { entity, id, kind, row, .. }: &Change) -> String {
        let entity = self.catalogue.entity(*entity);
        let name = self.shown(&Value::Reference(*id));
        let numbered = |fields: &[FieldIx]| -> String {
            fields.iter().map(|field| format!(" {}=?", entity.field(*field).name)).collect()
        };
        let told = match kind {
            ChangeKind::Insert { code, values, numbered: fields, level, patched } => {
                let code = match code {
                    NewCode::Given(code) => code.to_string(),
                    NewCode::Numbered => "by number".to_owned(),
                    NewCode::Form(form) => format!("{form:?}"),
                };
                let level = if *level > 0 { format!(" level {level}") } else { String::new() };
                let patched: String =
                    patched.iter().map(|field| format!(" patched {}", entity.field(*field).name)).collect();
                let values = self.values(entity, values);
                format!("+ {name} = {} {code}{values}{}{level}{patched}", entity.name, numbered(fields))
            }
            ChangeKind::Update { code, new_code, fields, .. } => {
                let renamed =
                    new_code.as_ref().map(|new| format!(" code {code} -> {new}")).unwrap_or_default();
                let fields: String = fields
                    .iter()
                    .map(|(ix, before, after)| {
                        format!(" {} {} -> {}", entity.field(*ix).name, self.shown(before), self.shown(after))
                    })
                    .collect();
                format!("~ {} {name}:{renamed}{fields}", entity.name)
            }
            ChangeKind::Revive { code, new_code, values, numbered: fields } => {
                let code = new_code.as_ref().unwrap_or(code);
                format!(
                    "* {} {name} as {code}{}{}",
                    entity.name,
                    self.values(entity, values),
                    numbered(fields)
                )
            }
            ChangeKind::Mark { state, .. } => format!("- {} {name} {state:?}", entity.name),
            ChangeKind::Remove { .. } => format!("- {} {name} for good", entity.name),
        };
        if row.is_some() { told } else { format!("{told}, an effect") }
    }
}

fn company_of(entity: &Entity, company: Company) -> Company {
    match entity.scope {
        crate::catalogue::Scope::Shared => Company::SHARED,
        crate::catalogue::Scope::Company => company,
    }
}

fn key_values(entity: &Entity, key: KeyIx, values: &[Value]) -> Option<Vec<Value>> {
    let parts = entity.key(key).fields.iter().map(|(field, null_is_value)| {
        let value = values[usize::from(field.0)].clone();
        (*null_is_value || !value.is_null()).then_some(value)
    });
    parts.collect()
}

impl Finder for Memory {
    type Error = Infallible;

    fn find(&mut self, find: &Find) -> Result<Vec<Found>, Infallible> {
        self.asked += 1;
        let entity = self.catalogue.entity(find.entity);
        let answers = |at: usize, Stored { record, .. }: &Stored| match &find.wanted {
            Wanted::Ids(ids) => record.id == ids[at],
            _ if record.company != find.company => false,
            Wanted::Codes(codes) => record.code == codes[at],
            Wanted::Keys(key, keys) => key_values(entity, *key, &record.values).as_ref() == Some(&keys[at]),
            Wanted::Fields(field, values) => {
                record.state == State::Live && record.values[usize::from(field.0)] == values[at]
            }
        };
        let mut found = Vec::new();
        for at in 0..find.wanted.len() {
            for stored in self.records.values().filter(|stored| stored.entity == find.entity) {
                if answers(at, stored) {
                    let values =
                        find.fields.iter().map(|field| stored.record.values[usize::from(field.0)].clone());
                    let record = Record { values: values.collect(), ..stored.record.clone() };
                    found.push(Found { at: at as u32, record });
                }
            }
        }
        Ok(found)
    }

    fn referred(
        &mut self,
        entity: EntityIx,
        via: FieldIx,
        ids: &[InternalId],
        except: &[InternalId],
    ) -> Result<Vec<InternalId>, Infallible> {
        let from = self.records.values().filter(|stored| stored.entity == entity);
        let from = from.filter(|stored| !except.contains(&stored.record.id));
        let named = from.flat_map(|stored| match &stored.record.values[usize::from(via.0)] {
            Value::Reference(id) => vec![*id],
            Value::References(ids) => ids.to_vec(),
            _ => Vec::new(),
        });
        Ok(named.filter(|id| ids.contains(id)).collect())
    }

    fn children(
        &mut self,
        entity: EntityIx,
        via: FieldIx,
        parents: &[InternalId],
        fields: &[FieldIx],
    ) -> Result<Vec<Record>, Infallible> {
        let all = self.records.values().filter(|stored| stored.entity == entity);
        let live = all.filter(|stored| stored.record.state == State::Live);
        let theirs = live.filter(|stored| {
            stored.record.values[usize::from(via.0)].as_reference().is_some_and(|id| parents.contains(&id))
        });
        let cut = |stored: &Stored| {
            let values = fields.iter().map(|field| stored.record.values[usize::from(field.0)].clone());
            Record { values: values.collect(), ..stored.record.clone() }
        };
        Ok(theirs.map(cut).collect())
    }

    fn neighbours(
        &mut self,
        entity: EntityIx,
        company: Company,
        by: By,
        text: &str,
    ) -> Result<Vec<Box<str>>, Infallible> {
        let described = self.catalogue.entity(entity);
        let live = self.records.values().filter(|stored| stored.record.state == State::Live);
        let own = live.filter(|stored| stored.entity == entity && stored.record.company == company);
        let mut keys: Vec<Value> = own
            .map(|stored| match by {
                By::Key(key) => stored.record.values[usize::from(described.key(key).fields[0].0.0)].clone(),
                By::Field(field) => stored.record.values[usize::from(field.0)].clone(),
                By::Code | By::Id => Value::Text(stored.record.code.clone()),
            })
            .collect();
        keys.sort_by(compare);
        let keys: Vec<Box<str>> = keys.iter().filter_map(|key| key.as_text().map(Into::into)).collect();
        let above = keys.partition_point(|key| **key < *text);
        Ok(keys[above.saturating_sub(1)..keys.len().min(above + 1)].to_vec())
    }
}

/// A batch beside its rows.
pub(crate) struct Batch<'a> {
    pub(crate) parameters: Parameters,
    pub(crate) permits: &'a dyn Permits,
    pub(crate) known: HashMap<u64, Problem>,
}

impl Batch<'_> {
    pub(crate) fn new(parameters: Parameters) -> Self {
        Batch { parameters, permits: &All, known: HashMap::new() }
    }
}

/// The lines of a text that say something.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Rows as text.
pub(crate) fn rows(catalogue: &Catalogue, text: &str) -> Vec<Row> {
    lines(text).enumerate().map(|(n, line)| read_row(catalogue, n as u64 + 1, line)).collect()
}

pub(crate) fn mode_of(word: &str) -> Option<Mode> {
    Some(match word {
        "create" => Mode::Create,
        "update" => Mode::Update,
        "upsert" => Mode::Upsert,
        "replace" => Mode::Replace,
        "delete" => Mode::Delete,
        _ => return None,
    })
}

fn read_row(catalogue: &Catalogue, number: u64, line: &str) -> Row {
    let mut words = line.split_whitespace().peekable();
    let mode = words.next_if(|word| mode_of(word).is_some()).and_then(mode_of);
    let name = words.next().unwrap_or_default();
    let entity = catalogue.find(name).unwrap_or_else(|| panic!("no entity {name}"));
    let mut row = Row { mode, ..Row::new(number, entity.ix) };
    row.code = words.next().filter(|code| *code != "-").map(Into::into);
    for word in words {
        if let Some(id) = word.strip_prefix('#') {
            row.id = Some(id.into());
        } else if let Some(revision) = word.strip_prefix('@') {
            row.revision = revision.parse().ok();
        } else if let Some(company) = word.strip_prefix('%') {
            row.company = company.parse().ok().map(Company);
        } else if let Some((name, text)) = word.split_once('=') {
            let (field, _) = entity.find_field(name).unwrap_or_else(|| panic!("no field {name}"));
            row.set(field, read_cell(catalogue, entity, field, text));
        }
    }
    row
}

fn read_cell(catalogue: &Catalogue, entity: &Entity, field: FieldIx, text: &str) -> Cell {
    let described = entity.field(field);
    if text == "null" {
        return Cell::Clear;
    }
    let named = |text: &str| match (text.split_once(':'), described.kind.target()) {
        (Some(("id", id)), _) => Named { by: By::Id, text: id.into() },
        (Some((name, text)), Some(target)) => {
            let target = catalogue.entity(target);
            let field = target.field_ix(name).unwrap_or_else(|| panic!("no field {name}"));
            Named { by: target.key_of_field(field).map_or(By::Field(field), By::Key), text: text.into() }
        }
        _ => Named { by: By::Code, text: text.into() },
    };
    match described.kind {
        FieldType::Reference(_) => Cell::Refer(named(text)),
        FieldType::References(_) => Cell::ReferMany(text.split(',').map(named).collect()),
        _ => {
            let reading = Reading { zone: jiff::tz::TimeZone::UTC, lenient: true };
            Cell::Set(read_scalar(described, &described.name, Scalar::Text(text), &reading).unwrap())
        }
    }
}
