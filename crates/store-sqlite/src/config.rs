//! Settings of the store.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of the store.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data folder; made where it does not exist. Default `comptoir-data`.
    pub data: PathBuf,
    /// Reading threads, shared by all projects. Default 4.
    pub readers: usize,
    /// Connections of a project that nobody used for so long are closed. Default 60 s.
    pub idle_close: Duration,
    /// Once so many bytes of the write-ahead log are not yet in the database, they are written
    /// there beside the work. Default 8 MiB.
    pub checkpoint_bytes: u64,
    /// A write-ahead log of so many bytes is begun anew, for which the writer moves its end into
    /// the database itself. Default 96 MiB.
    pub restart_bytes: u64,
    /// Page cache of a project's writer at most, in bytes. Default 32 MiB.
    pub writer_cache_bytes: u64,
    /// Page cache of each reading connection at most, in bytes. Default 4 MiB.
    pub reader_cache_bytes: u64,
    /// How long a connection waits for another's lock; a net, since turns never overlap.
    /// Default 10 s.
    pub busy_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: PathBuf::from("comptoir-data"),
            readers: 4,
            idle_close: Duration::from_secs(60),
            checkpoint_bytes: 8 << 20,
            restart_bytes: 96 << 20,
            writer_cache_bytes: 32 << 20,
            reader_cache_bytes: 4 << 20,
            busy_timeout: Duration::from_secs(10),
        }
    }
}
