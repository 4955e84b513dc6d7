//! What the engine promises, over SQLite in a temporary folder.

mod bed;
mod books;
mod callers;
mod keys;
mod logins;
mod plans;
