//! A batch, from its rows to its report.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use domain::batch::{Counts, Effects, Outcome, Parameters, Report};
use domain::catalogue::Catalogue;
use domain::changes::Planned;
use domain::keys::page_hash;
use domain::names::{BatchId, Company};
use domain::plan::{Made, Permits as _, Task};
use domain::row::Mode;
use serde::{Deserialize, Serialize};
use store::{BatchEntry, BatchState, IdempotencyEntry, Reader, RefusedRow};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::caller::{Caller, Permitted, Rights};
use crate::idempotency::{Claim, Found};
use crate::index::{Scan, Source};
use crate::project::Project;
use crate::rows::Rows;
use crate::turn::{ChunkPlan, SharedSource, TurnOutcome};
use crate::{Engine, Error, Inner};

mod ahead;
mod run;

use ahead::Ahead;
use run::Run;

/// A batch that a door asks for.
pub struct Call {
    /// The door, such as `native`.
    pub door: &'static str,
    /// The operation of the door, for people: `import customer`.
    pub operation: String,
    /// What the batch is told.
    pub parameters: Parameters,
    /// Its rows.
    pub rows: Box<dyn Rows>,
    /// How a repeated call is known.
    pub idempotency: Option<Idempotency>,
    /// Names of the caller's own columns, for files of rejects.
    pub columns: Vec<String>,
    /// What the door needs to repeat its answer.
    pub memo: String,
    /// Is told how many rows have their outcome, after each chunk.
    pub progress: Option<Box<dyn Fn(u64) + Send + Sync>>,
}

/// How a repeated call is known.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// SHA-256 of decoded body, method, path and batch parameters.
    pub hash: [u8; 32],
}

/// How a batch was cut into chunks: whoever goes on with it must cut it alike. A document of kind
/// [`CUT`] under the batch's id, for as long as the batch may have to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cut {
    /// Most rows of a chunk.
    pub rows: usize,
    /// Most bytes of a chunk.
    pub bytes: usize,
    /// What came of it.
    pub hash: String,
}

/// The kind of document that says how a batch was cut.
pub(crate) const CUT: &str = "cut";

/// A batch that goes on, and how it was cut.
pub(crate) struct Resumed {
    pub entry: BatchEntry,
    pub cut: Option<Cut>,
}

/// What all chunks of a running batch share.
pub(crate) struct Shared {
    pub engine: Arc<Inner>,
    pub project: Arc<Project>,
    pub rights: Arc<Rights>,
    pub company: Company,
    pub parameters: Parameters,
    pub source: SharedSource,
    pub source_name: String,
    pub batch: BatchId,
    pub total: u64,
}

impl Shared {
    pub(crate) fn permits(&self) -> Permitted {
        Permitted(self.rights.clone())
    }

    /// Adds what a turn did to the entry of the ledger.
    pub(crate) fn update_entry(&self, entry: &mut BatchEntry, outcome: &TurnOutcome, instant: i64) {
        let received = entry.counts.received;
        entry.counts.add(&outcome.counts);
        entry.counts.received = received;
        entry.effects.add(&outcome.effects);
        entry.seqs = match (entry.seqs, outcome.seqs) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (known, new) => new.or(known),
        };
        if entry.chunks >= self.chunks() {
            entry.state = BatchState::Done;
            entry.finished_at = Some(instant);
        }
    }

    fn chunks(&self) -> u32 {
        self.source.lock().unwrap_or_else(|p| p.into_inner()).chunks()
    }

    /// Plans one chunk on a reader's view.
    fn plan(&self, reader: &mut dyn Reader, chunk: u32, made: &mut Made) -> Result<(ChunkPlan, u64), Error> {
        let before = reader.statements();
        let catalogue = reader.catalogue();
        let permits = self.permits();
        let task = Task {
            catalogue: &catalogue,
            parameters: &self.parameters,
            company: self.company,
            permits: &permits,
            secret: self.engine.secret,
        };
        let seq = reader.head()?.seq;
        // Only the bytes are under the lock: the next chunk may be read while this one is planned.
        let rows = self.lock_source().chunk(chunk)?;
        let known = self.lock_source().scanned.known.clone();
        let plan = domain::plan::plan(&task, reader, rows, &known, made)?;
        let refused = self.refused_rows(&mut self.lock_source(), &plan.rows, &catalogue);
        let statements = reader.statements() - before;
        Ok((ChunkPlan { plan, refused, seq, catalogue_version: catalogue.version }, statements))
    }

    fn lock_source(&self) -> std::sync::MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(|p| p.into_inner())
    }

    /// Rows of the ledger for refused ones; their instant is set in the turn.
    pub(crate) fn refused_rows(
        &self,
        source: &mut Source,
        rows: &[Planned],
        catalogue: &Catalogue,
    ) -> Vec<RefusedRow> {
        let refused = rows.iter().filter(|row| row.outcome == Outcome::Refused);
        let entry = |row: &Planned| {
            let received = source.received(row.entity, row.span);
            RefusedRow {
                batch: self.batch.clone(),
                row: row.number,
                line: row.line,
                entity: catalogue.entity(row.entity).name.to_string(),
                id: row.id.as_deref().map(str::to_owned),
                instant: 0,
                hashes: hashes_of(row, &received),
                received,
                problems: serde_json::to_string(&row.problems).unwrap_or_else(|_| "[]".to_owned()),
            }
        };
        refused.map(entry).collect()
    }
}

