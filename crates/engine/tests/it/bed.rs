//! A project to try things in, and a short way to say rows.

use std::sync::Arc;
use std::time::Duration;

use domain::batch::{Commit, Parameters, Report};
use domain::catalogue::{Catalogue, Entity};
use domain::clock::{FixedClock, SequentialIds};
use domain::field::{FieldType, Scalar, read_scalar};
use domain::names::BatchId;
use domain::row::{By, Cell, Mode, Named, Row};
use engine::{
    ApplyOptions, BatchView, Call, Caller, Change, Config, Engine, Idempotency, ProjectFile, RowsInMemory,
};

/// An engine with the project `ACME` and two logins.
pub struct Bed {
    pub engine: Engine,
    pub caller: Caller,
    pub clock: Arc<FixedClock>,
}

const PROJECT: &str = r#"
[project]
code = "ACME"
companies = ["ACME", "ACME2"]

[[api_key]]
name = "erp"
key = "erp-key"
role = "integrator"

[[api_key]]
name = "shop"
key = "shop-key"
rights = ["read:*", "insert:event"]

[[field]]
entity = "user"
name = "reports_to"
type = "reference(user)"
"#;

impl Bed {
    /// Chunks of `chunk_rows` rows.
    pub async fn with_chunks(chunk_rows: usize) -> Bed {
        Bed::over(Arc::new(store_sqlite::open_temporary().unwrap()), chunk_rows).await
    }

    /// Over a store that may have been used before, like a server that starts again.
    pub async fn over(store: Arc<dyn store::Store>, chunk_rows: usize) -> Bed {
        let config = Config { chunk_rows, key_timeout: Duration::from_secs(20), ..Config::default() };
        let clock = Arc::new(FixedClock::at(1_780_000_000_000));
        let engine = Engine::new(store, clock.clone(), Arc::new(SequentialIds::default()), config);
        let file: ProjectFile = toml::from_str(PROJECT).unwrap();
        engine.apply(&file, ApplyOptions::default()).await.unwrap();
        let caller = engine.check_key("erp-key").await.unwrap();
        Bed { engine, caller, clock }
    }

    pub async fn new() -> Bed {
        Bed::with_chunks(2_000).await
    }

    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.engine_project().catalogue()
    }

    fn engine_project(&self) -> Arc<engine::Project> {
        self.caller.project_state()
    }

    /// A call of rows in the notation of [`rows`].
    pub fn call(&self, mode: Mode, commit: Commit, text: &str) -> Call {
        self.call_with(Parameters::new(mode, commit), text)
    }

    pub fn call_with(&self, parameters: Parameters, text: &str) -> Call {
        let rows = rows(&self.catalogue(), text);
        let received = text.lines().map(|line| line.trim().into()).collect();
        Call {
            door: "test",
            operation: "test".to_owned(),
            parameters,
            rows: Box::new(RowsInMemory::new(rows, received)),
            idempotency: None,
            columns: Vec::new(),
            memo: String::new(),
            progress: None,
        }
    }

    /// Upserts rows, each alone.
    pub async fn upsert(&self, text: &str) -> Report {
        self.engine.execute(&self.caller, self.call(Mode::Upsert, Commit::Alone, text)).await.unwrap()
    }

    pub async fn upsert_with_key(&self, key: &str, text: &str) -> Result<Report, engine::Error> {
        self.engine.execute(&self.caller, self.call_with_key(key, text)).await
    }

    pub fn call_with_key(&self, key: &str, text: &str) -> Call {
        let mut call = self.call(Mode::Upsert, Commit::Alone, text);
        let mut hash = [0; 32];
        for (n, byte) in text.bytes().enumerate() {
            hash[n % 32] ^= byte.rotate_left((n / 32) as u32 % 8);
        }
        call.idempotency = Some(Idempotency { key: key.to_owned(), hash });
        call
    }

    /// All changes so far.
    pub async fn changes(&self) -> Vec<Change> {
        self.engine.changes(&self.caller, 0, 1_000_000, Duration::ZERO, Vec::new()).await.unwrap().0
    }

    pub async fn batch(&self, report: &Report) -> BatchView {
        let id: BatchId = report.batch.clone().unwrap();
        self.engine.batch(&self.caller, &id).await.unwrap().unwrap()
    }

    /// Codes and one field of all records of an entity: `C1=Brest C2=-`.
    pub async fn values(&self, entity: &str, field: &str) -> String {
        let catalogue = self.catalogue();
        let entity = catalogue.find(entity).unwrap();
        let mut question = engine::Question::all(entity.ix, 100_000);
        question.fields = vec![entity.field_ix(field).unwrap()];
        let records = self.engine.records(&self.caller, question).await.unwrap();
        let shown = records.records.iter().map(|record| {
            let value = match &record.values[0] {
                domain::value::Value::Text(text) => text.to_string(),
                domain::value::Value::Reference(id) => records.codes[id].to_string(),
                domain::value::Value::Null => "-".to_owned(),
                other => format!("{other:?}"),
            };
            format!("{}={value}", record.code)
        });
        shown.collect::<Vec<_>>().join(" ")
    }
}

/// Rows of lines such as `customer C1 name=Quai_Sud user=U1`; `-` is no code, `null` clears, `@id`
/// in front of the entity is the caller's own id. Blanks in values are written `_`.
pub fn rows(catalogue: &Catalogue, text: &str) -> Vec<Row> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .enumerate()
        .map(|(n, line)| row(catalogue, n as u64 + 1, line))
        .collect()
}

fn row(catalogue: &Catalogue, number: u64, line: &str) -> Row {
    let mut words = line.split(' ').peekable();
    let id = words.next_if(|word| word.starts_with('@'));
    let entity: &Entity = catalogue.find(words.next().unwrap()).unwrap_or_else(|| panic!("entity in {line}"));
    let mut row = Row::new(number, entity.ix);
    row.id = id.map(|id| id[1..].into());
    row.code = words.next().filter(|code| *code != "-").map(Into::into);
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("{word} in {line}"));
        if name == "revision" {
            row.revision = Some(value.parse().unwrap());
            continue;
        }
        let (ix, field) = entity.find_field(name).unwrap_or_else(|| panic!("{name} in {line}"));
        let value = value.replace('_', " ");
        let cell = match field.kind {
            _ if value == "null" => Cell::Clear,
            FieldType::Reference(_) => Cell::Refer(Named { by: By::Code, text: value.into() }),
            FieldType::Float | FieldType::Integer => {
                let reading = domain::field::Reading { zone: jiff::tz::TimeZone::UTC, lenient: false };
                Cell::Set(read_scalar(field, name, Scalar::Number(&value), &reading).unwrap())
            }
            _ => {
                let reading = domain::field::Reading { zone: jiff::tz::TimeZone::UTC, lenient: true };
                Cell::Set(read_scalar(field, name, Scalar::Text(&value), &reading).unwrap())
            }
        };
        row.set(ix, cell);
    }
    row
}

/// The counts of a report: `+2 ~1 =0 -0 !1 /0`.
pub fn counts(report: &Report) -> String {
    let c = report.counts;
    assert!(c.balance(), "the books do not balance: {c:?}");
    format!("+{} ~{} ={} -{} !{} /{}", c.added, c.updated, c.unchanged, c.deleted, c.refused, c.skipped)
}

/// The refusals of a report: `2 customer unknown_reference`.
pub fn refusals(report: &Report) -> Vec<String> {
    let shown = report.refusals.iter();
    shown
        .map(|refusal| format!("{} {} {}", refusal.row, refusal.problem.field, refusal.problem.rule))
        .collect()
}
