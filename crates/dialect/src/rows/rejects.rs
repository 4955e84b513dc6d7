//! Files of rejects: the caller's own columns, and what is wrong.

use domain::batch::Outcome;
use domain::rule::Problem;

use super::csv::{cells, quoted};
use super::syntax::{Cursor, Token};

/// A row that was not accepted.
#[derive(Debug, Clone, Copy)]
pub struct Reject<'r> {
    /// The row as received.
    pub received: &'r str,
    /// What became of it.
    pub outcome: Outcome,
    /// What is wrong with it.
    pub problems: &'r [Problem],
}

const OURS: [&str; 4] = ["comptoir_outcome", "comptoir_rule", "comptoir_message", "comptoir_hint"];

/// The caller's own columns of rows with what is wrong with them, as CSV in UTF-8 with a byte order
/// mark. `columns` are those of the call; for rows that came as JSON they are empty, and the members
/// of all rows are taken. Several problems of a row stand in one cell, separated by `; `.
///
/// CSV keeps the caller's delimiter, numbers and dates: a mended file is sent as it is.
pub fn write_rejects<'r>(columns: &[String], rows: impl IntoIterator<Item = Reject<'r>>) -> String {
    let rows: Vec<Reject<'r>> = rows.into_iter().collect();
    if columns.is_empty() { from_json(&rows) } else { from_csv(columns, &rows) }
}

fn from_csv(columns: &[String], rows: &[Reject<'_>]) -> String {
    let delimiter = delimiter_of(columns.len(), rows);
    // What an earlier file of rejects had from us is written anew.
    let kept: Vec<usize> = (0..columns.len()).filter(|n| !OURS.contains(&columns[*n].as_str())).collect();
    let mut file = File::new(delimiter);
    file.line(kept.iter().map(|n| columns[*n].as_str()).chain(OURS));
    for row in rows {
        let cells = cells(row.received, delimiter);
        let ours = ours(row);
        let own = kept.iter().map(|n| cells.get(*n).map_or("", |cell| cell));
        // Cells too many stay where they can be seen.
        let surplus = cells.iter().skip(columns.len()).map(|cell| &**cell);
        file.line(own.chain(ours.iter().map(String::as_str)).chain(surplus));
    }
    file.text
}

/// The delimiter under which most rows have as many cells as the header.
fn delimiter_of(length: usize, rows: &[Reject<'_>]) -> char {
    let fitting = |sign: char| rows.iter().filter(|row| cells(row.received, sign).len() == length).count();
    let most = |sign: char| rows.iter().map(|row| cells(row.received, sign).len()).max();
    ['|', '\t', ';', ','].into_iter().max_by_key(|sign| (fitting(*sign), most(*sign))).unwrap_or(',')
}

fn from_json(rows: &[Reject<'_>]) -> String {
    let mut columns: Vec<String> = Vec::new();
    let parsed: Vec<Vec<(String, String)>> = rows.iter().map(|row| members(row.received)).collect();
    for (name, _) in parsed.iter().flatten() {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let mut file = File::new(',');
    file.line(columns.iter().map(String::as_str).chain(OURS));
    for (row, members) in rows.iter().zip(&parsed) {
        let own = columns.iter().map(|column| {
            let found = members.iter().rev().find(|(name, _)| name == column);
            found.map_or("", |(_, value)| value.as_str())
        });
        let ours = ours(row);
        file.line(own.chain(ours.iter().map(String::as_str)));
    }
    file.text
}

/// The members of a JSON object as cells; what is no object has none, as far as it is one.
fn members(text: &str) -> Vec<(String, String)> {
    let mut members = Vec::new();
    let mut cursor = Cursor::new(text);
    if !cursor.eat(b'{') {
        return members;
    }
    while let Ok(Some(name)) = cursor.member(members.is_empty()) {
        let Ok(value) = cursor.value() else { break };
        let value = match value {
            Token::Null => String::new(),
            Token::Boolean(b) => b.to_string(),
            Token::Number(text) | Token::Object(text) | Token::Array(text) => text.to_owned(),
            Token::Text(quoted) => quoted.shown().into_owned(),
        };
        members.push((name.shown().into_owned(), value));
    }
    members
}

fn ours(row: &Reject<'_>) -> [String; 4] {
    let join = |parts: Vec<&str>| parts.join("; ");
    let hints: Vec<&str> = row.problems.iter().filter_map(|problem| problem.hint.as_deref()).collect();
    [
        row.outcome.name().to_owned(),
        join(row.problems.iter().map(|problem| problem.rule.name()).collect()),
        join(row.problems.iter().map(|problem| &*problem.message).collect()),
        join(hints),
    ]
}

struct File {
    text: String,
    delimiter: char,
}

impl File {
    fn new(delimiter: char) -> Self {
        File { text: "\u{feff}".to_owned(), delimiter }
    }

    fn line<'c>(&mut self, cells: impl Iterator<Item = &'c str>) {
        for (n, cell) in cells.enumerate() {
            if n > 0 {
                self.text.push(self.delimiter);
            }
            self.text.push_str(&quoted(cell, self.delimiter));
        }
        self.text.push('\n');
    }
}
