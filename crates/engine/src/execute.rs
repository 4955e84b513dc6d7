//! A batch, from its rows to its report.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use domain::batch::{Commit, Counts, Effects, Outcome, Parameters, Report, Statistics};
use domain::catalogue::Catalogue;
use domain::changes::Planned;
use domain::keys::page_hash;
use domain::names::{BatchId, Company};
use domain::plan::{Made, Task};
use domain::row::{Mode, Row};
use store::{BatchEntry, BatchState, IdempotencyEntry, Reader, RefusedRow};
use tokio::sync::oneshot;

use crate::caller::{Caller, Permitted, Rights};
use crate::idempotency::Found;
use crate::index::{Scan, Source};
use crate::project::Project;
use crate::rows::Rows;
use crate::turn::{BatchTurn, ChunkPlan, Part, SharedSource, Standing, TurnOutcome};
use crate::{Engine, Error, Inner};

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
    pub async fn execute(&self, caller: &Caller, call: Call) -> Result<Report, Error> {
        let began = Instant::now();
        require_rights(caller, &call)?;
        let (claim, resumed) = match &call.idempotency {
            Some(key) if !call.parameters.dry_run => match self.look_up_key(caller, key).await? {
                Found::Done(report) => return Ok(*report),
                Found::Fresh(claim) => (Some(claim), None),
                Found::Resume(claim, entry) => (Some(claim), Some(*entry)),
            },
            _ => (None, None),
        };
        let mut run = self.prepare(caller, call, resumed, began).await?;
        let report = match run.shared.parameters.commit {
            _ if run.shared.parameters.dry_run => run.rehearse().await,
            _ if run.refuses_whole() => run.refuse_for_shape().await,
            Commit::Together => run.together().await,
            Commit::Alone => run.alone().await,
        };
        drop(claim);
        report
    }

    async fn prepare(
        &self,
        caller: &Caller,
        call: Call,
        resumed: Option<BatchEntry>,
        began: Instant,
    ) -> Result<Run, Error> {
        let catalogue = caller.project.catalogue();
        let (engine, company, parameters, rows) =
            (self.inner.clone(), caller.company, call.parameters, call.rows);
        let scanned = tokio::task::spawn_blocking(move || {
            let scan = Scan {
                catalogue: &catalogue,
                parameters: &parameters,
                company,
                secret: engine.secret,
                config: &engine.config,
            };
            Source::scan(rows, &scan).map(|source| (source, parameters))
        });
        let (source, parameters) = scanned.await.map_err(|error| Error::Internal(error.into()))??;
        let total = source.scanned.total;
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
        let statistics = Statistics::default();
        Ok(Run {
            engine: self.clone(),
            shared,
            entry,
            key,
            began,
            statistics,
            report: Report::default(),
            progress: call.progress,
        })
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
    Ok(())
}

/// A batch under way.
struct Run {
    engine: Engine,
    shared: Arc<Shared>,
    entry: BatchEntry,
    key: Option<IdempotencyEntry>,
    began: Instant,
    statistics: Statistics,
    report: Report,
    progress: Option<Box<dyn Fn(u64) + Send + Sync>>,
}

/// Plans of this many chunks may wait in memory for their common turn.
const PLANS_IN_MEMORY: u32 = 16;

impl Run {
    fn refuses_whole(&self) -> bool {
        self.shared.parameters.shape_faults_refuse_batch && self.shared.lock_source().scanned.shape_fault
    }

    fn keep_rows(&self) -> bool {
        self.shared.total <= Report::ROWS
    }

    /// Plans a chunk on a view of its own.
    async fn plan(&mut self, chunk: u32, made: Made) -> Result<(ChunkPlan, Made), Error> {
        let shared = self.shared.clone();
        let job = move |reader: &mut dyn Reader| {
            let began = Instant::now();
            let mut made = made;
            let planned = shared.plan(reader, chunk, &mut made);
            Ok((planned, made, began.elapsed()))
        };
        let (planned, made, took) = self.engine.read(&self.shared.project.code, job).await?;
        let (plan, statements) = planned?;
        self.statistics.statements += statements;
        self.statistics.store_ms += took.as_secs_f64() * 1000.0;
        Ok((plan, made))
    }

