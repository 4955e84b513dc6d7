//! The catalogue: the versioned description of all entities of a project.
//!
//! Built-in entities are files in `catalog/`; projects add fields and entities in the same format.
//! Stores derive tables from it, doors read names and types from it; no entity has code of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::field::FieldType;
use crate::value::Value;

mod builtin;
pub mod file;

pub use builtin::{BUILT_IN, RecordsFile, STANDARD_RECORDS, standard};

/// Place of an entity in its catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityIx(pub u16);

/// Place of a field in its entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldIx(pub u16);

/// Place of a further unique key in its entity. The code is no further key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyIx(pub u16);

/// Texts per language; the languages are in capitals (`EN`).
pub type Labels = BTreeMap<Box<str>, Box<str>>;

/// All entities of a project.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Grows with every change; 0 is the standard model alone.
    pub version: u64,
    entities: Vec<Arc<Entity>>,
    by_name: HashMap<Box<str>, EntityIx>,
    by_prefix: HashMap<u16, EntityIx>,
}

/// A kind of record.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Where it stands in the catalogue.
    pub ix: EntityIx,
    /// Singular, English, `snake_case`.
    pub name: Box<str>,
    /// Plural, for lists.
    pub plural: Box<str>,
    /// First three digits of its records' internal ids.
    pub prefix: u16,
    /// Whether each company has its own records.
    pub scope: Scope,
    /// What people call it.
    pub labels: Labels,
    /// Its fields in printing order; new ones are only ever appended.
    pub fields: Vec<Field>,
    /// Unique keys beside the code.
    pub keys: Vec<Key>,
    /// Further indexes, for questions often asked.
    pub indexes: Vec<Vec<FieldIx>>,
    /// Fields that number themselves.
    pub numbering: Vec<Numbering>,
    /// What callers may do to it at all.
    pub access: Access,
    /// True when the project added it.
    pub own: bool,
    by_name: HashMap<Box<str>, FieldIx>,
}

/// Whether each company of a project has records of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Records belong to one company.
    Company,
    /// One set for the project.
    Shared,
}

/// One field of an entity.
#[derive(Debug, Clone)]
pub struct Field {
    /// English, `snake_case`.
    pub name: Box<str>,
    /// What it holds.
    pub kind: FieldType,
    /// Must have a value in a new record.
    pub required: bool,
    /// Kept by Comptoir; callers cannot send it.
    pub read_only: bool,
    /// Never printed in the journal, in refusals or in differences.
    pub secret: bool,
    /// Has a folded form for searches without case and accents.
    pub search: bool,
    /// Whether a reference has an index.
    pub index: bool,
    /// Value in a new record that names none.
    pub default: Option<Value>,
    /// For references to `generic_type`: the value list meant, such as `COUNTRY`.
    pub data_type: Option<Box<str>>,
    /// What people call it.
    pub labels: Labels,
    /// True when the project added it.
    pub own: bool,
}

impl Field {
    /// A plain field of a type, for tests and translators.
    pub fn named(name: &str, kind: FieldType) -> Self {
        Field {
            name: name.into(),
            kind,
            required: false,
            read_only: false,
            secret: false,
            search: false,
            index: false,
            default: None,
            data_type: None,
            labels: Labels::new(),
            own: false,
        }
    }
}

/// A unique key beside the code.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its name, by which callers choose it.
    pub name: Box<str>,
    /// Its fields, in order, each with whether null counts as a value there. A null in a field
    /// where it does not count means that the record has no such key.
    pub fields: Vec<(FieldIx, bool)>,
}

/// How a code or number is given to records that bring none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// The field; `None` for the code.
    pub field: Option<FieldIx>,
    /// Text before the number.
    pub prefix: Box<str>,
    /// Digits at least; filled with zeros.
    pub digits: u8,
    /// First number.
    pub next: u64,
}

impl Numbering {
    /// Prints the `n`-th number of the rule.
    pub fn print(&self, n: u64) -> String {
        format!("{}{n:0width$}", self.prefix, width = usize::from(self.digits))
    }
}

/// What callers may do to an entity at all, whatever their rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Reading.
    pub read: bool,
    /// Adding records.
    pub insert: bool,
    /// Changing and deleting records.
    pub update: bool,
}

