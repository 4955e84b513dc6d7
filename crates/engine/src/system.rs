//! Time and chance as the machine gives them.

use domain::clock::{Chance, Clock};

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

/// Chance from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        // Without chance no token is safe: better to stop than to go on with zeros.
        if let Err(error) = getrandom::fill(&mut bytes) {
            panic!("the operating system gives no random numbers: {error}");
        }
        u128::from_le_bytes(bytes)
    }
}
