//! Rows as CSV with a header.

use std::borrow::Cow;
use std::collections::HashMap;

use domain::catalogue::EntityIx;
use domain::field::FieldType;
use domain::row::{Row, Span};
use domain::rule::{Problem, Rule};
use encoding_rs::Encoding;
use engine::{Error, Rows};

use super::detect::{self, Detected, Evidence, Settled, Unread};
use super::encoding::in_utf8;
use super::map::{MapFile, MappedColumn, UnknownColumns};
use super::reader::RowReader;
use super::shape::{Empty, Null, RowShape, Target, Unknown};
use super::syntax::{Quoted, Token};
use super::walker::Walker;
use crate::body::Body;

/// Bytes from which delimiter, quotes and encoding are found out.
pub(super) const SAMPLE: usize = 256 << 10;
/// Records from which decimal sign and date form are found out.
const SAMPLE_RECORDS: usize = 1_000;

/// Rows of a CSV file with a header.
pub struct CsvRows {
    walker: Walker,
    reader: RowReader,
    detected: Detected,
    settled: Settled,
    names: Vec<String>,
    columns: Vec<Column>,
    /// What each row holds beside its columns: name, target and text.
    constants: Vec<(String, Target, String)>,
    null: Option<String>,
    /// Where the first record begins, and the lines before it.
    begin: (u64, u64),
    lines: u64,
    rows: u64,
}

struct Column {
    target: Target,
    kind: Option<FieldType>,
    secret: bool,
    values: HashMap<String, String>,
}

impl CsvRows {
    /// Rows of a body: finds out its form, reads its header. `charset` is what the content type
    /// names. Blocks while it reads. Nulls and leniency are as the format has them, whatever the
    /// shape says: an empty cell clears, numbers come as text.
    pub fn open(
        body: Body,
        shape: RowShape,
        map: Option<&MapFile>,
        charset: Option<&str>,
    ) -> Result<Self, Error> {
        let unmapped = MapFile::default();
        let map = map.unwrap_or(&unmapped);
        let mut shape = RowShape { null: Null::Clear, empty: Empty::Null, ..shape };
        shape.reading.lenient = true;
        if let Some(unknown) = map.csv.unknown {
            shape.unknown = match unknown {
                UnknownColumns::Refuse => Unknown::Refuse,
                UnknownColumns::Ignore => Unknown::Ignore,
            };
        }
        let label = map.csv.encoding.as_deref().or(charset);
        let fixed = label.and_then(|label| Encoding::for_label(label.as_bytes()));
        let (body, encoding) = in_utf8(body, fixed)?;
        let mut walker = Walker::new(body);
        walker.pass_mark()?;
        let sample = sample_of(&walker)?;
        let records = records_of(&sample);
        let is_known = |name: &str| map.columns.contains_key(name) || shape.names.contains_key(name);
        let delimiter = map.csv.delimiter.unwrap_or_else(|| detect::delimiter(&records, is_known));
        let mut lines = 0;
        let names = loop {
            let Some(record) = next_record(&mut walker, delimiter, &mut lines)? else {
                return Err(Error::Invalid(
                    "the file is empty; its first line must name the columns".to_owned(),
                ));
            };
            if !record.bytes.is_empty() {
                let header = String::from_utf8_lossy(record.bytes);
                break cells(&header, delimiter)
                    .iter()
                    .map(|name| name.trim().to_owned())
                    .collect::<Vec<_>>();
            }
        };
        let columns = columns_of(&names, &shape, map)?;
        let constants = constants_of(&columns, &shape, map)?;
        let mut evidence = Evidence::default();
        for record in records.iter().skip(1).take(SAMPLE_RECORDS) {
            for (column, cell) in columns.iter().zip(cells(record, delimiter)) {
                if let Some(kind) = column.kind {
                    evidence.look(kind, &cell);
                }
            }
        }
        let settled = Settled {
            decimal: map.csv.decimal.or(evidence.decimal()),
            date: map.csv.date.or(evidence.order()),
        };
        let (date, date_assumed) = evidence.date();
        let detected = Detected {
            delimiter,
            encoding: encoding.name(),
            decimal: settled.decimal.unwrap_or('.'),
            grouping: evidence.grouping(),
            date: map.csv.date.unwrap_or(date),
            date_assumed: date_assumed && map.csv.date.is_none(),
            quotes: sample.contains('"'),
        };
        let begin = (walker.place(), lines);
        let null = map.csv.null.clone();
        let reader = RowReader::new(shape);
        Ok(CsvRows {
            walker,
            reader,
            detected,
            settled,
            names,
            columns,
            constants,
            null,
            begin,
            lines,
            rows: 0,
        })
    }

