//! Exactly what travels, but for records, whose members are the catalogue's.

use domain::batch::{Commit, Counts, Effects, Statistics};
use domain::rule::{Problem, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who wants a token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Code of the project.
    #[schema(example = "ACME")]
    pub project: String,
    /// Name of the login.
    #[schema(example = "erp-sync")]
    pub login: String,
    /// Its password.
    #[schema(example = "s3cret")]
    pub password: String,
}

/// A token.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenAnswer {
    /// What to send as `Authorization: Bearer …`.
    pub token: String,
    /// How long it is valid, in seconds.
    pub expires_in: u64,
    /// When the password expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_expires_at: Option<String>,
}

/// A problem document of RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Name of the problem: `urn:comptoir:problem:` and a word.
    #[serde(rename = "type")]
    #[schema(example = "urn:comptoir:problem:stale_revision")]
    pub kind: String,
    /// What it is, for people; the same for every problem of this type.
    pub title: &'static str,
    /// The status again.
    #[schema(example = 412)]
    pub status: u16,
    /// What it is this time, and what to do.
    pub detail: String,
    /// The broken rule, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// The field that broke it, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub field: Option<Box<str>>,
    /// Everything that is wrong with the record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RecordError>,
}

/// One thing that is wrong with a record.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordError {
    /// Path of the field; empty for the record itself.
    #[schema(value_type = String, example = "customer")]
    pub field: Box<str>,
    /// What is wrong.
    #[schema(example = "unknown_reference")]
    pub rule: &'static str,
    /// The value as received, shortened.
    #[schema(value_type = Option<String>)]
    pub value: Option<Box<str>>,
    /// One sentence for a person.
    #[schema(value_type = String)]
    pub message: Box<str>,
    /// What to try.
    #[schema(value_type = Option<String>)]
    pub hint: Option<Box<str>>,
}

impl From<Problem> for RecordError {
    fn from(problem: Problem) -> Self {
        RecordError {
            field: problem.field,
            rule: problem.rule.name(),
            value: problem.value,
            message: problem.message,
            hint: problem.hint,
        }
    }
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// Its id in the ledger; null for a dry run.
    #[schema(example = "01JD3X0V4M8Q6Z2K7N5R9T1B0C")]
    pub batch: Option<String>,
    /// True when nothing was to be stored.
    pub dry_run: bool,
    /// `together` or `alone`.
    #[schema(value_type = String, example = "alone")]
    pub commit: Commit,
    /// How many rows had which outcome.
    pub counts: CountsAnswer,
    /// Records changed that are no rows of the call, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<EffectsAnswer>,
    /// Why rows were refused, in row order; at most 1,000. The ledger has the rest.
    pub refusals: Vec<RefusalAnswer>,
    /// For dry runs: what would change, at most 2,000 rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<DifferenceAnswer>>)]
    pub differences: Option<Box<serde_json::value::RawValue>>,
    /// How a CSV file was understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvAnswer>,
    /// What it cost.
    pub statistics: StatisticsAnswer,
}

/// How many rows had which outcome. The outcomes add up to `received`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountsAnswer {
    /// Rows of the call.
    pub received: u64,
    /// Records added.
    pub added: u64,
    /// Records changed.
    pub updated: u64,
    /// Records that already were as their row wants them.
    pub unchanged: u64,
    /// Records deleted.
    pub deleted: u64,
    /// Rows that wait for a record they refer to.
    pub parked: u64,
    /// Rows that break a rule.
    pub refused: u64,
    /// Rows not tried because of others.
    pub skipped: u64,
}

impl From<Counts> for CountsAnswer {
    fn from(counts: Counts) -> Self {
        let Counts { received, added, updated, unchanged, deleted, parked, refused, skipped } = counts;
        CountsAnswer { received, added, updated, unchanged, deleted, parked, refused, skipped }
    }
}

/// Records changed that are no rows of the call.
#[derive(Debug, Serialize, ToSchema)]
pub struct EffectsAnswer {
    /// Records made on the fly.
    pub added: u64,
    /// Records changed on the way.
    pub updated: u64,
    /// Records that went with others.
    pub deleted: u64,
}

impl EffectsAnswer {
    /// The effects, where there are any.
    pub fn of(effects: &Effects) -> Option<Self> {
        let Effects { added, updated, deleted } = *effects;
        (!effects.is_empty()).then_some(EffectsAnswer { added, updated, deleted })
    }
}

