//! What a plan wants written, with placeholders for all that only the write turn knows.

use crate::batch::{CodeForm, Difference, Effects, Outcome};
use crate::catalogue::{EntityIx, FieldIx};
use crate::keys::KeyHash;
use crate::names::{Company, InternalId};
use crate::row::{Span, State};
use crate::rule::Problem;
use crate::value::Value;

/// The plan of one chunk.
#[derive(Debug, Default)]
pub struct Plan {
    /// Rows in batch order, each with its one outcome.
    pub rows: Vec<Planned>,
    /// Changes in batch order; effects follow the row that caused them.
    pub changes: Vec<Change>,
    /// Changes of records that are no rows of the call.
    pub effects: Effects,
    /// Everything the plan looked at, found or not.
    pub read_set: Vec<KeyHash>,
    /// For dry runs.
    pub differences: Vec<Difference>,
}

/// What became of one row of a chunk.
#[derive(Debug)]
pub struct Planned {
    /// Position in the batch, from 1.
    pub number: u64,
    /// See [`crate::row::Row::line`].
    pub line: Option<u64>,
    /// See [`crate::row::Row::span`].
    pub span: Span,
    /// The caller's own id.
    pub id: Option<Box<str>>,
    /// The kind of record.
    pub entity: EntityIx,
    /// Its company.
    pub company: Company,
    /// What became of it.
    pub outcome: Outcome,
    /// The record, which may be a placeholder.
    pub record: Option<InternalId>,
    /// Its code as far as known.
    pub code: Option<Box<str>>,
    /// Its revision before the batch; 0 for a new record.
    pub revision: u64,
    /// All that is wrong with it; only refused rows have any.
    pub problems: Vec<Problem>,
}

/// One change of one record.
#[derive(Debug)]
pub struct Change {
    /// The kind of record.
    pub entity: EntityIx,
    /// Its company.
    pub company: Company,
    /// Place in [`Plan::rows`]; `None` for an effect.
    pub row: Option<u32>,
    /// The record, a placeholder for a new one.
    pub id: InternalId,
    /// What happens to it.
    pub kind: ChangeKind,
}

/// What happens to a record.
#[derive(Debug)]
pub enum ChangeKind {
    /// It is added.
    Insert {
        /// Its code.
        code: NewCode,
        /// Its values; no nulls.
        values: Vec<(FieldIx, Value)>,
        /// Fields that number themselves.
        numbered: Vec<FieldIx>,
        /// Inserts of a level refer only to those of lower levels.
        level: u16,
        /// References that close a circle: set once all are inserted. They are in `values` too.
        patched: Vec<FieldIx>,
    },
    /// It changes.
    Update {
        /// Its code before.
        code: Box<str>,
        /// Its code afterwards, where that changes.
        new_code: Option<Box<str>>,
        /// Fields that change: before, after.
        fields: Vec<(FieldIx, Value, Value)>,
        /// Unique keys that it gives up; hashes.
        given_up: Vec<KeyHash>,
        /// Unique keys that it takes; hashes.
        taken: Vec<KeyHash>,
    },
    /// A logically deleted record comes back emptied, and counts as added.
    Revive {
        /// Its code before.
        code: Box<str>,
        /// Its code afterwards, where that changes.
        new_code: Option<Box<str>>,
        /// Its values; all other fields are emptied.
        values: Vec<(FieldIx, Value)>,
        /// Fields that number themselves.
        numbered: Vec<FieldIx>,
    },
    /// It is marked as deleted.
    Mark {
        /// Its code.
        code: Box<str>,
        /// The mark.
        state: State,
        /// All its values, for the journal.
        values: Vec<(FieldIx, Value)>,
    },
    /// It goes for good.
    Remove {
        /// Its code.
        code: Box<str>,
        /// All its values, for the journal.
        values: Vec<(FieldIx, Value)>,
    },
}

/// The code of a new record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewCode {
    /// As the row says.
    Given(Box<str>),
    /// By the entity's numbering rule.
    Numbered,
    /// By the door's form.
    Form(CodeForm),
}
