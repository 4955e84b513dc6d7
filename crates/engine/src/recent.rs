//! What changed lately, so that a plan knows whether it is still true.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use domain::keys::KeyHash;

/// Hashes of what was touched, each with the seq of its last change.
///
/// True only where one process alone writes the project. It forgets from time to time; a plan made
/// before that is planned again, which is slower and never wrong.
///
/// What a turn noted stays when the turn is undone, and its seqs are given again. No plan can have
/// seen them: a reader sees what is committed. So a hash noted for a turn that was undone can make a
/// plan stale that is not, and what a later turn notes under the same seqs takes its place.
#[derive(Default)]
pub(crate) struct Recent {
    last: HashMap<KeyHash, u64, BuildHasherDefault<AsIs>>,
    /// Nothing is known of changes up to this seq.
    floor: u64,
    started: bool,
}

/// Past this many hashes everything is forgotten: about 10 MB.
pub(crate) const MOST: usize = 200_000;

impl Recent {
    /// True when something of `read_set` may have changed after `seq`, where `head` is the present.
    pub(crate) fn changed(&self, read_set: &[KeyHash], seq: u64, head: u64) -> bool {
        if seq == head {
            return false;
        }
        if !self.started || seq < self.floor {
            return true;
        }
        read_set.iter().any(|hash| self.last.get(hash).is_some_and(|last| *last > seq))
    }

    /// Notes what a turn touched: `before` is the seq before it, `seq` the one after.
    pub(crate) fn note(&mut self, touched: &[KeyHash], before: u64, seq: u64) {
        if touched.len() > MOST {
            // A turn so large is known as a whole: it touched everything.
            *self = Recent { floor: seq, started: true, ..Recent::default() };
            return;
        }
        if !self.started || self.last.len() + touched.len() > MOST {
            self.last.clear();
            self.floor = before;
            self.started = true;
        }
        self.last.extend(touched.iter().map(|hash| (*hash, seq)));
    }
}

/// The keys are hashes already.
#[derive(Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = number as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_looked_at_makes_a_plan_stale() {
        let mut recent = Recent::default();
        assert!(recent.changed(&[1], 5, 6), "nothing is known yet");
        recent.note(&[1, 2], 5, 6);
        assert!(!recent.changed(&[1], 6, 6));
        assert!(recent.changed(&[1], 5, 6));
        assert!(!recent.changed(&[3], 5, 6));
        assert!(recent.changed(&[3], 4, 6), "before the first note");
    }

    #[test]
    fn a_turn_that_was_undone_hides_nothing_of_those_after_it() {
        let mut recent = Recent::default();
        recent.note(&[9], 0, 5);
        recent.note(&[1, 2], 5, 9); // undone: the head is at 5 again
        recent.note(&[2, 3], 5, 7);
        for hash in [1, 2, 3] {
            assert!(recent.changed(&[hash], 5, 7), "{hash}");
        }
        recent.note(&[1], 7, 8);
        assert!(recent.changed(&[1], 7, 8));
        assert!(!recent.changed(&[3], 7, 8));
    }

    #[test]
    fn a_huge_turn_takes_no_room_and_touched_everything() {
        let mut recent = Recent::default();
        recent.note(&[1], 0, 1);
        let touched: Vec<KeyHash> = (0..=MOST as u128).collect();
        recent.note(&touched, 1, 300_000);
        assert!(recent.last.is_empty());
        assert!(recent.changed(&[KeyHash::MAX], 1, 300_000));
        assert!(!recent.changed(&[1], 300_000, 300_001));
    }
}
