//! What the published contract leaves open: our choices, in one table.

use std::time::Duration;

/// Records of a list where the call does not say.
pub const LIST_DEFAULT: u32 = 100;

/// Most records, rows, batches or changes of one answer.
pub const LIST_MOST: u32 = 1_000;

/// Records of a page of a stream: what one view of the database reads.
pub const STREAM_PAGE: u32 = 1_000;

/// Records printed in one piece of a stream, so that printing never holds the runtime for long.
pub const STREAM_PIECE: usize = 100;

/// Longest that `changes` waits for a change.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// When a call that came at the wrong moment may come again.
pub const RETRY_AFTER_S: u64 = 2;

/// What the types of problems begin with. They are names, not addresses.
pub const PROBLEM_TYPE: &str = "urn:comptoir:problem:";

/// How a caller may prove itself.
pub const CHALLENGE: &str = "Bearer realm=\"comptoir\"";

/// Longest body of a call that is not a batch: one record, or a request for a token.
pub const SMALL_BODY: u64 = 16 << 20;

/// Most reference fields that one call expands.
pub const MOST_EXPANDED: usize = 8;

/// Most refusals that travel in an answer.
pub const MOST_REFUSALS: usize = 1_000;
