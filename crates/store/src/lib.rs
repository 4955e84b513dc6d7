//! The contract of a database, and the suite that every database must pass.
//!
//! A store receives sets and uses its best bulk form for them. It promises that one turn is all or
//! nothing, that turns of one project come one after the other, and that a reader sees one moment.
//! It refuses to know HTTP, vendors, and what a batch is beyond its rows in the ledger: what to
//! write is decided by the engine, in `domain`.
//!
//! The traits are synchronous on purpose. A store runs jobs on threads of its own, so that the
//! engine's planning reads like the plain function it is, and nothing blocks the runtime.

#![warn(missing_docs)]

use std::sync::Arc;

use domain::catalogue::Catalogue;
use domain::catalogue::file::Overlay;
use domain::find::{Finder, Record};
use domain::names::{BatchId, ProjectCode};
use domain::query::Select;
use domain::settle::{Head, Write};

pub mod conformance;
pub mod dump;
mod entries;
mod error;

pub use entries::{BatchEntry, BatchState, IdempotencyEntry, PageRow, RefusedRow};
pub use error::{Error, Source};

/// A job with a view of one moment of a project, or with why there is none.
pub type ReadJob = Box<dyn FnOnce(Result<&mut dyn Reader, Error>) + Send>;

/// A job with the control data, or with why there is none.
pub type ControlJob = Box<dyn FnOnce(Result<&mut dyn Control, Error>) + Send>;

/// A database with the projects in it.
pub trait Store: Send + Sync + 'static {
    /// Runs a job on one of the store's reading threads. The view ends with the job: a job reads
    /// at most about a page (1,000 rows), or what planning one chunk takes.
    fn read(&self, project: &ProjectCode, job: ReadJob);

    /// Runs a turn when it is the project's next. Turns of one project never overlap.
    fn write(&self, project: &ProjectCode, turn: Box<dyn Turn>);

    /// Runs a job on the control data. Nothing commits over control data and a project at once.
    fn control(&self, job: ControlJob);

    /// Writes everything durably that was answered, finishes waiting turns and lets go of the
    /// files. Blocks until done. Later jobs fail with [`Error::Closed`].
    fn close(&self);
}

/// Something to do in a project's write turn.
pub trait Turn: Send {
    /// True when the turn may share its commit with others: it writes no more than a chunk. Such a
    /// turn runs in a savepoint of its own.
    fn is_small(&self) -> bool;

    /// Does it. An error undoes everything this turn wrote and nothing else.
    fn run(&mut self, writer: &mut dyn Writer) -> Result<(), Error>;

    /// Is told the end: `Ok` once what `run` wrote is durable, else why it is not there.
    fn done(self: Box<Self>, result: Result<(), Error>);
}

/// A view of one moment of one project.
pub trait Reader: Finder<Error = Error> {
    /// The head at that moment.
    fn head(&mut self) -> Result<Head, Error>;

    /// The catalogue at that moment.
    fn catalogue(&self) -> Arc<Catalogue>;

    /// What the project adds to the standard model.
    fn overlay(&mut self) -> Result<Overlay, Error>;

    /// A page of records.
    fn select(&mut self, select: &Select) -> Result<Vec<Record>, Error>;

    /// How many records a question is about; its page bounds do not count.
    fn count(&mut self, select: &Select) -> Result<u64, Error>;

    /// Pages with journal entries behind a seq, oldest first.
    fn pages_after(&mut self, seq: u64, limit: u32) -> Result<Vec<PageRow>, Error>;

    /// Seq of the oldest journal entry still kept; `None` when there is none.
    fn first_seq(&mut self) -> Result<Option<u64>, Error>;

    /// Pages of a batch from a chunk on, in order.
    fn pages_of(&mut self, batch: &BatchId, from_chunk: u32, limit: u32) -> Result<Vec<PageRow>, Error>;

    /// Pages that may hold a key, oldest first.
    fn pages_holding(&mut self, key: &str) -> Result<Vec<PageRow>, Error>;

