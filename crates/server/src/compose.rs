//! What the program is made of: stores, dialects, and how they hang together.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any_service;
use dialect::Dialect;
use domain::clock::Chance;
use engine::{Engine, SystemChance, SystemClock};
use store::Store;

use crate::{Config, Failure, key, local};

/// The doors, one line each.
fn dialects() -> Vec<Box<dyn Dialect>> {
    vec![Box::new(dialect_native::Native), Box::new(dialect_crmcom::Crmcom)]
}

/// The stores, one line each.
fn open_store(config: &Config) -> Result<Arc<dyn Store>, store::Error> {
    Ok(Arc::new(store_sqlite::open(sqlite(config))?))
}

/// A data folder that this process owns, with everything over it.
pub struct Opened {
    pub engine: Engine,
    pub config: Config,
    dialects: Arc<[Box<dyn Dialect>]>,
}

/// Why a data folder is not opened.
#[derive(Debug)]
pub enum OpenFault {
    /// Another process owns it.
    InUse {
        /// Its process id.
        pid: u32,
    },
    /// Anything else.
    Failed(Failure),
}

/// Opens the data folder, making it where there is none, and puts the engine over it. Blocks.
pub fn open(config: Config) -> Result<Opened, OpenFault> {
    let data = config.data.display().to_string();
    let unreachable = |what: &str, error: &dyn std::fmt::Display| {
        let text = format!(
            "{what} {data} cannot be opened: {error}; choose another with --data, or mend its rights"
        );
        OpenFault::Failed(Failure::unreachable(text))
    };
    make_private_folder(&config.data).map_err(|error| unreachable("the data folder", &error))?;
    let store = open_store(&config).map_err(|error| match error {
        store::Error::InUse { pid } => OpenFault::InUse { pid },
        store::Error::Newer { .. } => OpenFault::Failed(error.into()),
        other => {
            let cause =
                std::error::Error::source(&other).map_or_else(|| other.to_string(), ToString::to_string);
            unreachable("the data folder", &cause)
        }
    })?;
    let spool = config.data.join("spool");
    std::fs::create_dir_all(&spool).map_err(|error| unreachable("the spool folder in", &error))?;
    let chance = Arc::new(SystemChance);
    let secret_key = match key::load(&config.data, config.key_file.as_deref(), &*chance) {
        Ok(key) => key,
        Err(failure) => {
            store.close();
            return Err(OpenFault::Failed(failure));
        }
    };
    let chance: Arc<dyn Chance> = chance;
    let engine = Engine::new(store, Arc::new(SystemClock), chance, engine_config(&config, secret_key));
    Ok(Opened { engine, config, dialects: dialects().into() })
}

/// Makes a folder that only its owner can look into; one that exists is left as it is.
fn make_private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

impl Opened {
    /// All doors, as strangers see them.
    pub fn doors(&self) -> Router {
        let shared = dialect::Config {
            max_body: self.config.limits.max_body,
            memory_body: bytes(self.config.limits.memory_body),
            spool: self.config.data.join("spool"),
        };
        let mut doors = Router::new();
        for dialect in self.dialects.iter() {
            let (prefix, routes) = (dialect.prefix(), dialect.routes(self.engine.clone(), &shared));
            // The prefix with a slash is the door's too.
            doors = doors.route(&format!("{prefix}/"), any_service(routes.clone())).nest(prefix, routes);
        }
        doors
    }

    /// All doors as the owner of the machine sees them, and what only the owner may do. Whoever
    /// serves this must know that the owner is calling.
    pub fn owner(&self) -> Router {
        local::router(self.engine.clone(), self.doors()).fallback(nothing_here)
    }

    /// The doors, for whoever has to know which one a path leads to.
    pub(crate) fn dialects(&self) -> Arc<[Box<dyn Dialect>]> {
        self.dialects.clone()
    }
}

/// The answer where no door is.
pub(crate) async fn nothing_here() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "There is no such path",
        "the native API is below /api/v1, its description at /api/docs",
    )
}

/// The answer to another method than a path of the house has.
pub(crate) async fn no_such_method() -> Response {
    let detail = "this path is only for GET";
    problem(StatusCode::METHOD_NOT_ALLOWED, "The path has no such method", detail)
}

/// A problem document of the house itself.
pub(crate) fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = serde_json::json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail,
    });
    let headers = [(http::header::CONTENT_TYPE, "application/problem+json")];
    (status, headers, body.to_string()).into_response()
}

fn sqlite(config: &Config) -> store_sqlite::Config {
    store_sqlite::Config {
        data: config.data.clone(),
        readers: config.sqlite.readers,
        idle_close: config.sqlite.idle_close,
        writer_cache_bytes: config.sqlite.writer_cache,
        reader_cache_bytes: config.sqlite.reader_cache,
        ..store_sqlite::Config::default()
    }
}

fn engine_config(config: &Config, secret_key: [u8; 32]) -> engine::Config {
    engine::Config {
        secret_key,
        turn_timeout: config.engine.turn_timeout,
        key_timeout: config.engine.key_timeout,
        token_life: config.engine.token_life,
        chunk_rows: config.engine.chunk_rows,
        chunk_bytes: bytes(config.engine.chunk_bytes),
        rows_in_memory: bytes(config.engine.rows_in_memory),
    }
}

fn bytes(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