impl Default for Access {
    fn default() -> Self {
        Access { read: true, insert: true, update: true }
    }
}

impl Catalogue {
    /// Puts resolved entities together; prefixes and names are unique by then.
    fn new(version: u64, entities: Vec<Entity>) -> Self {
        let by_name = entities.iter().map(|entity| (entity.name.clone(), entity.ix)).collect();
        let by_prefix = entities.iter().map(|entity| (entity.prefix, entity.ix)).collect();
        let entities = entities.into_iter().map(Arc::new).collect();
        Catalogue { version, entities, by_name, by_prefix }
    }

    /// All entities in order.
    pub fn entities(&self) -> impl ExactSizeIterator<Item = &Arc<Entity>> {
        self.entities.iter()
    }

    /// The entity at a place of this catalogue.
    pub fn entity(&self, ix: EntityIx) -> &Arc<Entity> {
        &self.entities[usize::from(ix.0)]
    }

    /// The entity of a name, exact.
    pub fn find(&self, name: &str) -> Option<&Arc<Entity>> {
        self.by_name.get(name).map(|ix| self.entity(*ix))
    }

    /// The entity of a name in singular or plural.
    pub fn find_either(&self, name: &str) -> Option<&Arc<Entity>> {
        self.find(name).or_else(|| self.entities.iter().find(|entity| *entity.plural == *name))
    }

    /// The entity whose records' ids begin with `prefix`.
    pub fn of_prefix(&self, prefix: u16) -> Option<&Arc<Entity>> {
        self.by_prefix.get(&prefix).map(|ix| self.entity(*ix))
    }

    /// Fields of other entities (or the same) that refer to `target`.
    pub fn referring_to(&self, target: EntityIx) -> impl Iterator<Item = (&Arc<Entity>, FieldIx)> {
        self.entities.iter().flat_map(move |entity| {
            entity
                .fields
                .iter()
                .enumerate()
                .filter(move |(_, field)| field.kind.target() == Some(target))
                .map(move |(n, _)| (entity, FieldIx(n as u16)))
        })
    }
}

impl Entity {
    /// The field of a name, exact.
    pub fn field_ix(&self, name: &str) -> Option<FieldIx> {
        self.by_name.get(name).copied()
    }

    /// The field of a name with its place.
    pub fn find_field(&self, name: &str) -> Option<(FieldIx, &Field)> {
        self.field_ix(name).map(|ix| (ix, self.field(ix)))
    }

    /// The field at a place of this entity.
    pub fn field(&self, ix: FieldIx) -> &Field {
        &self.fields[usize::from(ix.0)]
    }

    /// All fields with their places.
    pub fn fields(&self) -> impl Iterator<Item = (FieldIx, &Field)> {
        self.fields.iter().enumerate().map(|(n, field)| (FieldIx(n as u16), field))
    }

    /// The further key of a name.
    pub fn find_key(&self, name: &str) -> Option<(KeyIx, &Key)> {
        let n = self.keys.iter().position(|key| *key.name == *name)?;
        Some((KeyIx(n as u16), &self.keys[n]))
    }

    /// The further key at a place of this entity.
    pub fn key(&self, ix: KeyIx) -> &Key {
        &self.keys[usize::from(ix.0)]
    }

    /// The further key that consists of this field alone.
    pub fn key_of_field(&self, field: FieldIx) -> Option<KeyIx> {
        let n = self.keys.iter().position(|key| key.fields.len() == 1 && key.fields[0].0 == field)?;
        Some(KeyIx(n as u16))
    }

    /// The numbering rule of a field, or of the code.
    pub fn numbering_of(&self, field: Option<FieldIx>) -> Option<&Numbering> {
        self.numbering.iter().find(|rule| rule.field == field)
    }

    /// What people who speak `language` call it, falling back to English, then to the name.
    pub fn label(&self, language: &str) -> &str {
        label_of(&self.labels, language, &self.name)
    }
}

/// The text of a language, falling back to English, then to `name`.
pub fn label_of<'a>(labels: &'a Labels, language: &str, name: &'a str) -> &'a str {
    labels.get(language).or_else(|| labels.get("EN")).map_or(name, |label| label)
}

#[cfg(test)]
mod tests;
