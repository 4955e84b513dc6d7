//! The composition root: configuration, wiring, listening, shutting down.
//!
//! Everything is built here and handed down; nothing is global. This crate promises that what it
//! started it also ends, and refuses to know business rules: a request is a door's affair, a batch
//! the engine's.

pub mod apply;
mod compose;
pub mod config;
mod failure;
mod key;
pub mod local;
mod metrics;
mod serve;
mod watch;

pub use compose::{OpenFault, Opened, open};
pub use config::Config;
pub use failure::{Exit, Failure};
pub use serve::{Stop, listen, serve, stop_on_signals};

// What the command line needs to speak of what it gets.
pub use domain::rule::Refusal;

/// Prints an instant in milliseconds since 1970 in UTC.
pub fn instant(ms: i64) -> String {
    domain::instant::print_utc(ms)
}
