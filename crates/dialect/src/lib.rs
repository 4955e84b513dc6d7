//! What all doors share: the contract of a vendor's face, bodies, rows, values, scenarios.
//!
//! This crate promises that a body is whole and hashed before a door sees it, that rows are read
//! from memory or from a file in flat memory with all their problems, and that no bytes a stranger
//! sends make it panic. It refuses to know any particular vendor.

#![warn(missing_docs)]

use std::path::PathBuf;

use domain::Kind;
use engine::Engine;

pub mod body;
mod idempotency;
mod near;
pub mod print;
pub mod rows;
pub mod scenario;

pub use body::{Body, BodyFault, Media, Received, receive};
pub use idempotency::{BadKey, idempotency};
pub use near::near;

/// A vendor's face towards callers.
pub trait Dialect: Send + Sync {
    /// Name of the door in ledger, logs and settings, such as `crmcom`.
    fn name(&self) -> &'static str;

    /// Where its paths begin, such as `/crmcom/crmapi/rest/v2`; no slash at the end.
    fn prefix(&self) -> &'static str;

    /// Its routes, as they are below the prefix.
    fn routes(&self, engine: Engine, config: &Config) -> axum::Router;

    /// What a caller is told whom the house answers in the door's place: `Unavailable` when the
    /// server is stopping, `Internal` when an answer ended in a bug. `detail` is safe to show to a
    /// stranger.
    fn fault(&self, kind: Kind, detail: &str) -> axum::response::Response;
}

/// Settings that all doors share.
#[derive(Debug, Clone)]
pub struct Config {
    /// Most bytes of a body, counted after decompression.
    pub max_body: u64,
    /// Bytes of a body kept in memory; what is longer lies in a file.
    pub memory_body: usize,
    /// Folder of bodies too long for memory.
    pub spool: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Config { max_body: 2 << 30, memory_body: 32 << 20, spool: std::env::temp_dir() }
    }
}
