//! From text to the parts of a filter.

use jiff::tz::TimeZone;

use super::{
    Filter, FilterFault, Literal, LiteralKind, MOST_LEVELS, MOST_TOKENS, Node, Path, Position, WORDS,
    did_you_mean, quoted,
};
use crate::instant;

const OPERATOR: &str = "`eq`, `ne`, `lt`, `le`, `gt`, `ge`, `in`, `contains`, `startswith` or `is`";
const VALUE: &str = "a value: 'text', a number, true, false, or a date such as 2026-01-31";

/// Reads a filter. Whatever the text, reading needs little stack.
pub fn parse(text: &str) -> Result<Filter, FilterFault> {
    let mut reader = Reader { tokens: tokens(text)?, next: 0, level: 0 };
    let root = reader.any()?;
    match reader.peek().kind {
        Kind::End => Ok(Filter { root }),
        _ => Err(reader.fault("`and`, `or` or the end")),
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Word(Box<str>),
    Value(LiteralKind),
    Open,
    Close,
    Comma,
    Dot,
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Position,
    /// As written, shortened for messages.
    pub(super) shown: Box<str>,
}

/// Cuts a text into words, values and marks; the last token is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterFault> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut at = 1;
    loop {
        let blank = rest.len() - rest.trim_start().len();
        at += characters(&rest[..blank]);
        rest = &rest[blank..];
        let position = Position(at);
        if tokens.len() >= MOST_TOKENS {
            let found = format!("more than {MOST_TOKENS} words and values");
            return Err(FilterFault::new(position, found, "a shorter text"));
        }
        let Some(first) = rest.chars().next() else {
            tokens.push(Token { kind: Kind::End, at: position, shown: "the end".into() });
            return Ok(tokens);
        };
        let (kind, length) = match first {
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            '\'' => text_token(rest, position)?,
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Kind::Dot, 1),
            '0'..='9' | '.' | '+' | '-' => plain_value(rest, position)?,
            c if c.is_alphabetic() || c == '_' => {
                let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                (Kind::Word(rest[..length].into()), length)
            }
            other => {
                let expected = "a field, a value, a keyword or a bracket";
                let hint = matches!(other, '"' | '`' | '’' | '‘')
                    .then(|| "put text in single quotes: 'text'".to_owned());
                let hint = hint.or_else(|| {
                    matches!(other, '=' | '<' | '>' | '!').then(|| format!("operators are words: {OPERATOR}"))
                });
                return Err(FilterFault::new(position, quoted(&other.to_string()), expected).with_hint(hint));
            }
        };
        tokens.push(Token { kind, at: position, shown: quoted(&rest[..length]).into() });
        at += characters(&rest[..length]);
        rest = &rest[length..];
    }
}

fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX / 2)
}

/// A text in quotes; a quote inside is doubled.
fn text_token(rest: &str, at: Position) -> Result<(Kind, usize), FilterFault> {
    let mut text = String::new();
    let mut inside = 1;
    loop {
        let Some(end) = rest[inside..].find('\'') else {
            return Err(FilterFault::new(at, "a text without end", "a closing quote"));
        };
        text.push_str(&rest[inside..inside + end]);
        inside += end + 1;
        if !rest[inside..].starts_with('\'') {
            break;
        }
        text.push('\'');
        inside += 1;
    }
    if text.contains('\0') {
        return Err(FilterFault::new(at, "a text with the character U+0000", "a text without it"));
    }
    Ok((Kind::Value(LiteralKind::Text(text.into())), inside))
}

/// A number, a day or an instant.
fn plain_value(rest: &str, at: Position) -> Result<(Kind, usize), FilterFault> {
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '.' | ':' | '+' | '-' | '_');
    let length = rest.find(|c: char| !belongs(c)).unwrap_or(rest.len());
    let text = &rest[..length];
    let number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let kind = if number && text.parse::<f64>().is_ok() {
        LiteralKind::Number(text.into())
    } else if instant::parse(text, &TimeZone::UTC).is_some() {
        LiteralKind::Moment(text.into())
    } else {
        let expected = "a number, or a date such as 2026-01-31 or 2026-01-31T08:00:00Z";
        return Err(FilterFault::new(at, quoted(text), expected)
            .with_hint(Some("put text in single quotes".to_owned())));
    };
    Ok((Kind::Value(kind), length))
}

