//! Types of fields: what a value must be, how it is read from text, how it is printed.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::tz::TimeZone;

use crate::catalogue::{EntityIx, Field};
use crate::instant;
use crate::rule::{Problem, Rule};
use crate::value::Value;

/// Type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Text of at most so many characters.
    Text(u32),
    /// Text of at most [`FieldType::LONG_TEXT`] characters.
    LongText,
    /// A 64-bit whole number.
    Integer,
    /// An exact decimal of `precision` digits (at most 18), `scale` of them behind the point.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// An IEEE double.
    Float,
    /// True or false.
    Boolean,
    /// An instant.
    Datetime,
    /// A day.
    Date,
    /// Bytes; base64 in text.
    Binary,
    /// Any JSON value.
    Json,
    /// A record of an entity.
    Reference(EntityIx),
    /// A list of records of an entity.
    References(EntityIx),
}

impl FieldType {
    /// Most characters of a `long_text`.
    pub const LONG_TEXT: u32 = 1_000_000;

    /// The entity that a reference or a list of references leads to.
    pub fn target(self) -> Option<EntityIx> {
        match self {
            FieldType::Reference(target) | FieldType::References(target) => Some(target),
            _ => None,
        }
    }

    /// What a value must look like, for messages.
    pub fn expectation(self) -> &'static str {
        match self {
            FieldType::Text(_) | FieldType::LongText => "a text",
            FieldType::Integer => "a whole number",
            FieldType::Decimal { .. } => "a decimal number",
            FieldType::Float => "a number",
            FieldType::Boolean => "true or false",
            FieldType::Datetime => "a date and time such as 2026-03-01T08:00:00Z",
            FieldType::Date => "a date such as 2026-03-01",
            FieldType::Binary => "bytes as base64",
            FieldType::Json => "a JSON value",
            FieldType::Reference(_) => "the code of a record",
            FieldType::References(_) => "a list of codes",
        }
    }
}

/// One scalar as a wire brought it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// A JSON string, a CSV cell.
    Text(&'a str),
    /// A JSON number, as written.
    Number(&'a str),
    /// A JSON boolean.
    Boolean(bool),
}

impl Scalar<'_> {
    /// The scalar as a person would write it.
    pub fn shown(&self) -> String {
        match self {
            Scalar::Text(text) | Scalar::Number(text) => (*text).to_owned(),
            Scalar::Boolean(b) => b.to_string(),
        }
    }
}

/// How a wire's scalars are understood.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Zone of times that name none.
    pub zone: TimeZone,
    /// Numbers, booleans and dates may come as text, and texts as numbers: for wires and files
    /// that know text alone, and vendors who are lenient.
    pub lenient: bool,
}

