//! Rows of the ledger and of its neighbours.

use domain::batch::{Commit, Counts, Effects};
use domain::names::BatchId;
use serde::{Deserialize, Serialize};

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// It is being written, chunk by chunk.
    Running,
    /// It is over.
    Done,
    /// Its server died between two chunks; the rest is `skipped`.
    Interrupted,
}

/// One batch of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchEntry {
    /// Its id.
    pub id: BatchId,
    /// Who called.
    pub login: String,
    /// The door, such as `native`.
    pub door: String,
    /// The operation of the door, such as `import customer`.
    pub operation: String,
    /// How its rows stand to one another.
    pub commit: Commit,
    /// Where it stands.
    pub state: BatchState,
    /// True when nothing of it was stored because of refused rows.
    pub refused_whole: bool,
    /// Outcomes so far; once it is over they add up to `received`.
    pub counts: Counts,
    /// Effects so far.
    pub effects: Effects,
    /// When it began, milliseconds since 1970.
    pub started_at: i64,
    /// When it was over.
    pub finished_at: Option<i64>,
    /// Chunks written so far.
    pub chunks: u32,
    /// First and last journal seq, where it changed anything.
    pub seqs: Option<(u64, u64)>,
    /// Names of the caller's own columns, for files of rejects; empty where rows have none.
    pub columns: Vec<String>,
    /// What the door needs to repeat its answer.
    pub memo: String,
    /// Statements it took.
    pub statements: u64,
    /// Milliseconds in the store.
    pub store_ms: f64,
    /// Milliseconds in all.
    pub total_ms: f64,
}

/// Journal and ledger of one chunk, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRow {
    /// The batch.
    pub batch: BatchId,
    /// Number of the chunk in its batch, from 0.
    pub chunk: u32,
    /// Who changed it, such as `login:erp-sync`.
    pub source: String,
    /// Seq of the first journal entry; meaningless when there is none.
    pub first_seq: u64,
    /// Number of journal entries.
    pub entries: u32,
    /// Number of rows of the ledger.
    pub fates: u32,
    /// Instant of the commit.
    pub instant: i64,
    /// See [`domain::page::Packed::hashes`]. Empty in pages that a reader answers.
    pub hashes: Vec<u8>,
    /// The compressed page.
    pub body: Vec<u8>,
}

/// A refused row, as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// The batch.
    pub batch: BatchId,
    /// Position in the batch, from 1.
    pub row: u64,
    /// Line of the file, for formats that have lines.
    pub line: Option<u64>,
    /// Name of the entity.
    pub entity: String,
    /// The caller's own id.
    pub id: Option<String>,
    /// When it was refused, milliseconds since 1970.
    pub instant: i64,
    /// See [`domain::page::Packed::hashes`]. Empty in rows that a reader answers.
    pub hashes: Vec<u8>,
    /// The row as received, secrets masked.
    pub received: String,
    /// Its problems: JSON, a list of [`domain::rule::Problem`].
    pub problems: String,
}

/// What an idempotency key led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyEntry {
    /// The login it belongs to.
    pub login: String,
    /// The key.
    pub key: String,
    /// Hash of body, method, path and parameters.
    pub hash: Vec<u8>,
    /// The batch.
    pub batch: BatchId,
    /// When it was first used, milliseconds since 1970.
    pub instant: i64,
}
