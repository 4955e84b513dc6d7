//! Cursors: where a list goes on, in a text that callers pass back as it is.
//!
//! A cursor holds the values of the order's columns in the last record of a page, and a hash of the
//! question. The hash is no signature: it tells a slip of the caller, and what a cursor holds is
//! checked like any other input.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::catalogue::Entity;
use domain::field::FieldType;
use domain::names::InternalId;
use domain::query::Column;
use domain::value::Value;
use sha2::{Digest, Sha256};

const FORM: u8 = 1;
const HASH: usize = 8;

/// What a cursor belongs to.
pub struct Question<'q> {
    /// Code of the project.
    pub project: &'q str,
    /// Company in which the caller works.
    pub company: u16,
    /// The kind of record.
    pub entity: &'q Entity,
    /// The filter, as sent.
    pub filter: &'q str,
    /// The order with its ties.
    pub order: &'q [(Column, bool)],
}

impl Question<'_> {
    fn hash(&self) -> [u8; HASH] {
        let mut hash = Sha256::new();
        for part in [self.project.to_ascii_lowercase().as_str(), &self.entity.name, self.filter] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(self.company.to_be_bytes());
        hash.update(format!("{:?}", self.order));
        let mut cut = [0; HASH];
        cut.copy_from_slice(&hash.finalize()[..HASH]);
        cut
    }

    /// Prints the cursor that goes on behind a record with these values.
    pub fn print(&self, values: &[Value]) -> String {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.hash());
        values.iter().for_each(|value| put(value, &mut bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor; `None` when it is none, or one of another question.
    pub fn read(&self, text: &str) -> Option<Vec<Value>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (form, rest) = bytes.split_first()?;
        let (hash, mut rest) = rest.split_at_checked(HASH)?;
        if *form != FORM || hash != self.hash() {
            return None;
        }
        let mut values = Vec::with_capacity(self.order.len() + 1);
        for (column, _) in self.order {
            let value = take(&mut rest)?;
            if !fits(self.entity, *column, &value) {
                return None;
            }
            values.push(value);
        }
        let Value::Integer(id) = take(&mut rest)? else { return None };
        values.push(Value::Integer(id));
        rest.is_empty().then_some(values)
    }
}

/// True when a column can hold a value.
fn fits(entity: &Entity, column: Column, value: &Value) -> bool {
    match (column, value) {
        (Column::Id | Column::Revision | Column::ExportMark, Value::Integer(_))
        | (Column::Code, Value::Text(_))
        | (Column::CreatedAt | Column::ChangedAt, Value::Datetime(_)) => true,
        (Column::Field(_), Value::Null) => true,
        (Column::Field(field), value) => matches!(
            (entity.field(field).kind, value),
            (FieldType::Text(_) | FieldType::LongText, Value::Text(_))
                | (FieldType::Integer, Value::Integer(_))
                | (FieldType::Decimal { .. }, Value::Decimal(_))
                | (FieldType::Float, Value::Float(_))
                | (FieldType::Boolean, Value::Boolean(_))
                | (FieldType::Datetime, Value::Datetime(_))
                | (FieldType::Date, Value::Date(_))
                | (FieldType::Reference(_), Value::Reference(_))
        ),
        _ => false,
    }
}

/// Values that cannot be ordered by never get here; they would end as null.
fn put(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            into.push(1);
            into.extend_from_slice(&(text.len() as u32).to_be_bytes());
            into.extend_from_slice(text.as_bytes());
        }
        Value::Integer(n) => number(2, *n, into),
        Value::Decimal(n) => number(3, *n, into),
        Value::Float(n) => number(4, n.to_bits() as i64, into),
        Value::Boolean(b) => number(5, i64::from(*b), into),
        Value::Datetime(n) => number(6, *n, into),
        Value::Date(n) => number(7, i64::from(*n), into),
        Value::Reference(id) => number(8, id.0, into),
        Value::Null | Value::Binary(_) | Value::Json(_) | Value::References(_) => into.push(0),
    }
}

fn number(tag: u8, n: i64, into: &mut Vec<u8>) {
    into.push(tag);
    into.extend_from_slice(&n.to_be_bytes());
}

fn take(rest: &mut &[u8]) -> Option<Value> {
    let (tag, after) = rest.split_first()?;
    *rest = after;
    if *tag == 0 {
        return Some(Value::Null);
    }
    if *tag == 1 {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (text, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        *rest = after;
        let text = std::str::from_utf8(text).ok().filter(|text| !text.contains('\0'))?;
        return Some(Value::text(text));
    }
    let (number, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    let n = i64::from_be_bytes(*number);
    match tag {
        2 => Some(Value::Integer(n)),
        3 => Some(Value::Decimal(n)),
        4 => Some(f64::from_bits(n as u64)).filter(|n| n.is_finite()).map(Value::Float),
        5 => Some(Value::Boolean(n != 0)),
        6 => Some(Value::Datetime(n)),
        7 => i32::try_from(n).ok().map(Value::Date),
        8 => Some(Value::Reference(InternalId(n))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::catalogue::Catalogue;
    use domain::catalogue::file::{Overlay, overlaid};
    use proptest::prelude::*;

    use super::*;

    fn catalogue() -> Catalogue {
        overlaid(&Overlay::default()).unwrap()
    }

    fn question<'q>(entity: &'q Entity, order: &'q [(Column, bool)], filter: &'q str) -> Question<'q> {
        Question { project: "ACME", company: 1, entity, filter, order }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let catalogue = catalogue();
        let entity = catalogue.find("event").unwrap();
        let order = [
            (Column::Field(entity.field_ix("occurred_at").unwrap()), true),
            (Column::Field(entity.field_ix("customer").unwrap()), false),
            (Column::Code, false),
        ];
        let values =
            vec![Value::Datetime(5), Value::Null, Value::text("É1"), Value::Integer(1_040_000_000_001)];
        let cursor = question(entity, &order, "a").print(&values);
        assert_eq!(question(entity, &order, "a").read(&cursor), Some(values.clone()));
        assert_eq!(question(entity, &order, "b").read(&cursor), None, "another filter");
        assert_eq!(question(entity, &order[1..], "a").read(&cursor), None, "another order");
        let wrong = vec![Value::text("x"), Value::Null, Value::text("É1"), Value::Integer(1)];
        let cursor = question(entity, &order, "a").print(&wrong);
        assert_eq!(question(entity, &order, "a").read(&cursor), None, "a text for an instant");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9_-]{0,60}") {
            let catalogue = catalogue();
            let entity = catalogue.find("event").unwrap();
            prop_assert_eq!(question(entity, &[(Column::Code, false)], "").read(&text), None);
        }

        #[test]
        fn no_bytes_behind_a_right_hash_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..60)) {
            let catalogue = catalogue();
            let entity = catalogue.find("event").unwrap();
            let question = question(entity, &[(Column::Code, false)], "");
            let mut bytes = vec![FORM];
            bytes.extend_from_slice(&question.hash());
            bytes.extend_from_slice(&tail);
            let _ = question.read(&URL_SAFE_NO_PAD.encode(bytes));
        }
    }
}
