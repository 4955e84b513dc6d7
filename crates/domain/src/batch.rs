//! What a batch can be told, and what became of it.

use serde::{Deserialize, Serialize};

use crate::catalogue::{EntityIx, FieldIx, KeyIx};
use crate::names::{BatchId, Company, InternalId};
use crate::row::Mode;
use crate::rule::{Refusal, Rule};
use crate::value::Value;

/// How the rows of a batch stand to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Commit {
    /// All rows or none.
    Together,
    /// Each row for itself.
    Alone,
}

/// What to do with a record, or a caller's id, that comes twice in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeated {
    /// Refuse every row that has it.
    RefuseAll,
    /// Accept the first, refuse the others.
    FirstWins,
    /// Do one after the other.
    InTurn,
}

/// What a logically deleted record is to a row that meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeletedMet {
    /// Its code is taken.
    Taken,
    /// It does not exist.
    NotFound,
    /// It comes back emptied, and counts as added.
    Revive,
}

/// How records are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deletion {
    /// Marked, and kept.
    Logical,
    /// Gone.
    Physical,
}

/// Which key finds the record of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchKey {
    /// The code.
    Code,
    /// A further unique key.
    Key(KeyIx),
}

/// How a record without code gets one, where its entity has no numbering rule for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeForm {
    /// The internal id in digits.
    InternalId,
    /// 32 upper-case hex digits.
    Hex,
}

/// A condition on the record that a reference names.
#[derive(Debug, Clone)]
pub struct ReferenceCheck {
    /// The reference.
    pub field: FieldIx,
    /// A field of the record it names.
    pub of: FieldIx,
    /// What that field must, or must not, hold.
    pub test: Test,
    /// The rule that is broken otherwise.
    pub rule: Rule,
    /// The sentence then.
    pub message: Box<str>,
}

/// A test of one value.
#[derive(Debug, Clone)]
pub enum Test {
    /// It is this value.
    Is(Value),
    /// It is another value.
    IsNot(Value),
}

/// A field filled from the record that a reference names, where the row itself is silent.
#[derive(Debug, Clone, Copy)]
pub struct Derived {
    /// The field to fill.
    pub field: FieldIx,
    /// The reference.
    pub from: FieldIx,
    /// The field of the record it names.
    pub of: FieldIx,
}

/// Children that go when a batch names their parent and not them.
///
/// Who is named is known of the batch as a whole, so such a batch is planned in one piece.
#[derive(Debug, Clone, Copy)]
pub struct NotNamed {
    /// The child entity.
    pub child: EntityIx,
    /// Its reference to the parent.
    pub via: FieldIx,
    /// Row of the parent.
    pub parent_row: u64,
    /// How they go.
    pub deletion: Deletion,
}

/// Everything a batch can be told.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// What is wanted, where a row does not say otherwise.
    pub mode: Mode,
    /// Whether rows stand together.
    pub commit: Commit,
    /// Keys tried in order to find the record of a row; per entity, code alone where absent.
    pub match_on: Vec<(EntityIx, Vec<MatchKey>)>,
    /// A row that the wire alone shows to be wrong refuses the whole batch.
    pub shape_faults_refuse_batch: bool,
    /// The same record twice.
    pub repeated: Repeated,
    /// The same caller's id twice; `InTurn` means that ids may repeat.
    pub repeated_ids: Repeated,
    /// A logically deleted record met.
    pub deleted_met: DeletedMet,
    /// Deleting an absent record is `unchanged`; else it is refused.
    pub absent_deleted_unchanged: bool,
    /// How `delete` deletes.
    pub deletion: Deletion,
    /// A datetime field per entity: a row older there than the stored record changes nothing.
    pub source_time: Vec<(EntityIx, FieldIx)>,
    /// Children not named.
    pub not_named: Vec<NotNamed>,
    /// The export mark that effective changes set; `None` leaves it.
    pub export_mark: Option<u8>,
    /// How records without code get one.
    pub code_form: CodeForm,
    /// Conditions on referenced records, per entity.
    pub reference_checks: Vec<(EntityIx, ReferenceCheck)>,
    /// Fields filled from referenced records, per entity.
    pub derived: Vec<(EntityIx, Derived)>,
    /// Answer as if, store nothing.
    pub dry_run: bool,
}

impl Parameters {
    /// The native door's way: upsert by code, each row alone.
    pub fn new(mode: Mode, commit: Commit) -> Self {
        Parameters {
            mode,
            commit,
            match_on: Vec::new(),
            shape_faults_refuse_batch: false,
            repeated: Repeated::RefuseAll,
            repeated_ids: Repeated::InTurn,
            deleted_met: DeletedMet::Revive,
            absent_deleted_unchanged: false,
            deletion: Deletion::Logical,
            source_time: Vec::new(),
            not_named: Vec::new(),
            export_mark: Some(1),
            code_form: CodeForm::InternalId,
            reference_checks: Vec::new(),
            derived: Vec::new(),
            dry_run: false,
        }
    }

    /// The keys that find a record of `entity`.
    pub fn match_keys(&self, entity: EntityIx) -> &[MatchKey] {
        self.match_on.iter().find(|(ix, _)| *ix == entity).map_or(&[MatchKey::Code], |(_, keys)| keys)
    }
}

/// What became of one row of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A record was added.
    Added,
    /// A record was changed.
    Updated,
    /// The record already was as the row wants it.
    Unchanged,
    /// A record was deleted.
    Deleted,
    /// The row waits for a record that it refers to.
    Parked,
    /// The row breaks a rule.
    Refused,
    /// Nothing was tried, because of other rows.
    Skipped,
}

