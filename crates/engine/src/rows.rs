//! Rows of a call, as a door lends them.

use domain::catalogue::EntityIx;
use domain::row::{Row, Span};

use crate::Error;

/// The rows of a call. They can be walked more than once: first to find what is the same, then to
/// be planned, and again when the database has changed meanwhile.
pub trait Rows: Send {
    /// Kinds of records that may come.
    fn entities(&self) -> Vec<EntityIx>;

    /// The next row. An error refuses the whole call: the body is not what it claims to be.
    fn next(&mut self) -> Result<Option<Row>, Error>;

    /// Begins again with the first row.
    fn rewind(&mut self) -> Result<(), Error>;

    /// Reads one row again. `row` has the number, line, entity and span that it had before.
    fn again(&mut self, row: &Row) -> Result<Row, Error>;

    /// The row as it was received, for the ledger. `row` is as for [`Rows::again`].
    fn received(&mut self, entity: EntityIx, span: Span) -> Result<String, Error>;
}

/// Rows that are in memory as a whole.
pub struct RowsInMemory {
    rows: Vec<Row>,
    received: Vec<Box<str>>,
    at: usize,
}

impl RowsInMemory {
    /// `received` has the text of each row as it came, in the same order; a row finds its own by
    /// `span.start`, which is set here.
    pub fn new(mut rows: Vec<Row>, received: Vec<Box<str>>) -> Self {
        for (n, row) in rows.iter_mut().enumerate() {
            row.span = Span { start: n as u64, length: 0 };
        }
        RowsInMemory { rows, received, at: 0 }
    }
}

impl Rows for RowsInMemory {
    fn entities(&self) -> Vec<EntityIx> {
        let mut entities: Vec<EntityIx> = self.rows.iter().map(|row| row.entity).collect();
        entities.dedup();
        entities.sort_unstable();
        entities.dedup();
        entities
    }

    fn next(&mut self) -> Result<Option<Row>, Error> {
        let row = self.rows.get(self.at).cloned();
        self.at += 1;
        Ok(row)
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.at = 0;
        Ok(())
    }

    fn again(&mut self, row: &Row) -> Result<Row, Error> {
        let found = self.rows.get(row.span.start as usize).cloned();
        found.ok_or_else(|| Error::internal("a row in memory is gone"))
    }

    fn received(&mut self, _: EntityIx, span: Span) -> Result<String, Error> {
        Ok(self.received.get(span.start as usize).map(|text| text.to_string()).unwrap_or_default())
    }
}
