//! Project files: read with all they refer to, and applied with their records.

use std::path::{Path, PathBuf};

use dialect::Body;
use dialect::rows::{CsvRows, Form, JsonRows, NdjsonRows, RowShape};
use domain::batch::{Commit, Counts, Parameters, Report};
use domain::catalogue::{RecordsFile, STANDARD_RECORDS};
use domain::row::Mode;
use domain::rule::Refusal;
use engine::{ApplyOptions, Call, Engine, Error, ProjectFile, Rows, RowsInMemory, SecretSource, Verb};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// A project file with all that it refers to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// Name of the file, for the ledger.
    pub name: String,
    /// The file; its secrets are resolved.
    pub file: ProjectFile,
    /// Its records, in order.
    pub records: Vec<RecordsBody>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// See [`ApplyOptions::prune`].
    pub prune: bool,
}

/// Records of one entity as a body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordsBody {
    /// The entity.
    pub entity: String,
    /// How the body is written.
    pub format: Format,
    /// The body.
    #[serde(with = "as_base64")]
    pub body: Vec<u8>,
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An array of objects.
    Json,
    /// An object a line.
    Ndjson,
    /// A header and lines.
    Csv,
}

/// What applying a file did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApplyAnswer {
    /// The project.
    pub project: String,
    /// Nothing was stored because nothing was to be.
    pub dry_run: bool,
    /// What was done to each thing.
    pub lines: Vec<Line>,
    /// What became of the records, where the file has any.
    pub records: Option<Counts>,
    /// Why records were refused.
    pub refusals: Vec<Refusal>,
    /// The batch of the records.
    pub batch: Option<String>,
    /// What a person should know beside that.
    pub notes: Vec<String>,
}

/// One thing that was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// `added`, `changed`, `unchanged` or `removed`.
    pub verb: String,
    /// To what.
    pub what: String,
}

impl Format {
    /// The format that a file's name tells; `None` when it tells none.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "json" => Some(Format::Json),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            "csv" | "tsv" | "txt" => Some(Format::Csv),
            _ => None,
        }
    }

    /// Its media type.
    pub fn media(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv",
        }
    }
}

/// Reads a project file with its secrets and records.
pub fn read(path: &Path, dry_run: bool, prune: bool) -> Result<ApplyRequest, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::unreachable(format!("{shown} cannot be read: {error}; check the path")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().map_or_else(|| shown.to_string(), |name| name.to_string_lossy().into_owned());
    read_text(&text, &name, folder, dry_run, prune)
        .map_err(|failure| Failure { exit: failure.exit, error: failure.error.context(format!("{shown}")) })
}

/// Reads the text of a project file; files that it names are relative to `folder`.
pub fn read_text(
    text: &str,
    name: &str,
    folder: &Path,
    dry_run: bool,
    prune: bool,
) -> Result<ApplyRequest, Failure> {
    let mut file = ProjectFile::parse(text)?;
    file.resolve_secrets(&|source| secret(source, folder))?;
    let mut records = Vec::new();
    for table in &mut file.records {
        let body = match (table.rows.take(), table.file.take()) {
            (Some(rows), None) => RecordsBody {
                entity: table.entity.clone(),
                format: Format::Json,
                body: rows_as_json(&rows).into_bytes(),
            },
            (None, Some(path)) => from_file(&table.entity, &folder.join(path))?,
            _ => {
                let text = format!("records of {}: give either `rows` or `file`", table.entity);
                return Err(Failure::usage(text));
            }
        };
        records.push(body);
    }
    Ok(ApplyRequest { name: name.to_owned(), file, records, dry_run, prune })
}

fn from_file(entity: &str, path: &PathBuf) -> Result<RecordsBody, Failure> {
    let shown = path.display();
    let Some(format) = Format::of(path) else {
        return Err(Failure::usage(format!(
            "records of {entity}: {shown} must end in .csv, .ndjson or .json"
        )));
    };
    let body = std::fs::read(path).map_err(|error| {
        Failure::unreachable(format!("records of {entity}: {shown} cannot be read: {error}; check the path"))
    })?;
    Ok(RecordsBody { entity: entity.to_owned(), format, body })
}

fn secret(source: SecretSource<'_>, folder: &Path) -> Result<String, String> {
    match source {
        SecretSource::Env(name) => std::env::var(name)
            .map_err(|_| format!("the environment variable {name} is not set; set it and apply again")),
        SecretSource::File(path) => {
            let path = folder.join(path);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}

fn rows_as_json(rows: &[toml::Table]) -> String {
    serde_json::Value::Array(rows.iter().map(json_of_table).collect()).to_string()
}

fn json_of_table(table: &toml::Table) -> serde_json::Value {
    serde_json::Value::Object(table.iter().map(|(key, value)| (key.clone(), json_of(value))).collect())
}

fn json_of(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(instant) => instant.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json_of).collect(),
        toml::Value::Table(table) => json_of_table(table),
    }
}

