//! The filter grammar: one for queries, scopes, hooks and consumers.
//!
//! ```text
//! filter  = all { "or" all }
//! all     = part { "and" part }
//! part    = "not" part | "(" filter ")" | test
//! test    = path ( "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "contains" | "startswith" ) value
//!         | path "in" "(" value { "," value } ")"
//!         | path "is" [ "not" ] "null"
//! path    = name [ "." name ]
//! value   = 'text' | number | "true" | "false" | 2026-01-01 | 2026-01-01T08:00:00Z
//! ```
//!
//! Keywords come in any case, names as the catalogue has them; a quote inside a text is doubled.
//! Reading has two stages: [`parse`] knows the grammar alone, [`Filter::resolve`] the catalogue
//! and, through its caller, the records that a filter names.

use std::fmt;

mod order;
mod read;
mod resolve;

pub use order::order;
pub use read::parse;
pub use resolve::{LookedUp, Lookup, ResolveError, lookup_in};

use crate::query::Comparison;

/// Deepest nesting of brackets and `not` in a filter.
pub const MOST_LEVELS: usize = 100;
/// Most words, values and marks in a filter.
pub const MOST_TOKENS: usize = 10_000;

/// A filter as it was written, before anything is known of the catalogue.
///
/// Printing it gives a text that [`parse`] reads as the same filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The outermost part.
    pub root: Node,
}

/// A part of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// All of at least two parts.
    And(Vec<Node>),
    /// One of at least two parts.
    Or(Vec<Node>),
    /// Not this part.
    Not(Box<Node>),
    /// A field compared with a value.
    Test {
        /// The field.
        path: Path,
        /// How it is compared.
        comparison: Comparison,
        /// Where the operator stands.
        at: Position,
        /// The value.
        value: Literal,
    },
    /// A field compared with several values.
    In {
        /// The field.
        path: Path,
        /// Where the operator stands.
        at: Position,
        /// At least one value.
        values: Vec<Literal>,
    },
    /// A field that has no value, or that has one.
    IsNull {
        /// The field.
        path: Path,
        /// True for `is not null`.
        negated: bool,
    },
}

/// A field, or a field of the record that a field refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The field.
    pub name: Box<str>,
    /// A field of the record that it refers to.
    pub of: Option<Box<str>>,
    /// Where it stands.
    pub at: Position,
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// What it is.
    pub kind: LiteralKind,
    /// Where it stands.
    pub at: Position,
}

/// What a value looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiteralKind {
    /// A text in quotes.
    Text(Box<str>),
    /// A number, as written.
    Number(Box<str>),
    /// `true` or `false`.
    Boolean(bool),
    /// A day or an instant without quotes, as written.
    Moment(Box<str>),
}

/// Where something stands in a text: characters from 1. All positions are equal to one another, so
/// that parts are equal when they say the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct Position(pub u32);

impl PartialEq for Position {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Position {}

/// What is wrong with a filter or an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: found {found}, expected {expected}{}", position.0, hint_of(hint.as_deref()))]
pub struct FilterFault {
    /// Where.
    pub position: Position,
    /// What stands there.
    pub found: Box<str>,
    /// What could stand there.
    pub expected: Box<str>,
    /// What to try.
    pub hint: Option<Box<str>>,
}

impl FilterFault {
    fn new(position: Position, found: impl Into<String>, expected: impl Into<String>) -> Self {
        let (found, expected) = (found.into().into_boxed_str(), expected.into().into_boxed_str());
        FilterFault { position, found, expected, hint: None }
    }

    fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.map(String::into_boxed_str);
        self
    }
}

fn hint_of(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!("; {hint}"))
}

/// What stands somewhere, short enough for a message.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

fn did_you_mean<'n>(text: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    crate::near::nearest(&text.to_lowercase(), names).map(|near| format!("did you mean `{near}`?"))
}

/// The comparisons with their words.
const WORDS: [(&str, Comparison); 8] = [
    ("eq", Comparison::Eq),
    ("ne", Comparison::Ne),
    ("lt", Comparison::Lt),
    ("le", Comparison::Le),
    ("gt", Comparison::Gt),
    ("ge", Comparison::Ge),
    ("contains", Comparison::Contains),
    ("startswith", Comparison::StartsWith),
];

fn word_of(comparison: Comparison) -> &'static str {
    WORDS.iter().find(|(_, of)| *of == comparison).map_or("", |(word, _)| word)
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::And(parts) => {
                print_parts(f, parts, " and ", |part| matches!(part, Node::And(_) | Node::Or(_)))
            }
            Node::Or(parts) => print_parts(f, parts, " or ", |part| matches!(part, Node::Or(_))),
            Node::Not(part) if matches!(**part, Node::And(_) | Node::Or(_)) => write!(f, "not ({part})"),
            Node::Not(part) => write!(f, "not {part}"),
            Node::Test { path, comparison, value, .. } => {
                write!(f, "{path} {} {value}", word_of(*comparison))
            }
            Node::In { path, values, .. } => {
                write!(f, "{path} in (")?;
                for (n, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Node::IsNull { path, negated: false } => write!(f, "{path} is null"),
            Node::IsNull { path, negated: true } => write!(f, "{path} is not null"),
        }
    }
}

fn print_parts(
    f: &mut fmt::Formatter<'_>,
    parts: &[Node],
    word: &str,
    in_brackets: fn(&Node) -> bool,
) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            f.write_str(word)?;
        }
        if in_brackets(part) {
            write!(f, "({part})")?;
        } else {
            write!(f, "{part}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.of {
            Some(of) => write!(f, ".{of}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            LiteralKind::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            LiteralKind::Number(text) | LiteralKind::Moment(text) => f.write_str(text),
            LiteralKind::Boolean(b) => b.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
