//! What is true whatever the wire or the database: entities, rows, rules, plans.
//!
//! This crate promises that everything in it is a function of its arguments. It refuses to know
//! async, the time of day, files, SQL, HTTP and JavaScript.

#![warn(missing_docs)]

pub mod batch;
pub mod catalogue;
pub mod changes;
pub mod clock;
pub mod field;
pub mod filter;
pub mod find;
pub mod fold;
pub mod instant;
pub mod keys;
mod kind;
#[cfg(test)]
mod memory;
pub mod names;
pub mod near;
pub mod page;
pub mod plan;
pub mod query;
pub mod row;
pub mod rule;
pub mod settle;
pub mod value;

pub use kind::Kind;