struct Reader {
    tokens: Vec<Token>,
    next: usize,
    level: usize,
}

impl Reader {
    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn fault(&self, expected: &str) -> FilterFault {
        let token = self.peek();
        FilterFault::new(token.at, &*token.shown, expected)
    }

    fn at_word(&self, word: &str) -> bool {
        matches!(&self.peek().kind, Kind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.next += usize::from(found);
        found
    }

    fn take_mark(&mut self, mark: &Kind) -> bool {
        let found = self.peek().kind == *mark;
        self.next += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Node, FilterFault> {
        let mut parts = vec![self.all()?];
        while self.take_word("or") {
            parts.push(self.all()?);
        }
        Ok(alone_or(parts, Node::Or))
    }

    fn all(&mut self) -> Result<Node, FilterFault> {
        let mut parts = vec![self.part()?];
        while self.take_word("and") {
            parts.push(self.part()?);
        }
        Ok(alone_or(parts, Node::And))
    }

    fn part(&mut self) -> Result<Node, FilterFault> {
        if self.level >= MOST_LEVELS {
            let found = format!("more than {MOST_LEVELS} levels of brackets and `not`");
            return Err(FilterFault::new(self.peek().at, found, "a simpler filter"));
        }
        self.level += 1;
        let node = if self.take_word("not") {
            Node::Not(Box::new(self.part()?))
        } else if self.take_mark(&Kind::Open) {
            let inside = self.any()?;
            if !self.take_mark(&Kind::Close) {
                return Err(self.fault("`and`, `or` or `)`"));
            }
            inside
        } else {
            self.test()?
        };
        self.level -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Result<Node, FilterFault> {
        let path = self.path()?;
        let at = self.peek().at;
        if self.take_word("is") {
            let negated = self.take_word("not");
            if !self.take_word("null") {
                return Err(self.fault(if negated { "`null`" } else { "`null` or `not null`" }));
            }
            return Ok(Node::IsNull { path, negated });
        }
        if self.take_word("in") {
            return Ok(Node::In { path, at, values: self.values()? });
        }
        let Kind::Word(word) = &self.peek().kind else { return Err(self.fault(OPERATOR)) };
        let known = WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
        let Some((_, comparison)) = known else {
            let words = WORDS.iter().map(|(word, _)| *word).chain(["in", "is"]);
            return Err(self.fault(OPERATOR).with_hint(did_you_mean(word, words)));
        };
        self.next += 1;
        Ok(Node::Test { path, comparison: *comparison, at, value: self.value()? })
    }

    fn path(&mut self) -> Result<Path, FilterFault> {
        let at = self.peek().at;
        let name = self.name("a field, `not` or `(`")?;
        let of = if self.take_mark(&Kind::Dot) { Some(self.name("a field")?) } else { None };
        Ok(Path { name, of, at })
    }

    fn name(&mut self, expected: &str) -> Result<Box<str>, FilterFault> {
        match self.peek().kind.clone() {
            Kind::Word(word) => {
                self.next += 1;
                Ok(word)
            }
            _ => Err(self.fault(expected)),
        }
    }

    fn values(&mut self) -> Result<Vec<Literal>, FilterFault> {
        if !self.take_mark(&Kind::Open) {
            return Err(self.fault("`(`"));
        }
        let mut values = vec![self.value()?];
        while self.take_mark(&Kind::Comma) {
            values.push(self.value()?);
        }
        if !self.take_mark(&Kind::Close) {
            return Err(self.fault("`,` or `)`"));
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Literal, FilterFault> {
        if self.at_word("null") {
            return Err(self.fault(VALUE).with_hint(Some("write `is null` or `is not null`".to_owned())));
        }
        let kind = match &self.peek().kind {
            Kind::Value(kind) => kind.clone(),
            Kind::Word(word) if word.eq_ignore_ascii_case("true") => LiteralKind::Boolean(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("false") => LiteralKind::Boolean(false),
            Kind::Word(_) => {
                return Err(self.fault(VALUE).with_hint(Some("put text in single quotes".to_owned())));
            }
            _ => return Err(self.fault(VALUE)),
        };
        Ok(Literal { kind, at: self.take().at })
    }
}

fn alone_or(mut parts: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}
