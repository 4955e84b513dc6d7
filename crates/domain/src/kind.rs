//! The few kinds of error there are, whatever the wire.

/// What prevented an answer, said coarsely enough that every door has a word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be read or asks for something that makes no sense.
    Invalid,
    /// Nobody, or somebody unknown, is calling.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// What the request names does not exist, or is not the caller's to see.
    NotFound,
    /// The state of the world is another one than the request expects.
    Conflict,
    /// The request is larger than a limit.
    TooLarge,
    /// Too much is going on; the same request will pass later.
    Busy,
    /// The database, or another part we stand on, is away.
    Unavailable,
    /// We are at fault.
    Internal,
}
