//! The text form of a project, the same on every database.
//!
//! A store hands its rows over in the order of their keys; sections come out by name. What differs
//! between databases and machines (statements, times taken) is left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::catalogue::Entity;
use domain::field::{FieldType, encode_base64, print_decimal};
use domain::find::Record;
use domain::instant::{print_date, print_utc};
use domain::page::{Page, PageValue};
use domain::row::State;
use domain::settle::Head;
use domain::value::Value;

use crate::{BatchEntry, IdempotencyEntry, PageRow, RefusedRow};

/// A dump in the making.
#[derive(Debug, Default)]
pub struct Dump {
    sections: BTreeMap<String, String>,
}

impl Dump {
    /// Adds a record with all its fields.
    pub fn record(&mut self, entity: &Entity, record: &Record) {
        let out = self.section(&format!("e_{}", entity.name));
        let state = match record.state {
            State::Live => String::new(),
            State::Deleted => " deleted".to_owned(),
            State::Merged(into) => format!(" merged={into}"),
        };
        let _ = write!(
            out,
            "{} company={} code={:?} revision={} created={} changed={} export={}{state}",
            record.id,
            record.company.0,
            record.code,
            record.revision,
            print_utc(record.created_at),
            print_utc(record.changed_at),
            record.export_mark,
        );
        for ((_, field), value) in entity.fields().zip(&record.values) {
            if !value.is_null() {
                let scale = match field.kind {
                    FieldType::Decimal { scale, .. } => scale,
                    _ => 0,
                };
                let _ = write!(out, " {}={}", field.name, print(value, scale));
            }
        }
        out.push('\n');
    }

    /// Adds the head.
    pub fn head(&mut self, head: &Head) {
        let out = self.section("head");
        let _ = writeln!(
            out,
            "seq={} instant={} catalogue={}",
            head.seq,
            print_utc(head.instant),
            head.catalogue_version
        );
        let out = self.section("counter");
        for (name, value) in &head.counters {
            let _ = writeln!(out, "{name}={value}");
        }
    }

    /// Adds a batch.
    pub fn batch(&mut self, entry: &BatchEntry) {
        let finished = entry.finished_at.map_or_else(|| "-".to_owned(), print_utc);
        let BatchEntry { id, login, door, operation, commit, state, refused_whole, .. } = entry;
        let _ = writeln!(
            self.section("batch"),
            "{id} login={login:?} door={door:?} operation={operation:?} commit={commit:?} state={state:?} \
             refused_whole={refused_whole} started={} finished={finished} chunks={} seqs={:?} columns={:?} \
             memo={:?} {:?} {:?}",
            print_utc(entry.started_at),
            entry.chunks,
            entry.seqs,
            entry.columns,
            entry.memo,
            entry.counts,
            entry.effects,
        );
    }

    /// Adds a refused row.
    pub fn refused(&mut self, row: &RefusedRow) {
        let _ = writeln!(
            self.section("refused"),
            "{} row={} line={:?} entity={} id={:?} instant={} received={:?} problems={:?}",
            row.batch,
            row.row,
            row.line,
            row.entity,
            row.id,
            print_utc(row.instant),
            row.received,
            row.problems,
        );
    }

    /// Adds what an idempotency key led to.
    pub fn idempotency(&mut self, entry: &IdempotencyEntry) {
        let _ = writeln!(
            self.section("idempotency"),
            "{:?} {:?} hash={} batch={} instant={}",
            entry.login,
            entry.key,
            encode_base64(&entry.hash),
            entry.batch,
            print_utc(entry.instant),
        );
    }

    /// Adds a document.
    pub fn document(&mut self, kind: &str, name: &str, body: &str) {
        let _ = writeln!(self.section("document"), "{kind:?} {name:?} {body:?}");
    }

    /// Adds a page with what is in it.
    pub fn page(&mut self, row: &PageRow, page: &Page) {
        let out = self.section("page");
        let _ = writeln!(
            out,
            "{} chunk={} source={:?} instant={} entries={} fates={}",
            row.batch,
            row.chunk,
            row.source,
            print_utc(row.instant),
            row.entries,
            row.fates,
        );
        for entry in &page.entries {
            let entity = &page.entities[entry.entity];
            let _ = write!(
                out,
                "  seq={} {} {} {} company={} code={:?}",
                entry.seq,
                entry.operation.name(),
                entity.name,
                entry.id,
                entry.company.0,
                entry.code,
            );
            if let Some(before) = &entry.code_before {
                let _ = write!(out, " code_before={before:?}");
            }
            if let Some(number) = entry.row {
                let _ = write!(out, " row={number}");
            }
            for (field, before, after) in &entry.fields {
                let field = &entity.fields[*field];
                let _ = write!(
                    out,
                    " {}={}>{}",
                    field.name,
                    print_journal(before, field.scale),
                    print_journal(after, field.scale)
                );
            }
            out.push('\n');
        }
        for fate in &page.fates {
            let _ = writeln!(
                out,
                "  row={} {} {} record={:?} id={:?} code={:?} revision={}",
                fate.row,
                fate.outcome.name(),
                page.entities[fate.entity].name,
                fate.record.map(|id| id.0),
                fate.id,
                fate.code,
                fate.revision,
            );
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, body) in self.sections.iter().filter(|(_, body)| !body.is_empty()) {
            let _ = write!(text, "[{name}]\n{body}\n");
        }
        text
    }

    fn section(&mut self, name: &str) -> &mut String {
        self.sections.entry(name.to_owned()).or_default()
    }
}

fn print_journal(value: &PageValue, scale: u8) -> String {
    match value {
        PageValue::Known(value) => print(value, scale),
        PageValue::Secret => "secret".to_owned(),
    }
}

/// Prints a value by its type; texts in quotes.
fn print(value: &Value, scale: u8) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::Integer(n) => n.to_string(),
        Value::Decimal(n) => print_decimal(*n, scale),
        Value::Float(n) => format!("{n:?}"),
        Value::Boolean(b) => b.to_string(),
        Value::Datetime(ms) => print_utc(*ms),
        Value::Date(day) => print_date(*day),
        Value::Binary(bytes) => encode_base64(bytes),
        Value::Json(text) => text.to_string(),
        Value::Reference(id) => id.to_string(),
        Value::References(ids) => format!("{:?}", ids.iter().map(|id| id.0).collect::<Vec<_>>()),
    }
}
