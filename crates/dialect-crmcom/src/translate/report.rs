//! What the engine answers about a batch, in the vendor's words.

use domain::batch::{Outcome, Report, RowReport};
use domain::catalogue::FieldIx;
use domain::rule::Problem;

use super::FieldsSet;
use super::rows::Batch;
use crate::fault::{self, Code, Fault};
use crate::names::Bound;
use crate::wire::{Created, Processed, Unprocessed};

/// What else is needed to tell callers of their rows.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// Ids of rows that the engine does not know: row, id.
    pub odd_ids: Vec<(u64, Box<str>)>,
    /// Names that problems show shortened: row, field, text.
    pub long_names: Vec<(u64, Box<str>, Box<str>)>,
}

impl Context {
    /// Takes from a batch what its answer will need.
    pub fn of(batch: &mut Batch) -> Self {
        Context {
            odd_ids: std::mem::take(&mut batch.odd_ids),
            long_names: std::mem::take(&mut batch.long_names),
        }
    }

    /// Why a row was refused.
    pub fn fault(&self, bound: &Bound<'_>, report: &Report, row: u64) -> Fault {
        let whole = |problem: &Problem| {
            let mut long = self.long_names.iter();
            long.find(|(of, field, _)| *of == row && **field == *problem.field)
                .map(|(_, _, text)| text.to_string())
        };
        let from = report.refusals.partition_point(|refusal| refusal.row < row);
        let told = report.refusals[from..].iter().take_while(|refusal| refusal.row == row);
        let problems = told.map(|refusal| &refusal.problem);
        fault::of_problems(problems, bound.names, bound.kind, whole)
            .unwrap_or_else(|| Fault::new(Code::General, "The log of the server says more."))
    }
}

/// The answer of a bulk call. `number` is the field that the events number themselves in.
///
/// Source: crmcom §6.5.
pub(crate) fn created<'r>(
    bound: &Bound<'_>,
    report: &'r Report,
    context: &'r Context,
    number: FieldIx,
    fields_set: &FieldsSet,
) -> Created<'r> {
    // A list that names nothing a processed row has is as good as none.
    let all = !fields_set.names_any(&["id", "number"]);
    let wants = |name: &str| all || fields_set.wants(name);
    let mut created = Created::default();
    for row in &report.rows {
        let odd = || context.odd_ids.iter().find(|(of, _)| *of == row.row).map(|(_, id)| &**id);
        let request_unique_identifier = row.id.as_deref().or_else(odd);
        if row.outcome == Outcome::Refused || row.outcome == Outcome::Skipped {
            let fault = context.fault(bound, report, row.row);
            let error_description = fault.of_row();
            let error_code = fault.code.name();
            let unprocessed = Unprocessed { request_unique_identifier, error_code, error_description };
            created.unprocessed_customer_events_set.push(unprocessed);
        } else {
            let id = row.code.as_deref().filter(|_| wants("id"));
            let number = number_of(row, number).filter(|_| wants("number"));
            created.processed_customer_events_set.push(Processed { request_unique_identifier, id, number });
        }
    }
    created
}

fn number_of(row: &RowReport, field: FieldIx) -> Option<&str> {
    row.numbers.iter().find(|(of, _)| *of == field).map(|(_, number)| &**number)
}
