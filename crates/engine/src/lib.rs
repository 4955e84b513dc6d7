//! The one door behind all doors: who may do what; plan, apply, answer.
//!
//! The engine promises that every row of a call has exactly one outcome, that what it answered is
//! durable, and that rights, limits, ledger and journal hold whoever calls. It refuses to know
//! HTTP, SQL, JavaScript and vendors.

#![warn(missing_docs)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::clock::{Chance, Clock};
use domain::keys::KeySecret;
use domain::names::{BatchId, ProjectCode};
use store::{Control, Reader, Store, Turn, Writer};
use tokio::sync::oneshot;

mod caller;
mod error;
mod execute;
mod feed;
mod house;
mod idempotency;
mod index;
mod ledger;
mod login;
mod project;
mod question;
mod recent;
mod refusals;
mod rows;
mod setup;
mod system;
mod turn;

pub use caller::{Caller, Rights};
pub use error::Error;
pub use execute::{Call, Idempotency};
pub use feed::{Change, FieldChange};
pub use ledger::{BatchRow, BatchView, Trace, TraceStep};
pub use login::{Login, LoginKind, NewLogin, Token};
pub use project::{Project, Settings};
pub use question::{Filter, Question, Records};
pub use rows::{Rows, RowsInMemory};
pub use setup::{
    AccessTable, ApiKeyTable, Applied, AppliedLine, ApplyOptions, FieldTable, KeyTable, LoginTable,
    NumberingTable, ProjectFile, ProjectTable, RecordsTable, SecretSource, Verb,
};
pub use system::{SystemChance, SystemClock};

/// Settings of the engine.
#[derive(Clone)]
pub struct Config {
    /// Key under which keys and one-time secrets are hashed, 32 bytes; kept outside the database.
    pub secret_key: [u8; 32],
    /// How long a batch waits for its turn before the caller is told Busy.
    pub turn_timeout: Duration,
    /// How long a repeated call waits for the first one with its idempotency key.
    pub key_timeout: Duration,
    /// How long a token is valid.
    pub token_life: Duration,
    /// Rows of a chunk.
    pub chunk_rows: usize,
    /// Bytes of a chunk.
    pub chunk_bytes: usize,
    /// Rows of a call kept in memory between finding and planning, in bytes; larger calls are read
    /// again.
    pub rows_in_memory: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            secret_key: [0; 32],
            turn_timeout: Duration::from_secs(30),
            key_timeout: Duration::from_secs(10),
            token_life: Duration::from_secs(12 * 3600),
            chunk_rows: 2_000,
            chunk_bytes: 4 << 20,
            rows_in_memory: 16 << 20,
        }
    }
}

/// The engine. Clones share everything.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    config: Config,
    /// Secret of key hashes, new in every process.
    secret: KeySecret,
    projects: Mutex<HashMap<ProjectCode, Arc<Project>>>,
    claims: idempotency::Claims,
    revoked: login::Revoked,
    tries: login::Tries,
    /// A project is opened by one at a time: what it finds running was left by another process.
    opening: tokio::sync::Mutex<()>,
    /// Passwords are compared by a few at a time: each takes 19 MB.
    hashing: Arc<tokio::sync::Semaphore>,
}

