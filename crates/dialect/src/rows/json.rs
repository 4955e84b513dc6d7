//! Rows as JSON: one array, one object, or sets of several entities.

use std::borrow::Cow;

use domain::catalogue::EntityIx;
use domain::row::{Row, Span};
use engine::{Error, Rows};

use super::reader::{RowReader, masked};
use super::shape::RowShape;
use super::syntax::{Cursor, Syntax, Token, ValueEnd};
use super::walker::{Taken, Walker};
use crate::body::Body;

/// What a JSON body is as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An array, each element a row.
    Array,
    /// One object, which is the one row.
    One,
}

/// Rows of a JSON array, or one row.
pub struct JsonRows {
    walker: Walker,
    reader: RowReader,
    form: Form,
    state: State,
    rows: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Begin,
    /// In the array; true before its first element.
    Inside(bool),
    End,
}

impl JsonRows {
    /// Rows of a body.
    pub fn new(body: Body, shape: RowShape, form: Form) -> Self {
        JsonRows {
            walker: Walker::new(body),
            reader: RowReader::new(shape),
            form,
            state: State::Begin,
            rows: 0,
        }
    }
}

impl Rows for JsonRows {
    fn entities(&self) -> Vec<EntityIx> {
        vec![self.reader.shape().entity]
    }

    fn next(&mut self) -> Result<Option<Row>, Error> {
        if self.state == State::Begin {
            self.walker.pass_mark()?;
            begin(&mut self.walker)?;
            if self.form == Form::Array {
                open(&mut self.walker, b'[', "the body must be a JSON array of objects")?;
                self.state = State::Inside(true);
            }
        }
        let taken = match self.state {
            State::End => return Ok(None),
            State::Begin => {
                self.state = State::End;
                Some(take(&mut self.walker)?)
            }
            State::Inside(first) => {
                self.state = State::Inside(false);
                element(&mut self.walker, first)?
            }
        };
        let row = match taken {
            Some(taken) => {
                self.rows += 1;
                let row = Row::new(self.rows, self.reader.shape().entity);
                Some(read(&mut self.reader, &taken, row)?)
            }
            None => None,
        };
        if row.is_none() || self.form == Form::One {
            self.state = State::End;
            nothing_more(&mut self.walker)?;
        }
        Ok(row)
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.walker.go(0);
        self.state = State::Begin;
        self.rows = 0;
        Ok(())
    }

    fn again(&mut self, row: &Row) -> Result<Row, Error> {
        read_again(&self.walker, &mut self.reader, row)
    }

    fn received(&mut self, _: EntityIx, span: Span) -> Result<String, Error> {
        Ok(received(&self.walker.read(span)?, self.reader.shape()))
    }
}

/// Rows of several entities: `{"records":[{"entity":"customer","rows":[…]},…]}`, numbered through.
pub struct JsonSets {
    walker: Walker,
    readers: Vec<RowReader>,
    /// The reader and the place of each array.
    sets: Vec<(usize, u64)>,
    at: usize,
    /// In an array; true before its first element.
    inside: Option<bool>,
    rows: u64,
}

impl JsonSets {
    /// Rows of a body; `shapes` gives the shape of an entity by its name, or says why not. Walks the
    /// body once to find where its sets are; blocks when it lies in a file.
    pub fn open(body: Body, mut shapes: impl FnMut(&str) -> Result<RowShape, Error>) -> Result<Self, Error> {
        let mut walker = Walker::new(body);
        let mut named = Vec::new();
        walker.pass_mark()?;
        begin(&mut walker)?;
        find_sets(&mut walker, &mut named)?;
        nothing_more(&mut walker)?;
        let mut readers: Vec<RowReader> = Vec::new();
        let mut sets = Vec::new();
        for (name, place) in named {
            let shape = shapes(&name)?;
            let known = readers.iter().position(|reader| reader.shape().entity == shape.entity);
            sets.push((known.unwrap_or(readers.len()), place));
            if known.is_none() {
                readers.push(RowReader::new(shape));
            }
        }
        Ok(JsonSets { walker, readers, sets, at: 0, inside: None, rows: 0 })
    }

    fn reader_of(&mut self, entity: EntityIx) -> Result<usize, Error> {
        let found = self.readers.iter().position(|reader| reader.shape().entity == entity);
        found.ok_or_else(|| Error::internal("a row is of no entity of its body"))
    }
}

