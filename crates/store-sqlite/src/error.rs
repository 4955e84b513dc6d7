//! What SQLite says, in the words of the contract.

use rusqlite::ErrorCode;
use rusqlite::types::FromSqlError;
use store::Error;

/// Turns errors of the database into errors of the contract.
pub(crate) trait Told<T> {
    /// The result, with the error in the words of the contract.
    fn told(self) -> Result<T, Error>;
}

impl<T> Told<T> for Result<T, rusqlite::Error> {
    fn told(self) -> Result<T, Error> {
        self.map_err(told)
    }
}

impl<T> Told<T> for Result<T, FromSqlError> {
    fn told(self) -> Result<T, Error> {
        self.map_err(|error| Error::Damaged(error.into()))
    }
}

impl<T> Told<T> for std::io::Result<T> {
    fn told(self) -> Result<T, Error> {
        self.map_err(|error| match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::Full(error.into()),
            _ => Error::Unreachable(error.into()),
        })
    }
}

/// An error of the database in the words of the contract.
pub(crate) fn told(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => {
            Error::Constraint { name: constraint_name(&error), source: error.into() }
        }
        Some(ErrorCode::DiskFull) => Error::Full(error.into()),
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::PermissionDenied) => {
            Error::Unreachable(error.into())
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Damaged(error.into()),
        Some(_) => Error::Database(error.into()),
        None => match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => Error::Damaged(error.into()),
            _ => Error::Database(error.into()),
        },
    }
}

/// Stored data that make no sense.
pub(crate) fn damaged(what: &'static str) -> Error {
    Error::Damaged(what.into())
}

/// The same error once more, for another turn that it struck too.
pub(crate) fn again(error: &Error) -> Error {
    let source = || store::Source::from(error.to_string());
    match error {
        Error::Unreachable(_) => Error::Unreachable(source()),
        Error::NoProject => Error::NoProject,
        Error::Newer { found, known } => Error::Newer { found: *found, known: *known },
        Error::Full(_) => Error::Full(source()),
        Error::Closed => Error::Closed,
        Error::Damaged(_) => Error::Damaged(source()),
        _ => Error::Database(source()),
    }
}

/// What SQLite tells of a constraint: its own name, the name of its index, or its columns.
fn constraint_name(error: &rusqlite::Error) -> String {
    let rusqlite::Error::SqliteFailure(_, Some(message)) = error else {
        return "unknown".to_owned();
    };
    let Some((kind, rest)) = message.split_once(": ") else {
        return if message.starts_with("FOREIGN KEY") { "foreign_key".to_owned() } else { message.clone() };
    };
    if let Some(index) = rest.strip_prefix("index '") {
        return index.trim_end_matches('\'').to_owned();
    }
    match rest.split_once('.').and_then(|(table, _)| table.strip_prefix("e_")) {
        Some(entity) if kind.starts_with("UNIQUE") => unique_name(entity, rest),
        _ => rest.to_owned(),
    }
}

/// The unique index that a list of columns such as `e_a.company, e_a.code` is about.
///
/// Keys bear the name of their last field more often than not; the columns tell the rest.
fn unique_name(entity: &str, columns: &str) -> String {
    let names: Vec<&str> = columns
        .split(", ")
        .filter_map(|column| column.split_once('.'))
        .map(|(_, name)| name.strip_prefix("f_").unwrap_or(name))
        .collect();
    match names.as_slice() {
        ["id"] => format!("e_{entity}"),
        ["company", rest @ ..] => format!("u_{entity}_{}", rest.join("_")),
        _ => columns.to_owned(),
    }
}