    /// Hands parts to the project's write turn and waits for the end of it.
    async fn turn(&mut self, parts: Vec<Part>) -> Result<TurnOutcome, Error> {
        let (answer, mut wait) = oneshot::channel();
        let standing = Arc::new(Standing::default());
        let small = parts.len() == 1 && parts[0].plan.is_some();
        self.entry.statements = self.statistics.statements;
        self.entry.store_ms = self.statistics.store_ms;
        self.entry.total_ms = self.began.elapsed().as_secs_f64() * 1000.0;
        let turn = BatchTurn {
            shared: self.shared.clone(),
            parts,
            entry: self.entry.clone(),
            keep_rows: self.keep_rows(),
            key: self.key.clone(),
            small,
            standing: standing.clone(),
            outcome: TurnOutcome::default(),
            answer,
        };
        self.engine.inner.store.write(&self.shared.project.code, Box::new(turn));
        let waited = tokio::time::timeout(self.engine.inner.config.turn_timeout, &mut wait).await;
        let answered = match waited {
            Ok(answered) => answered,
            Err(_) if standing.call_off() => return Err(Error::Busy),
            // It has begun: its end is near, and must be known.
            Err(_) => wait.await,
        };
        let (entry, outcome, result) = answered.map_err(|_| store::Error::Closed)?;
        self.statistics.statements += outcome.statements;
        self.statistics.store_ms += outcome.store_ms;
        match result {
            Ok(()) => self.entry = entry,
            Err(_) if outcome.refused_together.is_some() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(outcome)
    }

    /// Each row for itself: chunk by chunk, each in a turn of its own.
    async fn alone(&mut self) -> Result<Report, Error> {
        let chunks = self.shared.chunks();
        let first = self.entry.chunks;
        let linked = self.shared.lock_source().scanned.linked;
        let mut planned = None;
        for chunk in first..chunks {
            let result = match planned.take() {
                Some(plan) => Ok(plan),
                None => self.plan(chunk, Made::default()).await.map(|(plan, _)| plan),
            };
            let outcome = match result {
                Ok(plan) => {
                    let part = vec![Part { chunk, plan: Some(plan) }];
                    if chunk + 1 < chunks && !linked {
                        // While this chunk is written, the next one is planned.
                        let mut ahead = self.ahead();
                        let (outcome, next) =
                            tokio::join!(self.turn(part), ahead.plan(chunk + 1, Made::default()));
                        self.statistics.statements += ahead.statistics.statements;
                        self.statistics.store_ms += ahead.statistics.store_ms;
                        planned = next.ok().map(|(plan, _)| plan);
                        outcome
                    } else {
                        self.turn(part).await
                    }
                }
                Err(error) => Err(error),
            };
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(error) if chunk > first => {
                    let batch = self.shared.batch.clone();
                    self.interrupt().await;
                    return Err(Error::Interrupted { batch, source: Box::new(error) });
                }
                Err(error) => return Err(error),
            };
            self.collect(outcome);
            if let Some(progress) = &self.progress {
                let mut counts = self.entry.counts;
                counts.received = 0;
                progress(Outcome::ALL.iter().map(|outcome| *counts.of(*outcome)).sum());
            }
        }
        self.finish_resumed(first).await?;
        Ok(self.answer())
    }

    /// The same batch, to plan ahead with.
    fn ahead(&self) -> Run {
        Run {
            engine: self.engine.clone(),
            shared: self.shared.clone(),
            entry: self.entry.clone(),
            key: None,
            began: self.began,
            statistics: Statistics::default(),
            report: Report::default(),
            progress: None,
        }
    }

    /// A resumed batch answers with the refusals of the whole.
    async fn finish_resumed(&mut self, first: u32) -> Result<(), Error> {
        if first == 0 {
            return Ok(());
        }
        let id = self.shared.batch.clone();
        let whole = self.engine.read(&self.shared.project.code, move |reader| {
            let entry = reader.batch(&id)?;
            entry.map(|entry| crate::idempotency::replayed(reader, &entry)).transpose()
        });
        if let Some(whole) = whole.await? {
            self.report = Report { replayed: false, ..whole };
        }
        Ok(())
    }

    /// Says in the ledger that the batch stopped; a database that is away says it itself later.
    async fn interrupt(&mut self) {
        let mut entry = self.entry.clone();
        let mut counts = entry.counts;
        counts.received = 0;
        let seen: u64 = Outcome::ALL.iter().map(|outcome| *counts.of(*outcome)).sum();
        entry.counts.skipped += entry.counts.received.saturating_sub(seen);
        entry.state = BatchState::Interrupted;
        entry.finished_at = Some(self.engine.now_ms());
        let code = self.shared.project.code.clone();
        let written = self.engine.write(&code, move |writer| writer.put_batch(&entry)).await;
        if let Err(error) = written {
            tracing::warn!(batch.id = %self.shared.batch, error = %error, "an interrupted batch could not be closed");
        }
    }

    /// All rows or none.
    async fn together(&mut self) -> Result<Report, Error> {
        let chunks = self.shared.chunks();
        let keep = chunks <= PLANS_IN_MEMORY && self.shared.lock_source().is_small();
        let in_turn = self.shared.parameters.repeated == domain::batch::Repeated::InTurn && chunks > 1;
        let mut parts = Vec::new();
        let mut refused = Vec::new();
        let mut made = Made::default();
        for chunk in 0..chunks {
            if in_turn {
                // Later rows stand on what earlier ones did: each is planned in the turn itself.
                parts.push(Part { chunk, plan: None });
                continue;
            }
            let (mut plan, carried) = self.plan(chunk, made).await?;
            made = carried;
            crate::turn::note_refusals(&self.shared, &plan.plan.rows, &mut self.report.refusals);
            refused.append(&mut plan.refused);
            parts.push(Part { chunk, plan: Some(plan).filter(|_| keep) });
        }
        if !refused.is_empty() {
            return self.refuse(refused).await;
        }
        let outcome = self.turn(parts).await?;
        match outcome.refused_together {
            Some(refused) => {
                self.report.refusals = outcome.refusals;
                self.refuse(refused).await
            }
            None => {
                self.collect(outcome);
                Ok(self.answer())
            }
        }
    }

