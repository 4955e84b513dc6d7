//! Planning ahead: while the first walk still reads rows, chunks that it has read are planned.
//!
//! Only a batch that stands together gains by it, and only while its rows are few. What the walk
//! finds later (a key that comes twice, a row that names a later one) may prove the plans wrong:
//! then they are dropped, and the chunks are planned as if nothing had been.

use std::collections::HashMap;
use std::time::Instant;

use domain::batch::{Commit, Outcome, Parameters, Repeated, Statistics};
use domain::plan::{Made, Task};
use domain::row::Row;
use store::Reader;
use tokio::sync::mpsc;

use super::run::PLANS_IN_MEMORY;
use crate::caller::{Caller, Permitted};
use crate::index::Scanned;
use crate::turn::ChunkPlan;
use crate::{Engine, Error};

/// Chunks planned ahead, in order, with what they cost.
#[derive(Default)]
pub(super) struct Ahead {
    pub plans: Vec<ChunkPlan>,
    pub statistics: Statistics,
}

/// True when planning ahead is worth a try: a walk over a batch that may be written in one go.
pub(super) fn is_worth_it(parameters: &Parameters) -> bool {
    parameters.commit == Commit::Together
        && parameters.repeated != Repeated::InTurn
        && parameters.not_named.is_empty()
        && !parameters.shape_faults_refuse_batch
        && !parameters.dry_run
}

impl Engine {
    /// Plans chunks as they come. Ends early, with the plans so far, when one refuses a row: what
    /// to say of that batch is found out in the ordinary way.
    pub(super) async fn plan_ahead(
        &self,
        caller: &Caller,
        parameters: &Parameters,
        mut chunks: mpsc::Receiver<Vec<Row>>,
    ) -> Result<Ahead, Error> {
        let mut ahead = Ahead::default();
        let mut made = Made::default();
        while let Some(rows) = chunks.recv().await {
            let (plan, carried, statements, store_ms) =
                self.plan_rows(caller, parameters, rows, made).await?;
            made = carried;
            ahead.statistics.statements += statements;
            ahead.statistics.store_ms += store_ms;
            let refuses = plan.plan.rows.iter().any(|row| row.outcome == Outcome::Refused);
            if refuses || ahead.plans.len() == PLANS_IN_MEMORY as usize {
                return Ok(Ahead { plans: Vec::new(), ..ahead });
            }
            ahead.plans.push(plan);
        }
        Ok(ahead)
    }

    async fn plan_rows(
        &self,
        caller: &Caller,
        parameters: &Parameters,
        rows: Vec<Row>,
        mut made: Made,
    ) -> Result<(ChunkPlan, Made, u64, f64), Error> {
        let (parameters, company, secret) = (parameters.clone(), caller.company, self.inner.secret);
        let permits = Permitted(caller.rights.clone());
        let job = move |reader: &mut dyn Reader| {
            let (began, before) = (Instant::now(), reader.statements());
            let catalogue = reader.catalogue();
            let task =
                Task { catalogue: &catalogue, parameters: &parameters, company, permits: &permits, secret };
            let seq = reader.head()?.seq;
            let plan = domain::plan::plan(&task, reader, rows, &HashMap::new(), &mut made)?;
            let plan = ChunkPlan { plan, refused: Vec::new(), seq, catalogue_version: catalogue.version };
            let store_ms = began.elapsed().as_secs_f64() * 1000.0;
            Ok((plan, made, reader.statements() - before, store_ms))
        };
        self.read(caller.project(), job).await
    }
}

impl Ahead {
    /// The plans, unless what the walk found at its end proves them wrong.
    pub(super) fn confirmed(self, scanned: &Scanned) -> Ahead {
        let holds = scanned.known.is_empty()
            && scanned.nothing_deferred()
            && self.plans.len() == scanned.chunks.len()
            && scanned.total > 0;
        if holds { self } else { Ahead { plans: Vec::new(), ..self } }
    }
}
