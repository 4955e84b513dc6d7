//! Which refusals travel in a report.

use domain::batch::{Outcome, Report};
use domain::catalogue::Catalogue;
use domain::changes::Planned;
use domain::rule::{Problem, Refusal};
use store::RefusedRow;

/// Most refused rows that travel in the report of a batch of so many rows.
pub(crate) fn most_rows(received: u64) -> usize {
    match received <= Report::ROWS {
        true => Report::ROWS as usize,
        false => Report::REFUSALS,
    }
}

/// Notes the refusals of a chunk, as far as they travel in the report of a batch of `received` rows.
/// Refusals of one row stand together.
pub(crate) fn note(catalogue: &Catalogue, rows: &[Planned], received: u64, refusals: &mut Vec<Refusal>) {
    let room = room(refusals, received);
    for row in rows.iter().filter(|row| row.outcome == Outcome::Refused).take(room) {
        refusals.extend(row.problems.iter().take(Report::PROBLEMS).map(|problem| Refusal {
            row: row.number,
            line: row.line,
            entity: catalogue.entity(row.entity).name.clone(),
            id: row.id.clone(),
            problem: problem.clone(),
        }));
    }
}

/// Adds refusals that were noted elsewhere, as far as there is room.
pub(crate) fn add(more: Vec<Refusal>, received: u64, refusals: &mut Vec<Refusal>) {
    let room = room(refusals, received);
    let end: usize = more.chunk_by(same_row).take(room).map(<[Refusal]>::len).sum();
    refusals.extend(more.into_iter().take(end));
}

/// The refusals of a row of the ledger.
pub(crate) fn of_ledger(row: &RefusedRow) -> impl Iterator<Item = Refusal> {
    let problems: Vec<Problem> = serde_json::from_str(&row.problems).unwrap_or_default();
    problems.into_iter().take(Report::PROBLEMS).map(|problem| Refusal {
        row: row.row,
        line: row.line,
        entity: row.entity.as_str().into(),
        id: row.id.as_deref().map(Into::into),
        problem,
    })
}

fn room(refusals: &[Refusal], received: u64) -> usize {
    most_rows(received).saturating_sub(refusals.chunk_by(same_row).count())
}

fn same_row(a: &Refusal, b: &Refusal) -> bool {
    a.row == b.row
}
