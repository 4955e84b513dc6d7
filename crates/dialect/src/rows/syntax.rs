//! JSON, token by token, without recursion: values stay as they are written until somebody knows
//! what they are for.

use std::borrow::Cow;

/// Most levels of nesting.
const DEEPEST: u32 = 128;

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// Byte of the text.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'t> {
    Null,
    Boolean(bool),
    /// As written.
    Number(&'t str),
    Text(Quoted<'t>),
    /// An object, as written.
    Object(&'t str),
    /// An array, as written.
    Array(&'t str),
}

/// A string, as written between its quotes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quoted<'t> {
    raw: &'t str,
    plain: bool,
}

impl<'t> Quoted<'t> {
    /// A text that means itself.
    pub fn plain(text: &'t str) -> Self {
        Quoted { raw: text, plain: true }
    }

    /// The text meant; `None` when it has half a surrogate pair.
    pub fn text(self) -> Option<Cow<'t, str>> {
        if self.plain {
            return Some(Cow::Borrowed(self.raw));
        }
        let mut text = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some(at) = rest.find('\\') {
            text.push_str(&rest[..at]);
            let escape = rest.as_bytes()[at + 1];
            rest = &rest[at + 2..];
            text.push(match escape {
                b'n' => '\n',
                b't' => '\t',
                b'r' => '\r',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'u' => {
                    let (c, used) = unicode(rest)?;
                    rest = &rest[used..];
                    c
                }
                other => char::from(other),
            });
        }
        text.push_str(rest);
        Some(Cow::Owned(text))
    }

    /// The text as far as it can be shown.
    pub fn shown(self) -> Cow<'t, str> {
        self.text().unwrap_or(Cow::Borrowed(self.raw))
    }
}

/// The character of `XXXX`, or `XXXX\uXXXX`, and the number of bytes it takes.
fn unicode(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u32::from_str_radix(text.get(at..at + 4)?, 16).ok();
    let first = unit(0)?;
    if !(0xd800..0xe000).contains(&first) {
        return Some((char::from_u32(first)?, 4));
    }
    let second = match text.get(4..6) {
        Some("\\u") => unit(6)?,
        _ => return None,
    };
    if first >= 0xdc00 || !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 10))
}

