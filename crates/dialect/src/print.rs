//! Values, printed for answers and exports.

use std::collections::HashMap;
use std::io::Write as _;

use domain::catalogue::Field;
use domain::field::{FieldType, encode_base64};
use domain::instant;
use domain::names::InternalId;
use domain::value::Value;
use jiff::tz::TimeZone;

/// How instants are printed.
#[derive(Debug, Clone, Copy)]
pub enum Times<'z> {
    /// In UTC: `2026-03-01T08:00:00Z`.
    Utc,
    /// As the clocks of a zone show it: `2026-03-01T09:00:00`.
    Plain(&'z TimeZone),
    /// With the offset of a zone: `2026-03-01T09:00:00+01:00`.
    Offset(&'z TimeZone),
}

impl Times<'_> {
    /// Prints an instant in milliseconds since 1970.
    pub fn print(self, ms: i64) -> String {
        match self {
            Times::Utc => instant::print_utc(ms),
            Times::Plain(zone) => instant::print_plain(ms, zone),
            Times::Offset(zone) => instant::print_offset(ms, zone),
        }
    }
}

/// Prints a value as JSON. References are printed as codes; a record whose code is not in `codes`
/// is printed as its internal id in a text.
pub fn value_json(
    value: &Value,
    field: &Field,
    codes: &HashMap<InternalId, Box<str>>,
    times: Times<'_>,
    into: &mut Vec<u8>,
) {
    match value {
        Value::Null => into.extend_from_slice(b"null"),
        Value::Text(text) => text_json(text, into),
        Value::Json(text) => into.extend_from_slice(text.as_bytes()),
        Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) | Value::Float(_) => {
            value_text(value, field, codes, times, into);
        }
        Value::Datetime(ms) => quoted(&times.print(*ms), into),
        Value::Date(day) => quoted(&instant::print_date(*day), into),
        Value::Binary(bytes) => quoted(&encode_base64(bytes), into),
        Value::Reference(id) => reference_json(*id, codes, into),
        Value::References(ids) => {
            into.push(b'[');
            for (n, id) in ids.iter().enumerate() {
                if n > 0 {
                    into.push(b',');
                }
                reference_json(*id, codes, into);
            }
            into.push(b']');
        }
    }
}

/// Prints a value as text, as a CSV cell has it before any quoting: null is empty, several
/// references are a JSON list.
pub fn value_text(
    value: &Value,
    field: &Field,
    codes: &HashMap<InternalId, Box<str>>,
    times: Times<'_>,
    into: &mut Vec<u8>,
) {
    match value {
        Value::Null => {}
        Value::Text(text) | Value::Json(text) => into.extend_from_slice(text.as_bytes()),
        Value::Integer(number) => integer(*number, into),
        Value::Decimal(number) => match field.kind {
            FieldType::Decimal { scale, .. } => decimal(*number, scale, into),
            _ => integer(*number, into),
        },
        Value::Float(number) => {
            // Never fails: a vector takes everything, and floats here are numbers.
            let _ = serde_json::to_writer(&mut *into, number);
        }
        Value::Boolean(true) => into.extend_from_slice(b"true"),
        Value::Boolean(false) => into.extend_from_slice(b"false"),
        Value::Datetime(ms) => into.extend_from_slice(times.print(*ms).as_bytes()),
        Value::Date(day) => into.extend_from_slice(instant::print_date(*day).as_bytes()),
        Value::Binary(bytes) => into.extend_from_slice(encode_base64(bytes).as_bytes()),
        Value::Reference(id) => match codes.get(id) {
            Some(code) => into.extend_from_slice(code.as_bytes()),
            None => integer(id.0, into),
        },
        Value::References(_) => value_json(value, field, codes, times, into),
    }
}