    /// The caller's own columns, in their order; for [`engine::Call::columns`].
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// What was found out, or fixed.
    pub fn detected(&self) -> &Detected {
        &self.detected
    }

    fn filled(&self, bytes: &[u8], mut row: Row) -> Row {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(fault) => {
                let message = format!("the record is not UTF-8, from byte {} of it on", fault.valid_up_to());
                row.problems.push(Problem::new("", Rule::InvalidValue, message));
                return row;
            }
        };
        let cells = cells(text, self.detected.delimiter);
        if cells.len() != self.columns.len() {
            let (have, want) = (cells.len(), self.columns.len());
            let noun = if have == 1 { "cell" } else { "cells" };
            let message = format!("the record has {have} {noun}, the header has {want}");
            let problem = Problem::new("", Rule::InvalidValue, message);
            row.problems.push(match have > want {
                true => problem.with_hint("put texts that hold the delimiter in quotes"),
                false => problem,
            });
            return row;
        }
        for ((name, column), cell) in self.names.iter().zip(&self.columns).zip(&cells) {
            self.put(name, column, cell, &mut row);
        }
        for (name, target, text) in &self.constants {
            self.reader.put(*target, name, Token::Text(Quoted::plain(text)), &mut row);
        }
        self.reader.add_constants(&mut row);
        row
    }

    fn put(&self, name: &str, column: &Column, cell: &str, row: &mut Row) {
        if column.target == Target::Ignore {
            return;
        }
        if cell.is_empty() || self.null.as_deref() == Some(cell) {
            // A column that cannot be sent may stand there empty.
            if column.target != Target::ReadOnly {
                self.reader.put(column.target, name, Token::Null, row);
            }
            return;
        }
        let sent = cell;
        let cell = column.values.get(cell).map_or(cell, |value| value.as_str());
        let read = match column.kind {
            Some(FieldType::Integer | FieldType::Decimal { .. } | FieldType::Float) => {
                self.settled.number(cell)
            }
            Some(FieldType::Date | FieldType::Datetime) => self.settled.day(cell),
            _ => {
                self.reader.put(column.target, name, Token::Text(Quoted::plain(cell)), row);
                return;
            }
        };
        let before = row.problems.len();
        let is_day = matches!(column.kind, Some(FieldType::Date | FieldType::Datetime));
        match read {
            Ok(text) => {
                self.reader.put(column.target, name, Token::Text(Quoted::plain(&text)), row);
                for problem in &mut row.problems[before..] {
                    if is_day && text != cell.trim() && !is_in_calendar(&text) {
                        problem.message = format!("{name} is no day of the calendar").into();
                    }
                }
            }
            Err(unread) => row.problems.push(self.unread(unread, is_day, name)),
        }
        // What is wrong is shown as it was sent.
        for problem in row.problems.drain(before..).collect::<Vec<_>>() {
            row.problems.push(if column.secret {
                problem
            } else {
                problem.with_value(&sent.replace('\0', "\u{2400}"))
            });
        }
    }

    fn unread(&self, unread: Unread, is_day: bool, name: &str) -> Problem {
        match (unread, is_day) {
            (Unread::Unclear, true) => {
                let message = format!("{name} may begin with the day or the month; the file does not tell");
                Problem::new(name, Rule::InvalidValue, message)
                    .with_hint("say date = \"dd/mm/yyyy\" or date = \"mm/dd/yyyy\" in a map file")
            }
            (Unread::Unclear, false) => {
                let message =
                    format!("the sign in {name} may be a decimal one or not; the file does not tell");
                Problem::new(name, Rule::InvalidValue, message)
                    .with_hint("say decimal = \",\" or decimal = \".\" in a map file")
            }
            (Unread::OtherSigns, _) => {
                let sign = if self.detected.decimal == ',' { "comma" } else { "point" };
                Problem::new(name, Rule::WrongType, format!("{name} must be a number with a decimal {sign}"))
            }
        }
    }
}