/// Reads one scalar for `field`; references are not scalars and end in `wrong_type`.
///
/// `path` names the field in the caller's own words.
pub fn read_scalar(
    field: &Field,
    path: &str,
    scalar: Scalar<'_>,
    reading: &Reading,
) -> Result<Value, Problem> {
    let wrong = || fault(field, path, Rule::WrongType, scalar);
    match (field.kind, scalar) {
        (FieldType::Text(length), Scalar::Text(text)) => read_text(field, path, text, length),
        (FieldType::LongText, Scalar::Text(text)) => read_text(field, path, text, FieldType::LONG_TEXT),
        (FieldType::Text(length), other) if reading.lenient => read_text(field, path, &other.shown(), length),
        (FieldType::LongText, other) if reading.lenient => {
            read_text(field, path, &other.shown(), FieldType::LONG_TEXT)
        }
        (FieldType::Boolean, Scalar::Boolean(b)) => Ok(Value::Boolean(b)),
        (FieldType::Boolean, Scalar::Text(text) | Scalar::Number(text)) if reading.lenient => match text {
            "true" | "TRUE" | "True" | "1" => Ok(Value::Boolean(true)),
            "false" | "FALSE" | "False" | "0" => Ok(Value::Boolean(false)),
            _ => Err(wrong()),
        },
        (FieldType::Datetime, Scalar::Text(text)) => instant::parse(text.trim(), &reading.zone)
            .map(Value::Datetime)
            .ok_or_else(|| fault(field, path, Rule::InvalidValue, scalar)),
        (FieldType::Date, Scalar::Text(text)) => instant::parse_date(text.trim())
            .map(Value::Date)
            .ok_or_else(|| fault(field, path, Rule::InvalidValue, scalar)),
        (FieldType::Binary, Scalar::Text(text)) => decode_base64(text)
            .map(|bytes| Value::Binary(bytes.into_boxed_slice()))
            .ok_or_else(|| fault(field, path, Rule::InvalidValue, scalar)),
        (FieldType::Json, Scalar::Boolean(b)) => Ok(Value::Json(b.to_string().into())),
        (FieldType::Json, Scalar::Number(text)) => Ok(Value::Json(text.into())),
        (FieldType::Json, Scalar::Text(text)) => {
            check_text(field, path, text)?;
            Ok(Value::Json(serde_json::Value::from(text).to_string().into()))
        }
        (FieldType::Integer | FieldType::Decimal { .. } | FieldType::Float, Scalar::Number(text)) => {
            read_number(field, path, text, scalar)
        }
        (FieldType::Integer | FieldType::Decimal { .. } | FieldType::Float, Scalar::Text(text))
            if reading.lenient =>
        {
            read_number(field, path, text.trim(), scalar)
        }
        _ => Err(wrong()),
    }
}

fn fault(field: &Field, path: &str, rule: Rule, scalar: Scalar<'_>) -> Problem {
    let problem = Problem::new(path, rule, format!("{path} must be {}", field.kind.expectation()));
    if field.secret { problem } else { problem.with_value(&scalar.shown()) }
}

fn check_text(field: &Field, path: &str, text: &str) -> Result<(), Problem> {
    if text.contains('\0') {
        let problem = Problem::new(path, Rule::InvalidValue, format!("{path} holds the character U+0000"));
        let problem = problem.with_hint("remove the character U+0000 from the text");
        return Err(if field.secret { problem } else { problem.with_value(&text.replace('\0', "\u{2400}")) });
    }
    Ok(())
}

fn read_text(field: &Field, path: &str, text: &str, length: u32) -> Result<Value, Problem> {
    check_text(field, path, text)?;
    // Characters are never more than bytes: most texts need no counting.
    if text.len() > length as usize {
        let characters = text.chars().count();
        if characters > length as usize {
            let message = format!("{path} holds {characters} characters, at most {length} are allowed");
            let problem = Problem::new(path, Rule::TooLong, message);
            return Err(if field.secret { problem } else { problem.with_value(text) });
        }
    }
    Ok(Value::Text(text.into()))
}

fn read_number(field: &Field, path: &str, text: &str, scalar: Scalar<'_>) -> Result<Value, Problem> {
    let wrong = || fault(field, path, Rule::WrongType, scalar);
    let far = || {
        Problem::new(path, Rule::OutOfRange, format!("{path} lies outside what the field holds"))
            .with_value(&scalar.shown())
    };
    match field.kind {
        FieldType::Integer => match read_scaled(text, 0) {
            Scaled::Exact(number) => Ok(Value::Integer(number)),
            Scaled::TooFine => Err(fault(field, path, Rule::InvalidValue, scalar)),
            Scaled::TooLarge => Err(far()),
            Scaled::NoNumber => Err(wrong()),
        },
        FieldType::Decimal { precision, scale } => match read_scaled(text, scale) {
            Scaled::Exact(number) if number.unsigned_abs() < 10_u64.pow(u32::from(precision)) => {
                Ok(Value::Decimal(number))
            }
            Scaled::Exact(_) | Scaled::TooLarge => Err(far()),
            Scaled::TooFine => Err(Problem::new(
                path,
                Rule::InvalidValue,
                format!("{path} has more than {scale} digits behind the point"),
            )
            .with_value(&scalar.shown())),
            Scaled::NoNumber => Err(wrong()),
        },
        _ => match text.parse::<f64>() {
            Ok(number) if number.is_finite() && is_number(text) => {
                // Negative zero would differ from zero in its bits and nowhere else.
                Ok(Value::Float(if number == 0.0 { 0.0 } else { number }))
            }
            Ok(_) if is_number(text) => Err(far()),
            _ => Err(wrong()),
        },
    }
}

