//! Questions: which records, which of their fields, in which order.

use crate::catalogue::{Entity, EntityIx, FieldIx};
use crate::fold::fold;
use crate::names::Company;
use crate::value::{self, Value};

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
    /// A column compared with a value of its type: references with internal ids; id, revision and
    /// export mark with integers, `created_at` and `changed_at` with datetimes.
    Compare(Column, Comparison, Value),
    /// A column is one of the values.
    In(Column, Vec<Value>),
    /// A column has no value.
    IsNull(Column),
    /// Never holds: for references to records that do not exist.
    Never,
}

impl Condition {
    /// Says whether the condition holds for a record of `entity` whose columns have these values.
    ///
    /// Null is treated as both databases do: a comparison with it is neither true nor false, and
    /// only what is true holds.
    pub fn holds(&self, entity: &Entity, value_of: &dyn Fn(Column) -> Value) -> bool {
        self.truth(entity, value_of) == Some(true)
    }

    /// `None` when it is neither true nor false.
    fn truth(&self, entity: &Entity, value_of: &dyn Fn(Column) -> Value) -> Option<bool> {
        let mut unknown = false;
        match self {
            Condition::And(parts) | Condition::Or(parts) => {
                let deciding = matches!(self, Condition::Or(_));
                for part in parts {
                    match part.truth(entity, value_of) {
                        Some(truth) if truth == deciding => return Some(deciding),
                        Some(_) => {}
                        None => unknown = true,
                    }
                }
                (!unknown).then_some(!deciding)
            }
            Condition::Not(part) => part.truth(entity, value_of).map(|truth| !truth),
            Condition::Compare(column, comparison, with) => {
                compared(entity, *column, *comparison, &value_of(*column), with)
            }
            Condition::In(column, values) => {
                let held = value_of(*column);
                let equal = |with| compared(entity, *column, Comparison::Eq, &held, with);
                for value in values {
                    match equal(value) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => unknown = true,
                    }
                }
                (!unknown).then_some(false)
            }
            Condition::IsNull(column) => Some(value_of(*column).is_null()),
            Condition::Never => Some(false),
        }
    }
}

fn compared(
    entity: &Entity,
    column: Column,
    comparison: Comparison,
    held: &Value,
    with: &Value,
) -> Option<bool> {
    if held.is_null() || with.is_null() {
        return None;
    }
    let order = value::compare(held, with);
    Some(match comparison {
        Comparison::Eq => held == with,
        Comparison::Ne => held != with,
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
        Comparison::Contains | Comparison::StartsWith => {
            let (held, with) = (held.as_text()?, with.as_text()?);
            let begins = comparison == Comparison::StartsWith;
            let test =
                |held: &str, with: &str| if begins { held.starts_with(with) } else { held.contains(with) };
            match column {
                Column::Field(ix) if entity.field(ix).search => test(&fold(held), &fold(with)),
                _ => test(held, with),
            }
        }
    })
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
