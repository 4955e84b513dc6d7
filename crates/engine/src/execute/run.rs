//! A batch under way: chunk by chunk, or all at once.

use std::sync::Arc;
use std::time::Instant;

use domain::batch::{Commit, Counts, Outcome, Repeated, Report, Statistics};
use domain::changes::Planned;
use domain::names::Company;
use domain::plan::Made;
use domain::row::Row;
use store::{BatchEntry, BatchState, IdempotencyEntry, Reader, RefusedRow, Writer};
use tokio::sync::oneshot;

use super::{Cut, Shared};
use crate::turn::{BatchTurn, ChunkPlan, Part, Standing, TurnOutcome};
use crate::{Engine, Error, ledger, refusals};

/// A batch under way.
pub(super) struct Run {
    pub engine: Engine,
    pub shared: Arc<Shared>,
    pub entry: BatchEntry,
    pub key: Option<IdempotencyEntry>,
    /// How it is cut, where it may have to go on another time.
    pub cut: Option<Cut>,
    /// Plans of all chunks, where they were made while the rows were read.
    pub planned: Vec<ChunkPlan>,
    pub began: Instant,
    pub statistics: Statistics,
    pub report: Report,
    /// True when something may have been written that nobody could confirm.
    pub unsure: bool,
    pub progress: Option<Box<dyn Fn(u64) + Send + Sync>>,
}

/// Plans of this many chunks may wait in memory for their common turn.
pub(super) const PLANS_IN_MEMORY: u32 = 16;

/// Refused rows of a batch that is refused as a whole are written in portions of so many.
const REFUSED_IN_MEMORY: usize = 4_000;

impl Run {
    /// Does the batch.
    pub(super) async fn run(&mut self) -> Result<Report, Error> {
        let done = match self.shared.parameters.commit {
            _ if self.refuses_whole() => self.refuse_for_shape().await,
            Commit::Together => self.together().await,
            Commit::Alone => self.alone().await,
        };
        match done {
            Ok(()) => Ok(self.answer()),
            Err(error) => Err(self.interrupt(error).await),
        }
    }

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

    fn note_cost(&mut self) {
        self.entry.statements = self.statistics.statements;
        self.entry.store_ms = self.statistics.store_ms;
        self.entry.total_ms = self.began.elapsed().as_secs_f64() * 1000.0;
    }

    /// Hands parts to the project's write turn and waits for the end of it.
    async fn turn(&mut self, parts: Vec<Part>) -> Result<TurnOutcome, Error> {
        let (answer, mut wait) = oneshot::channel();
        let standing = Arc::new(Standing::default());
        let small = parts.len() == 1 && parts[0].plan.is_some();
        self.note_cost();
        let turn = BatchTurn {
            shared: self.shared.clone(),
            parts,
            entry: self.entry.clone(),
            keep_rows: self.keep_rows(),
            key: self.key.clone(),
            cut: self.cut.clone(),
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
            // The connection may have been lost after the commit: the ledger knows.
            Err(error) if outcome.written => match self.stands(&entry).await {
                Ok(true) => {
                    self.shared.project.note_seq(outcome.seq);
                    self.entry = entry;
                }
                Ok(false) => return Err(error.into()),
                Err(_) => {
                    self.unsure = true;
                    return Err(error.into());
                }
            },
            Err(error) => return Err(error.into()),
        }
        Ok(outcome)
    }

    /// True when the ledger has the batch as far as this entry says.
    async fn stands(&self, entry: &BatchEntry) -> Result<bool, Error> {
        let (id, chunks) = (entry.id.clone(), entry.chunks);
        let stored = self.engine.read(&self.shared.project.code, move |reader| reader.batch(&id)).await?;
        Ok(stored.is_some_and(|stored| stored.chunks >= chunks))
    }

