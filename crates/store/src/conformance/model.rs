//! What the promises are tried on: an entity with a field of every type.

use std::sync::Arc;

use domain::catalogue::file::{EntityFile, Overlay};
use domain::catalogue::{Catalogue, Entity, FieldIx};
use domain::find::{Find, Found, Record, Wanted};
use domain::names::{Company, InternalId, ProjectCode};
use domain::query::{Column, Condition, Select};
use domain::row::State;
use domain::settle::{InsertRow, InsertSet, MarkSet, UpdateSet, Write};
use domain::value::Value;

use crate::{Error, Reader, Store, Writer};

/// The company that most records belong to.
pub const COMPANY: Company = Company(1);

/// The instant at which records are made, milliseconds since 1970.
pub const INSTANT: i64 = 1_750_000_000_000;

const SPECIMEN: &str = r#"{
    "name": "specimen", "plural": "specimens", "prefix": 990,
    "field": [
        {"name": "title", "type": "text(200)", "search": true},
        {"name": "note", "type": "long_text"},
        {"name": "amount", "type": "integer"},
        {"name": "price", "type": "decimal(18,4)"},
        {"name": "ratio", "type": "float"},
        {"name": "active", "type": "boolean"},
        {"name": "seen_at", "type": "datetime"},
        {"name": "born", "type": "date"},
        {"name": "photo", "type": "binary"},
        {"name": "extra", "type": "json"},
        {"name": "parent", "type": "reference(specimen)"},
        {"name": "plain_parent", "type": "reference(specimen)", "index": false},
        {"name": "friends", "type": "references(specimen)"},
        {"name": "number", "type": "text(60)"},
        {"name": "system", "type": "text(60)"},
        {"name": "reference", "type": "text(60)"},
        {"name": "shelf", "type": "text(60)"},
        {"name": "rank", "type": "integer"},
        {"name": "select", "type": "text(20)"}
    ],
    "key": [
        {"name": "number", "fields": ["number"]},
        {"name": "external", "fields": ["system", "reference"], "null_is_value": ["system"]}
    ],
    "index": [{"fields": ["shelf", "rank"]}, {"fields": ["parent", "seen_at"]}]
}"#;

/// An overlay with the entity `specimen`.
pub fn overlay() -> Overlay {
    let specimen: EntityFile = serde_json::from_str(SPECIMEN).unwrap();
    Overlay { version: 1, entities: vec![specimen], ..Overlay::default() }
}

/// A project whose catalogue has `specimen`.
pub fn specimens(store: &dyn Store) -> (ProjectCode, Specimens) {
    specimens_in(store, "ACME")
}

/// The same in a project of another code.
pub fn specimens_in(store: &dyn Store, code: &str) -> (ProjectCode, Specimens) {
    let project = super::make_project(store, code);
    let catalogue = super::write(store, &project, |writer| writer.put_overlay(&overlay())).unwrap();
    (project, Specimens::of(&catalogue))
}

/// The entity `specimen`, with words for what tests want of it.
#[derive(Clone)]
pub struct Specimens {
    /// The entity.
    pub entity: Arc<Entity>,
}

impl Specimens {
    /// That of a catalogue.
    pub fn of(catalogue: &Catalogue) -> Self {
        Specimens { entity: Arc::clone(catalogue.find("specimen").unwrap()) }
    }

    /// The internal id of the `n`-th specimen.
    pub fn id(&self, n: i64) -> InternalId {
        InternalId(i64::from(self.entity.prefix) * InternalId::SPAN + n)
    }

    /// A field by name.
    pub fn field(&self, name: &str) -> FieldIx {
        self.entity.field_ix(name).unwrap()
    }

    /// A field by name, as a question names it.
    pub fn column(&self, name: &str) -> Column {
        Column::Field(self.field(name))
    }

    /// A set of new specimens: number, code and values of the named fields.
    pub fn insert(&self, fields: &[&str], rows: Vec<(i64, &str, Vec<Value>)>) -> Write {
        self.insert_in(COMPANY, fields, rows)
    }

    /// The same in another company.
    pub fn insert_in(&self, company: Company, fields: &[&str], rows: Vec<(i64, &str, Vec<Value>)>) -> Write {
        let rows = rows
            .into_iter()
            .map(|(n, code, values)| InsertRow {
                id: self.id(n),
                company,
                code: code.into(),
                revision: n as u64,
                values,
            })
            .collect();
        Write::Insert(InsertSet {
            entity: self.entity.ix,
            fields: fields.iter().map(|name| self.field(name)).collect(),
            instant: INSTANT,
            export_mark: 1,
            rows,
        })
    }

    /// A set of changed specimens: number, revision and values of the named fields.
    pub fn update(&self, fields: &[&str], rows: Vec<(i64, u64, Vec<Value>)>) -> Write {
        Write::Update(UpdateSet {
            entity: self.entity.ix,
            fields: fields.iter().map(|name| self.field(name)).collect(),
            instant: INSTANT + 1,
            export_mark: Some(2),
            rows: rows.into_iter().map(|(n, revision, values)| (self.id(n), revision, values)).collect(),
        })
    }

    /// A set of specimens in another state: number, revision, state.
    pub fn mark(&self, rows: Vec<(i64, u64, State)>) -> Write {
        Write::Mark(MarkSet {
            entity: self.entity.ix,
            instant: INSTANT + 2,
            export_mark: None,
            rows: rows.into_iter().map(|(n, revision, state)| (self.id(n), revision, state)).collect(),
        })
    }

    /// Finds specimens with all their fields.
    pub fn find(&self, reader: &mut dyn Reader, wanted: Wanted) -> Result<Vec<Found>, Error> {
        let fields = self.entity.fields().map(|(ix, _)| ix).collect();
        reader.find(&Find { entity: self.entity.ix, company: COMPANY, wanted, fields })
    }

    /// The specimen of a number.
    pub fn one(&self, reader: &mut dyn Reader, n: i64) -> Result<Option<Record>, Error> {
        let found = self.find(reader, Wanted::Ids(vec![self.id(n)]))?;
        Ok(found.into_iter().next().map(|found| found.record))
    }

    /// A value of a record read with all its fields.
    pub fn value<'r>(&self, record: &'r Record, field: &str) -> &'r Value {
        &record.values[usize::from(self.field(field).0)]
    }

    /// All live specimens for which a condition holds.
    pub fn all(&self, filter: Option<Condition>) -> Select {
        Select { filter, ..Select::all(&self.entity, COMPANY) }
    }

    /// Codes of the specimens that a question is about.
    pub fn codes(&self, reader: &mut dyn Reader, select: &Select) -> Result<Vec<String>, Error> {
        Ok(reader.select(select)?.into_iter().map(|record| record.code.into()).collect())
    }
}

/// Codes of found records, each with the place of its key.
pub fn places(found: &[Found]) -> Vec<(u32, &str)> {
    found.iter().map(|found| (found.at, &*found.record.code)).collect()
}

/// A text value.
pub fn text(text: &str) -> Value {
    Value::text(text)
}

/// Stores specimens in one turn.
pub fn store_all(store: &dyn Store, project: &ProjectCode, writes: Vec<Write>) {
    super::write(store, project, move |writer: &mut dyn Writer| writer.write(writes)).unwrap();
}

/// Name of the constraint that fired.
pub fn fired<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Constraint { name, .. }) => name,
        Err(other) => panic!("another error than a constraint: {other}"),
        Ok(_) => panic!("no constraint fired"),
    }
}
