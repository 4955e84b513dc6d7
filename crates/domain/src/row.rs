//! Rows as a call brings them, typed, before anything is known of the database.

use crate::catalogue::{EntityIx, FieldIx, KeyIx};
use crate::names::{Company, InternalId};
use crate::rule::Problem;
use crate::value::Value;

/// One row of a call.
#[derive(Debug, Clone)]
pub struct Row {
    /// Position in the batch, from 1.
    pub number: u64,
    /// Line of the file where the record begins, from 1, for formats that have lines.
    pub line: Option<u64>,
    /// What kind of record it is.
    pub entity: EntityIx,
    /// What to do with it, where it differs from the batch.
    pub mode: Option<Mode>,
    /// The caller's own id of the row, which answers repeat.
    pub id: Option<Box<str>>,
    /// The record's code.
    pub code: Option<Box<str>>,
    /// The record's company, where it differs from the caller's.
    pub company: Option<Company>,
    /// The revision that the caller believes the record to have.
    pub revision: Option<u64>,
    /// What fields shall hold, each field at most once, in ascending order. Absent fields are
    /// not here.
    pub cells: Vec<(FieldIx, Cell)>,
    /// What the wire alone shows to be wrong: types, lengths, unknown fields.
    pub problems: Vec<Problem>,
    /// Where the row stands in the body.
    pub span: Span,
}

impl Row {
    /// An empty row of an entity.
    pub fn new(number: u64, entity: EntityIx) -> Self {
        Row {
            number,
            line: None,
            entity,
            mode: None,
            id: None,
            code: None,
            company: None,
            revision: None,
            cells: Vec::new(),
            problems: Vec::new(),
            span: Span::default(),
        }
    }

    /// What the row says about a field; `None` when it is absent.
    pub fn cell(&self, field: FieldIx) -> Option<&Cell> {
        self.cells.binary_search_by_key(&field, |(ix, _)| *ix).ok().map(|at| &self.cells[at].1)
    }

    /// Says what a field shall hold; a second word on the same field replaces the first.
    pub fn set(&mut self, field: FieldIx, cell: Cell) {
        match self.cells.last() {
            Some((last, _)) if *last >= field => match self.cells.binary_search_by_key(&field, |(ix, _)| *ix)
            {
                Ok(at) => self.cells[at].1 = cell,
                Err(at) => self.cells.insert(at, (field, cell)),
            },
            _ => self.cells.push((field, cell)),
        }
    }

    /// Roughly how many bytes the row takes in memory.
    pub fn weight(&self) -> usize {
        let cells: usize = self
            .cells
            .iter()
            .map(|(_, cell)| match cell {
                Cell::Set(value) => value.weight(),
                Cell::Refer(named) => 8 + named.text.len(),
                Cell::ReferMany(many) => many.iter().map(|named| 8 + named.text.len()).sum(),
                Cell::Clear => 8,
            })
            .sum();
        64 + cells
    }
}

/// A stretch of the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// Number of bytes.
    pub length: u32,
}

/// What a field of a row shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Clear,
    /// This value.
    Set(Value),
    /// The record so named.
    Refer(Named),
    /// The records so named, in order.
    ReferMany(Box<[Named]>),
}

/// A record named by something a caller knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Named {
    /// What the text is.
    pub by: By,
    /// The text, as sent.
    pub text: Box<str>,
}

/// What names a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    /// Its code.
    Code,
    /// A further unique key that is one text field.
    Key(KeyIx),
    /// A text field that may be the same in several records.
    Field(FieldIx),
    /// Its internal id, in digits.
    Id,
}

/// What a batch, or a row, wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Add; a record that exists is refused.
    Create,
    /// Change; a record that does not exist is refused.
    Update,
    /// Add or change; absent fields stay as they are.
    Upsert,
    /// Add or change; absent fields become empty.
    Replace,
    /// Delete.
    Delete,
}

/// The state of a stored record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As good as any.
    Live,
    /// Deleted logically: its code stays taken.
    Deleted,
    /// Merged into another record, which its code now names.
    Merged(InternalId),
}
