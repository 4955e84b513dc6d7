//! Questions: which records, which of their fields, in which order.

use crate::catalogue::{EntityIx, FieldIx};
use crate::names::Company;
use crate::value::Value;

/// What a question can compare, order by and print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// The internal id.
    Id,
    /// The code.
    Code,
    /// The revision.
    Revision,
    /// When the record was added.
    CreatedAt,
    /// When it last changed.
    ChangedAt,
    /// The export mark.
    ExportMark,
    /// A field of the entity.
    Field(FieldIx),
}

/// How a column is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// The text holds the value. Where the column has a folded form, case and accents do not
    /// count; the value is folded by whoever asks the database.
    Contains,
    /// The text begins with the value; as `Contains`.
    StartsWith,
}

/// A condition on records. A comparison with null is neither true nor false, also under `Not`.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of them hold; none of them holds trivially.
    And(Vec<Condition>),
    /// One of them holds.
    Or(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A column compared with a value; references with internal ids.
    Compare(Column, Comparison, Value),
    /// A column is one of the values.
    In(Column, Vec<Value>),
    /// A column has no value.
    IsNull(Column),
    /// Never holds: for references to records that do not exist.
    Never,
}

/// A page of records wanted.
#[derive(Debug, Clone)]
pub struct Select {
    /// The kind of record.
    pub entity: EntityIx,
    /// Only records of this company; [`Company::SHARED`] for shared entities.
    pub company: Company,
    /// Only records for which this holds.
    pub filter: Option<Condition>,
    /// Fields wanted of each record.
    pub fields: Vec<FieldIx>,
    /// Order, each with whether it descends; ties are in the order of internal ids, ascending.
    /// Nulls come first ascending and last descending.
    pub order: Vec<(Column, bool)>,
    /// Begins behind the record that has these values of `order`, then this internal id.
    pub after: Option<Vec<Value>>,
    /// Leaves out so many records first; for doors whose paging is by offset.
    pub offset: u64,
    /// At most so many records.
    pub limit: u32,
    /// Logically deleted and merged records too.
    pub with_deleted: bool,
}

impl Select {
    /// All live records of an entity with all its fields, by internal id, a thousand a page.
    pub fn all(entity: &crate::catalogue::Entity, company: Company) -> Self {
        let company = match entity.scope {
            crate::catalogue::Scope::Shared => Company::SHARED,
            crate::catalogue::Scope::Company => company,
        };
        Select {
            entity: entity.ix,
            company,
            filter: None,
            fields: entity.fields().map(|(ix, _)| ix).collect(),
            order: Vec::new(),
            after: None,
            offset: 0,
            limit: 1000,
            with_deleted: false,
        }
    }
}
