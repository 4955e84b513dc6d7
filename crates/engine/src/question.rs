//! Questions about records.

use std::collections::HashMap;
use std::sync::Arc;

use domain::catalogue::{Catalogue, Entity, EntityIx, FieldIx};
use domain::field::FieldType;
use domain::filter::{ResolveError, lookup_in};
use domain::find::{Find, Found, Record, Wanted};
use domain::names::{Company, InternalId};
use domain::query::{Column, Condition, Select};
use domain::value::Value;
use store::Reader;

use crate::{Caller, Engine, Error};

/// Which records.
#[derive(Debug, Clone)]
pub enum Filter {
    /// In the grammar of [`domain::filter`].
    Text(String),
    /// As a condition.
    Condition(Condition),
}

/// A question about records of one entity.
#[derive(Debug, Clone)]
pub struct Question {
    /// The kind of record.
    pub entity: EntityIx,
    /// Only records for which this holds.
    pub filter: Option<Filter>,
    /// Fields wanted; all where empty.
    pub fields: Vec<FieldIx>,
    /// Order; ties in the order of internal ids.
    pub order: Vec<(Column, bool)>,
    /// Where to go on: what [`Records::next`] gave.
    pub after: Option<Vec<Value>>,
    /// Records left out first.
    pub offset: u64,
    /// At most so many records.
    pub limit: u32,
    /// Logically deleted records too.
    pub with_deleted: bool,
    /// Codes of referenced records are wanted.
    pub with_codes: bool,
}

impl Question {
    /// All live records of an entity with all fields, up to `limit`.
    pub fn all(entity: EntityIx, limit: u32) -> Self {
        Question {
            entity,
            filter: None,
            fields: Vec::new(),
            order: Vec::new(),
            after: None,
            offset: 0,
            limit,
            with_deleted: false,
            with_codes: true,
        }
    }
}

/// A page of records.
#[derive(Debug, Clone)]
pub struct Records {
    /// The catalogue they are described by.
    pub catalogue: Arc<Catalogue>,
    /// Their entity.
    pub entity: Arc<Entity>,
    /// The fields, in the order of each record's values.
    pub fields: Vec<FieldIx>,
    /// The records in order.
    pub records: Vec<Record>,
    /// Codes of the records that they refer to.
    pub codes: HashMap<InternalId, Box<str>>,
    /// What to pass as [`Question::after`] for the next page; `None` when this is the last.
    pub next: Option<Vec<Value>>,
    /// Seq of the journal at the moment of the answer.
    pub seq: u64,
}

impl Engine {
    /// Answers a question about records.
    pub async fn records(&self, caller: &Caller, question: Question) -> Result<Records, Error> {
        let catalogue = caller.project.catalogue();
        let entity = catalogue.entity(question.entity);
        may_read(caller, entity)?;
        let reading = caller.project.reading(false);
        let company = caller.company;
        let job = move |reader: &mut dyn Reader| Ok(answer(reader, question, company, &reading));
        self.read(caller.project(), job).await?
    }

    /// How many records a condition is about.
    pub async fn count(
        &self,
        caller: &Caller,
        entity: EntityIx,
        filter: Option<Condition>,
    ) -> Result<u64, Error> {
        let catalogue = caller.project.catalogue();
        may_read(caller, catalogue.entity(entity))?;
        let select = Select { filter, ..Select::all(catalogue.entity(entity), caller.company) };
        self.read(caller.project(), move |reader| reader.count(&select)).await
    }

    /// Finds records by sets of keys, as planning does: for doors that must know a record before
    /// they can say what they want of it. Each find is answered in its place.
    pub async fn find(&self, caller: &Caller, finds: Vec<Find>) -> Result<Vec<Vec<Found>>, Error> {
        let catalogue = caller.project.catalogue();
        for find in &finds {
            may_read(caller, catalogue.entity(find.entity))?;
        }
        self.read(caller.project(), move |reader| finds.iter().map(|find| reader.find(find)).collect()).await
    }

    /// Finds records for a caller who wants to write `written` and may not read what its rows name.
    ///
    /// Needs a right to write `written`, and answers only finds of what its records refer to, or of
    /// what refers to those. That is safe as long as doors use the answer to fill and check rows and
    /// never print it: whoever may write a reference learns from its outcome whether the record named
    /// is there, and nothing else.
    pub async fn find_for_write(
        &self,
        caller: &Caller,
        written: EntityIx,
        finds: Vec<Find>,
    ) -> Result<Vec<Vec<Found>>, Error> {
        let catalogue = caller.project.catalogue();
        let entity = catalogue.entity(written);
        let writes = ["insert", "update"].into_iter().any(|verb| caller.rights.has(verb, &entity.name));
        if !writes {
            return Err(Error::Forbidden { right: format!("insert:{}", entity.name) });
        }
        let refers =
            |from: &Entity, to: EntityIx| from.fields().any(|(_, field)| field.kind.target() == Some(to));
        let near = |of: EntityIx| {
            let of_field = |target: EntityIx| target == of || refers(catalogue.entity(of), target);
            of == written || entity.fields().filter_map(|(_, field)| field.kind.target()).any(of_field)
        };
        for find in &finds {
            if !near(find.entity) {
                may_read(caller, catalogue.entity(find.entity))?;
            }
        }
        self.read(caller.project(), move |reader| finds.iter().map(|find| reader.find(find)).collect()).await
    }