/// Sorted hashes of what a refused row may be looked for by: its ids and the texts in it.
fn hashes_of(row: &Planned, received: &str) -> Vec<u8> {
    /// Past this many texts a row is found by its code and id alone.
    const MOST: usize = 400;
    let texts =
        received.split(['"', ',', ';', '\t', '|', '\n']).map(str::trim).filter(|text| !text.is_empty());
    let mut hashes: Vec<u32> = texts.take(MOST).map(page_hash).collect();
    let values = row.problems.iter().filter_map(|problem| problem.value.as_ref());
    hashes.extend(row.code.iter().chain(&row.id).chain(values).map(|text| page_hash(text)));
    hashes.sort_unstable();
    hashes.dedup();
    hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect()
}

impl Engine {
    /// Does a batch. Broken rules are in the report; an error means that the call has none.
    ///
    /// A batch that began goes on to its end when nobody waits for it any more: the caller who comes
    /// again with the same idempotency key gets its answer.
    pub async fn execute(&self, caller: &Caller, call: Call) -> Result<Report, Error> {
        let began = Instant::now();
        require_rights(caller, &call)?;
        if call.parameters.dry_run {
            return self.prepare(caller, call, None, began).await?.rehearse().await;
        }
        let (claim, resumed) = match &call.idempotency {
            Some(key) => match self.look_up_key(caller, key).await? {
                Found::Done(report) => return Ok(*report),
                Found::Fresh(claim) => (Some(claim), None),
                Found::Resume(claim, resumed) => (Some(claim), Some(*resumed)),
            },
            None => (None, None),
        };
        let (engine, caller) = (self.clone(), caller.clone());
        let batch = async move { engine.execute_claimed(&caller, call, claim, resumed, began).await };
        match tokio::spawn(batch.in_current_span()).await {
            Ok(report) => report,
            Err(error) if error.is_cancelled() => Err(store::Error::Closed.into()),
            Err(error) => Err(Error::Internal(error.into())),
        }
    }

    async fn execute_claimed(
        &self,
        caller: &Caller,
        call: Call,
        claim: Option<Claim>,
        resumed: Option<Resumed>,
        began: Instant,
    ) -> Result<Report, Error> {
        let report = self.prepare(caller, call, resumed, began).await?.run().await;
        drop(claim);
        report
    }