/// Why a row was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusalAnswer {
    /// Position in the batch, from 1.
    pub row: u64,
    /// Line of the file where the record begins, for CSV and NDJSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Entity of the row.
    #[schema(value_type = String, example = "event")]
    pub entity: Box<str>,
    /// The caller's own id of the row.
    #[schema(value_type = Option<String>, example = "w-17")]
    pub id: Option<Box<str>>,
    /// What is wrong with it.
    #[serde(flatten)]
    pub error: RecordError,
}

impl From<Refusal> for RefusalAnswer {
    fn from(refusal: Refusal) -> Self {
        RefusalAnswer {
            row: refusal.row,
            line: refusal.line,
            entity: refusal.entity,
            id: refusal.id,
            error: refusal.problem.into(),
        }
    }
}

/// One row of a dry run: what would change.
#[derive(Debug, Serialize, ToSchema)]
pub struct DifferenceAnswer {
    /// Position in the batch, from 1.
    pub row: u64,
    /// Entity of the row.
    pub entity: String,
    /// Code of the record; null when it would be given one.
    pub code: Option<String>,
    /// What would become of the row.
    pub outcome: String,
    /// Fields that would change.
    pub fields: std::collections::BTreeMap<String, FieldChangeAnswer>,
}

/// A field before and after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldChangeAnswer {
    /// Value before.
    #[schema(value_type = Object)]
    pub before: serde_json::Value,
    /// Value afterwards.
    #[schema(value_type = Object)]
    pub after: serde_json::Value,
    /// There, and true, when the field is a secret and its values are not told.
    pub secret: Option<bool>,
}

/// How a CSV file was understood.
#[derive(Debug, Serialize, ToSchema)]
pub struct CsvAnswer {
    /// What stands between cells.
    #[schema(example = ";")]
    pub delimiter: String,
    /// How its bytes are text.
    #[schema(example = "UTF-8")]
    pub encoding: &'static str,
    /// What stands before the decimals.
    pub decimal: String,
    /// How days are written.
    #[schema(example = "DD.MM.YYYY")]
    pub date: &'static str,
    /// True when nothing in the file tells it from another form.
    pub date_assumed: bool,
}

/// What a batch cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatisticsAnswer {
    /// Statements run.
    pub statements: u64,
    /// Milliseconds in the store.
    pub store_ms: f64,
    /// Milliseconds from the last byte received to the answer.
    pub total_ms: f64,
}

impl From<Statistics> for StatisticsAnswer {
    fn from(statistics: Statistics) -> Self {
        let tenths = |ms: f64| (ms * 10.0).round() / 10.0;
        StatisticsAnswer {
            statements: statistics.statements,
            store_ms: tenths(statistics.store_ms),
            total_ms: tenths(statistics.total_ms),
        }
    }
}

/// Several sets of rows for one batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchRequest {
    /// The sets; rows are numbered through all of them.
    pub records: Vec<SetRequest>,
}

/// Rows of one entity.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetRequest {
    /// Name of the entity.
    #[schema(example = "customer")]
    pub entity: String,
    /// Its rows.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<serde_json::Value>,
}

/// A batch of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchSummary {
    /// Its id.
    pub batch: String,
    /// `running`, `done` or `interrupted`.
    #[schema(value_type = String, example = "done")]
    pub state: serde_json::Value,
    /// Who called.
    pub login: String,
    /// The door it came through.
    pub door: String,
    /// What was asked for.
    pub operation: String,
    /// `together` or `alone`.
    #[schema(value_type = String)]
    pub commit: Commit,
    /// True when nothing of it was stored because of refused rows.
    pub refused_whole: bool,
    /// When it began.
    pub started_at: String,
    /// When it was over.
    pub finished_at: Option<String>,
    /// Outcomes so far.
    pub counts: CountsAnswer,
    /// Effects so far, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<EffectsAnswer>,
    /// First seq in the journal, where it changed anything.
    pub first_seq: Option<u64>,
    /// Last seq in the journal.
    pub last_seq: Option<u64>,
    /// What it cost.
    pub statistics: StatisticsAnswer,
}

/// Batches, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchList {
    /// The batches.
    pub batches: Vec<BatchSummary>,
    /// What to send as `after` for older ones; null when there are none.
    pub next: Option<String>,
}

/// One row of a batch, as the ledger knows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchRowAnswer {
    /// Position in the batch, from 1.
    pub row: u64,
    /// Line of the file; refused rows alone know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Name of the entity.
    #[schema(value_type = String)]
    pub entity: Box<str>,
    /// The caller's own id.
    #[schema(value_type = Option<String>)]
    pub id: Option<Box<str>>,
    /// What became of it.
    pub outcome: &'static str,
    /// The record's code.
    #[schema(value_type = Option<String>)]
    pub code: Option<Box<str>>,
    /// The record's internal id.
    pub record: Option<i64>,
    /// The record's revision afterwards.
    pub revision: Option<u64>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RecordError>,
    /// The row as received, secrets masked; refused rows alone have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<String>,
}

