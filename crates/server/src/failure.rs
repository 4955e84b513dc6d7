//! Why a command ends without having done its work, and with which exit code.

use std::fmt;

use domain::Kind;

/// Why a command ends without having done its work.
#[derive(Debug)]
pub struct Failure {
    /// What kind of end it is.
    pub exit: Exit,
    /// What is wrong and what to do.
    pub error: anyhow::Error,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// Some rows were refused.
    Refused = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Something cannot be reached or opened.
    Unreachable = 3,
    /// We are at fault.
    Internal = 4,
}

impl Failure {
    /// Wrong usage or configuration.
    pub fn usage(text: impl fmt::Display) -> Self {
        Failure { exit: Exit::Usage, error: anyhow::anyhow!("{text}") }
    }

    /// Something cannot be reached or opened.
    pub fn unreachable(text: impl fmt::Display) -> Self {
        Failure { exit: Exit::Unreachable, error: anyhow::anyhow!("{text}") }
    }

    /// We are at fault.
    pub fn internal(text: impl fmt::Display) -> Self {
        Failure { exit: Exit::Internal, error: anyhow::anyhow!("{text}") }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        Failure { exit: exit_of(error.kind()), error: error.into() }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Failure { exit: exit_of(error.kind()), error: error.into() }
    }
}

/// The exit code of a kind of error.
pub fn exit_of(kind: Kind) -> Exit {
    match kind {
        Kind::Invalid
        | Kind::Unauthenticated
        | Kind::Forbidden
        | Kind::NotFound
        | Kind::Conflict
        | Kind::TooLarge => Exit::Usage,
        Kind::Busy | Kind::Unavailable => Exit::Unreachable,
        Kind::Internal => Exit::Internal,
    }
}