impl Rows for JsonSets {
    fn entities(&self) -> Vec<EntityIx> {
        self.readers.iter().map(|reader| reader.shape().entity).collect()
    }

    fn next(&mut self) -> Result<Option<Row>, Error> {
        while let Some((reader, place)) = self.sets.get(self.at).copied() {
            let first = match self.inside {
                Some(first) => first,
                None => {
                    self.walker.go(place + 1);
                    true
                }
            };
            self.inside = Some(false);
            if let Some(taken) = element(&mut self.walker, first)? {
                self.rows += 1;
                let reader = &mut self.readers[reader];
                let row = Row::new(self.rows, reader.shape().entity);
                return read(reader, &taken, row).map(Some);
            }
            self.at += 1;
            self.inside = None;
        }
        Ok(None)
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.at = 0;
        self.inside = None;
        self.rows = 0;
        Ok(())
    }

    fn again(&mut self, row: &Row) -> Result<Row, Error> {
        let reader = self.reader_of(row.entity)?;
        read_again(&self.walker, &mut self.readers[reader], row)
    }

    fn received(&mut self, entity: EntityIx, span: Span) -> Result<String, Error> {
        let reader = self.reader_of(entity)?;
        Ok(received(&self.walker.read(span)?, self.readers[reader].shape()))
    }
}

/// Finds names and places of the sets of `{"records":[…]}`.
fn find_sets(walker: &mut Walker, sets: &mut Vec<(String, u64)>) -> Result<(), Error> {
    const WANTED: &str = "the body must be {\"records\":[{\"entity\":\"…\",\"rows\":[…]}]}";
    open(walker, b'{', WANTED)?;
    let mut found = false;
    let mut first = true;
    while let Some(name) = member(walker, first)? {
        first = false;
        if name != "records" || found {
            let why = if found { "stands twice" } else { "is not known" };
            return Err(Error::Invalid(format!("the member {name} {why}; {WANTED}")));
        }
        found = true;
        open(walker, b'[', WANTED)?;
        let mut first = true;
        while another(walker, first)? {
            first = false;
            open(walker, b'{', WANTED)?;
            sets.push(find_set(walker)?);
        }
    }
    if found { Ok(()) } else { Err(Error::Invalid(WANTED.to_owned())) }
}

/// Walks one set behind its `{`: its entity, and the place of its rows.
fn find_set(walker: &mut Walker) -> Result<(String, u64), Error> {
    let (mut entity, mut rows) = (None, None);
    let mut first = true;
    while let Some(name) = member(walker, first)? {
        first = false;
        match name.as_str() {
            "entity" if entity.is_none() => {
                let taken = take(walker)?;
                let text = utf8(&taken)?;
                entity = match Cursor::new(&text).value() {
                    Ok(Token::Text(name)) => name.text().map(Cow::into_owned),
                    _ => None,
                };
                if entity.is_none() {
                    return Err(Error::Invalid("entity must be the name of an entity".to_owned()));
                }
            }
            "rows" if rows.is_none() => {
                begin(walker)?;
                rows = Some(walker.place());
                open(walker, b'[', "rows must be an array of objects")?;
                let mut first = true;
                while element(walker, first)?.is_some() {
                    first = false;
                }
            }
            _ => {
                let why = format!(
                    "the member {name} of a set is not known or stands twice; it has entity and rows"
                );
                return Err(Error::Invalid(why));
            }
        }
    }
    match (entity, rows) {
        (Some(entity), Some(rows)) => Ok((entity, rows)),
        _ => Err(Error::Invalid("each set of records needs entity and rows".to_owned())),
    }
}

fn not_json(place: u64, what: &str) -> Error {
    Error::Invalid(format!("the body is not JSON: {what}, at byte {place}"))
}

fn blanks(walker: &mut Walker) -> Result<Option<u8>, Error> {
    loop {
        match walker.peek()? {
            Some(b' ' | b'\t' | b'\n' | b'\r') => walker.pass(1),
            other => return Ok(other),
        }
    }
}

/// Goes to the next byte that is no blank.
fn begin(walker: &mut Walker) -> Result<u8, Error> {
    let found = blanks(walker)?;
    found.ok_or_else(|| match walker.place() {
        0 => Error::Invalid("the body is empty".to_owned()),
        place => not_json(place, "it ends too early"),
    })
}

