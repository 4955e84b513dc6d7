//! What the engine promises, over SQLite in a temporary folder.

mod bed;
mod books;
mod callers;
mod keys;
mod life;
mod logins;
mod numbers;
mod plans;
mod random;
mod rights;
