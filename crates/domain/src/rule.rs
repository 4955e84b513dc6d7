//! What can be wrong with a row, and how it is told.

use serde::{Deserialize, Serialize};

/// Everything that can be wrong with data. The names are public and fixed: new ones may come,
/// none changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A value that must be given is absent, null or empty.
    Required,
    /// The value is of another type than the field.
    WrongType,
    /// The value is of the right type and makes no sense there.
    InvalidValue,
    /// The text has more characters, or the binary more bytes, than the field holds.
    TooLong,
    /// The number or instant lies outside what the field holds.
    OutOfRange,
    /// The entity has no such field.
    UnknownField,
    /// The field is kept by Comptoir and cannot be sent.
    ReadOnly,
    /// A reference names a record that does not exist.
    UnknownReference,
    /// A reference names several records.
    AmbiguousReference,
    /// The same record, or the same caller's id, stands twice in the batch.
    DuplicateInBatch,
    /// A record with this key exists.
    AlreadyExists,
    /// No record has this key.
    NotFound,
    /// The record has changed since the caller read it.
    StaleRevision,
    /// Other records refer to this one.
    Referenced,
    /// The caller may not do this to this entity or record.
    Forbidden,
}

impl Rule {
    /// Every rule, in the order of the documentation.
    pub const ALL: [Rule; 15] = [
        Rule::Required,
        Rule::WrongType,
        Rule::InvalidValue,
        Rule::TooLong,
        Rule::OutOfRange,
        Rule::UnknownField,
        Rule::ReadOnly,
        Rule::UnknownReference,
        Rule::AmbiguousReference,
        Rule::DuplicateInBatch,
        Rule::AlreadyExists,
        Rule::NotFound,
        Rule::StaleRevision,
        Rule::Referenced,
        Rule::Forbidden,
    ];

    /// The public name, such as `unknown_reference`.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Required => "required",
            Rule::WrongType => "wrong_type",
            Rule::InvalidValue => "invalid_value",
            Rule::TooLong => "too_long",
            Rule::OutOfRange => "out_of_range",
            Rule::UnknownField => "unknown_field",
            Rule::ReadOnly => "read_only",
            Rule::UnknownReference => "unknown_reference",
            Rule::AmbiguousReference => "ambiguous_reference",
            Rule::DuplicateInBatch => "duplicate_in_batch",
            Rule::AlreadyExists => "already_exists",
            Rule::NotFound => "not_found",
            Rule::StaleRevision => "stale_revision",
            Rule::Referenced => "referenced",
            Rule::Forbidden => "forbidden",
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that is wrong with one row, without the row's place: that is the batch's affair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Path of the field, such as `customer` or `products[2].quantity`; empty for the row itself.
    pub field: Box<str>,
    /// What is wrong.
    pub rule: Rule,
    /// The value as received, shortened to 200 characters; `None` where there is none to show
    /// or the field is secret.
    pub value: Option<Box<str>>,
    /// One sentence for a person.
    pub message: Box<str>,
    /// What to try, where it is cheap to know.
    pub hint: Option<Box<str>>,
}

impl Problem {
    /// A problem of `field` with its sentence.
    pub fn new(field: &str, rule: Rule, message: impl Into<String>) -> Self {
        Problem {
            field: field.into(),
            rule,
            value: None,
            message: message.into().into_boxed_str(),
            hint: None,
        }
    }

    /// The same problem showing the value received, shortened to 200 characters.
    pub fn with_value(mut self, value: &str) -> Self {
        let shown = match value.char_indices().nth(200) {
            Some((end, _)) => format!("{}…", &value[..end]),
            None => value.to_owned(),
        };
        self.value = Some(shown.into_boxed_str());
        self
    }

    /// The same problem with something to try.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into_boxed_str());
        self
    }
}

/// Why a row was refused: its place, and one of its problems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Position in the batch, from 1.
    pub row: u64,
    /// Line of the file where the record begins, from 1, for formats that have lines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
    /// Entity of the row.
    pub entity: Box<str>,
    /// The caller's own id of the row, where it has one.
    pub id: Option<Box<str>>,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_names_are_those_that_are_stored() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{}\"", rule.name()));
        }
    }

    #[test]
    fn a_long_value_is_shown_shortened() {
        let shown = |value: &str| Problem::new("f", Rule::TooLong, "m").with_value(value).value.unwrap();
        assert_eq!(&*shown(&"é".repeat(200)), "é".repeat(200));
        assert_eq!(&*shown(&"é".repeat(201)), format!("{}…", "é".repeat(200)));
    }

    #[test]
    fn a_refusal_is_one_flat_object() {
        let problem =
            Problem::new("customer", Rule::UnknownReference, "no customer has code X").with_value("X");
        let refusal = Refusal { row: 4, line: None, entity: "event".into(), id: None, problem };
        let text = serde_json::to_string(&refusal).unwrap();
        let expected = r#"{"row":4,"entity":"event","id":null,"field":"customer","rule":"unknown_reference","value":"X","message":"no customer has code X","hint":null}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Refusal>(&text).unwrap(), refusal);
    }
}
