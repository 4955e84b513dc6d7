//! Values as both databases hold them.

use std::cmp::Ordering;

use crate::names::InternalId;

/// One value of one field of one record.
///
/// Equality is what decides whether a row is `unchanged`: floats compare by their bits (negative
/// zero is turned into zero on the way in, NaN never comes in), everything else exactly.
#[derive(Debug, Clone)]
pub enum Value {
    /// No value.
    Null,
    /// Unicode text without U+0000.
    Text(Box<str>),
    /// A 64-bit whole number.
    Integer(i64),
    /// A decimal as the whole number of its smallest unit: 12.50 at scale 2 is 1250.
    Decimal(i64),
    /// An IEEE double that is a number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// An instant in milliseconds since 1970, UTC.
    Datetime(i64),
    /// A day, counted from 1970-01-01.
    Date(i32),
    /// Bytes.
    Binary(Box<[u8]>),
    /// JSON in canonical text: no blanks, members sorted by name.
    Json(Box<str>),
    /// Another record.
    Reference(InternalId),
    /// Other records, in order.
    References(Box<[InternalId]>),
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Value::Text(text.into())
    }

    /// True for [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text of a text or JSON value.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Json(text) => Some(text),
            _ => None,
        }
    }

    /// The record that a reference names.
    pub fn as_reference(&self) -> Option<InternalId> {
        match self {
            Value::Reference(id) => Some(*id),
            _ => None,
        }
    }

    /// Bytes that tell this value from every other of the same field; for hashes of keys.
    pub fn feed(&self, into: &mut Vec<u8>) {
        match self {
            Value::Null => into.push(0),
            Value::Text(text) | Value::Json(text) => {
                into.push(1);
                into.extend_from_slice(text.as_bytes());
            }
            Value::Integer(n) | Value::Decimal(n) | Value::Datetime(n) => {
                into.push(2);
                into.extend_from_slice(&n.to_be_bytes());
            }
            Value::Float(n) => {
                into.push(3);
                into.extend_from_slice(&n.to_bits().to_be_bytes());
            }
            Value::Boolean(b) => into.extend_from_slice(&[4, u8::from(*b)]),
            Value::Date(n) => {
                into.push(5);
                into.extend_from_slice(&n.to_be_bytes());
            }
            Value::Binary(bytes) => {
                into.push(6);
                into.extend_from_slice(bytes);
            }
            Value::Reference(id) => {
                into.push(7);
                into.extend_from_slice(&id.0.to_be_bytes());
            }
            Value::References(ids) => {
                into.push(8);
                for id in ids {
                    into.extend_from_slice(&id.0.to_be_bytes());
                }
            }
        }
        into.push(0xff);
    }

    /// Roughly how many bytes the value takes; for cutting batches into chunks.
    pub fn weight(&self) -> usize {
        match self {
            Value::Text(text) | Value::Json(text) => 8 + text.len(),
            Value::Binary(bytes) => 8 + bytes.len(),
            Value::References(ids) => 8 + 8 * ids.len(),
            _ => 8,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Text(a), Value::Text(b)) | (Value::Json(a), Value::Json(b)) => a == b,
            (Value::Integer(a), Value::Integer(b))
            | (Value::Decimal(a), Value::Decimal(b))
            | (Value::Datetime(a), Value::Datetime(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Date(a), Value::Date(b)) => a == b,
            (Value::Binary(a), Value::Binary(b)) => a == b,
            (Value::Reference(a), Value::Reference(b)) => a == b,
            (Value::References(a), Value::References(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let mut bytes = Vec::with_capacity(24);
        self.feed(&mut bytes);
        state.write(&bytes);
    }
}

/// Compares two values of one field as both databases sort them: null first, text by code point.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) | (Value::Json(a), Value::Json(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b))
        | (Value::Decimal(a), Value::Decimal(b))
        | (Value::Datetime(a), Value::Datetime(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Binary(a), Value::Binary(b)) => a.cmp(b),
        (Value::Reference(a), Value::Reference(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}
