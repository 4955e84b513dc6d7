//! What a server is told: the compiled-in defaults, with a file of the operator's before them.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use crate::Failure;

/// All keys with meaning, unit and default.
pub const DEFAULT: &str = include_str!("../config.default.toml");

/// Where [`DEFAULT`] can be read.
const SEE: &str = "`comptoir serve --print-config` shows";

/// What a server is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    #[serde(deserialize_with = "path")]
    pub key_file: Option<PathBuf>,
    pub worker_threads: usize,
    pub limits: Limits,
    pub engine: EngineConfig,
    pub sqlite: SqliteConfig,
    pub log: LogConfig,
}

/// What one client may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    #[serde(deserialize_with = "size")]
    pub max_body: u64,
    #[serde(deserialize_with = "size")]
    pub memory_body: u64,
    pub connections: usize,
    #[serde(deserialize_with = "duration")]
    pub header_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub stop_timeout: Duration,
}

/// What the engine is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    #[serde(deserialize_with = "duration")]
    pub turn_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub key_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub token_life: Duration,
    pub chunk_rows: usize,
    #[serde(deserialize_with = "size")]
    pub chunk_bytes: u64,
    #[serde(deserialize_with = "size")]
    pub rows_in_memory: u64,
}

/// What SQLite is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteConfig {
    pub readers: usize,
    #[serde(deserialize_with = "duration")]
    pub idle_close: Duration,
    #[serde(deserialize_with = "size")]
    pub writer_cache: u64,
    #[serde(deserialize_with = "size")]
    pub reader_cache: u64,
}

/// What is logged, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    pub level: String,
    pub format: LogFormat,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// The defaults, with what a file says before them.
    pub fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = file else { return Self::read("", "the defaults") };
        let shown = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::read(&text, &shown),
            Err(error) => {
                Err(Failure::usage(format!("{shown} cannot be read: {error}; give another file to --config")))
            }
        }
    }

    fn read(text: &str, file: &str) -> Result<Self, Failure> {
        let mut merged: Table = parse(DEFAULT, "the defaults")?;
        merge(&mut merged, parse(text, file)?, "", file)?;
        let config: Config = Value::Table(merged).try_into().map_err(|error: toml::de::Error| {
            // It says in which key: "… in `limits.max_body`".
            let message = error.to_string().trim().replace('\n', " ");
            Failure::usage(format!("{file}: {message}; {SEE} what each key takes"))
        })?;
        config.check(file)?;
        Ok(config)
    }

    fn check(&self, file: &str) -> Result<(), Failure> {
        let wrong = |key: &str, remedy: &str| Err(Failure::usage(format!("{file}: {key} {remedy}")));
        if self.limits.connections == 0 {
            return wrong("limits.connections", "is 0, so nobody could call; give at least 1");
        }
        if self.engine.chunk_rows == 0 || self.engine.chunk_rows > 10_000 {
            return wrong("engine.chunk_rows", "must be 1 to 10000");
        }
        if self.sqlite.readers == 0 || self.sqlite.readers > 64 {
            return wrong("sqlite.readers", "must be 1 to 64");
        }
        if self.worker_threads > 1024 {
            return wrong("worker_threads", "must be 0 to 1024");
        }
        Ok(())
    }

    /// Threads that answer requests.
    pub fn workers(&self) -> usize {
        match self.worker_threads {
            0 => std::thread::available_parallelism().map_or(2, |cores| cores.get()).max(2),
            told => told,
        }
    }
}

fn parse(text: &str, file: &str) -> Result<Table, Failure> {
    text.parse().map_err(|error: toml::de::Error| Failure::usage(format!("{file} is not TOML: {error}")))
}

/// Puts the operator's keys before the defaults; one that has no default does not exist.
fn merge(defaults: &mut Table, told: Table, at: &str, file: &str) -> Result<(), Failure> {
    for (key, value) in told {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (defaults.get_mut(&key), value) {
            (None, _) => {
                let known: Vec<&str> = defaults.keys().map(String::as_str).collect();
                let text = format!(
                    "{file}: there is no key `{path}`; the keys here are {}; {SEE} all",
                    known.join(", ")
                );
                return Err(Failure::usage(text));
            }
            (Some(Value::Table(defaults)), Value::Table(told)) => merge(defaults, told, &path, file)?,
            (Some(Value::Table(_)), _) => {
                return Err(Failure::usage(format!("{file}: `{path}` is a table; write it as [{path}]")));
            }
            (Some(default), value) => *default = value,
        }
    }
    Ok(())
}

fn path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(from)?;
    Ok(Some(PathBuf::from(text)).filter(|path| !path.as_os_str().is_empty()))
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let units = [("ms", 1), ("min", 60_000), ("s", 1_000), ("h", 3_600_000), ("d", 86_400_000)];
    from.deserialize_str(Quantity { what: "duration such as 500ms, 30s, 5min or 12h", units: &units })
        .map(Duration::from_millis)
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    from.deserialize_str(Quantity { what: "size such as 64KiB, 32MiB or 2GiB", units: &units })
}

/// Reads a whole number with its unit, as the number of smallest units.
struct Quantity<'u> {
    what: &'static str,
    units: &'u [(&'static str, u64)],
}

impl serde::de::Visitor<'_> for Quantity<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.what)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
        let read = |(unit, factor): &(&str, u64)| {
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*factor)
        };
        let found = self.units.iter().find_map(read);
        found.ok_or_else(|| E::custom(format!("`{text}` is no {}", self.what)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Config::read(text, "my.toml").unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_complete() {
        let config = Config::load(None).unwrap();
        assert_eq!(config.listen.port(), 7070);
        assert_eq!(config.limits.max_body, 2 << 30);
        assert_eq!(config.engine.turn_timeout, Duration::from_secs(30));
        assert_eq!(config.key_file, None);
    }

    #[test]
    fn a_file_goes_before_the_defaults() {
        let config = Config::read("listen = \"0.0.0.0:80\"\n[limits]\nbody_timeout = \"5min\"", "x").unwrap();
        assert_eq!(config.listen.port(), 80);
        assert_eq!(config.limits.body_timeout, Duration::from_secs(300));
        assert_eq!(config.limits.header_timeout, Duration::from_secs(15));
    }

    #[test]
    fn faults_name_file_key_and_remedy() {
        assert_eq!(
            fault("[limits]\nmax_bodi = \"1MiB\""),
            "my.toml: there is no key `limits.max_bodi`; the keys here are body_timeout, connections, header_timeout, \
             max_body, memory_body, stop_timeout; `comptoir serve --print-config` shows all"
        );
        for (text, key, remedy) in [
            ("[limits]\nmax_body = \"1 mile\"", "limits.max_body", "size such as 64KiB, 32MiB or 2GiB"),
            ("[limits]\nbody_timeout = 30", "limits.body_timeout", "duration such as"),
            ("listen = \"here\"", "listen", "socket address"),
            ("limits = 3", "limits", "write it as [limits]"),
            ("[log]\nformat = \"xml\"", "log.format", "`text` or `json`"),
        ] {
            let fault = fault(text);
            assert!(fault.starts_with("my.toml: "), "{fault}");
            assert!(fault.contains(key) && fault.contains(remedy), "{fault}");
        }
        assert!(fault("listen = ").starts_with("my.toml is not TOML"));
    }
}
