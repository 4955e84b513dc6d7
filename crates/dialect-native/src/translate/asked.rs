//! The query of a call, read strictly: what nobody knows is refused by name, never passed over.

use dialect::near;

use super::shortened;
use crate::fault::Fault;

/// The parameters of a query, each at most once.
#[derive(Debug, Default)]
pub struct Asked {
    pairs: Vec<(String, String)>,
}

impl Asked {
    /// Reads a query that may have the parameters of `known`, each once; those of `many` may repeat.
    pub fn read(query: Option<&str>, known: &[&str], many: &[&str]) -> Result<Self, Fault> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !known.contains(&name.as_str()) && !many.contains(&name.as_str()) {
                return Err(unknown(&name, known, many));
            }
            if !many.contains(&name.as_str()) && pairs.iter().any(|(other, _)| *other == name) {
                return Err(Fault::invalid(format!("the parameter {name} stands twice; send it once")));
            }
            if value.contains('\0') {
                return Err(Fault::invalid(format!(
                    "the parameter {name} holds the character U+0000; remove it"
                )));
            }
            pairs.push((name, value));
        }
        Ok(Asked { pairs })
    }

    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Every text of a parameter that may repeat.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The parts of a comma list; an empty part is refused.
    pub fn list(&self, name: &str) -> Result<Option<Vec<&str>>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(self.wrong(name, text, "names with commas between them"));
        }
        Ok(Some(parts))
    }

    /// A whole number from `least` to `most`.
    pub fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(number) if digits && (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(name, text, &format!("a whole number from {least} to {most}"))),
        }
    }

    /// `true` or `false`; false where it is absent.
    pub fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(self.wrong(name, other, "true or false")),
        }
    }

    /// The fault of a parameter whose text is none of what it can be.
    pub fn wrong(&self, name: &str, text: &str, expected: &str) -> Fault {
        Fault::invalid(format!("{name} must be {expected}, not '{}'", shortened(text)))
    }
}

fn unknown(name: &str, known: &[&str], many: &[&str]) -> Fault {
    let all = || known.iter().chain(many).copied();
    let name = shortened(name);
    if let Some(near) = near(&name, all()) {
        return Fault::invalid(format!("the parameter {name} is not known here; did you mean {near}?"));
    }
    let all: Vec<&str> = all().collect();
    match all.is_empty() {
        true => Fault::invalid(format!("the parameter {name} is not known here; this call has none")),
        false => {
            Fault::invalid(format!("the parameter {name} is not known here; there is {}", all.join(", ")))
        }
    }
}

/// Decodes `%41` and `+`.
fn decoded(text: &str) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex = after.split_first_chunk::<2>().and_then(|(two, after)| {
                    let digit = |byte: u8| char::from(byte).to_digit(16);
                    Some((digit(two[0])? * 16 + digit(two[1])?, after))
                });
                let Some((byte, after)) = hex else { return Err(not_decodable()) };
                bytes.push(byte as u8);
                rest = after;
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).map_err(|_| not_decodable())
}

fn not_decodable() -> Fault {
    Fault::invalid("the query cannot be decoded; send it in UTF-8 with % and two hex digits for other bytes")
}

/// Encodes a text as one part of a path.
pub fn encoded(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                path.push(char::from(byte))
            }
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_strictly() {
        let asked =
            Asked::read(Some("filter=name+eq+%27Caf%C3%A9%27&limit=5"), &["filter", "limit"], &[]).unwrap();
        assert_eq!(asked.text("filter"), Some("name eq 'Café'"));
        assert_eq!(asked.number("limit", 1, 10).unwrap(), Some(5));
        assert!(asked.number("limit", 1, 4).is_err());
        for query in ["limti=5", "limit=5&limit=6", "limit=%zz", "limit=%ff", "filter=%00"] {
            assert!(Asked::read(Some(query), &["filter", "limit"], &[]).is_err(), "{query}");
        }
    }

    #[test]
    fn a_code_becomes_one_part_of_a_path() {
        assert_eq!(encoded("a/b é"), "a%2Fb%20%C3%A9");
    }
}