/// A place in a text that is to be JSON.
pub(crate) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub fn new(text: &'t str) -> Self {
        Cursor { text, at: 0 }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong<T>(&self, what: &'static str) -> Result<T, Syntax> {
        let what = if self.at >= self.text.len() { "it ends too early" } else { what };
        Err(Syntax { at: self.at, what })
    }

    pub fn blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Passes over one byte when it is the next, blanks aside.
    pub fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.byte() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Nothing but blanks may follow.
    pub fn end(&mut self) -> Result<(), Syntax> {
        self.blanks();
        match self.byte() {
            None => Ok(()),
            Some(_) => self.wrong("something follows behind the end"),
        }
    }

    /// The name and the colon of the next member. `first` is true behind `{`. `None` behind `}`.
    pub fn member(&mut self, first: bool) -> Result<Option<Quoted<'t>>, Syntax> {
        if self.eat(b'}') {
            return Ok(None);
        }
        if !first && !self.eat(b',') {
            return self.wrong("a comma or } is missing");
        }
        self.blanks();
        if self.byte() != Some(b'"') {
            return self.wrong("a name in quotes is missing");
        }
        let name = self.quoted()?;
        match self.eat(b':') {
            true => Ok(Some(name)),
            false => self.wrong("a colon is missing"),
        }
    }

    /// True when another item follows; false behind `]`. `first` is true behind `[`.
    pub fn item(&mut self, first: bool) -> Result<bool, Syntax> {
        if self.eat(b']') {
            return Ok(false);
        }
        match first || self.eat(b',') {
            true => Ok(true),
            false => self.wrong("a comma or ] is missing"),
        }
    }

    /// The next value.
    pub fn value(&mut self) -> Result<Token<'t>, Syntax> {
        self.blanks();
        let start = self.at;
        match self.byte() {
            Some(b'"') => Ok(Token::Text(self.quoted()?)),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Ok(Token::Number(&self.text[start..self.at]))
            }
            Some(b'{') => {
                self.nested()?;
                Ok(Token::Object(&self.text[start..self.at]))
            }
            Some(b'[') => {
                self.nested()?;
                Ok(Token::Array(&self.text[start..self.at]))
            }
            Some(b't') => self.word("true", Token::Boolean(true)),
            Some(b'f') => self.word("false", Token::Boolean(false)),
            Some(b'n') => self.word("null", Token::Null),
            _ => self.wrong("a value is missing"),
        }
    }

    fn word(&mut self, word: &str, token: Token<'t>) -> Result<Token<'t>, Syntax> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.wrong("a value is missing");
        }
        self.at += word.len();
        Ok(token)
    }

    fn quoted(&mut self) -> Result<Quoted<'t>, Syntax> {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut plain = true;
        loop {
            let Some(run) = bytes[self.at..].iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\')
            else {
                self.at = bytes.len();
                return self.wrong("a text has no end");
            };
            self.at += run;
            match bytes[self.at] {
                b'"' => {
                    let raw = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Quoted { raw, plain });
                }
                b'\\' => {
                    plain = false;
                    self.escape()?;
                }
                _ => return self.wrong("a control character stands in a text"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Syntax> {
        let bytes = self.text.as_bytes();
        let length = match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => match bytes.get(self.at + 2..self.at + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => 6,
                _ => return self.wrong("an escape is none of JSON's"),
            },
            _ => return self.wrong("an escape is none of JSON's"),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<(), Syntax> {
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Syntax> {
        let start = self.at;
        while self.byte().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.wrong("a digit is missing") } else { Ok(()) }
    }

    /// Passes over an object or array. What is open is in the bits of `open`, the innermost lowest:
    /// 1 for an object.
    fn nested(&mut self) -> Result<(), Syntax> {
        let mut open: u128 = 0;
        let mut depth = 0;
        let mut first;
        loop {
            // At a value.
            self.blanks();
            match self.byte() {
                Some(opening @ (b'{' | b'[')) => {
                    if depth == DEEPEST {
                        return self.wrong("it is nested deeper than 128 levels");
                    }
                    open = open << 1 | u128::from(opening == b'{');
                    depth += 1;
                    self.at += 1;
                    first = true;
                }
                _ => {
                    self.value()?;
                    first = false;
                }
            }
            // Behind a value or an opening: close what closes, up to the next value.
            loop {
                let more = match open & 1 {
                    1 => self.member(first)?.is_some(),
                    _ => self.item(first)?,
                };
                if more {
                    break;
                }
                open >>= 1;
                depth -= 1;
                first = false;
                if depth == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// Finds the end of one value whose first byte is at hand, without looking closer.
pub(crate) struct ValueEnd {
    depth: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Begin,
    Between,
    Text,
    Escaped,
    Word,
}

impl ValueEnd {
    pub fn new() -> Self {
        ValueEnd { depth: 0, state: State::Begin }
    }

    /// Looks at more bytes: how many of them still belong, once that is known.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            match (self.state, bytes[at]) {
                (State::Text, _) => {
                    at += bytes[at..].iter().position(|b| matches!(b, b'"' | b'\\'))?;
                    match bytes[at] {
                        b'\\' => self.state = State::Escaped,
                        _ if self.depth == 0 => return Some(at + 1),
                        _ => self.state = State::Between,
                    }
                }
                (State::Escaped, _) => self.state = State::Text,
                (State::Word, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t') => return Some(at),
                (State::Word, _) => {}
                (_, b'"') => self.state = State::Text,
                (_, b'{' | b'[') => {
                    self.depth += 1;
                    self.state = State::Between;
                }
                (State::Between, b'}' | b']') => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                (State::Between, _) => {}
                (State::Begin, _) => self.state = State::Word,
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_json(text: &str) -> bool {
        let mut cursor = Cursor::new(text);
        cursor.value().is_ok() && cursor.end().is_ok()
    }

    #[test]
    fn json_is_told_from_what_only_looks_like_it() {
        for good in ["{}", "[]", " [1, -0.5e+3, {\"a\": [null, true, false]}, \"\\u00e9\\n\"] ", "0", "\"\""]
        {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "{",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "01",
            "1.",
            "-",
            "+1",
            ".5",
            "1e",
            "nul",
            "truex",
            "[1 2]",
            "{a:1}",
            "'a'",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\n\"",
            "[}",
            "{]",
            "[1]]",
            "NaN",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_recursion() {
        assert!(is_json(&format!("{}{}", "[".repeat(128), "]".repeat(128))));
        let deep = format!("{}{}", "[{\"a\":".repeat(10_000), "1}]".repeat(10_000));
        let fault = Cursor::new(&deep).value().unwrap_err();
        assert_eq!(fault.what, "it is nested deeper than 128 levels");
    }

    #[test]
    fn half_a_pair_is_no_text() {
        let text = |raw: &'static str| match Cursor::new(raw).value() {
            Ok(Token::Text(quoted)) => quoted.text().map(Cow::into_owned),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#""\ud83d\ude00 \u0041\/""#).as_deref(), Some("\u{1f600} A/"));
        for half in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#""\ude00\ud83d""#] {
            assert_eq!(text(half), None, "{half}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_serde(text in "[\\[\\]{}:,\"\\\\ntruefalse0-9eE+.\\- \\x00ud8é]{0,24}") {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(is_json(&text), theirs, "{}", text);
        }

        #[test]
        fn texts_mean_what_serde_says(text: String) {
            let printed = serde_json::to_string(&text).unwrap();
            let Ok(Token::Text(quoted)) = Cursor::new(&printed).value() else { panic!("no text") };
            prop_assert_eq!(quoted.text().unwrap(), text);
        }

        #[test]
        fn an_end_is_found_however_the_bytes_are_cut(cut in 0_usize..40) {
            let text = br#"{"a":["]}\"",{"b":1}],"c":"\\"} , "#;
            let mut end = ValueEnd::new();
            let cut = cut.min(text.len());
            let found = end.find(&text[..cut]).or_else(|| end.find(&text[cut..]).map(|more| cut + more));
            prop_assert_eq!(found, Some(31));
        }
    }
}
