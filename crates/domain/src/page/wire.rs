//! Bytes of pages: numbers of variable length, texts, values.

use crate::value::Value;

pub(super) const SECRET: u8 = 0xf0;
const LONG: u8 = 0x80;

pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Absent is 0, a text its length plus one.
pub(super) fn put_optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => put(out, 0),
        Some(text) => {
            put(out, text.len() as u64 + 1);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn tag(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Text(_) => 1,
        Value::Integer(_) => 2,
        Value::Decimal(_) => 3,
        Value::Float(_) => 4,
        Value::Boolean(false) => 5,
        Value::Boolean(true) => 6,
        Value::Datetime(_) => 7,
        Value::Date(_) => 8,
        Value::Binary(_) => 9,
        Value::Json(_) => 10,
        Value::Reference(_) => 11,
        Value::References(_) => 12,
    }
}

pub(super) fn put_value(out: &mut Vec<u8>, value: &Value) {
    out.push(tag(value));
    match value {
        Value::Null | Value::Boolean(_) => {}
        Value::Text(text) | Value::Json(text) => put_text(out, text),
        Value::Integer(n) | Value::Decimal(n) | Value::Datetime(n) => put_signed(out, *n),
        Value::Date(n) => put_signed(out, i64::from(*n)),
        Value::Float(n) => out.extend_from_slice(&n.to_bits().to_le_bytes()),
        Value::Binary(bytes) => {
            put(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Value::Reference(id) => put_signed(out, id.0),
        Value::References(ids) => {
            put(out, ids.len() as u64);
            for id in ids {
                put_signed(out, id.0);
            }
        }
    }
}

/// A value that lies elsewhere, by its hash.
pub(super) fn put_long(out: &mut Vec<u8>, value: &Value, hash: &[u8; 32]) {
    out.push(tag(value) | LONG);
    out.extend_from_slice(hash);
}

pub(super) fn compress(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 1).unwrap_or_else(|_| {
        // Cannot happen with memory to spare; a stored frame would still be read back.
        zstd::encode_all(plain, 1).unwrap_or_default()
    })
}

/// Takes numbers, texts and values off the front of a page. `None` where the page is broken.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(super) fn bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(front)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    pub(super) fn optional(&mut self) -> Option<Option<&'a str>> {
        match self.number()? {
            0 => Some(None),
            length => Some(Some(std::str::from_utf8(self.bytes(length - 1)?).ok()?)),
        }
    }

    /// A value; long ones come from `long`.
    pub(super) fn value(
        &mut self,
        long: &mut dyn FnMut(&[u8; 32]) -> Option<Vec<u8>>,
    ) -> Option<Option<Value>> {
        let tag = self.byte()?;
        if tag == SECRET {
            return Some(None);
        }
        if tag & LONG != 0 {
            let hash: [u8; 32] = self.bytes(32)?.try_into().ok()?;
            let bytes = long(&hash)?;
            return Some(Some(match tag & !LONG {
                1 => Value::Text(String::from_utf8(bytes).ok()?.into()),
                10 => Value::Json(String::from_utf8(bytes).ok()?.into()),
                _ => Value::Binary(bytes.into()),
            }));
        }
        Some(Some(match tag {
            0 => Value::Null,
            1 => Value::Text(self.text()?.into()),
            2 => Value::Integer(self.signed()?),
            3 => Value::Decimal(self.signed()?),
            4 => Value::Float(f64::from_bits(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))),
            5 => Value::Boolean(false),
            6 => Value::Boolean(true),
            7 => Value::Datetime(self.signed()?),
            8 => Value::Date(i32::try_from(self.signed()?).ok()?),
            9 => {
                let length = self.number()?;
                Value::Binary(self.bytes(length)?.into())
            }
            10 => Value::Json(self.text()?.into()),
            11 => Value::Reference(crate::names::InternalId(self.signed()?)),
            12 => {
                let length = self.number()?;
                let ids = (0..length).map(|_| self.signed().map(crate::names::InternalId));
                Value::References(ids.collect::<Option<_>>()?)
            }
            _ => return None,
        }))
    }
}
