//! Time and chance as arguments: the only places where they come from outside.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970, UTC.
    fn now_ms(&self) -> i64;
}

/// Gives numbers nobody can guess.
pub trait Chance: Send + Sync + 'static {
    /// 128 fresh bits.
    fn bits(&self) -> u128;
}

/// A clock for tests: it stands still until told to move.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows `now_ms`.
    pub fn at(now_ms: i64) -> Self {
        FixedClock(AtomicI64::new(now_ms))
    }

    /// Moves the clock by `ms`.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Chance for tests: counts from 1.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl Chance for SequentialIds {
    fn bits(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}