/// Makes a project what a file says, and its records with it: those go in as one batch, all or
/// none, after everything else.
pub async fn apply(engine: &Engine, request: ApplyRequest) -> Result<ApplyAnswer, Error> {
    let ApplyRequest { name, file, records, dry_run, prune } = request;
    let applied = engine.apply(&file, ApplyOptions { dry_run, prune }).await?;
    let line =
        |line: &engine::AppliedLine| Line { verb: line.verb.name().to_owned(), what: line.what.clone() };
    let mut answer = ApplyAnswer {
        project: applied.project.to_string(),
        dry_run,
        lines: applied.lines.iter().map(line).collect(),
        records: None,
        refusals: Vec::new(),
        batch: None,
        notes: Vec::new(),
    };
    if file.project.requests_per_minute.is_some_and(|most| most > 0) {
        answer.notes.push("requests_per_minute is kept, not enforced yet".to_owned());
    }
    // Records can only be checked against a catalogue that is there already.
    let can_check = !(dry_run && applied.lines.iter().any(makes_catalogue));
    if applied.is_empty && !dry_run {
        let report = store(engine, &answer.project, standard_records()?, "standard records", false).await?;
        if report.refused_whole {
            tracing::error!(refusals = ?report.refusals, "the standard records were refused");
            return Err(Error::internal("the standard records were refused"));
        }
        answer.push(Verb::Added, format!("standard records ({})", report.counts.received));
    }
    if records.is_empty() {
        return Ok(answer);
    }
    if !can_check {
        let note = "records were not checked, since the project or its fields are not there yet";
        answer.notes.push(note.to_owned());
        return Ok(answer);
    }
    let report = store(engine, &answer.project, records, &format!("apply {name}"), dry_run).await?;
    let counts = report.counts;
    if report.counts.refused == 0 {
        let is_changed = counts.added + counts.updated + counts.deleted > 0;
        let verb = if is_changed { Verb::Changed } else { Verb::Unchanged };
        let what = format!(
            "records ({} added, {} updated, {} unchanged)",
            counts.added, counts.updated, counts.unchanged
        );
        answer.push(verb, what);
    }
    answer.records = Some(counts);
    answer.refusals = report.refusals;
    answer.batch = report.batch.map(|batch| batch.to_string());
    Ok(answer)
}

fn makes_catalogue(line: &engine::AppliedLine) -> bool {
    let is_one = |kind: &str| line.what.starts_with(kind);
    line.verb != Verb::Unchanged && ["project ", "entity ", "field "].into_iter().any(is_one)
}

impl ApplyAnswer {
    fn push(&mut self, verb: Verb, what: String) {
        self.lines.push(Line { verb: verb.name().to_owned(), what });
    }
}

fn standard_records() -> Result<Vec<RecordsBody>, Error> {
    let read = |(entity, text): &(&str, &str)| {
        let file: RecordsFile = toml::from_str(text).map_err(|error| Error::Internal(error.into()))?;
        let body = rows_as_json(&file.rows).into_bytes();
        Ok(RecordsBody { entity: (*entity).to_owned(), format: Format::Json, body })
    };
    STANDARD_RECORDS.iter().map(read).collect()
}

/// Puts records in as one batch.
async fn store(
    engine: &Engine,
    project: &str,
    records: Vec<RecordsBody>,
    operation: &str,
    dry_run: bool,
) -> Result<Report, Error> {
    let caller = engine.owner(project).await?;
    let project = engine.project(project).await?;
    let reading = tokio::task::spawn_blocking(move || rows_of(&project, records));
    let rows = reading.await.map_err(|error| Error::Internal(error.into()))??;
    let parameters = Parameters { dry_run, ..Parameters::new(Mode::Upsert, Commit::Together) };
    let call = Call {
        door: "local",
        operation: operation.to_owned(),
        parameters,
        rows: Box::new(rows),
        idempotency: None,
        columns: Vec::new(),
        memo: String::new(),
        progress: None,
    };
    engine.execute(&caller, call).await
}

/// Rows of several bodies, numbered through.
fn rows_of(project: &engine::Project, records: Vec<RecordsBody>) -> Result<RowsInMemory, Error> {
    let catalogue = project.catalogue();
    let (mut rows, mut received) = (Vec::new(), Vec::new());
    for RecordsBody { entity, format, body } in records {
        let described = catalogue.find(&entity).ok_or_else(|| Error::NoEntity(entity.clone()))?;
        let shape = RowShape::native(catalogue.clone(), described.ix, project.reading(false));
        let body = Body::Memory(body.into());
        let mut reader: Box<dyn Rows> = match format {
            Format::Json => Box::new(JsonRows::new(body, shape, Form::Array)),
            Format::Ndjson => Box::new(NdjsonRows::new(body, shape)),
            Format::Csv => Box::new(CsvRows::open(body, shape, None, None)?),
        };
        while let Some(mut row) = reader.next()? {
            received.push(reader.received(row.entity, row.span)?.into_boxed_str());
            row.number = rows.len() as u64 + 1;
            rows.push(row);
        }
    }
    Ok(RowsInMemory::new(rows, received))
}

/// Bytes as text in JSON.
mod as_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], into: S) -> Result<S::Ok, S::Error> {
        into.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}
