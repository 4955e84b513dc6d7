//! Checkpoints, off the commit path: one thread moves write-ahead logs into their databases, and
//! closes what nobody used for long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use store::Error;

use crate::config::Config;
use crate::connect::{Purpose, connect};
use crate::error::Told;
use crate::project::Project;
use crate::shared::Projects;

/// What the thread can be asked.
pub(crate) enum Ask {
    /// To write a project's log into its database.
    Project(Arc<Project>),
    /// To stop.
    Stop,
}

/// Pages that so many bytes of a log are.
pub(crate) fn pages(bytes: u64) -> i32 {
    i32::try_from(bytes / 4096).unwrap_or(i32::MAX).max(1)
}

/// Makes checkpoints as they are asked for.
pub(crate) fn work(asks: &Receiver<Ask>, projects: &Projects, config: &Config) {
    let tick = config.idle_close / 2;
    loop {
        match asks.recv_timeout(tick) {
            Ok(Ask::Project(project)) => {
                if let Err(error) = checkpoint(&project, config) {
                    tracing::warn!(project = %project.code, error = &error as &dyn std::error::Error, "a checkpoint failed");
                }
                project.log.asked.store(false, Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => {
                for project in projects.all() {
                    project.close_readers(config.idle_close);
                }
            }
            Ok(Ask::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Moves what it can without anybody waiting.
///
/// A writer that never rests always leaves an end behind. When the log has grown huge, a second
/// pass makes that end short, and the writer is told to move it itself.
fn checkpoint(project: &Project, config: &Config) -> Result<(), Error> {
    let conn = connect(&project.path, Purpose::Checkpoint, config)?;
    let (mut length, mut written) = move_log(&conn)?;
    if length >= pages(config.restart_bytes) {
        if written < length {
            (length, written) = move_log(&conn)?;
        }
        // Even when all is written: the writer may be adding to it right now.
        project.log.huge.store(true, Ordering::Relaxed);
    }
    // All of it written: the next commit begins the log anew.
    let all = length == written;
    project.log.written.store(if all { 0 } else { written }, Ordering::Relaxed);
    Ok(())
}

/// Moves the log into the database, as far as readers allow; gives the pages in the log, and those
/// of them that are in the database.
pub(crate) fn move_log(conn: &rusqlite::Connection) -> Result<(i32, i32), Error> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?))).told()
}