/// True when a text begins with a day that exists, as ISO 8601 has it.
fn is_in_calendar(text: &str) -> bool {
    text.get(..10).is_some_and(|day| domain::instant::parse_date(day).is_some())
}

impl Rows for CsvRows {
    fn entities(&self) -> Vec<EntityIx> {
        vec![self.reader.shape().entity]
    }

    fn next(&mut self) -> Result<Option<Row>, Error> {
        loop {
            let before = self.lines;
            let Some(record) = next_record(&mut self.walker, self.detected.delimiter, &mut self.lines)?
            else {
                return Ok(None);
            };
            if record.bytes.is_empty() {
                continue;
            }
            let span = Span { start: record.start, length: record.bytes.len() as u32 };
            self.rows += 1;
            let mut row = Row::new(self.rows, self.reader.shape().entity);
            row.line = Some(before + 1);
            row.span = span;
            let bytes = self.walker.read(span)?;
            return Ok(Some(self.filled(&bytes, row)));
        }
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.walker.go(self.begin.0);
        self.lines = self.begin.1;
        self.rows = 0;
        Ok(())
    }

    fn again(&mut self, row: &Row) -> Result<Row, Error> {
        let mut again = Row::new(row.number, row.entity);
        again.line = row.line;
        again.span = row.span;
        let bytes = self.walker.read(row.span)?;
        Ok(self.filled(&bytes, again))
    }

    fn received(&mut self, _: EntityIx, span: Span) -> Result<String, Error> {
        let bytes = self.walker.read(span)?;
        let text = String::from_utf8_lossy(&bytes).replace('\0', "\u{2400}");
        if !self.columns.iter().any(|column| column.secret) {
            return Ok(text);
        }
        let delimiter = self.detected.delimiter;
        let shown: Vec<String> = cells(&text, delimiter)
            .iter()
            .enumerate()
            .map(|(n, cell)| match self.columns.get(n) {
                // A cell too many may as well be the secret one.
                Some(column) if !column.secret => quoted(cell, delimiter),
                _ => "***".to_owned(),
            })
            .collect();
        Ok(if shown.len() < self.columns.len() {
            "***".to_owned()
        } else {
            shown.join(&delimiter.to_string())
        })
    }
}

/// What each column of a header is.
fn columns_of(names: &[String], shape: &RowShape, map: &MapFile) -> Result<Vec<Column>, Error> {
    for name in map.columns.keys() {
        if !names.contains(name) {
            let near = crate::near(name, names.iter().map(|name| &**name));
            return Err(Error::Invalid(format!(
                "the map file: the file has no column {name}{}",
                meant(near)
            )));
        }
    }
    for name in map.values.keys() {
        target_of(name, shape)?;
    }
    let mut columns: Vec<Column> = Vec::with_capacity(names.len());
    for name in names {
        let (target, field) = match map.columns.get(name) {
            Some(MappedColumn::Name(field)) if field.is_empty() => (Target::Ignore, ""),
            Some(MappedColumn::Name(field)) => (target_of(field, shape)?, field.as_str()),
            Some(MappedColumn::By(by)) => {
                (reference_by(&by.field, by.by.as_deref(), shape)?, by.field.as_str())
            }
            None => match shape.names.get(&**name) {
                Some(target) => (*target, name.as_str()),
                None if name.is_empty()
                    || name.starts_with("comptoir_")
                    || shape.unknown == Unknown::Ignore =>
                {
                    (Target::Ignore, "")
                }
                None => {
                    let entity = &shape.described().name;
                    let near = meant(shape.near(name));
                    return Err(Error::Invalid(format!(
                        "{entity} has no field {name}, which is a column of the file{near}; name it in a \
                         map file, or set unknown = \"ignore\" there"
                    )));
                }
            },
        };
        let ix = field_of(target);
        // Columns that count for nothing may be as many as a stranger likes.
        let counts = !matches!(target, Target::Ignore | Target::ReadOnly);
        let is_same = |column: &Column| match (ix, field_of(column.target)) {
            (Some(a), Some(b)) => a == b,
            _ => target == column.target,
        };
        if counts && columns.iter().any(is_same) {
            return Err(Error::Invalid(format!(
                "two columns of the file are {field}; leave one out, or map it to \"\""
            )));
        }
        let described = ix.map(|ix| shape.described().field(ix));
        columns.push(Column {
            target,
            kind: described.map(|field| field.kind),
            secret: described.is_some_and(|field| field.secret),
            values: map.values.get(field).cloned().unwrap_or_default(),
        });
    }
    Ok(columns)
}