    /// Writes the entry of a batch that is refused as a whole, and nothing else.
    async fn refuse(&mut self, refused: Vec<RefusedRow>) -> Result<Report, Error> {
        let mut entry = self.entry.clone();
        let count = refused.len() as u64;
        entry.counts.refused = count;
        entry.counts.skipped = self.shared.total - count;
        entry.refused_whole = true;
        entry.state = BatchState::Done;
        entry.finished_at = Some(self.engine.now_ms());
        entry.total_ms = self.began.elapsed().as_secs_f64() * 1000.0;
        let clock = self.engine.inner.clock.clone();
        let stored = entry.clone();
        let mut refused = refused;
        let code = self.shared.project.code.clone();
        let write = move |writer: &mut dyn store::Writer| {
            let now = clock.now_ms();
            refused.iter_mut().for_each(|row| row.instant = now);
            writer.put_refused(&refused)?;
            writer.put_batch(&stored)
        };
        self.engine.write(&code, write).await?;
        self.entry = entry;
        self.report.refused_whole = true;
        self.report.refusals.sort_by_key(|refusal| refusal.row);
        Ok(self.answer())
    }

    /// Refuses the whole batch for rows that the wire alone shows to be wrong.
    async fn refuse_for_shape(&mut self) -> Result<Report, Error> {
        let shared = self.shared.clone();
        let gathered = tokio::task::spawn_blocking(move || {
            let catalogue = shared.project.catalogue();
            let mut planned = Vec::new();
            let chunks = shared.chunks();
            for chunk in 0..chunks {
                let rows = shared.lock_source().chunk(chunk)?;
                planned
                    .extend(rows.into_iter().filter(|row| !row.problems.is_empty()).map(refused_for_shape));
            }
            let mut refusals = Vec::new();
            crate::turn::note_refusals(&shared, &planned, &mut refusals);
            let refused = shared.refused_rows(&mut shared.lock_source(), &planned, &catalogue);
            Ok::<_, Error>((refused, refusals))
        });
        let (refused, refusals) = gathered.await.map_err(|error| Error::Internal(error.into()))??;
        self.report.refusals = refusals;
        self.refuse(refused).await
    }

    /// The same path up to the plan, and nothing stored.
    async fn rehearse(&mut self) -> Result<Report, Error> {
        let mut made = Made::default();
        let mut counts = Counts::default();
        for chunk in 0..self.shared.chunks() {
            let (plan, carried) = self.plan(chunk, made).await?;
            made = carried;
            crate::turn::note_refusals(&self.shared, &plan.plan.rows, &mut self.report.refusals);
            for row in &plan.plan.rows {
                counts.count(row.outcome);
            }
            self.report.effects.add(&plan.plan.effects);
            let room = (Report::ROWS as usize).saturating_sub(self.report.differences.len());
            self.report.differences.extend(plan.plan.differences.into_iter().take(room));
        }
        let together = self.shared.parameters.commit == Commit::Together || self.refuses_whole();
        if together && counts.refused > 0 {
            self.report.refused_whole = true;
            let refused = counts.refused;
            counts = Counts {
                received: counts.received,
                refused,
                skipped: counts.received - refused,
                ..Counts::default()
            };
            for difference in &mut self.report.differences {
                if difference.outcome != Outcome::Refused {
                    difference.outcome = Outcome::Skipped;
                }
            }
        }
        self.entry.counts = counts;
        self.report.dry_run = true;
        let mut report = self.answer();
        report.batch = None;
        Ok(report)
    }

    fn collect(&mut self, outcome: TurnOutcome) {
        let room = Report::REFUSALS.saturating_sub(self.report.refusals.len());
        self.report.refusals.extend(outcome.refusals.into_iter().take(room));
        self.report.rows.extend(outcome.rows);
        self.report.effects.add(&outcome.effects);
    }

    fn answer(&mut self) -> Report {
        let mut report = std::mem::take(&mut self.report);
        report.batch = Some(self.shared.batch.clone());
        report.counts = self.entry.counts;
        report.effects = self.entry.effects;
        report.rows.sort_by_key(|row| row.row);
        self.statistics.total_ms = self.began.elapsed().as_secs_f64() * 1000.0;
        report.statistics = self.statistics;
        report
    }
}

fn refused_for_shape(row: Row) -> Planned {
    Planned {
        number: row.number,
        line: row.line,
        span: row.span,
        id: row.id,
        entity: row.entity,
        company: Company::SHARED,
        outcome: Outcome::Refused,
        record: None,
        code: row.code,
        revision: 0,
        problems: row.problems,
    }
}
