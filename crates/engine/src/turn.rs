//! A batch in its write turn.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use domain::batch::{Commit, Counts, Effects, RowReport};
use domain::catalogue::Catalogue;
use domain::changes::Plan;
use domain::names::InternalId;
use domain::page::Packed;
use domain::plan::{Made, Task};
use domain::rule::Refusal;
use domain::settle::{Settling, settle};
use store::{BatchEntry, BatchState, IdempotencyEntry, PageRow, RefusedRow, Turn, Writer};
use tokio::sync::oneshot;

use crate::execute::{CUT, Cut, Shared};
use crate::{recent, refusals};

/// A chunk with its plan, or to be planned in the turn.
pub(crate) struct Part {
    pub chunk: u32,
    pub plan: Option<ChunkPlan>,
}

/// A plan with the moment it was made for.
pub(crate) struct ChunkPlan {
    pub plan: Plan,
    pub refused: Vec<RefusedRow>,
    pub seq: u64,
    pub catalogue_version: u64,
}

/// What came of a turn.
#[derive(Default)]
pub(crate) struct TurnOutcome {
    pub counts: Counts,
    pub effects: Effects,
    pub rows: Vec<RowReport>,
    pub refusals: Vec<Refusal>,
    /// Rows of a batch that stands together and is refused; nothing of it was written.
    pub refused_together: Option<Vec<RefusedRow>>,
    pub seqs: Option<(u64, u64)>,
    pub statements: u64,
    pub store_ms: f64,
    /// Seq of the head afterwards.
    pub seq: u64,
    /// True once all of it was handed to the store: what is missing is the commit.
    pub written: bool,
}

/// Whether a turn may still be called off.
#[derive(Default)]
pub(crate) struct Standing(AtomicU8);