    async fn prepare(
        &self,
        caller: &Caller,
        call: Call,
        resumed: Option<Resumed>,
        began: Instant,
    ) -> Result<Run, Error> {
        let (resumed, cut) = resumed.map_or((None, None), |resumed| (Some(resumed.entry), resumed.cut));
        let config = &self.inner.config;
        let size = cut.as_ref().map_or((config.chunk_rows, config.chunk_bytes), |cut| (cut.rows, cut.bytes));
        let (source, parameters, ahead) = self.walk(caller, call.rows, call.parameters, size).await?;
        let total = source.scanned.total;
        let cut_now = Cut { rows: size.0, bytes: size.1, hash: source.scanned.cut() };
        if let Some(entry) = &resumed
            && cut.as_ref() != Some(&cut_now)
        {
            return Err(Error::CannotResume { batch: entry.id.clone() });
        }
        let several = source.chunks() > 1 && parameters.commit == domain::batch::Commit::Alone;
        let cut = Some(cut_now).filter(|_| several && call.idempotency.is_some());
        let batch = resumed.as_ref().map_or_else(|| self.new_batch(), |entry| entry.id.clone());
        let entry = match resumed {
            // The rest is no longer skipped: it is being done.
            Some(entry) => BatchEntry {
                state: BatchState::Running,
                finished_at: None,
                counts: Counts { received: total, skipped: 0, ..entry.counts },
                ..entry
            },
            None => BatchEntry {
                id: batch.clone(),
                login: caller.login.to_string(),
                door: call.door.to_owned(),
                operation: call.operation,
                commit: parameters.commit,
                state: BatchState::Running,
                refused_whole: false,
                counts: Counts { received: total, ..Counts::default() },
                effects: Effects::default(),
                started_at: self.now_ms(),
                finished_at: None,
                chunks: 0,
                seqs: None,
                columns: call.columns,
                memo: call.memo,
                statements: 0,
                store_ms: 0.0,
                total_ms: 0.0,
            },
        };
        let key = call.idempotency.map(|key| IdempotencyEntry {
            login: caller.login.to_string(),
            key: key.key,
            hash: key.hash.to_vec(),
            batch: batch.clone(),
            instant: 0,
        });
        let shared = Arc::new(Shared {
            engine: self.inner.clone(),
            project: caller.project.clone(),
            rights: caller.rights.clone(),
            company: caller.company,
            parameters,
            source: Mutex::new(source),
            source_name: caller.source(),
            batch,
            total,
        });
        let Ahead { plans, statistics } = ahead;
        Ok(Run {
            engine: self.clone(),
            shared,
            entry,
            key,
            cut,
            planned: plans,
            began,
            statistics,
            report: Report::default(),
            unsure: false,
            progress: call.progress,
        })
    }

    /// Walks over the rows once, and plans ahead what can be. `size` is the most rows, and bytes,
    /// of a chunk.
    async fn walk(
        &self,
        caller: &Caller,
        rows: Box<dyn Rows>,
        parameters: Parameters,
        (chunk_rows, chunk_bytes): (usize, usize),
    ) -> Result<(Source, Parameters, Ahead), Error> {
        let (engine, company, catalogue) = (self.inner.clone(), caller.company, caller.project.catalogue());
        let (hand_over, chunks) = mpsc::channel(1);
        let hand_over = ahead::is_worth_it(&parameters).then_some(hand_over);
        let to_plan = parameters.clone();
        let scanned = tokio::task::spawn_blocking(move || {
            let scan = Scan {
                catalogue: &catalogue,
                parameters: &parameters,
                company,
                secret: engine.secret,
                config: &engine.config,
                chunk_rows,
                chunk_bytes,
            };
            Source::scan(rows, &scan, hand_over).map(|source| (source, parameters))
        });
        let (scanned, ahead) = tokio::join!(scanned, self.plan_ahead(caller, &to_plan, chunks));
        let (source, parameters) = scanned.map_err(|error| Error::Internal(error.into()))??;
        let ahead = ahead?.confirmed(&source.scanned);
        Ok((source, parameters, ahead))
    }
}

/// Fails when the caller may do nothing of what the batch wants. What it may do in part is decided
/// row by row.
fn require_rights(caller: &Caller, call: &Call) -> Result<(), Error> {
    let catalogue = caller.project.catalogue();
    let verbs: &[&str] = match call.parameters.mode {
        Mode::Create => &["insert"],
        Mode::Update => &["update"],
        Mode::Upsert | Mode::Replace => &["insert", "update"],
        Mode::Delete => &["delete"],
    };
    for entity in call.rows.entities() {
        let name = &catalogue.entity(entity).name;
        if !verbs.iter().any(|verb| caller.rights.has(verb, name)) {
            caller.require(verbs[0], name)?;
        }
    }
    // Children that go unnamed are no rows of the call: their right is asked for here.
    let permits = Permitted(caller.rights.clone());
    for scope in &call.parameters.not_named {
        let child = catalogue.entity(scope.child);
        if !permits.delete(child) {
            return Err(Error::Forbidden { right: format!("delete:{}", child.name) });
        }
    }
    Ok(())
}
