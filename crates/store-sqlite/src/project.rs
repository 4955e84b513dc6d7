//! One project: its file, its connections, its waiting turns.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use domain::catalogue::Catalogue;
use domain::names::ProjectCode;
use rusqlite::Connection;
use store::{Error, Turn};

use crate::config::Config;
use crate::connect::{Purpose, connect};
use crate::error::Told;
use crate::session::{Session, compile, read_overlay};
use crate::{migrate, schema};

/// Locks, whatever a thread that panicked left behind: what is guarded is always whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One project. Nothing is open until something is asked of it.
pub(crate) struct Project {
    pub(crate) code: ProjectCode,
    pub(crate) path: PathBuf,
    /// The newest catalogue; `None` until the file was brought up to date.
    catalogue: Mutex<Option<Arc<Catalogue>>>,
    turns: Mutex<Turns>,
    arrived: Condvar,
    /// Reading connections that nobody uses, each with when it was last used.
    readers: Mutex<Vec<(Instant, Session)>>,
    /// Commits of turns so far.
    pub(crate) commits: AtomicU64,
    pub(crate) log: Log,
}

/// How long the write-ahead log is, in pages.
#[derive(Default)]
pub(crate) struct Log {
    /// Pages in it after the last commit.
    pub(crate) length: AtomicI32,
    /// Pages of it that are in the database already.
    pub(crate) written: AtomicI32,
    /// True while a checkpoint was asked for and is not over.
    pub(crate) asked: AtomicBool,
    /// True once the log is huge and all but its end is in the database: if the writer moves the
    /// end before it goes on, the log begins anew.
    pub(crate) huge: AtomicBool,
}

/// Turns that wait, and whether a thread sees to them.
#[derive(Default)]
struct Turns {
    waiting: VecDeque<Box<dyn Turn>>,
    running: bool,
    closing: bool,
    thread: Option<JoinHandle<()>>,
}

impl Project {
    pub(crate) fn new(code: ProjectCode, folder: &Path) -> Self {
        Project {
            path: folder.join(format!("{}.db", code.folded())),
            code,
            catalogue: Mutex::new(None),
            turns: Mutex::default(),
            arrived: Condvar::new(),
            readers: Mutex::default(),
            commits: AtomicU64::new(0),
            log: Log::default(),
        }
    }

    /// The newest catalogue. The first who asks brings the file up to date: our own tables by
    /// migrations, entity tables by what the standard model has gained.
    pub(crate) fn catalogue(&self, config: &Config) -> Result<Arc<Catalogue>, Error> {
        let mut known = lock(&self.catalogue);
        if let Some(catalogue) = &*known {
            return Ok(Arc::clone(catalogue));
        }
        let conn = connect(&self.path, Purpose::Write, config)?;
        let catalogue = Arc::new(bring_up_to_date(&conn)?);
        *known = Some(Arc::clone(&catalogue));
        Ok(catalogue)
    }

    /// Notes the catalogue that a turn committed.
    pub(crate) fn publish(&self, catalogue: &Arc<Catalogue>) {
        *lock(&self.catalogue) = Some(Arc::clone(catalogue));
    }

    /// A connection for turns.
    pub(crate) fn open_writer(&self, config: &Config) -> Result<Session, Error> {
        let catalogue = self.catalogue(config)?;
        Ok(Session::new(connect(&self.path, Purpose::Write, config)?, catalogue))
    }

    /// A connection for reading, used before or new.
    pub(crate) fn take_reader(&self, config: &Config) -> Result<Session, Error> {
        let catalogue = self.catalogue(config)?;
        if let Some((_, session)) = lock(&self.readers).pop() {
            return Ok(session);
        }
        Ok(Session::new(connect(&self.path, Purpose::Read, config)?, catalogue))
    }

    /// Takes a reading connection back.
    pub(crate) fn return_reader(&self, session: Session) {
        lock(&self.readers).push((Instant::now(), session));
    }

    /// Closes reading connections that nobody used for so long; the latest used are last.
    pub(crate) fn close_readers(&self, idle: Duration) {
        let closed: Vec<_> = {
            let mut readers = lock(&self.readers);
            let first_kept = readers.partition_point(|(used, _)| used.elapsed() >= idle);
            readers.drain(..first_kept).collect()
        };
        drop(closed);
    }

    /// Adds a turn, and starts a thread where none sees to the turns. `start` is given the thread
    /// before it, which may still be closing its connection. What cannot be done comes back with
    /// its reason.
    pub(crate) fn push(
        &self,
        turn: Box<dyn Turn>,
        start: impl FnOnce(Option<JoinHandle<()>>) -> Result<JoinHandle<()>, Error>,
    ) -> Result<(), (Box<dyn Turn>, Error)> {
        let mut turns = lock(&self.turns);
        if turns.closing {
            return Err((turn, Error::Closed));
        }
        if !turns.running {
            match start(turns.thread.take()) {
                Ok(thread) => turns.thread = Some(thread),
                Err(error) => return Err((turn, error)),
            }
            turns.running = true;
        }
        turns.waiting.push_back(turn);
        drop(turns);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for the next turn; `None` when none came for so long, or the project is closing. The
    /// thread is over then.
    pub(crate) fn next_turn(&self, idle: Duration) -> Option<Box<dyn Turn>> {
        let mut turns = lock(&self.turns);
        let deadline = Instant::now() + idle;
        loop {
            if let Some(turn) = turns.waiting.pop_front() {
                return Some(turn);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if turns.closing || left.is_zero() {
                turns.running = false;
                return None;
            }
            turns = self.arrived.wait_timeout(turns, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next turn, if it waits already and is small.
    pub(crate) fn next_small_turn(&self) -> Option<Box<dyn Turn>> {
        let mut turns = lock(&self.turns);
        if turns.waiting.front().is_some_and(|turn| turn.is_small()) {
            turns.waiting.pop_front()
        } else {
            None
        }
    }

    /// Lets waiting turns finish, and takes no more.
    pub(crate) fn finish(&self) {
        let thread = {
            let mut turns = lock(&self.turns);
            turns.closing = true;
            turns.thread.take()
        };
        self.arrived.notify_all();
        if let Some(thread) = thread {
            join(thread);
        }
    }
}

/// Waits for a thread, unless it is this one: a job may hold the last handle of the store.
pub(crate) fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != std::thread::current().id() {
        // The threads catch what jobs do to them; there is nothing to learn from the result.
        let _ = thread.join();
    }
}

/// Brings a project's database up to date, and compiles its catalogue.
pub(crate) fn bring_up_to_date(conn: &Connection) -> Result<Catalogue, Error> {
    migrate::migrate(conn, migrate::PROJECT)?;
    let catalogue = compile(&read_overlay(conn)?)?;
    conn.execute_batch("BEGIN IMMEDIATE").told()?;
    let done = schema::grow(conn, &catalogue).and_then(|()| conn.execute_batch("COMMIT").told());
    if done.is_err() && !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK").told()?;
    }
    done.map(|()| catalogue)
}

impl Log {
    /// Notes the length after a commit; true when a checkpoint is due and nobody asked for one.
    pub(crate) fn grew(&self, pages: i32, due: i32) -> bool {
        self.length.store(pages, Ordering::Relaxed);
        if pages < self.written.load(Ordering::Relaxed) {
            // It began anew.
            self.written.store(0, Ordering::Relaxed);
        }
        pages - self.written.load(Ordering::Relaxed) >= due && !self.asked.swap(true, Ordering::Relaxed)
    }
}