impl Standing {
    /// Calls the turn off; false when it has begun.
    pub(crate) fn call_off(&self) -> bool {
        self.0.compare_exchange(0, 2, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn begin(&self) -> bool {
        self.0.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// The turn of one or several chunks of a batch.
pub(crate) struct BatchTurn {
    pub shared: Arc<Shared>,
    pub parts: Vec<Part>,
    /// The ledger's entry, as it stood before.
    pub entry: BatchEntry,
    pub keep_rows: bool,
    pub key: Option<IdempotencyEntry>,
    /// How the batch is cut, where it may have to go on another time.
    pub cut: Option<Cut>,
    pub small: bool,
    pub standing: Arc<Standing>,
    pub outcome: TurnOutcome,
    pub answer: oneshot::Sender<(BatchEntry, TurnOutcome, Result<(), store::Error>)>,
}

impl Turn for BatchTurn {
    fn is_small(&self) -> bool {
        self.small
    }

    fn run(&mut self, writer: &mut dyn Writer) -> Result<(), store::Error> {
        if !self.standing.begin() {
            return Err(store::Error::Undone);
        }
        let began = Instant::now();
        let statements = writer.statements();
        let result = self.write(writer);
        self.outcome.statements = writer.statements() - statements;
        self.outcome.store_ms = began.elapsed().as_secs_f64() * 1000.0;
        result
    }

    fn done(self: Box<Self>, result: Result<(), store::Error>) {
        if result.is_ok() {
            self.shared.project.note_seq(self.outcome.seq);
        }
        let _ = self.answer.send((self.entry, self.outcome, result));
    }
}

impl BatchTurn {
    fn write(&mut self, writer: &mut dyn Writer) -> Result<(), store::Error> {
        let shared = self.shared.clone();
        let mut head = writer.head()?;
        let before = head.seq;
        let catalogue = writer.catalogue();
        let stale = {
            let recent = shared.project.recent.lock().unwrap_or_else(|p| p.into_inner());
            self.parts.iter().any(|part| match &part.plan {
                Some(plan) => {
                    plan.catalogue_version != catalogue.version
                        || recent.changed(&plan.plan.read_set, plan.seq, head.seq)
                }
                None => true,
            })
        };
        let instant = head.tick(shared.engine.clock.now_ms());
        let given = shared.source.lock().unwrap_or_else(|p| p.into_inner()).scanned.given.clone();
        let settling = Settling {
            catalogue: &catalogue,
            secret: shared.engine.secret,
            instant,
            export_mark: shared.parameters.export_mark,
            given: &given,
        };
        let mut ids: Vec<InternalId> = Vec::new();
        let mut touched = Vec::new();
        for part in std::mem::take(&mut self.parts) {
            let (plan, mut refused) = match part.plan {
                Some(plan) if !stale => (plan.plan, plan.refused),
                _ => {
                    // What was written so far in this turn is in the database: nothing is carried.
                    ids.clear();
                    self.replan(writer, part.chunk)?
                }
            };
            if self.shared.parameters.commit == Commit::Together && !refused.is_empty() {
                self.refuse_together(&catalogue, plan, refused);
                return Err(store::Error::Undone);
            }
            refusals::note(&catalogue, &plan.rows, shared.total, &mut self.outcome.refusals);
            self.outcome.effects.add(&plan.effects);
            let settled = settle(&settling, writer, &mut head, &mut ids, plan)?;
            for row in &settled.rows {
                self.outcome.counts.count(row.outcome);
            }
            writer.write(settled.writes)?;
            if !settled.page.is_empty() {
                writer.put_page(&page_row(
                    &self.entry,
                    &shared.source_name,
                    part.chunk,
                    settled.page.pack(),
                ))?;
            }
            refused.iter_mut().for_each(|row| row.instant = instant);
            if !refused.is_empty() {
                writer.put_refused(&refused)?;
            }
            // More than can be remembered says as much as all of it.
            if touched.len() <= recent::MOST {
                touched.extend(settled.touched);
            }
            if self.keep_rows {
                self.outcome.rows.extend(settled.rows);
            }
            self.entry.chunks = part.chunk + 1;
        }
        self.close_books(writer, &mut head, before, instant)?;
        shared.project.recent.lock().unwrap_or_else(|p| p.into_inner()).note(&touched, before, head.seq);
        self.outcome.seq = head.seq;
        self.outcome.written = true;
        Ok(())
    }

    fn close_books(
        &mut self,
        writer: &mut dyn Writer,
        head: &mut domain::settle::Head,
        before: u64,
        instant: i64,
    ) -> Result<(), store::Error> {
        if head.seq > before {
            self.outcome.seqs = Some((before + 1, head.seq));
        }
        self.shared.update_entry(&mut self.entry, &self.outcome, instant);
        writer.put_batch(&self.entry)?;
        if let Some(key) = &self.key {
            writer.put_idempotency(&IdempotencyEntry { instant, ..key.clone() })?;
        }
        self.note_cut(writer)?;
        writer.put_head(head)
    }

    /// Remembers how the batch is cut while it may stop between two chunks.
    fn note_cut(&self, writer: &mut dyn Writer) -> Result<(), store::Error> {
        let Some(cut) = &self.cut else { return Ok(()) };
        if self.entry.state == BatchState::Done {
            writer.remove_document(CUT, &self.entry.id.0)?;
        } else if self.entry.chunks == 1 {
            let text = serde_json::to_string(cut).map_err(|error| store::Error::Database(error.into()))?;
            writer.put_document(CUT, &self.entry.id.0, &text)?;
        }
        Ok(())
    }

    fn replan(&self, writer: &mut dyn Writer, chunk: u32) -> Result<(Plan, Vec<RefusedRow>), store::Error> {
        let catalogue = writer.catalogue();
        let permits = self.shared.permits();
        let task = Task {
            catalogue: &catalogue,
            parameters: &self.shared.parameters,
            company: self.shared.company,
            permits: &permits,
            secret: self.shared.engine.secret,
        };
        let mut source = self.shared.source.lock().unwrap_or_else(|p| p.into_inner());
        let rows = source.chunk(chunk).map_err(|error| store::Error::Database(error.into()))?;
        let plan = domain::plan::plan(&task, writer, rows, &source.scanned.known, &mut Made::default())?;
        let refused = self.shared.refused_rows(&mut source, &plan.rows, &catalogue);
        Ok((plan, refused))
    }

    /// The batch is refused after all: what this turn wrote is undone, and the rest is planned no
    /// more.
    fn refuse_together(&mut self, catalogue: &Catalogue, plan: Plan, refused: Vec<RefusedRow>) {
        self.outcome = TurnOutcome::default();
        refusals::note(catalogue, &plan.rows, self.shared.total, &mut self.outcome.refusals);
        self.outcome.refused_together = Some(refused);
    }
}

fn page_row(entry: &BatchEntry, source: &str, chunk: u32, packed: Packed) -> PageRow {
    PageRow {
        batch: entry.id.clone(),
        chunk,
        source: source.to_owned(),
        first_seq: packed.first_seq,
        entries: packed.entries,
        fates: packed.fates,
        instant: packed.instant,
        hashes: packed.hashes,
        body: packed.body,
    }
}

/// The rows of a source, shared between the thread that plans and the one that writes.
pub(crate) type SharedSource = Mutex<crate::index::Source>;
