//! Rows of a body, typed, in whatever format they travel.

mod csv;
mod detect;
mod encoding;
pub mod json;
mod map;
mod ndjson;
mod reader;
mod rejects;
mod shape;
mod syntax;
mod walker;

pub use self::csv::CsvRows;
pub use self::detect::{DateForm, Detected};
pub use self::json::{Form, JsonRows, JsonSets};
pub use self::map::{ByField, CsvForm, MapFile, MappedColumn, UnknownColumns};
pub use self::ndjson::NdjsonRows;
pub use self::reader::RowReader;
pub use self::rejects::{Reject, write_rejects};
pub use self::shape::{Empty, Null, RepeatedMember, RowShape, Target, Unknown};
