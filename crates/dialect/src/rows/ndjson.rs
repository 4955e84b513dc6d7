//! Rows as lines of JSON.

use std::borrow::Cow;

use domain::catalogue::EntityIx;
use domain::row::{Row, Span};
use domain::rule::{Problem, Rule};
use engine::{Error, Rows};

use super::json::received;
use super::reader::RowReader;
use super::shape::RowShape;
use super::walker::Walker;
use crate::body::Body;

/// Rows of NDJSON: one object a line. Blank lines are lines but no rows; a line that is not JSON is
/// a row that is refused.
pub struct NdjsonRows {
    walker: Walker,
    reader: RowReader,
    rows: u64,
    lines: u64,
}

impl NdjsonRows {
    /// Rows of a body.
    pub fn new(body: Body, shape: RowShape) -> Self {
        NdjsonRows { walker: Walker::new(body), reader: RowReader::new(shape), rows: 0, lines: 0 }
    }
}

impl Rows for NdjsonRows {
    fn entities(&self) -> Vec<EntityIx> {
        vec![self.reader.shape().entity]
    }

    fn next(&mut self) -> Result<Option<Row>, Error> {
        if self.walker.place() == 0 {
            self.walker.pass_mark()?;
        }
        loop {
            let taken = self.walker.take(|bytes| bytes.iter().position(|b| *b == b'\n').map(|at| at + 1))?;
            if taken.bytes.is_empty() {
                return Ok(None);
            }
            self.lines += 1;
            let line = taken.bytes.trim_ascii_end();
            if line.is_empty() {
                continue;
            }
            self.rows += 1;
            let mut row = Row::new(self.rows, self.reader.shape().entity);
            row.line = Some(self.lines);
            row.span = Span { start: taken.start, length: line.len() as u32 };
            read(&mut self.reader, line, &mut row);
            return Ok(Some(row));
        }
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.walker.go(0);
        self.rows = 0;
        self.lines = 0;
        Ok(())
    }

    fn again(&mut self, row: &Row) -> Result<Row, Error> {
        let bytes = self.walker.read(row.span)?;
        let mut again = Row::new(row.number, row.entity);
        again.line = row.line;
        again.span = row.span;
        read(&mut self.reader, &bytes, &mut again);
        Ok(again)
    }

    fn received(&mut self, _: EntityIx, span: Span) -> Result<String, Error> {
        let bytes: Cow<'_, [u8]> = self.walker.read(span)?;
        Ok(received(&bytes, self.reader.shape()))
    }
}

fn read(reader: &mut RowReader, line: &[u8], row: &mut Row) {
    let fault = match std::str::from_utf8(line) {
        Ok(text) => match reader.fill(text, row) {
            Ok(()) => return,
            Err(fault) => format!("the line is not JSON: {}, at byte {} of it", fault.what, fault.at),
        },
        Err(fault) => format!("the line is not UTF-8, from byte {} of it on", fault.valid_up_to()),
    };
    // What was read before the fault is no row.
    row.cells.clear();
    row.problems.clear();
    (row.code, row.id, row.company, row.revision) = (None, None, None, None);
    row.problems.push(Problem::new("", Rule::InvalidValue, fault).with_hint("send one JSON object a line"));
}