    /// Each row for itself: chunk by chunk, each in a turn of its own.
    async fn alone(&mut self) -> Result<(), Error> {
        let chunks = self.shared.chunks();
        let first = self.entry.chunks;
        let linked = self.shared.lock_source().scanned.linked;
        let mut planned = None;
        for chunk in first..chunks {
            let plan = match planned.take() {
                Some(plan) => plan,
                None => self.plan(chunk, Made::default()).await?.0,
            };
            let part = vec![Part { chunk, plan: Some(plan) }];
            let outcome = if chunk + 1 < chunks && !linked {
                // While this chunk is written, the next one is planned.
                let mut ahead = self.ahead();
                let (outcome, next) = tokio::join!(self.turn(part), ahead.plan(chunk + 1, Made::default()));
                self.statistics.statements += ahead.statistics.statements;
                self.statistics.store_ms += ahead.statistics.store_ms;
                planned = next.ok().map(|(plan, _)| plan);
                outcome?
            } else {
                self.turn(part).await?
            };
            self.collect(outcome);
            if let Some(progress) = &self.progress {
                progress(ledger::with_outcome(&self.entry.counts));
            }
        }
        self.finish_resumed(first).await
    }

    /// The same batch, to plan ahead with.
    fn ahead(&self) -> Run {
        Run {
            engine: self.engine.clone(),
            shared: self.shared.clone(),
            entry: self.entry.clone(),
            key: None,
            cut: None,
            planned: Vec::new(),
            began: self.began,
            statistics: Statistics::default(),
            report: Report::default(),
            unsure: false,
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

    /// Says in the ledger that the batch stopped, if something of it stands there; a database that is
    /// away says it itself later. What the ledger has counts, not what we believe was written.
    async fn interrupt(&mut self, error: Error) -> Error {
        if self.entry.chunks == 0 && self.entry.counts.refused == 0 && !self.unsure {
            return error;
        }
        let (id, now) = (self.shared.batch.clone(), self.engine.now_ms());
        let written = self.engine.write(&self.shared.project.code, move |writer| {
            let Some(mut entry) = writer.batch(&id)? else { return Ok(false) };
            if entry.state == BatchState::Running {
                ledger::interrupt(&mut entry, now);
                writer.put_batch(&entry)?;
            }
            Ok(true)
        });
        let stands = match written.await {
            Ok(stands) => stands,
            Err(failed) => {
                let batch = &self.shared.batch;
                tracing::warn!(batch.id = %batch, error = %failed, "an interrupted batch could not be closed");
                self.entry.chunks > 0
            }
        };
        match stands {
            true => Error::Interrupted { batch: self.shared.batch.clone(), source: Box::new(error) },
            false => error,
        }
    }

    /// All rows or none.
    async fn together(&mut self) -> Result<(), Error> {
        let chunks = self.shared.chunks();
        let keep = chunks <= PLANS_IN_MEMORY && self.shared.lock_source().is_small();
        let in_turn = self.shared.parameters.repeated == Repeated::InTurn && chunks > 1;
        let mut parts = Vec::new();
        let mut refused = Vec::new();
        let mut made = Made::default();
        let planned = std::mem::take(&mut self.planned).into_iter();
        parts.extend((0..).zip(planned).map(|(chunk, plan)| Part { chunk, plan: Some(plan) }));
        for chunk in parts.len() as u32..chunks {
            if in_turn {
                // Later rows stand on what earlier ones did: each is planned in the turn itself.
                parts.push(Part { chunk, plan: None });
                continue;
            }
            let (mut plan, carried) = self.plan(chunk, made).await?;
            made = carried;
            self.note_refusals(&plan.plan.rows);
            refused.append(&mut plan.refused);
            let stands = refused.is_empty() && self.entry.counts.refused == 0;
            match stands {
                true => parts.push(Part { chunk, plan: Some(plan).filter(|_| keep) }),
                // Nothing of it will be written any more.
                false => parts.clear(),
            }
            if refused.len() >= REFUSED_IN_MEMORY {
                self.put_refused(std::mem::take(&mut refused)).await?;
            }
        }
        if !refused.is_empty() || self.entry.counts.refused > 0 {
            return self.refuse(refused).await;
        }
        let mut outcome = self.turn(parts).await?;
        match outcome.refused_together.take() {
            Some(refused) => {
                self.report.refusals = outcome.refusals;
                self.refuse(refused).await
            }
            None => {
                self.collect(outcome);
                Ok(())
            }
        }
    }

    fn note_refusals(&mut self, rows: &[Planned]) {
        let catalogue = self.shared.project.catalogue();
        refusals::note(&catalogue, rows, self.shared.total, &mut self.report.refusals);
    }

    /// Writes the entry of a batch that is refused as a whole, and nothing else.
    async fn refuse(&mut self, refused: Vec<RefusedRow>) -> Result<(), Error> {
        self.entry.refused_whole = true;
        self.entry.state = BatchState::Done;
        self.entry.finished_at = Some(self.engine.now_ms());
        self.entry.counts.skipped = self.shared.total - self.entry.counts.refused - refused.len() as u64;
        self.report.refused_whole = true;
        self.put_refused(refused).await
    }

    /// Writes refused rows and the entry as it stands with them.
    async fn put_refused(&mut self, mut refused: Vec<RefusedRow>) -> Result<(), Error> {
        self.note_cost();
        self.entry.counts.refused += refused.len() as u64;
        let clock = self.engine.inner.clock.clone();
        let stored = self.entry.clone();
        let write = move |writer: &mut dyn Writer| {
            let now = clock.now_ms();
            refused.iter_mut().for_each(|row| row.instant = now);
            writer.put_refused(&refused)?;
            writer.put_batch(&stored)
        };
        self.engine.write(&self.shared.project.code, write).await
    }

    /// Refuses the whole batch for rows that the wire alone shows to be wrong.
    async fn refuse_for_shape(&mut self) -> Result<(), Error> {
        let mut refused = Vec::new();
        for chunk in 0..self.shared.chunks() {
            let shared = self.shared.clone();
            let gathered = tokio::task::spawn_blocking(move || {
                let rows = shared.lock_source().chunk(chunk)?;
                let faulty = rows.into_iter().filter(|row| !row.problems.is_empty());
                let planned: Vec<Planned> = faulty.map(refused_for_shape).collect();
                let catalogue = shared.project.catalogue();
                let refused = shared.refused_rows(&mut shared.lock_source(), &planned, &catalogue);
                Ok::<_, Error>((planned, refused))
            });
            let (planned, mut more) = gathered.await.map_err(|error| Error::Internal(error.into()))??;
            self.note_refusals(&planned);
            refused.append(&mut more);
            if refused.len() >= REFUSED_IN_MEMORY {
                self.put_refused(std::mem::take(&mut refused)).await?;
            }
        }
        self.refuse(refused).await
    }

    /// The same path up to the plan, and nothing stored.
    pub(super) async fn rehearse(&mut self) -> Result<Report, Error> {
        let mut made = Made::default();
        let mut counts = Counts::default();
        for chunk in 0..self.shared.chunks() {
            let (plan, carried) = self.plan(chunk, made).await?;
            made = carried;
            self.note_refusals(&plan.plan.rows);
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
            self.report.effects = domain::batch::Effects::default();
            for difference in &mut self.report.differences {
                if difference.outcome != Outcome::Refused {
                    difference.outcome = Outcome::Skipped;
                }
            }
        }
        self.entry.counts = counts;
        self.entry.effects = self.report.effects;
        self.report.dry_run = true;
        self.report.differences.sort_by_key(|difference| difference.row);
        let mut report = self.answer();
        report.batch = None;
        Ok(report)
    }

    fn collect(&mut self, outcome: TurnOutcome) {
        refusals::add(outcome.refusals, self.shared.total, &mut self.report.refusals);
        self.report.rows.extend(outcome.rows);
    }

    fn answer(&mut self) -> Report {
        let mut report = std::mem::take(&mut self.report);
        report.batch = Some(self.shared.batch.clone());
        report.counts = self.entry.counts;
        report.effects = self.entry.effects;
        report.rows.sort_by_key(|row| row.row);
        report.refusals.sort_by_key(|refusal| refusal.row);
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