fn is_number(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next();
    first.is_some_and(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.'))
        && text.bytes().any(|b| b.is_ascii_digit())
        && bytes.all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
}

enum Scaled {
    Exact(i64),
    TooFine,
    TooLarge,
    NoNumber,
}

/// Reads a decimal literal, exponent and all, as a whole number of `10^-scale`.
fn read_scaled(text: &str, scale: u8) -> Scaled {
    if !is_number(text) {
        return Scaled::NoNumber;
    }
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => match text[at + 1..].parse::<i32>() {
            Ok(exponent) => (&text[..at], exponent),
            Err(_) => return Scaled::NoNumber,
        },
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.as_bytes().first() {
        Some(b'-') => (true, &mantissa[1..]),
        Some(b'+') => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
    {
        return Scaled::NoNumber;
    }
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    if digits.iter().all(|digit| *digit == 0) {
        return Scaled::Exact(0);
    }
    // The value is digits × 10^shift in units of 10^-scale.
    let shift = i64::from(exponent) - fraction.len() as i64 + i64::from(scale);
    if shift > 40 {
        return Scaled::TooLarge;
    }
    let kept = if shift < 0 {
        let cut = digits.len().saturating_sub(shift.unsigned_abs() as usize);
        if digits[cut..].iter().any(|digit| *digit != 0) {
            return Scaled::TooFine;
        }
        &digits[..cut]
    } else {
        &digits[..]
    };
    let mut number: i64 = 0;
    for digit in kept.iter().copied().chain(std::iter::repeat_n(0, shift.max(0) as usize)) {
        let next = number.checked_mul(10).and_then(|n| n.checked_sub(i64::from(digit)));
        match next {
            Some(next) => number = next,
            None => return Scaled::TooLarge,
        }
    }
    // Counted below zero, where one number more fits.
    match if negative { Some(number) } else { number.checked_neg() } {
        Some(number) => Scaled::Exact(number),
        None => Scaled::TooLarge,
    }
}

/// Prints a scaled whole number as a decimal: 1250 at scale 2 is `12.50`.
pub fn print_decimal(number: i64, scale: u8) -> String {
    if scale == 0 {
        return number.to_string();
    }
    let digits = format!("{:0width$}", number.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

/// Prints bytes as base64 with padding.
pub fn encode_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Reads base64 with or without padding; `None` for anything else.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    LENIENT.decode(text).ok()
}

/// Canonical text of a JSON value: no blanks, members sorted by name.
///
/// `None` when a text in it holds U+0000.
pub fn canonical_json(value: &serde_json::Value) -> Option<String> {
    fn walk(value: &serde_json::Value, into: &mut String) -> Option<()> {
        match value {
            serde_json::Value::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(b.0));
                into.push('{');
                for (n, (name, member)) in sorted.into_iter().enumerate() {
                    if n > 0 {
                        into.push(',');
                    }
                    if name.contains('\0') {
                        return None;
                    }
                    into.push_str(&serde_json::Value::from(name.as_str()).to_string());
                    into.push(':');
                    walk(member, into)?;
                }
                into.push('}');
            }
            serde_json::Value::Array(items) => {
                into.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        into.push(',');
                    }
                    walk(item, into)?;
                }
                into.push(']');
            }
            serde_json::Value::String(text) if text.contains('\0') => return None,
            other => into.push_str(&other.to_string()),
        }
        Some(())
    }
    let mut text = String::new();
    walk(value, &mut text)?;
    Some(text)
}

#[cfg(test)]
mod tests;