/// Prints a text as a JSON string with its quotes.
pub fn text_json(text: &str, into: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    into.reserve(bytes.len() + 2);
    into.push(b'"');
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        into.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match byte {
            b'"' => into.extend_from_slice(b"\\\""),
            b'\\' => into.extend_from_slice(b"\\\\"),
            b'\n' => into.extend_from_slice(b"\\n"),
            b'\r' => into.extend_from_slice(b"\\r"),
            b'\t' => into.extend_from_slice(b"\\t"),
            other => {
                let _ = write!(into, "\\u{other:04x}");
            }
        }
    }
    into.extend_from_slice(&bytes[from..]);
    into.push(b'"');
}

/// Prints a text that needs no escapes.
fn quoted(text: &str, into: &mut Vec<u8>) {
    into.push(b'"');
    into.extend_from_slice(text.as_bytes());
    into.push(b'"');
}

fn reference_json(id: InternalId, codes: &HashMap<InternalId, Box<str>>, into: &mut Vec<u8>) {
    match codes.get(&id) {
        Some(code) => text_json(code, into),
        None => quoted(&id.to_string(), into),
    }
}

fn integer(number: i64, into: &mut Vec<u8>) {
    decimal(number, 0, into);
}

/// Prints a scaled whole number digit by digit, from behind.
fn decimal(number: i64, scale: u8, into: &mut Vec<u8>) {
    let mut buffer = [0_u8; 24];
    let mut at = buffer.len();
    let mut rest = number.unsigned_abs();
    let mut digits = 0;
    while rest > 0 || digits <= scale {
        if digits == scale && scale > 0 {
            at -= 1;
            buffer[at] = b'.';
        }
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        digits += 1;
    }
    if number < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    into.extend_from_slice(&buffer[at..]);
}

#[cfg(test)]
mod tests {
    use domain::field::print_decimal;
    use proptest::prelude::*;

    use super::*;

    fn json(value: &Value, kind: FieldType) -> String {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let codes = HashMap::from([(InternalId(7), "C\"7".into())]);
        let mut text = Vec::new();
        value_json(value, &Field::named("field", kind), &codes, Times::Offset(&paris), &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_type_has_its_form() {
        let customers = domain::catalogue::EntityIx(0);
        let price = FieldType::Decimal { precision: 12, scale: 2 };
        for (value, kind, text) in [
            (Value::Null, FieldType::Integer, "null"),
            (Value::Integer(-42), FieldType::Integer, "-42"),
            (Value::Integer(i64::MIN), FieldType::Integer, "-9223372036854775808"),
            (Value::Decimal(1250), price, "12.50"),
            (Value::Decimal(-5), price, "-0.05"),
            (Value::Float(0.1), FieldType::Float, "0.1"),
            (Value::Boolean(true), FieldType::Boolean, "true"),
            (Value::Datetime(0), FieldType::Datetime, "\"1970-01-01T01:00:00+01:00\""),
            (Value::Date(0), FieldType::Date, "\"1970-01-01\""),
            (Value::Binary(Box::new([255, 0])), FieldType::Binary, "\"/wA=\""),
            (Value::Json("{\"a\":1}".into()), FieldType::Json, "{\"a\":1}"),
            (Value::Reference(InternalId(7)), FieldType::Reference(customers), "\"C\\\"7\""),
            (
                Value::References(Box::new([InternalId(7), InternalId(8)])),
                FieldType::References(customers),
                "[\"C\\\"7\",\"8\"]",
            ),
        ] {
            assert_eq!(json(&value, kind), text);
        }
    }

    proptest! {
        #[test]
        fn texts_are_read_back(text in "\\PC*|[\\x00-\\x7f]*") {
            let mut printed = Vec::new();
            text_json(&text, &mut printed);
            prop_assert_eq!(serde_json::from_slice::<String>(&printed).unwrap(), text);
        }

        #[test]
        fn decimals_are_as_domain_prints_them(number: i64, scale in 0_u8..=18) {
            let mut printed = Vec::new();
            decimal(number, scale, &mut printed);
            prop_assert_eq!(String::from_utf8(printed).unwrap(), print_decimal(number, scale));
        }
    }
}