/// Rows of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchRowList {
    /// The rows in order.
    pub rows: Vec<BatchRowAnswer>,
    /// What to send as `after` for the next rows; null when there are none.
    pub next: Option<u64>,
}

/// The catalogue of a project.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueAnswer {
    /// Grows with every change of the catalogue.
    pub version: u64,
    /// Languages of the project's labels.
    pub languages: Vec<String>,
    /// Zone of times that are sent without one.
    pub time_zone: String,
    /// All entities.
    pub entities: Vec<EntityAnswer>,
}

/// A kind of record.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntityAnswer {
    /// Its name.
    #[schema(value_type = String, example = "customer")]
    pub name: Box<str>,
    /// Its plural, which names lists.
    #[schema(value_type = String, example = "customers")]
    pub plural: Box<str>,
    /// First three digits of its records' internal ids.
    pub prefix: u16,
    /// `company` or `shared`.
    pub scope: &'static str,
    /// What people call it, per language.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub labels: domain::catalogue::Labels,
    /// True when the project added it.
    pub own: bool,
    /// What callers may do to it at all.
    pub access: AccessAnswer,
    /// Its fields in printing order.
    pub fields: Vec<FieldAnswer>,
    /// Unique keys beside the code.
    pub keys: Vec<KeyAnswer>,
    /// How codes and numbers are given.
    pub numbering: Vec<NumberingAnswer>,
}

/// What callers may do to an entity at all.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessAnswer {
    /// Reading.
    pub read: bool,
    /// Adding.
    pub insert: bool,
    /// Changing and deleting.
    pub update: bool,
}

/// A field.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldAnswer {
    /// Its name.
    #[schema(value_type = String, example = "salesman")]
    pub name: Box<str>,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(example = "reference(user)")]
    pub kind: String,
    /// Must have a value in a new record.
    pub required: bool,
    /// Cannot be sent.
    pub read_only: bool,
    /// Is never printed.
    pub secret: bool,
    /// Is searched without regard to case and accents.
    pub search: bool,
    /// Value in a new record that names none.
    #[schema(value_type = Object)]
    pub default: Option<Box<serde_json::value::RawValue>>,
    /// The list of generic values that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub data_type: Option<Box<str>>,
    /// What people call it, per language.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub labels: domain::catalogue::Labels,
    /// True when the project added it.
    pub own: bool,
}

/// A unique key beside the code.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyAnswer {
    /// Its name, by which `match` chooses it.
    #[schema(value_type = String)]
    pub name: Box<str>,
    /// Its fields.
    #[schema(value_type = Vec<String>)]
    pub fields: Vec<Box<str>>,
    /// Fields in which null counts as a value.
    #[schema(value_type = Vec<String>)]
    pub null_is_value: Vec<Box<str>>,
}

/// How a code or number is given to records that bring none.
#[derive(Debug, Serialize, ToSchema)]
pub struct NumberingAnswer {
    /// `code` or a field.
    #[schema(value_type = String)]
    pub field: Box<str>,
    /// Text before the number.
    #[schema(value_type = String)]
    pub prefix: Box<str>,
    /// Digits at least.
    pub digits: u8,
}

/// One change of one record.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeAnswer {
    /// Its place in the journal, which is the record's revision from then on.
    pub seq: u64,
    /// When it was committed.
    #[schema(example = "2026-03-01T08:00:00Z")]
    pub time: String,
    /// The batch.
    pub batch: String,
    /// Who changed it.
    #[schema(example = "login:erp-sync")]
    pub source: String,
    /// Entity of the record.
    pub entity: String,
    /// Its internal id.
    pub id: i64,
    /// Its code afterwards.
    pub code: String,
    /// Its code before, where that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_before: Option<String>,
    /// `added`, `updated` or `deleted`.
    pub operation: String,
    /// Fields with their values before and after.
    pub changed: std::collections::BTreeMap<String, FieldChangeAnswer>,
}

/// Changes, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeList {
    /// The changes.
    pub changes: Vec<ChangeAnswer>,
    /// What to send as `after` to go on.
    pub next: u64,
}

/// Everything that touched a key, in the order of time: rows of batches (`kind` `row`) and changes
/// of records (`kind` `change`).
#[derive(Debug, Serialize, ToSchema)]
pub struct TraceAnswer {
    /// The key asked for.
    pub key: String,
    /// What touched it.
    #[schema(value_type = Vec<Object>)]
    pub steps: Vec<Box<serde_json::value::RawValue>>,
}