    /// The record of a code with all its fields; logically deleted ones are not found.
    pub async fn record(
        &self,
        caller: &Caller,
        entity: EntityIx,
        code: &str,
    ) -> Result<Option<Records>, Error> {
        let column = Condition::Compare(Column::Code, domain::query::Comparison::Eq, Value::text(code));
        let mut question = Question::all(entity, 1);
        question.filter = Some(Filter::Condition(column));
        let records = self.records(caller, question).await?;
        Ok(Some(records).filter(|records| !records.records.is_empty()))
    }
}

fn may_read(caller: &Caller, entity: &Entity) -> Result<(), Error> {
    if !entity.access.read {
        return Err(Error::Forbidden { right: format!("read:{}", entity.name) });
    }
    caller.require("read", &entity.name)
}

fn answer(
    reader: &mut dyn Reader,
    question: Question,
    company: Company,
    reading: &domain::field::Reading,
) -> Result<Records, Error> {
    let catalogue = reader.catalogue();
    let entity = catalogue.entity(question.entity).clone();
    let filter = match question.filter {
        None => None,
        Some(Filter::Condition(condition)) => Some(condition),
        Some(Filter::Text(text)) => Some(resolve(reader, &catalogue, &entity, &text, company, reading)?),
    };
    let mut select = Select { filter, ..Select::all(&entity, company) };
    if !question.fields.is_empty() {
        select.fields = question.fields;
    }
    select.order = question.order;
    select.after = question.after;
    select.offset = question.offset;
    select.limit = question.limit.saturating_add(1);
    select.with_deleted = question.with_deleted;
    // What the cursor needs and the caller did not ask for is read too and taken off again.
    let asked = select.fields.len();
    for (column, _) in &select.order {
        if let Column::Field(field) = column
            && !select.fields.contains(field)
        {
            select.fields.push(*field);
        }
    }
    let mut records = reader.select(&select)?;
    let more = records.len() > question.limit as usize;
    records.truncate(question.limit as usize);
    let next = records.last().filter(|_| more).map(|last| {
        let mut key: Vec<Value> =
            select.order.iter().map(|(column, _)| column_of(last, &select.fields, *column)).collect();
        key.push(Value::Integer(last.id.0));
        key
    });
    if select.fields.len() > asked {
        select.fields.truncate(asked);
        records.iter_mut().for_each(|record| record.values.truncate(asked));
    }
    let codes =
        if question.with_codes { codes(reader, &entity, &select.fields, &records)? } else { HashMap::new() };
    let seq = reader.head()?.seq;
    Ok(Records { catalogue, entity, fields: select.fields, records, codes, next, seq })
}

fn resolve(
    reader: &mut dyn Reader,
    catalogue: &Catalogue,
    entity: &Entity,
    text: &str,
    company: Company,
    reading: &domain::field::Reading,
) -> Result<Condition, Error> {
    let filter = domain::filter::parse(text).map_err(|fault| Error::Invalid(fault.to_string()))?;
    let mut look_up = lookup_in(catalogue, company, reader);
    filter.resolve(catalogue, entity.ix, reading, &mut look_up).map_err(|error| match error {
        ResolveError::Fault(fault) => Error::Invalid(fault.to_string()),
        ResolveError::Lookup(error) => Error::Store(error),
    })
}

/// The value of a column of a record that was read with `fields`.
pub(crate) fn column_of(record: &Record, fields: &[FieldIx], column: Column) -> Value {
    match column {
        Column::Id => Value::Integer(record.id.0),
        Column::Code => Value::Text(record.code.clone()),
        Column::Revision => Value::Integer(record.revision as i64),
        Column::CreatedAt => Value::Datetime(record.created_at),
        Column::ChangedAt => Value::Datetime(record.changed_at),
        Column::ExportMark => Value::Integer(i64::from(record.export_mark)),
        Column::Field(field) => match fields.iter().position(|ix| *ix == field) {
            Some(at) => record.values[at].clone(),
            None => Value::Null,
        },
    }
}

/// Codes of everything that records refer to, by set.
pub(crate) fn codes(
    reader: &mut dyn Reader,
    entity: &Entity,
    fields: &[FieldIx],
    records: &[Record],
) -> Result<HashMap<InternalId, Box<str>>, store::Error> {
    let mut codes = HashMap::new();
    let mut wanted: HashMap<EntityIx, Vec<InternalId>> = HashMap::new();
    for (at, field) in fields.iter().enumerate() {
        let target = match entity.field(*field).kind {
            FieldType::Reference(target) | FieldType::References(target) => target,
            _ => continue,
        };
        let ids = wanted.entry(target).or_default();
        for record in records {
            match &record.values[at] {
                Value::Reference(id) => ids.push(*id),
                Value::References(many) => ids.extend(many.iter()),
                _ => {}
            }
        }
    }
    for (target, mut ids) in wanted {
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            continue;
        }
        let find =
            Find { entity: target, company: Company::SHARED, wanted: Wanted::Ids(ids), fields: Vec::new() };
        codes.extend(reader.find(&find)?.into_iter().map(|hit| (hit.record.id, hit.record.code)));
    }
    Ok(codes)
}
