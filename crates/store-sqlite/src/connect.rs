//! Connections, set up alike.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use store::Error;

use crate::config::Config;
use crate::error::Told;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Making the file, or writing one that may not be there yet.
    Create,
    /// Writing.
    Write,
    /// Reading, and nothing else.
    Read,
    /// Checkpoints, and nothing else.
    Checkpoint,
}

/// Makes a file that only its owner can read; SQLite gives its log the same rights. One that
/// exists is never opened here: closing it would let go of what SQLite has locked in it.
fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Opens a database file.
pub(crate) fn connect(path: &Path, purpose: Purpose, config: &Config) -> Result<Connection, Error> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if purpose == Purpose::Create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
        make_private(path).told()?;
    }
    let conn = Connection::open_with_flags(path, flags).told()?;
    conn.busy_timeout(config.busy_timeout).told()?;
    let cache_bytes = match purpose {
        Purpose::Write | Purpose::Create => config.writer_cache_bytes,
        Purpose::Read => config.reader_cache_bytes,
        Purpose::Checkpoint => 64 << 10,
    };
    // A cache size below zero is in KiB. Checkpoints are never made where a commit waits for them.
    conn.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA temp_store = FILE;
         PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -{};
         PRAGMA query_only = {};",
        cache_bytes / 1024,
        u8::from(purpose == Purpose::Read),
    ))
    .told()?;
    conn.set_prepared_statement_cache_capacity(match purpose {
        Purpose::Write | Purpose::Create => 256,
        Purpose::Read => 128,
        Purpose::Checkpoint => 1,
    });
    Ok(conn)
}
