//! Names that travel through the whole program as types of their own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Code of a project: `[A-Za-z][A-Za-z0-9_-]{0,39}`, unique without regard to case.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectCode(Box<str>);

/// The text is no project code.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no project code: use a letter, then up to 39 letters, digits, `_` or `-`")]
pub struct BadProjectCode(String);

impl ProjectCode {
    /// Reads a project code.
    pub fn new(text: &str) -> Result<Self, BadProjectCode> {
        let mut bytes = text.bytes();
        let good = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
            && text.len() <= 40
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if good { Ok(ProjectCode(text.into())) } else { Err(BadProjectCode(text.chars().take(60).collect())) }
    }

    /// The code as its owner wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two codes are compared, and which names files and schemas.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl PartialEq for ProjectCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ProjectCode {}

impl std::hash::Hash for ProjectCode {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl fmt::Display for ProjectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ProjectCode {
    type Error = BadProjectCode;
    fn try_from(text: String) -> Result<Self, BadProjectCode> {
        Self::new(&text)
    }
}

impl From<ProjectCode> for String {
    fn from(code: ProjectCode) -> String {
        code.0.into()
    }
}

/// Id of a batch: 26 characters that sort by the time of their making (a ULID).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchId(pub Box<str>);

impl BatchId {
    /// Makes an id from milliseconds since 1970 and 80 bits of chance.
    pub fn new(instant_ms: i64, chance: u128) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let bits = ((instant_ms.max(0) as u128) << 80) | (chance & ((1 << 80) - 1));
        let text: String =
            (0..26).rev().map(|place| char::from(ALPHABET[((bits >> (place * 5)) & 31) as usize])).collect();
        BatchId(text.into_boxed_str())
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Number of a company within its project: 0 is the shared set, companies count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Company(pub u16);

impl Company {
    /// The one set of records that all companies of a project share.
    pub const SHARED: Company = Company(0);
}

/// Internal id of a record: `prefix of its entity × 10^10 + counter`, unique in the project and
/// never used again. A negative one stands, inside a plan, for a record not yet written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InternalId(pub i64);

impl InternalId {
    /// Ids of one entity are this far apart from the next entity's.
    pub const SPAN: i64 = 10_000_000_000;

    /// Stands for the `n`-th new record of a plan, from 0.
    pub fn placeholder(n: u32) -> Self {
        InternalId(-i64::from(n) - 1)
    }

    /// Which new record of the plan this stands for; `None` for an id that exists.
    pub fn new_record(self) -> Option<u32> {
        (self.0 < 0).then(|| (-(self.0 + 1)) as u32)
    }

    /// Prefix of the entity that the record belongs to.
    pub fn prefix(self) -> u16 {
        (self.0 / Self::SPAN) as u16
    }
}

impl fmt::Display for InternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_project_code_is_short_plain_and_without_case() {
        let forty = "a".repeat(40);
        for good in ["demo", "A", "x-1_y", &forty] {
            assert_eq!(ProjectCode::new(good).unwrap().as_str(), good);
        }
        let forty_one = "a".repeat(41);
        for bad in ["", "1a", "_a", "-a", "a b", "a/b", "é", "aé", &forty_one] {
            assert!(ProjectCode::new(bad).is_err(), "{bad}");
        }
        let (one, other) = (ProjectCode::new("Demo").unwrap(), ProjectCode::new("dEMO").unwrap());
        assert_eq!(one, other);
        assert_eq!(std::collections::HashSet::from([one, other]).len(), 1);
    }

    #[test]
    fn placeholders_and_ids_are_told_apart() {
        assert_eq!(InternalId::placeholder(0), InternalId(-1));
        assert_eq!(InternalId::placeholder(u32::MAX).new_record(), Some(u32::MAX));
        let id = InternalId(104 * InternalId::SPAN + 7);
        assert_eq!((id.prefix(), id.new_record()), (104, None));
    }

    proptest! {
        #[test]
        fn batch_ids_sort_by_time(a in 0..1_i64 << 44, b in 0..1_i64 << 44, one in any::<u128>(), other in any::<u128>()) {
            let (first, second) = (BatchId::new(a, one), BatchId::new(b, other));
            prop_assert_eq!(first.0.len(), 26);
            if a != b {
                prop_assert_eq!(a.cmp(&b), first.cmp(&second));
            }
            prop_assert_ne!(BatchId::new(a, 1), BatchId::new(a, 2));
        }
    }
}