impl Engine {
    /// An engine over a store.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
        config: Config,
    ) -> Self {
        let bits = chance.bits();
        let secret = KeySecret(bits as u64, (bits >> 64) as u64);
        let inner = Inner {
            store,
            clock,
            chance,
            config,
            secret,
            projects: Mutex::default(),
            claims: idempotency::Claims::default(),
            revoked: login::Revoked::default(),
            tries: login::Tries::default(),
            opening: tokio::sync::Mutex::default(),
            hashing: Arc::new(tokio::sync::Semaphore::new(login::HASHES_AT_ONCE)),
        };
        Engine { inner: Arc::new(inner) }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    /// A fresh id for a batch.
    pub(crate) fn new_batch(&self) -> BatchId {
        BatchId::new(self.now_ms(), self.inner.chance.bits())
    }

    /// True when the store answers: for `/readyz`.
    pub async fn ready(&self) -> Result<(), Error> {
        self.control(|control| control.projects().map(|_| ())).await
    }

    /// Finishes what was answered and closes the store. Blocks; later calls fail.
    pub fn close(&self) {
        self.inner.store.close();
    }

    /// A project by its code, compared without case.
    pub async fn project(&self, code: &str) -> Result<Arc<Project>, Error> {
        let Ok(code) = ProjectCode::new(code) else { return Err(Error::NoProject(shortened(code))) };
        if let Some(project) = self.known(&code) {
            return Ok(project);
        }
        let wanted = code.clone();
        let found = self.control(move |control| control.project(wanted.as_str())).await?;
        let Some(code) = found else { return Err(Error::NoProject(code.to_string())) };
        self.open_project(code).await
    }

    fn known(&self, code: &ProjectCode) -> Option<Arc<Project>> {
        let projects = self.inner.projects.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        projects.get(code).cloned()
    }

    async fn open_project(&self, code: ProjectCode) -> Result<Arc<Project>, Error> {
        let _opening = self.inner.opening.lock().await;
        if let Some(project) = self.known(&code) {
            return Ok(project);
        }
        let read = |reader: &mut dyn Reader| {
            let settings = reader.document("project", "settings")?;
            Ok((settings, reader.catalogue(), reader.head()?.seq))
        };
        let (settings, catalogue, seq) = self.read(&code, read).await?;
        let settings: Settings = match settings {
            Some(text) => serde_json::from_str(&text).map_err(|e| Error::Internal(e.into()))?,
            None => Settings::default(),
        };
        let project = Arc::new(Project::new(code.clone(), settings, catalogue, seq));
        // Before anybody can begin a batch: those that run now are left from another process.
        self.settle_interrupted(&project).await?;
        let mut projects = self.inner.projects.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        projects.insert(code, project.clone());
        Ok(project)
    }

    /// Runs a job with a view of one moment of a project.
    pub(crate) async fn read<R: Send + 'static>(
        &self,
        project: &ProjectCode,
        job: impl FnOnce(&mut dyn Reader) -> Result<R, store::Error> + Send + 'static,
    ) -> Result<R, Error> {
        let (answer, wait) = oneshot::channel();
        let job = Box::new(move |reader: Result<&mut dyn Reader, store::Error>| {
            let _ = answer.send(reader.and_then(job));
        });
        self.inner.store.read(project, job);
        Ok(wait.await.map_err(|_| store::Error::Closed)??)
    }

    /// Runs a short job in the project's write turn; all of it or nothing is stored.
    pub(crate) async fn write<R: Send + 'static>(
        &self,
        project: &ProjectCode,
        job: impl FnMut(&mut dyn Writer) -> Result<R, store::Error> + Send + 'static,
    ) -> Result<R, Error> {
        let (answer, wait) = oneshot::channel();
        self.inner.store.write(project, Box::new(SmallTurn { job, result: None, answer }));
        Ok(wait.await.map_err(|_| store::Error::Closed)??)
    }

    /// Runs a job on the control data.
    pub(crate) async fn control<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Control) -> Result<R, store::Error> + Send + 'static,
    ) -> Result<R, Error> {
        let (answer, wait) = oneshot::channel();
        let job = Box::new(move |control: Result<&mut dyn Control, store::Error>| {
            let _ = answer.send(control.and_then(job));
        });
        self.inner.store.control(job);
        Ok(wait.await.map_err(|_| store::Error::Closed)??)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

struct SmallTurn<F, R> {
    job: F,
    result: Option<R>,
    answer: oneshot::Sender<Result<R, store::Error>>,
}

impl<F, R> Turn for SmallTurn<F, R>
where
    F: FnMut(&mut dyn Writer) -> Result<R, store::Error> + Send,
    R: Send,
{
    fn is_small(&self) -> bool {
        true
    }

    fn run(&mut self, writer: &mut dyn Writer) -> Result<(), store::Error> {
        self.result = Some((self.job)(writer)?);
        Ok(())
    }

    fn done(self: Box<Self>, result: Result<(), store::Error>) {
        let SmallTurn { result: done, answer, .. } = *self;
        let _ = answer.send(result.and_then(|()| done.ok_or(store::Error::Undone)));
    }
}
