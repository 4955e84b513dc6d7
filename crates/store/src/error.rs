//! What prevents a store from answering.

use domain::Kind;

/// The cause beneath, for the log alone.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, or its files cannot be opened.
    #[error("the database cannot be reached; try again shortly")]
    Unreachable(#[source] Source),
    /// The project does not exist.
    #[error("there is no such project")]
    NoProject,
    /// A constraint fired: a plan was wrong, or a new key does not hold. The name is ours.
    #[error("the constraint {name} does not hold")]
    Constraint {
        /// Name of the constraint, or of what is known of it.
        name: String,
        /// The cause.
        #[source]
        source: Source,
    },
    /// The database was made by a newer release.
    #[error(
        "the database is of version {found}, newer than this program knows ({known}); install the newer release"
    )]
    Newer {
        /// Version of the database.
        found: u32,
        /// Highest version that this program knows.
        known: u32,
    },
    /// Another process owns the data folder.
    #[error("the data folder is in use by process {pid}")]
    InUse {
        /// Its process id.
        pid: u32,
    },
    /// The disk is full or the quota used up.
    #[error("there is no room left for the database")]
    Full(#[source] Source),
    /// The store was closed.
    #[error("the server is shutting down")]
    Closed,
    /// A turn undid itself: the engine knows why.
    #[error("the turn was undone")]
    Undone,
    /// Stored data cannot be read.
    #[error("stored data cannot be read")]
    Damaged(#[source] Source),
    /// Anything else that the database said.
    #[error("the database refused a statement")]
    Database(#[source] Source),
}

impl Error {
    /// How bad it is.
    pub fn kind(&self) -> Kind {
        match self {
            Error::NoProject => Kind::NotFound,
            Error::Unreachable(_)
            | Error::Closed
            | Error::Full(_)
            | Error::InUse { .. }
            | Error::Newer { .. } => Kind::Unavailable,
            Error::Constraint { .. } | Error::Undone | Error::Damaged(_) | Error::Database(_) => {
                Kind::Internal
            }
        }
    }
}