fn field_of(target: Target) -> Option<domain::catalogue::FieldIx> {
    match target {
        Target::Field(ix) | Target::Reference(ix, _) => Some(ix),
        _ => None,
    }
}

fn meant(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

/// What a map file means by a name.
fn target_of(name: &str, shape: &RowShape) -> Result<Target, Error> {
    shape.names.get(name).copied().ok_or_else(|| {
        let entity = &shape.described().name;
        Error::Invalid(format!("the map file: {entity} has no field {name}{}", meant(shape.near(name))))
    })
}

fn reference_by(name: &str, by: Option<&str>, shape: &RowShape) -> Result<Target, Error> {
    let target = target_of(name, shape)?;
    let Some(by) = by else { return Ok(target) };
    let Some((ix, to)) =
        field_of(target).and_then(|ix| Some((ix, shape.described().field(ix).kind.target()?)))
    else {
        return Err(Error::Invalid(format!("the map file: {name} is no reference")));
    };
    match shape.by(to, by) {
        Some(by) => Ok(Target::Reference(ix, by)),
        None => {
            let to = &shape.catalogue.entity(to).name;
            Err(Error::Invalid(format!("the map file: no {to} is named by {by}; use code or a text field")))
        }
    }
}

fn constants_of(
    columns: &[Column],
    shape: &RowShape,
    map: &MapFile,
) -> Result<Vec<(String, Target, String)>, Error> {
    let mut constants = Vec::new();
    for (name, value) in &map.constants {
        let target = target_of(name, shape)?;
        if columns.iter().any(|column| column.target == target) {
            return Err(Error::Invalid(format!(
                "the map file: {name} is a constant, and a column of the file too"
            )));
        }
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(_) | toml::Value::Table(_) => {
                return Err(Error::Invalid(format!(
                    "the map file: the constant {name} must be a single value"
                )));
            }
            other => other.to_string(),
        };
        constants.push((name.clone(), target, text));
    }
    Ok(constants)
}

/// A record without its line end.
struct Record<'w> {
    start: u64,
    bytes: &'w [u8],
}

/// The next record; empty for a blank line, `None` at the end.
fn next_record<'w>(
    walker: &'w mut Walker,
    delimiter: char,
    lines: &mut u64,
) -> Result<Option<Record<'w>>, Error> {
    let mut end = RecordEnd::new(delimiter);
    let taken = walker.take(|bytes| end.find(bytes))?;
    if taken.bytes.is_empty() {
        return Ok(None);
    }
    let line = *lines + 1;
    if !taken.ended && end.state == At::Quoted {
        return Err(Error::Invalid(format!(
            "the quote that opens in the record of line {line} is never closed; close it, or write \
             \"\" for a quote that is part of a text"
        )));
    }
    *lines += taken.bytes.iter().filter(|b| **b == b'\n').count().max(1) as u64;
    Ok(Some(Record { start: taken.start, bytes: without_end(taken.bytes) }))
}

fn without_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Finds the end of one record: a line end outside quotes.
struct RecordEnd {
    delimiter: u8,
    state: At,
}

