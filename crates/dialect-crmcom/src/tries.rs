//! Wrong pass codes, counted: nobody may guess their way to an account.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::names::ProjectCode;

use crate::decisions::WRONG_PASS_CODES;

/// Wrong pass codes by project and identifier.
#[derive(Debug, Default)]
pub(crate) struct Tries(Mutex<HashMap<(ProjectCode, Box<str>), Wrong>>);

/// How many wrong ones there were, and since when they are counted.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    since_ms: i64,
}

const WITHIN_MS: i64 = 60_000;

impl Tries {
    /// Notes a try; true when it was right and there were not too many wrong ones before it.
    pub fn note(&self, project: &ProjectCode, identifier: &str, right: bool, now_ms: i64) -> bool {
        let mut tries = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let counts = |wrong: &Wrong| now_ms - wrong.since_ms < WITHIN_MS;
        if tries.len() > 10_000 {
            tries.retain(|_, wrong| counts(wrong));
        }
        let key = (project.clone(), Box::from(identifier));
        let known = tries.get(&key).copied().filter(counts);
        let wrong = known.unwrap_or(Wrong { count: 0, since_ms: now_ms });
        if !right {
            tries.insert(key, Wrong { count: wrong.count.saturating_add(1), ..wrong });
        }
        right && wrong.count < WRONG_PASS_CODES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_too_often_must_wait() {
        let (tries, project) = (Tries::default(), ProjectCode::new("ACME").unwrap());
        assert!(tries.note(&project, "ann", true, 0));
        for _ in 0..WRONG_PASS_CODES {
            assert!(!tries.note(&project, "ann", false, 1));
        }
        assert!(!tries.note(&project, "ann", true, 2));
        assert!(tries.note(&project, "bob", true, 2));
        assert!(tries.note(&project, "ann", true, 60_001));
    }
}
