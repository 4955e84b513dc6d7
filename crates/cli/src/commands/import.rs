//! `comptoir import`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use server::apply::Format;
use server::{Config, Exit, Failure};

use super::Place;
use crate::counter::{Answer, Counter, escaped};
use crate::progress::FileBody;
use crate::show;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// File of records: .csv, .ndjson, .jsonl or .json, also with .gz or .zst behind
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Code of the project
    #[arg(long, value_name = "P")]
    project: String,
    /// Entity of the records
    #[arg(long, value_name = "E")]
    entity: String,
    /// Unique keys that find the record of a row, tried in order [default: code]
    #[arg(long = "match", value_name = "KEY")]
    matching: Option<String>,
    /// Whether rows stand together or each alone
    #[arg(long, value_enum, default_value = "alone")]
    commit: Commit,
    /// What is done with rows
    #[arg(long, value_enum, default_value = "upsert")]
    mode: Mode,
    /// Map file: form and columns of a CSV file
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Only say what would become of each row, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Write refused rows there as CSV, to be mended and sent again
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

/// Where records go, or come from.
#[derive(Debug, Args)]
pub(super) struct Source {
    #[command(flatten)]
    place: Place,
    /// A running server instead of a data folder, such as http://127.0.0.1:7070
    #[arg(long, value_name = "URL", conflicts_with = "data", requires = "token")]
    server: Option<String>,
    /// Token or API key for the server
    #[arg(long, value_name = "T", env = "COMPTOIR_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Commit {
    Alone,
    Together,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    Create,
    Update,
    Upsert,
    Replace,
    Delete,
}

impl Source {
    /// Somebody who takes calls: the server, or the data folder.
    pub(super) async fn counter(&self) -> Result<Counter, Failure> {
        if let Some(url) = &self.server {
            return Counter::at_server(url, self.token.as_deref().unwrap_or_default());
        }
        let config: Config = self.place.config()?;
        if !config.data.is_dir() {
            return Err(Failure::unreachable(format!(
                "there is no data folder {}; `comptoir apply` makes one, --data names another",
                config.data.display()
            )));
        }
        Counter::at_folder(config).await
    }
}

/// What the server says of a batch.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchAnswer {
    pub(crate) batch: Option<String>,
    pub(crate) dry_run: bool,
    /// `together` or `alone`.
    #[serde(default)]
    pub(crate) commit: String,
    pub(crate) counts: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    pub(crate) refusals: Vec<server::Refusal>,
    #[serde(default)]
    pub(crate) differences: Vec<Difference>,
    #[serde(default)]
    pub(crate) csv: Option<serde_json::Map<String, serde_json::Value>>,
}

/// One row of a dry run.
#[derive(Debug, Deserialize)]
pub(crate) struct Difference {
    pub(crate) row: u64,
    pub(crate) entity: String,
    pub(crate) code: Option<String>,
    pub(crate) outcome: String,
    #[serde(default)]
    pub(crate) fields: serde_json::Map<String, serde_json::Value>,
}

impl BatchAnswer {
    pub(crate) fn count(&self, outcome: &str) -> u64 {
        self.counts.get(outcome).and_then(serde_json::Value::as_u64).unwrap_or(0)
    }
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let form = Form::of(&options.file)?;
    let path = path(options)?;
    let body = FileBody::open(&options.file).map_err(|error| {
        Failure::unreachable(format!("{} cannot be read: {error}; check the path", options.file.display()))
    })?;
    let runtime = super::runtime(2)?;
    runtime.block_on(async {
        let counter = options.source.counter().await?;
        let result = import(&counter, options, form, &path, body).await;
        counter.close().await;
        result
    })
}

async fn import(
    counter: &Counter,
    options: &Options,
    form: Form,
    path: &str,
    body: FileBody,
) -> Result<Exit, Failure> {
    let mut call =
        Request::builder().method(Method::POST).uri(path).header(CONTENT_TYPE, form.format.media());
    if let Some(encoding) = form.encoding {
        call = call.header(CONTENT_ENCODING, encoding);
    }
    let progress = body.progress();
    let answer = counter.send(call.body(axum::body::Body::new(body)).map_err(Failure::internal)?).await;
    progress.finish();
    let answer = answer?;
    let is_told = answer.status == StatusCode::UNPROCESSABLE_ENTITY && is_batch(&answer);
    if !answer.status.is_success() && !is_told {
        return Err(answer.failure());
    }
    let answer: BatchAnswer = answer.json()?;
    show::say(&show::batch(&answer));
    let refused = answer.count("refused");
    if let Some(file) = &options.rejects {
        write_rejects(counter, options, &answer, file).await?;
    } else if refused > show::MOST_REFUSALS as u64 && !answer.dry_run {
        show::say("--rejects FILE writes all of them with what is wrong, to be mended and sent again\n");
    }
    Ok(if refused > 0 { Exit::Refused } else { Exit::Done })
}

