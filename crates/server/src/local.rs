//! The owner's socket: how a second process works on a data folder that is in use.
//!
//! It lies in the data folder, and whoever speaks through it shows a token that only the folder's
//! owner can read.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use domain::Kind;
use domain::clock::Chance as _;
use engine::{Engine, SystemChance};
use tokio::net::{UnixListener, UnixStream};

use crate::apply::{self, ApplyRequest};
use crate::compose::problem;
use crate::{Failure, key};

/// The header that holds the owner's token.
pub const TOKEN_HEADER: &str = "x-comptoir-owner";

/// Where project files are applied.
pub const APPLY_PATH: &str = "/local/apply";

const SOCKET: &str = "socket";
const TOKEN: &str = "owner-token";

/// What only the owner may do, and all doors with the owner as caller.
pub(crate) fn router(engine: Engine, doors: Router) -> Router {
    Router::new()
        .route(APPLY_PATH, post(apply_file))
        .layer(DefaultBodyLimit::disable())
        .with_state(engine)
        .merge(doors.layer(from_fn(as_owner)))
}

async fn apply_file(State(engine): State<Engine>, Json(request): Json<ApplyRequest>) -> Response {
    match apply::apply(&engine, request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => refusal(&error),
    }
}

/// Lets the owner in as what he is.
async fn as_owner(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(dialect_native::Owner);
    next.run(request).await
}

fn refusal(error: &engine::Error) -> Response {
    let status = match error.kind() {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if let Some(cause) = std::error::Error::source(error) {
        tracing::error!(%error, cause, "the owner's call failed");
    }
    problem(status, "The call failed", &error.to_string())
}

/// The socket of a process that owns its folder. It goes when this goes.
pub(crate) struct Socket {
    folder: PathBuf,
    token: String,
}

impl Socket {
    /// Writes the token, and takes away what a process that died has left.
    pub(crate) fn open(data: &Path) -> Result<Self, Failure> {
        let _ = std::fs::remove_file(data.join(SOCKET));
        let _ = std::fs::remove_file(data.join(TOKEN));
        let token = format!("{:032x}{:032x}", SystemChance.bits(), SystemChance.bits());
        key::write_private(&data.join(TOKEN), &token).map_err(|error| cannot(data, &error))?;
        Ok(Socket { folder: data.to_owned(), token })
    }

    pub(crate) fn listener(&self) -> Result<UnixListener, Failure> {
        let bind = || {
            let folder = ShortFolder::of(&self.folder)?;
            let listener = UnixListener::bind(folder.path.join(SOCKET))?;
            std::fs::set_permissions(self.folder.join(SOCKET), std::fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        bind().map_err(|error| cannot(&self.folder, &error))
    }

    /// Lets through only calls that show the token.
    pub(crate) fn guard(&self, router: Router) -> Router {
        let token: std::sync::Arc<str> = self.token.as_str().into();
        router.layer(from_fn(move |request: Request, next: Next| {
            let token = token.clone();
            async move {
                let shown = request.headers().get(TOKEN_HEADER).map(|value| value.as_bytes());
                match shown.is_some_and(|shown| equal(shown, token.as_bytes())) {
                    true => next.run(request).await,
                    false => problem(
                        StatusCode::UNAUTHORIZED,
                        "The owner's token is needed",
                        "only the owner of the data folder works through its socket",
                    ),
                }
            }
        }))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.folder.join(SOCKET));
        let _ = std::fs::remove_file(self.folder.join(TOKEN));
    }
}

fn cannot(data: &Path, error: &std::io::Error) -> Failure {
    let text = format!(
        "the owner's socket in {} cannot be made: {error}; mend the rights of the folder",
        data.display()
    );
    Failure::unreachable(text)
}

/// Compares in a time that does not tell where two texts differ.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Connects to the process that owns a data folder; gives the connection and the token to show.
pub async fn connect(data: &Path, pid: u32) -> Result<(UnixStream, String), Failure> {
    let reach = async || {
        let token = std::fs::read_to_string(data.join(TOKEN))?;
        let folder = ShortFolder::of(data)?;
        Ok::<_, std::io::Error>((UnixStream::connect(folder.path.join(SOCKET)).await?, token))
    };
    reach().await.map_err(|error| {
        Failure::unreachable(format!(
            "the data folder {} is in use by process {pid}, whose socket cannot be reached ({error}); \
             stop that process, or call as the user who started it",
            data.display()
        ))
    })
}

/// A path to a folder that is short enough for a socket: those end after 107 bytes.
struct ShortFolder {
    path: PathBuf,
    _handle: Option<File>,
}

impl ShortFolder {
    fn of(folder: &Path) -> std::io::Result<Self> {
        if folder.as_os_str().len() + SOCKET.len() < 100 {
            return Ok(ShortFolder { path: folder.to_owned(), _handle: None });
        }
        let handle = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        Ok(ShortFolder { path, _handle: Some(handle) })
    }
}