#[derive(Clone, Copy, PartialEq)]
enum At {
    Begin,
    Plain,
    Quoted,
    Quote,
}

impl RecordEnd {
    fn new(delimiter: char) -> Self {
        RecordEnd { delimiter: delimiter as u8, state: At::Begin }
    }

    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            self.state = match (self.state, *byte) {
                (At::Quoted, b'"') => At::Quote,
                (At::Quoted, _) => At::Quoted,
                (At::Begin | At::Quote, b'"') => At::Quoted,
                (_, b'\n') => return Some(at + 1),
                (_, byte) if byte == self.delimiter => At::Begin,
                _ => At::Plain,
            };
        }
        None
    }
}

/// The cells of a record. Quotes count where a cell begins with one; a doubled one is a quote.
pub(super) fn cells(record: &str, delimiter: char) -> Vec<Cow<'_, str>> {
    let mut cells = Vec::new();
    let mut rest = record;
    loop {
        let (cell, behind) = match rest.strip_prefix('"') {
            Some(inner) => quoted_cell(inner, delimiter),
            None => match rest.find(delimiter) {
                Some(at) => (Cow::Borrowed(&rest[..at]), Some(&rest[at + 1..])),
                None => (Cow::Borrowed(rest), None),
            },
        };
        cells.push(cell);
        match behind {
            Some(behind) => rest = behind,
            None => return cells,
        }
    }
}

/// The cell behind an opening quote, and what follows behind its delimiter.
fn quoted_cell(inner: &str, delimiter: char) -> (Cow<'_, str>, Option<&str>) {
    let mut cell = String::new();
    let mut rest = inner;
    loop {
        let Some(at) = rest.find('"') else {
            cell.push_str(rest);
            return (Cow::Owned(cell), None);
        };
        let behind = &rest[at + 1..];
        if let Some(behind) = behind.strip_prefix('"') {
            cell.push_str(&rest[..=at]);
            rest = behind;
            continue;
        }
        // What stands between the closing quote and the delimiter belongs to the cell as it is.
        let (more, next) = match behind.find(delimiter) {
            Some(end) => (&behind[..end], Some(&behind[end + 1..])),
            None => (behind, None),
        };
        if cell.is_empty() && more.is_empty() {
            return (Cow::Borrowed(&rest[..at]), next);
        }
        cell.push_str(&rest[..at]);
        cell.push_str(more);
        return (Cow::Owned(cell), next);
    }
}

/// A cell as it stands in a file.
pub(super) fn quoted(cell: &str, delimiter: char) -> String {
    let needs = cell.contains(['"', '\n', '\r', delimiter]);
    if needs { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// The first bytes of a file, up to the last whole line.
fn sample_of(walker: &Walker) -> Result<String, Error> {
    let length = walker.length().saturating_sub(walker.place());
    let cut = length > SAMPLE as u64;
    let span = Span { start: walker.place(), length: length.min(SAMPLE as u64) as u32 };
    let bytes = walker.read(span)?;
    let end = match cut {
        true => bytes.iter().rposition(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1),
        false => bytes.len(),
    };
    Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// The records of a sample that are not blank. Line breaks in quotes are found whatever delimits
/// cells: a quote that opens a cell stands behind a sign or a line end.
fn records_of(sample: &str) -> Vec<&str> {
    let mut records = Vec::new();
    let mut start = 0;
    let mut inside = false;
    let mut begin = true;
    for (at, byte) in sample.bytes().enumerate() {
        match byte {
            b'"' if inside => inside = false,
            // Also the second of two within quotes.
            b'"' if begin || sample.as_bytes()[at - 1] == b'"' => inside = true,
            b'\n' if !inside => {
                records.push(&sample[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        begin = matches!(byte, b',' | b';' | b'\t' | b'|' | b'\n');
        if records.len() > SAMPLE_RECORDS + 1 {
            break;
        }
    }
    records.push(&sample[start..]);
    records.iter().map(|record| record.trim_end_matches('\r')).filter(|record| !record.is_empty()).collect()
}

#[cfg(test)]
mod tests;
