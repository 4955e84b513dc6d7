//! What prevents the engine from answering.

use domain::Kind;
use domain::names::BatchId;

/// Why a call has no answer. A broken rule of data is no error: it is in the report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody, or somebody unknown, is calling.
    #[error("the credentials are not valid")]
    Unauthenticated,
    /// The password has expired.
    #[error("the password has expired; ask the administrator for a new one")]
    PasswordExpired,
    /// The login is switched off.
    #[error("the login is not active; ask the administrator")]
    Inactive,
    /// The caller lacks a right.
    #[error("the right {right} is needed; ask the administrator for it")]
    Forbidden {
        /// The right, such as `insert:customer`.
        right: String,
    },
    /// The project of the request is not there, or not the caller's.
    #[error("there is no project {0}")]
    NoProject(String),
    /// The project has no such entity.
    #[error("there is no entity {0}; GET catalogue lists them")]
    NoEntity(String),
    /// What the request names does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense; the text says what to change.
    #[error("{0}")]
    Invalid(String),
    /// The body is larger than a limit.
    #[error("{0}")]
    TooLarge(String),
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request; choose a new key for a new request")]
    KeyConflict,
    /// The first call with this idempotency key is still running.
    #[error("the first call with this idempotency key is still running; repeat the call shortly")]
    KeyInUse,
    /// The turn did not come in time.
    #[error("the project is busy; repeat the call shortly")]
    Busy,
    /// Too many wrong passwords for this login.
    #[error("there were too many wrong passwords for this login; try again in a minute")]
    TooManyTries,
    /// The reader of the journal is further behind than the journal is kept.
    #[error("changes are kept from {first} on only; take a fresh export and follow the changes behind it")]
    Forgotten {
        /// Seq of the oldest change that is kept.
        first: u64,
    },
    /// A batch that stopped in the middle was cut into chunks that are no longer known.
    #[error(
        "the batch {batch} cannot go on: the project or the server has changed since; see its rows in the \
         ledger and send the others with a new idempotency key"
    )]
    CannotResume {
        /// The batch.
        batch: BatchId,
    },
    /// The batch stopped in the middle; what the ledger says of it stands.
    #[error(
        "the batch {batch} was interrupted, and what the ledger says of it stands; repeat the call with \
         the same idempotency key to go on"
    )]
    Interrupted {
        /// The batch.
        batch: BatchId,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// We are at fault.
    #[error("an internal error occurred; the log of the server says more")]
    Internal(#[source] store::Source),
}

impl Error {
    /// How bad it is.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Unauthenticated | Error::PasswordExpired | Error::Inactive => Kind::Unauthenticated,
            Error::Forbidden { .. } => Kind::Forbidden,
            Error::NoProject(_) | Error::NoEntity(_) | Error::NotFound(_) => Kind::NotFound,
            Error::Invalid(_) => Kind::Invalid,
            Error::TooLarge(_) => Kind::TooLarge,
            Error::KeyConflict | Error::KeyInUse | Error::Forgotten { .. } | Error::CannotResume { .. } => {
                Kind::Conflict
            }
            Error::Busy => Kind::Unavailable,
            Error::TooManyTries => Kind::Busy,
            Error::Interrupted { source, .. } => source.kind(),
            Error::Store(error) => error.kind(),
            Error::Internal(_) => Kind::Internal,
        }
    }

    /// An internal error of a text, for what cannot happen.
    pub fn internal(text: impl Into<String>) -> Self {
        Error::Internal(text.into().into())
    }
}