impl Outcome {
    /// All outcomes in the order of the answers.
    pub const ALL: [Outcome; 7] = [
        Outcome::Added,
        Outcome::Updated,
        Outcome::Unchanged,
        Outcome::Deleted,
        Outcome::Parked,
        Outcome::Refused,
        Outcome::Skipped,
    ];

    /// The public name.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Added => "added",
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
            Outcome::Deleted => "deleted",
            Outcome::Parked => "parked",
            Outcome::Refused => "refused",
            Outcome::Skipped => "skipped",
        }
    }

    /// The outcome of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// How many rows had which outcome. The outcomes add up to `received`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Rows of the call.
    pub received: u64,
    /// See [`Outcome::Added`].
    pub added: u64,
    /// See [`Outcome::Updated`].
    pub updated: u64,
    /// See [`Outcome::Unchanged`].
    pub unchanged: u64,
    /// See [`Outcome::Deleted`].
    pub deleted: u64,
    /// See [`Outcome::Parked`].
    pub parked: u64,
    /// See [`Outcome::Refused`].
    pub refused: u64,
    /// See [`Outcome::Skipped`].
    pub skipped: u64,
}

impl Counts {
    /// Counts one more row.
    pub fn count(&mut self, outcome: Outcome) {
        self.received += 1;
        *self.of(outcome) += 1;
    }

    /// Adds the counts of another part of the batch.
    pub fn add(&mut self, other: &Counts) {
        self.received += other.received;
        for outcome in Outcome::ALL {
            let mut other = *other;
            *self.of(outcome) += *other.of(outcome);
        }
    }

    /// The number of one outcome.
    pub fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Added => &mut self.added,
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Deleted => &mut self.deleted,
            Outcome::Parked => &mut self.parked,
            Outcome::Refused => &mut self.refused,
            Outcome::Skipped => &mut self.skipped,
        }
    }

    /// True when the outcomes add up to `received`.
    pub fn balance(&self) -> bool {
        let sum = self.added + self.updated + self.unchanged + self.deleted;
        sum + self.parked + self.refused + self.skipped == self.received
    }
}

/// Records changed that are no rows of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effects {
    /// Records made on the fly.
    pub added: u64,
    /// Records changed on the way.
    pub updated: u64,
    /// Records that went with others.
    pub deleted: u64,
}

impl Effects {
    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        *self == Effects::default()
    }

    /// Adds the effects of another part of the batch.
    pub fn add(&mut self, other: &Effects) {
        self.added += other.added;
        self.updated += other.updated;
        self.deleted += other.deleted;
    }
}

/// What became of one row, with what its caller may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowReport {
    /// Position in the batch, from 1.
    pub row: u64,
    /// The caller's own id of the row.
    pub id: Option<Box<str>>,
    /// The kind of record.
    pub entity: EntityIx,
    /// What became of it.
    pub outcome: Outcome,
    /// The record, unless there is none.
    pub record: Option<InternalId>,
    /// Its company.
    pub company: Company,
    /// Its code, unless there is none.
    pub code: Option<Box<str>>,
    /// Its revision afterwards; 0 when there is none.
    pub revision: u64,
    /// Fields that numbered themselves, with the values they got.
    pub numbers: Vec<(FieldIx, Box<str>)>,
}

/// One row of a dry run: what would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Position in the batch, from 1.
    pub row: u64,
    /// The kind of record.
    pub entity: EntityIx,
    /// Its code; `None` when it would be given one.
    pub code: Option<Box<str>>,
    /// What would become of the row.
    pub outcome: Outcome,
    /// Fields that would change, with their values before and after.
    pub fields: Vec<(FieldIx, Value, Value)>,
}

/// What the engine answers about a batch.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Its id; `None` for a dry run.
    pub batch: Option<BatchId>,
    /// Nothing was stored because nothing was to be.
    pub dry_run: bool,
    /// True when a `together` batch was refused, or shape faults refused the whole.
    pub refused_whole: bool,
    /// Outcomes.
    pub counts: Counts,
    /// Effects.
    pub effects: Effects,
    /// Refusals in row order, up to [`Report::PROBLEMS`] of each row: of all refused rows where the
    /// batch has at most [`Report::ROWS`] rows, else of the first [`Report::REFUSALS`] refused ones.
    pub refusals: Vec<Refusal>,
    /// Rows in order; complete for batches of at most [`Report::ROWS`] rows, else empty.
    pub rows: Vec<RowReport>,
    /// For dry runs: what would change, at most [`Report::ROWS`] rows.
    pub differences: Vec<Difference>,
    /// True when the answer repeats that of an earlier call with the same idempotency key.
    pub replayed: bool,
    /// True when the ledger no longer keeps all of the rows that a repeated answer should tell of.
    pub forgotten: bool,
    /// What it cost.
    pub statistics: Statistics,
}

impl Report {
    /// Most refused rows of a large batch that travel in the report.
    pub const REFUSALS: usize = 1_000;
    /// Most problems of one row that travel in the report.
    pub const PROBLEMS: usize = 20;
    /// Largest batch whose rows travel in the report.
    pub const ROWS: u64 = 2_000;
}

/// What a batch cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Statistics {
    /// Statements: round trips on PostgreSQL; on SQLite a prepared statement over one chunk.
    pub statements: u64,
    /// Time spent in the store.
    pub store_ms: f64,
    /// Time from the last byte received to the answer.
    pub total_ms: f64,
}
