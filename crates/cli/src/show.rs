//! Answers as text for people.

use std::fmt::Write as _;

use server::Refusal;
use server::apply::ApplyAnswer;

use crate::commands::{BatchAnswer, Difference};

/// Most refusals that are shown.
pub(crate) const MOST_REFUSALS: usize = 20;

/// Longest cell of a table, in characters.
const WIDEST: usize = 60;

/// Outcomes in the order of the answers.
const OUTCOMES: [&str; 8] =
    ["received", "added", "updated", "unchanged", "deleted", "parked", "refused", "skipped"];

/// Writes to standard output. Somebody who stopped reading has seen enough.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// What became of a batch.
pub(crate) fn batch(answer: &BatchAnswer) -> String {
    let mut text = String::new();
    if let Some(csv) = &answer.csv {
        let told = csv.iter().filter(|(_, value)| **value != serde_json::Value::Bool(false));
        let parts = told.map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)));
        let _ = writeln!(text, "CSV: {}", parts.collect::<Vec<_>>().join(", "));
    }
    // Refused rows come below, with what is wrong.
    for difference in answer.differences.iter().filter(|difference| difference.outcome != "refused") {
        let _ = writeln!(text, "{}", self::difference(difference));
    }
    let head = OUTCOMES.map(str::to_owned).to_vec();
    let counts = OUTCOMES.iter().map(|outcome| answer.count(outcome).to_string()).collect();
    text.push_str(&table(&[head, counts]));
    match (&answer.batch, answer.dry_run) {
        (Some(batch), _) => {
            let _ = writeln!(text, "batch {batch}");
        }
        (None, true) => text.push_str("dry run: nothing was stored\n"),
        (None, false) => {}
    }
    let refused = answer.count("refused");
    if answer.commit == "together" && refused > 0 && !answer.dry_run {
        let were = if refused == 1 { "was" } else { "were" };
        let _ = writeln!(text, "nothing was stored: the rows stand together and {refused} {were} refused");
    }
    text.push_str(&refusals(&answer.refusals, refused));
    text
}

fn difference(difference: &Difference) -> String {
    let code = difference.code.as_deref().unwrap_or("(new code)");
    let fields = difference.fields.iter().map(|(name, change)| {
        let side = |side: &str| change.get(side).map_or_else(|| "…".to_owned(), shown);
        format!("{name}: {} -> {}", side("before"), side("after"))
    });
    let fields: Vec<String> = fields.collect();
    let head = format!("row {}  {:<9} {} {code}", difference.row, difference.outcome, difference.entity);
    if fields.is_empty() { head } else { format!("{head}  {}", fields.join(", ")) }
}

/// The first refusals as a table; `refused` is how many rows there are.
pub(crate) fn refusals(refusals: &[Refusal], refused: u64) -> String {
    if refusals.is_empty() {
        return String::new();
    }
    let mut rows =
        vec![["row", "line", "id", "field", "rule", "value", "message"].map(str::to_owned).to_vec()];
    for refusal in refusals.iter().take(MOST_REFUSALS) {
        let problem = &refusal.problem;
        let message = match &problem.hint {
            Some(hint) => format!("{} ({hint})", problem.message),
            None => problem.message.to_string(),
        };
        rows.push(vec![
            refusal.row.to_string(),
            refusal.line.map(|line| line.to_string()).unwrap_or_default(),
            refusal.id.as_deref().unwrap_or_default().to_owned(),
            problem.field.to_string(),
            problem.rule.to_string(),
            problem.value.as_deref().unwrap_or_default().to_owned(),
            message,
        ]);
    }
    let mut text = table(&without_empty_columns(rows));
    if refusals.len() > MOST_REFUSALS {
        let _ = writeln!(text, "the first {MOST_REFUSALS} refusals of {refused} refused rows");
    }
    text
}

/// What applying a project file did.
pub(crate) fn applied(answer: &ApplyAnswer) -> String {
    let mut text = String::new();
    let would = if answer.dry_run { "would be " } else { "" };
    for line in answer.lines.iter().filter(|line| line.verb != "unchanged") {
        let _ = writeln!(text, "{would}{:<9} {}", line.verb, line.what);
    }
    let unchanged = answer.lines.iter().filter(|line| line.verb == "unchanged").count();
    if unchanged == answer.lines.len() && answer.refusals.is_empty() {
        let _ = writeln!(text, "nothing to change: project {} is as the file says", answer.project);
    } else if unchanged > 0 {
        let _ = writeln!(text, "{unchanged} unchanged in project {}", answer.project);
    }
    for note in &answer.notes {
        let _ = writeln!(text, "{note}");
    }
    if let (Some(counts), false) = (&answer.records, answer.refusals.is_empty()) {
        let _ =
            writeln!(text, "records: {} of {} refused, so none was stored", counts.refused, counts.received);
        text.push_str(&refusals(&answer.refusals, counts.refused));
    }
    text
}

/// Rows in columns; the first row is the head.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let cut = |cell: &String| -> String {
        let cell: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if cell.chars().count() <= WIDEST {
            cell
        } else {
            cell.chars().take(WIDEST - 1).chain(['…']).collect()
        }
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cut(cell).chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            // The last column has nothing to its right that it could push away.
            if column + 1 == columns {
                line.push_str(&cell.replace(char::is_control, " "));
            } else {
                let _ = write!(line, "{:<width$}  ", cut(cell), width = widths[column]);
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn without_empty_columns(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let is_used =
        |column: usize| rows.iter().skip(1).any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()));
    let used: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).filter(|column| is_used(*column)).collect();
    rows.iter().map(|row| used.iter().map(|column| row[*column].clone()).collect()).collect()
}

/// A JSON value as a person would write it.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) if text == "\t" => "tab".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A JSON value, shortened.
fn shown(value: &serde_json::Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= WIDEST { text } else { text.chars().take(WIDEST - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_leaves_out_what_is_empty() {
        let cells = |row: [&str; 3]| row.map(str::to_owned).to_vec();
        let rows = without_empty_columns(vec![cells(["row", "line", "rule"]), cells(["4", "", "required"])]);
        assert_eq!(table(&rows), "row  rule\n4    required\n");
    }
}
