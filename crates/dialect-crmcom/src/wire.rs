//! Exactly what travels: bodies, envelopes, rows, objects. No behaviour.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::names::Lookup;

/// Members of an object that have a name we know, each at the place of its name; of a repeated one
/// the last. Values are not read yet: however deep they are nested, finding their end is a loop.
pub(crate) type Members<'a> = Vec<Option<&'a RawValue>>;

/// Reads an object; an error when the text is not exactly one object.
///
/// Source: crmcom §1.
pub(crate) fn object<'a>(text: &'a str, lookup: &Lookup) -> Result<Members<'a>, serde_json::Error> {
    let mut members = vec![None; lookup.len()];
    object_into(text, lookup, &mut members)?;
    Ok(members)
}

/// The same into members that are all `None`, so that a thousand rows share one list.
pub(crate) fn object_into<'a>(
    text: &'a str,
    lookup: &Lookup,
    into: &mut Members<'a>,
) -> Result<(), serde_json::Error> {
    struct Object<'l, 'm, 'a>(&'l Lookup, &'m mut Members<'a>);

    impl<'a> Visitor<'a> for Object<'_, '_, 'a> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(place) = map.next_key_seed(Key(self.0))? {
                match place {
                    Some(place) => self.1[place] = Some(map.next_value()?),
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            Ok(())
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(Object(lookup, into))?;
    reader.end()
}

struct Key<'l>(&'l Lookup);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.place(name))
    }
}

/// The elements of an array, and how many there are; those past `most` are counted only.
pub(crate) fn array(text: &str, most: usize) -> Result<(Vec<&RawValue>, usize), serde_json::Error> {
    struct Array(usize);

    impl<'a> Visitor<'a> for Array {
        type Value = (Vec<&'a RawValue>, usize);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while elements.len() < self.0 {
                match seq.next_element()? {
                    Some(element) => elements.push(element),
                    None => {
                        let count = elements.len();
                        return Ok((elements, count));
                    }
                }
            }
            let mut count = elements.len();
            while seq.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok((elements, count))
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    let read = reader.deserialize_seq(Array(most))?;
    reader.end()?;
    Ok(read)
}

/// A value that was not read yet, seen from outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    /// Absent, or `null`.
    Null,
    Text(Cow<'a, str>),
    /// As it was written.
    Number(&'a str),
    Boolean(bool),
    /// An object, not read yet.
    Object(&'a str),
    /// An array, not read yet.
    Array(&'a str),
    /// A text with half a surrogate pair: no text at all.
    Broken,
}

impl<'a> Json<'a> {
    /// Looks at a member.
    pub fn of(member: Option<&'a RawValue>) -> Self {
        Self::of_text(member.map_or("", RawValue::get))
    }

    /// Looks at the text of a member; an empty one is an absent one.
    pub fn of_text(text: &'a str) -> Self {
        match text.as_bytes().first() {
            Some(b'"') => match text.get(1..text.len() - 1) {
                Some(inner) if !inner.contains('\\') => Json::Text(Cow::Borrowed(inner)),
                _ => serde_json::from_str(text).map_or(Json::Broken, |text: String| Json::Text(text.into())),
            },
            Some(b'{') => Json::Object(text),
            Some(b'[') => Json::Array(text),
            Some(b't') => Json::Boolean(true),
            Some(b'f') => Json::Boolean(false),
            Some(b'n') | None => Json::Null,
            Some(_) => Json::Number(text),
        }
    }

    /// True when nothing was given.
    pub fn is_null(&self) -> bool {
        *self == Json::Null
    }

    /// True when nothing was given, or an empty text.
    pub fn is_empty(&self) -> bool {
        match self {
            Json::Null => true,
            Json::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

/// Every answer.
///
/// Source: crmcom §2.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Envelope<'a, T> {
    pub data: T,
    pub status: Status<'a>,
}

/// How a call went as a whole.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Status<'a> {
    pub code: &'a str,
    pub description: &'a str,
    pub message: &'a str,
}

impl Status<'_> {
    pub const OK: Status<'static> = Status { code: "OK", description: "", message: "" };
}

/// `{}`, where there is nothing to say.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Nothing {}

/// What a login answers.
///
/// Source: crmcom §4.1.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Token<'a> {
    pub token: &'a str,
}

/// What a bulk call answers.
///
/// Source: crmcom §6.5.
#[derive(Debug, Default, PartialEq, serde::Serialize)]
pub(crate) struct Created<'a> {
    pub processed_customer_events_set: Vec<Processed<'a>>,
    pub unprocessed_customer_events_set: Vec<Unprocessed<'a>>,
}

/// A row that became an event.
#[derive(Debug, PartialEq, serde::Serialize)]
pub(crate) struct Processed<'a> {
    pub request_unique_identifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<&'a str>,
}

/// A row that did not.
#[derive(Debug, PartialEq, serde::Serialize)]
pub(crate) struct Unprocessed<'a> {
    pub request_unique_identifier: Option<&'a str>,
    pub error_code: &'static str,
    pub error_description: String,
}

/// A value in an answer.
#[derive(Debug, Clone)]
pub(crate) enum Out<'a> {
    Null,
    Text(Cow<'a, str>),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    /// JSON that is printed as it is.
    Raw(&'a RawValue),
    Object(Vec<(&'a str, Out<'a>)>),
}

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, printer: S) -> Result<S::Ok, S::Error> {
        match self {
            Out::Null => printer.serialize_unit(),
            Out::Text(text) => printer.serialize_str(text),
            Out::Integer(number) => printer.serialize_i64(*number),
            Out::Number(number) => printer.serialize_f64(*number),
            Out::Boolean(b) => printer.serialize_bool(*b),
            Out::Raw(raw) => raw.serialize(printer),
            Out::Object(members) => {
                let mut map = printer.serialize_map(Some(members.len()))?;
                for (name, member) in members {
                    map.serialize_entry(name, member)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_repeated_member_the_last_counts_and_unknown_ones_are_passed_over() {
        let lookup = Lookup::new(["a", "b"]);
        let members = object(r#"{"a":1,"x":{"a":3},"a":2}"#, &lookup).unwrap();
        assert_eq!(Json::of(members[0]), Json::Number("2"));
        assert_eq!(Json::of(members[1]), Json::Null);
    }

    #[test]
    fn what_is_no_object_is_no_object() {
        let lookup = Lookup::new(["a"]);
        for text in ["", "[]", "null", "1", "{", "{} x", "{\"a\":}", "not json"] {
            assert!(object(text, &lookup).is_err(), "{text}");
        }
    }

    #[test]
    fn however_deep_a_body_is_nested_it_is_read_in_a_loop() {
        let lookup = Lookup::new(["a"]);
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(object(&deep, &lookup).is_ok());
        assert!(object(&"[".repeat(1_000_000), &lookup).is_err());
    }

    #[test]
    fn elements_past_the_limit_are_counted() {
        let (elements, count) = array("[1, 2, 3]", 2).unwrap();
        assert_eq!((elements.len(), count), (2, 3));
        assert_eq!(array("[]", 2).unwrap().1, 0);
    }
}
