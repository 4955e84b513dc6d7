//! Values between the domain and SQLite.

use domain::field::FieldType;
use domain::find::Record;
use domain::names::{Company, InternalId};
use domain::row::State;
use domain::value::Value;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};
use store::Error;

use crate::error::{Told, damaged};
use crate::schema::SYSTEM_COUNT;

/// A value as a statement takes it.
pub(crate) struct Bound<'a>(pub(crate) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(output(self.0))
    }
}

/// A part of a key in which null is a value.
pub(crate) struct BoundPart<'a>(pub(crate) &'a Value);

impl ToSql for BoundPart<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Blob(&[0])),
            value => output(value),
        })
    }
}

fn output(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Text(text) | Value::Json(text) => ValueRef::Text(text.as_bytes()),
        Value::Integer(n) | Value::Decimal(n) | Value::Datetime(n) => ValueRef::Integer(*n),
        Value::Float(n) => ValueRef::Real(*n),
        Value::Boolean(b) => ValueRef::Integer(i64::from(*b)),
        Value::Date(n) => ValueRef::Integer(i64::from(*n)),
        Value::Binary(bytes) => ValueRef::Blob(bytes),
        Value::Reference(id) => ValueRef::Integer(id.0),
        Value::References(ids) => return ToSqlOutput::Owned(id_list(ids).into()),
    })
}

/// Internal ids as a JSON array.
pub(crate) fn id_list(ids: &[InternalId]) -> String {
    let mut text = String::with_capacity(2 + ids.len() * 14);
    text.push('[');
    for (n, id) in ids.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(&id.0.to_string());
    }
    text.push(']');
    text
}

/// Reads a value of a field.
pub(crate) fn read_value(stored: ValueRef<'_>, kind: FieldType) -> Result<Value, Error> {
    if matches!(stored, ValueRef::Null) {
        return Ok(Value::Null);
    }
    Ok(match kind {
        FieldType::Text(_) | FieldType::LongText => Value::Text(stored.as_str().told()?.into()),
        FieldType::Json => Value::Json(stored.as_str().told()?.into()),
        FieldType::Integer => Value::Integer(stored.as_i64().told()?),
        FieldType::Decimal { .. } => Value::Decimal(stored.as_i64().told()?),
        FieldType::Float => Value::Float(stored.as_f64().told()?),
        FieldType::Boolean => Value::Boolean(stored.as_i64().told()? != 0),
        FieldType::Datetime => Value::Datetime(stored.as_i64().told()?),
        FieldType::Date => {
            Value::Date(i32::try_from(stored.as_i64().told()?).map_err(|_| damaged("a day is out of range"))?)
        }
        FieldType::Binary => Value::Binary(stored.as_blob().told()?.into()),
        FieldType::Reference(_) => Value::Reference(InternalId(stored.as_i64().told()?)),
        FieldType::References(_) => {
            let ids: Vec<i64> = serde_json::from_str(stored.as_str().told()?)
                .map_err(|error| Error::Damaged(error.into()))?;
            Value::References(ids.into_iter().map(InternalId).collect())
        }
    })
}

/// Reads a record whose columns are the system columns and then fields of these types.
pub(crate) fn read_record(row: &Row<'_>, kinds: &[FieldType]) -> Result<Record, Error> {
    let integer = |at: usize| -> Result<i64, Error> { row.get_ref(at).told()?.as_i64().told() };
    let state = match integer(7)? {
        0 => State::Live,
        1 => State::Deleted,
        2 => State::Merged(InternalId(integer(8)?)),
        _ => return Err(damaged("a record is in no known state")),
    };
    let mut values = Vec::with_capacity(kinds.len());
    for (n, kind) in kinds.iter().enumerate() {
        values.push(read_value(row.get_ref(SYSTEM_COUNT + n).told()?, *kind)?);
    }
    Ok(Record {
        id: InternalId(integer(0)?),
        company: Company(u16::try_from(integer(1)?).map_err(|_| damaged("a company is out of range"))?),
        code: row.get_ref(2).told()?.as_str().told()?.into(),
        revision: integer(3)? as u64,
        created_at: integer(4)?,
        changed_at: integer(5)?,
        export_mark: integer(6)? as u8,
        state,
        values,
    })
}

/// A state as its two columns hold it.
pub(crate) fn state_columns(state: State) -> (i64, Option<i64>) {
    match state {
        State::Live => (0, None),
        State::Deleted => (1, None),
        State::Merged(into) => (2, Some(into.0)),
    }
}