    /// A long value of the journal.
    fn blob(&mut self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, Error>;

    /// A batch of the ledger.
    fn batch(&mut self, id: &BatchId) -> Result<Option<BatchEntry>, Error>;

    /// Batches, newest first, older than `before` where that is given.
    fn batches(&mut self, before: Option<&BatchId>, limit: u32) -> Result<Vec<BatchEntry>, Error>;

    /// Batches that the ledger says are running.
    fn running(&mut self) -> Result<Vec<BatchEntry>, Error>;

    /// Refused rows of a batch behind a row, in order.
    fn refused(&mut self, batch: &BatchId, after_row: u64, limit: u32) -> Result<Vec<RefusedRow>, Error>;

    /// Refused rows that may hold a key, oldest first.
    fn refused_holding(&mut self, key: &str) -> Result<Vec<RefusedRow>, Error>;

    /// What an idempotency key of a login led to.
    fn idempotency(&mut self, login: &str, key: &str) -> Result<Option<IdempotencyEntry>, Error>;

    /// A document: a setting, a login. The engine says what kinds there are and what is in them.
    fn document(&mut self, kind: &str, name: &str) -> Result<Option<String>, Error>;

    /// All documents of a kind by name.
    fn documents(&mut self, kind: &str) -> Result<Vec<(String, String)>, Error>;

    /// Everything there is, as text that is equal for equal projects on every database: tables
    /// in order of name, rows in order of key, values as the journal prints them.
    fn dump(&mut self) -> Result<String, Error>;

    /// Statements so far: round trips on PostgreSQL; on SQLite a prepared statement run over one
    /// set counts once.
    fn statements(&self) -> u64;
}

/// A project in its write turn: it sees what it wrote.
pub trait Writer: Reader {
    /// Writes sets in order. A constraint that fires is [`Error::Constraint`]: the plan is wrong.
    fn write(&mut self, writes: Vec<Write>) -> Result<(), Error>;

    /// Writes seq, instant and counters of the head. A counter that the head does not name keeps
    /// its value, and the version of the catalogue is [`Writer::put_overlay`]'s to change.
    fn put_head(&mut self, head: &Head) -> Result<(), Error>;

    /// Adds a page.
    fn put_page(&mut self, page: &PageRow) -> Result<(), Error>;

    /// Adds or replaces a batch of the ledger.
    fn put_batch(&mut self, entry: &BatchEntry) -> Result<(), Error>;

    /// Adds refused rows.
    fn put_refused(&mut self, rows: &[RefusedRow]) -> Result<(), Error>;

    /// Adds or replaces what an idempotency key led to.
    fn put_idempotency(&mut self, entry: &IdempotencyEntry) -> Result<(), Error>;

    /// Forgets an idempotency key.
    fn remove_idempotency(&mut self, login: &str, key: &str) -> Result<(), Error>;

    /// Adds or replaces a document.
    fn put_document(&mut self, kind: &str, name: &str, body: &str) -> Result<(), Error>;

    /// Removes a document; true when there was one.
    fn remove_document(&mut self, kind: &str, name: &str) -> Result<bool, Error>;

    /// Changes what the project adds to the standard model: makes tables, columns, indexes.
    ///
    /// What an existing overlay has is never dropped. A new unique key that stored records break
    /// is [`Error::Constraint`]. Readers see the new catalogue once the turn is committed.
    fn put_overlay(&mut self, overlay: &Overlay) -> Result<Arc<Catalogue>, Error>;

    /// Deletes journal pages, ledger pages, refused rows and idempotency keys older than the
    /// instants given (milliseconds since 1970). The parts of one page go together.
    fn forget(&mut self, pages_before: i64, refused_before: i64, keys_before: i64) -> Result<(), Error>;
}

/// What stands outside all projects.
pub trait Control {
    /// All projects by code.
    fn projects(&mut self) -> Result<Vec<ProjectCode>, Error>;

    /// The project of a code, as its owner wrote it.
    fn project(&mut self, code: &str) -> Result<Option<ProjectCode>, Error>;

    /// Makes a project with empty tables of the standard model. One that exists is left as it is.
    fn create_project(&mut self, code: &ProjectCode) -> Result<(), Error>;

    /// The project that a hash of a key belongs to.
    fn project_of_key(&mut self, hash: &[u8]) -> Result<Option<ProjectCode>, Error>;

    /// Notes that a hash of a key belongs to a project.
    fn put_key(&mut self, hash: &[u8], project: &ProjectCode) -> Result<(), Error>;

    /// Forgets a hash of a key.
    fn remove_key(&mut self, hash: &[u8]) -> Result<(), Error>;
}