/// 422 is also the status of problems that are no batch.
fn is_batch(answer: &Answer) -> bool {
    serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok_and(|body| body.get("counts").is_some())
}

async fn write_rejects(
    counter: &Counter,
    options: &Options,
    answer: &BatchAnswer,
    file: &Path,
) -> Result<(), Failure> {
    if answer.count("refused") == 0 {
        return if answer.dry_run { Ok(()) } else { remove_rejects(&options.file, file) };
    }
    let Some(batch) = &answer.batch else {
        show::say(&format!("a dry run keeps no refused rows: {} was not written\n", file.display()));
        return Ok(());
    };
    let uri = format!("/api/v1/{}/batches/{}/rejects.csv", escaped(&options.project), escaped(batch));
    let call = Request::builder().uri(uri).header(ACCEPT, "text/csv").body(axum::body::Body::empty());
    let rejects = counter.call(call.map_err(Failure::internal)?).await?;
    std::fs::write(file, &rejects.body).map_err(|error| {
        Failure::unreachable(format!(
            "{} cannot be written: {error}; the batch {batch} has the rows",
            file.display()
        ))
    })?;
    show::say(&format!("refused rows with what is wrong: {}\n", file.display()));
    Ok(())
}

/// Takes away what an earlier import has left, lest it be sent by mistake; never the file that was
/// sent itself, nor what is no file.
fn remove_rejects(sent: &Path, file: &Path) -> Result<(), Failure> {
    let is_sent = || matches!((sent.canonicalize(), file.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if !std::fs::symlink_metadata(file).is_ok_and(|found| found.is_file()) || is_sent() {
        return Ok(());
    }
    let shown = file.display();
    std::fs::remove_file(file).map_err(|error| {
        Failure::unreachable(format!(
            "nothing was refused, but the old {shown} cannot be removed: {error}; do not send it"
        ))
    })?;
    show::say(&format!("nothing was refused, so the old {shown} was removed\n"));
    Ok(())
}

/// The call's path with its parameters.
fn path(options: &Options) -> Result<String, Failure> {
    let name = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    let mut path = format!(
        "/api/v1/{}/{}/import?mode={}&commit={}",
        escaped(&options.project),
        escaped(&options.entity),
        name(&options.mode),
        name(&options.commit)
    );
    if let Some(matching) = &options.matching {
        path.push_str(&format!("&match={}", escaped(matching)));
    }
    if options.dry_run {
        path.push_str("&dry_run=true");
    }
    if let Some(map) = &options.map {
        let text = std::fs::read_to_string(map).map_err(|error| {
            Failure::unreachable(format!("{} cannot be read: {error}; check the path", map.display()))
        })?;
        path.push_str(&format!("&map={}", escaped(&text)));
        // An address ends after 64 KiB.
        if path.len() > 60_000 {
            return Err(Failure::usage(format!(
                "{} is too long for a map file; leave comments out",
                map.display()
            )));
        }
    }
    Ok(path)
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    format: Format,
    encoding: Option<&'static str>,
}

impl Form {
    fn of(path: &Path) -> Result<Self, Failure> {
        let encoding = match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Some("gzip"),
            Some("zst") => Some("zstd"),
            _ => None,
        };
        let inner = if encoding.is_some() { path.with_extension("") } else { path.to_owned() };
        match Format::of(&inner) {
            Some(format) => Ok(Form { format, encoding }),
            None => {
                let text = format!(
                    "{}: the name does not say what it is; let it end in .csv, .ndjson or .json",
                    path.display()
                );
                Err(Failure::usage(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_says_what_it_is() {
        let form = |name: &str| Form::of(Path::new(name)).map(|form| (form.format, form.encoding)).ok();
        assert_eq!(form("a.csv"), Some((Format::Csv, None)));
        assert_eq!(form("a.JSONL"), Some((Format::Ndjson, None)));
        assert_eq!(form("a.json.gz"), Some((Format::Json, Some("gzip"))));
        assert_eq!(form("a.ndjson.zst"), Some((Format::Ndjson, Some("zstd"))));
        assert_eq!(form("a"), None);
        assert_eq!(form("a.gz"), None);
    }
}