fn open(walker: &mut Walker, bracket: u8, wanted: &str) -> Result<(), Error> {
    if begin(walker)? != bracket {
        // What is not even JSON is told first.
        let taken = take(walker)?;
        let start = taken.start;
        whole(&utf8(&taken)?).map_err(|fault| not_json(start + fault.at as u64, fault.what))?;
        return Err(Error::Invalid(wanted.to_owned()));
    }
    walker.pass(1);
    Ok(())
}

fn whole(text: &str) -> Result<(), Syntax> {
    let mut cursor = Cursor::new(text);
    cursor.value()?;
    cursor.end()
}

/// The name of the next member of an object, behind its colon; `None` behind its `}`.
fn member(walker: &mut Walker, first: bool) -> Result<Option<String>, Error> {
    match begin(walker)? {
        b'}' => {
            walker.pass(1);
            return Ok(None);
        }
        b',' if !first => walker.pass(1),
        _ if first => {}
        _ => return Err(not_json(walker.place(), "a comma or } is missing")),
    }
    if begin(walker)? != b'"' {
        return Err(not_json(walker.place(), "a name in quotes is missing"));
    }
    let taken = take(walker)?;
    let start = taken.start;
    let text = utf8(&taken)?;
    let name = match Cursor::new(&text).value() {
        Ok(Token::Text(name)) => name.shown().into_owned(),
        _ => return Err(not_json(start, "a name in quotes is missing")),
    };
    if begin(walker)? != b':' {
        return Err(not_json(walker.place(), "a colon is missing"));
    }
    walker.pass(1);
    Ok(Some(name))
}

/// True when another element of an array follows; false behind its `]`.
fn another(walker: &mut Walker, first: bool) -> Result<bool, Error> {
    match begin(walker)? {
        b']' => {
            walker.pass(1);
            return Ok(false);
        }
        b',' if !first => walker.pass(1),
        _ if first => {}
        _ => return Err(not_json(walker.place(), "a comma or ] is missing")),
    }
    Ok(true)
}

/// The next element of an array; `None` behind its `]`.
fn element(walker: &mut Walker, first: bool) -> Result<Option<Taken<'_>>, Error> {
    if another(walker, first)? { take(walker).map(Some) } else { Ok(None) }
}

/// Takes one value, of which no more is known than where it ends.
fn take(walker: &mut Walker) -> Result<Taken<'_>, Error> {
    if matches!(begin(walker)?, b',' | b']' | b'}' | b':') {
        return Err(not_json(walker.place(), "a value is missing"));
    }
    let mut end = ValueEnd::new();
    walker.take(|bytes| end.find(bytes))
}

fn utf8<'t>(taken: &'t Taken<'_>) -> Result<Cow<'t, str>, Error> {
    match std::str::from_utf8(taken.bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(fault) => Err(not_json(taken.start + fault.valid_up_to() as u64, "it is not UTF-8")),
    }
}

fn read(reader: &mut RowReader, taken: &Taken<'_>, mut row: Row) -> Result<Row, Error> {
    row.span = taken.span();
    let text = utf8(taken)?;
    reader.fill(&text, &mut row).map_err(|fault| not_json(taken.start + fault.at as u64, fault.what))?;
    Ok(row)
}

fn nothing_more(walker: &mut Walker) -> Result<(), Error> {
    match blanks(walker)? {
        None => Ok(()),
        Some(_) => Err(not_json(walker.place(), "something follows behind the end")),
    }
}

/// Reads a row again that was JSON before.
fn read_again(walker: &Walker, reader: &mut RowReader, row: &Row) -> Result<Row, Error> {
    let bytes = walker.read(row.span)?;
    let mut again = Row::new(row.number, row.entity);
    again.line = row.line;
    again.span = row.span;
    let text = String::from_utf8_lossy(&bytes);
    reader.fill(&text, &mut again).map_err(|fault| not_json(row.span.start + fault.at as u64, fault.what))?;
    Ok(again)
}

/// A row as it was received, secrets starred out.
pub(super) fn received(bytes: &[u8], shape: &RowShape) -> String {
    let text = String::from_utf8_lossy(bytes);
    let entity = shape.described();
    if !entity.fields.iter().any(|field| field.secret) {
        return text.replace('\0', "\u{2400}");
    }
    let is_secret = |name: &str| match shape.names.get(name) {
        Some(super::Target::Field(ix)) => entity.field(*ix).secret,
        _ => false,
    };
    // Where no member can be told from another, nothing is shown.
    masked(&text, is_secret).unwrap_or_else(|| "***".to_owned())
}

#[cfg(test)]
pub(super) mod tests;
