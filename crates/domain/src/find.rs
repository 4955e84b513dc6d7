//! What planning asks of a store: records by sets of keys.

use crate::catalogue::{EntityIx, FieldIx, KeyIx};
use crate::names::{Company, InternalId};
use crate::row::{By, State};
use crate::value::Value;

/// A set of records wanted by one kind of key.
#[derive(Debug, Clone)]
pub struct Find {
    /// The kind of record.
    pub entity: EntityIx,
    /// The company in which codes and keys are looked up; shared records are in
    /// [`Company::SHARED`].
    pub company: Company,
    /// The kind of key, with the keys.
    pub wanted: Wanted,
    /// Fields wanted of each record.
    pub fields: Vec<FieldIx>,
}

/// The keys of a [`Find`].
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Internal ids; the company does not matter.
    Ids(Vec<InternalId>),
    /// Codes.
    Codes(Vec<Box<str>>),
    /// Values of a further key, field by field.
    Keys(KeyIx, Vec<Vec<Value>>),
    /// Values of one field, which several records may share. Deleted records do not answer.
    Fields(FieldIx, Vec<Value>),
}

impl Wanted {
    /// How many keys.
    pub fn len(&self) -> usize {
        match self {
            Wanted::Ids(ids) => ids.len(),
            Wanted::Codes(codes) => codes.len(),
            Wanted::Keys(_, keys) => keys.len(),
            Wanted::Fields(_, values) => values.len(),
        }
    }

    /// True when nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the keys are.
    pub fn by(&self) -> By {
        match self {
            Wanted::Ids(_) => By::Id,
            Wanted::Codes(_) => By::Code,
            Wanted::Keys(key, _) => By::Key(*key),
            Wanted::Fields(field, _) => By::Field(*field),
        }
    }
}

/// A stored record, as far as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Internal id.
    pub id: InternalId,
    /// Company; 0 for shared entities.
    pub company: Company,
    /// Code.
    pub code: Box<str>,
    /// Revision.
    pub revision: u64,
    /// Deleted, merged or neither.
    pub state: State,
    /// When it was added, milliseconds since 1970.
    pub created_at: i64,
    /// When it last changed.
    pub changed_at: i64,
    /// Its export mark.
    pub export_mark: u8,
    /// Values of the fields asked for, in that order.
    pub values: Vec<Value>,
}

/// A record that a key of a [`Find`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Which key, by its place in the find.
    pub at: u32,
    /// The record.
    pub record: Record,
}

/// Answers what planning asks, at one moment of the database.
pub trait Finder {
    /// What prevents an answer.
    type Error;

    /// Finds records by a set of keys, each key's records together, in the order of the keys.
    fn find(&mut self, find: &Find) -> Result<Vec<Found>, Self::Error>;

    /// Which of `ids` are referred to by a record whose field `via` of `entity` names them,
    /// deleted records included, those in `except` excluded.
    fn referred(
        &mut self,
        entity: EntityIx,
        via: FieldIx,
        ids: &[InternalId],
        except: &[InternalId],
    ) -> Result<Vec<InternalId>, Self::Error>;

    /// Live records of `entity` whose field `via` names one of `parents`.
    fn children(
        &mut self,
        entity: EntityIx,
        via: FieldIx,
        parents: &[InternalId],
        fields: &[FieldIx],
    ) -> Result<Vec<Record>, Self::Error>;

    /// The existing keys next to a text that names nothing, at most two.
    fn neighbours(
        &mut self,
        entity: EntityIx,
        company: Company,
        by: By,
        text: &str,
    ) -> Result<Vec<Box<str>>, Self::Error>;
}
