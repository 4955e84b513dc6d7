//! Wire to command and question, report and record to wire. Pure.

use std::fmt::Write as _;

use dialect::print::{self, Times};
use dialect::rows::{DateForm, Detected};
use domain::batch::{Commit, Difference, MatchKey, Parameters, Report};
use domain::catalogue::{Catalogue, Entity, EntityIx, Field, FieldIx};
use domain::field::FieldType;
use domain::query::Column;
use domain::row::Mode;
use domain::value::Value;
use engine::{BatchRow, BatchView, Change, Question, TraceStep};
use jiff::tz::TimeZone;
use serde_json::value::RawValue;

use crate::decisions;
use crate::fault::Fault;
use crate::wire;

pub mod asked;
pub mod catalogue;
pub mod cursor;
pub mod records;

pub use asked::Asked;
use records::{Codes, Member};

/// What a list or one record is asked for.
pub struct Wanted {
    /// Members printed beside the fields.
    pub members: Vec<Member>,
    /// Fields printed.
    pub fields: Vec<FieldIx>,
    /// References printed as objects.
    pub expanded: Vec<FieldIx>,
}

/// What `select` and `expand` want of records of an entity.
pub fn wanted(entity: &Entity, asked: &Asked) -> Result<Wanted, Fault> {
    let mut members = vec![Member::Code];
    let mut fields: Vec<FieldIx> = Vec::new();
    match asked.list("select")? {
        None => {
            members = Member::ALL.to_vec();
            fields = entity.fields().filter(|(_, field)| !field.secret).map(|(ix, _)| ix).collect();
        }
        Some(names) => {
            for name in names {
                if let Some(member) = Member::ALL.into_iter().find(|member| member.name() == name) {
                    members.push(member);
                    continue;
                }
                let ix = readable(entity, "select", name)?;
                if !fields.contains(&ix) {
                    fields.push(ix);
                }
            }
        }
    }
    let mut expanded = Vec::new();
    for name in asked.list("expand")?.unwrap_or_default() {
        let ix = readable(entity, "expand", name)?;
        if entity.field(ix).kind.target().is_none() {
            return Err(Fault::invalid(format!(
                "expand: {name} is no reference; name reference fields alone"
            )));
        }
        if !fields.contains(&ix) {
            fields.push(ix);
        }
        if !expanded.contains(&ix) {
            expanded.push(ix);
        }
    }
    if expanded.len() > decisions::MOST_EXPANDED {
        let most = decisions::MOST_EXPANDED;
        return Err(Fault::invalid(format!("expand: at most {most} references are expanded in one call")));
    }
    Ok(Wanted { members, fields, expanded })
}

/// A field that may be printed.
fn readable(entity: &Entity, parameter: &str, name: &str) -> Result<FieldIx, Fault> {
    if let Some((ix, field)) = entity.find_field(name) {
        if field.secret {
            return Err(Fault::invalid(format!("{parameter}: {name} is a secret and never printed")));
        }
        return Ok(ix);
    }
    let mut text = format!("{parameter}: {} has no field {}", entity.name, shortened(name));
    if let Some(near) = dialect::near(name, entity.fields.iter().map(|field| &*field.name)) {
        let _ = write!(text, "; did you mean {near}?");
    }
    Err(Fault::invalid(text))
}

/// The order asked for, with the code where it leaves ties.
pub fn order(entity: &Entity, asked: &Asked) -> Result<Vec<(Column, bool)>, Fault> {
    let mut order = match asked.text("order") {
        Some(text) => {
            domain::filter::order(text, entity).map_err(|fault| Fault::invalid(format!("order: {fault}")))?
        }
        None => Vec::new(),
    };
    if !order.iter().any(|(column, _)| matches!(column, Column::Code | Column::Id)) {
        order.push((Column::Code, false));
    }
    Ok(order)
}

/// A question about records, but for where it goes on and how many it wants.
pub fn question(entity: &Entity, wanted: &Wanted, order: Vec<(Column, bool)>, asked: &Asked) -> Question {
    let mut question = Question::all(entity.ix, decisions::LIST_DEFAULT);
    question.filter = asked.text("filter").map(|text| engine::Filter::Text(text.to_owned()));
    question.order = order;
    question.fields = fields_to_read(wanted);
    question
}

/// The fields to ask the engine for. It takes none for all, so one is read where none is wanted.
pub fn fields_to_read(wanted: &Wanted) -> Vec<FieldIx> {
    match wanted.fields.is_empty() {
        true => vec![FieldIx(0)],
        false => wanted.fields.clone(),
    }
}

/// What a batch is told, from the query of its call.
pub fn parameters(
    asked: &Asked,
    catalogue: &Catalogue,
    entities: &[EntityIx],
    commit: Commit,
) -> Result<Parameters, Fault> {
    let mode = match asked.text("mode") {
        None | Some("upsert") => Mode::Upsert,
        Some("create") => Mode::Create,
        Some("update") => Mode::Update,
        Some("replace") => Mode::Replace,
        Some("delete") => Mode::Delete,
        Some(other) => return Err(asked.wrong("mode", other, "create, update, upsert, replace or delete")),
    };
    let commit = match asked.text("commit") {
        None => commit,
        Some("together") => Commit::Together,
        Some("alone") => Commit::Alone,
        Some(other) => return Err(asked.wrong("commit", other, "together or alone")),
    };
    let mut parameters = Parameters::new(mode, commit);
    parameters.dry_run = asked.flag("dry_run")?;
    if let Some(names) = asked.list("match")? {
        parameters.match_on = match_on(&names, catalogue, entities)?;
    }
    Ok(parameters)
}

/// The keys that find records, per entity. Of a batch of several entities each takes the keys that
/// it has, or its code where it has none of them.
fn match_on(
    names: &[&str],
    catalogue: &Catalogue,
    entities: &[EntityIx],
) -> Result<Vec<(EntityIx, Vec<MatchKey>)>, Fault> {
    let key = |entity: &Entity, name: &str| -> Option<MatchKey> {
        if name == "code" {
            return Some(MatchKey::Code);
        }
        let by_field = || entity.field_ix(name).and_then(|field| entity.key_of_field(field));
        entity.find_key(name).map(|(key, _)| key).or_else(by_field).map(MatchKey::Key)
    };
    for name in names {
        if !entities.iter().any(|ix| key(catalogue.entity(*ix), name).is_some()) {
            let of: Vec<&str> = entities.iter().map(|ix| &*catalogue.entity(*ix).name).collect();
            let keys = entities.iter().flat_map(|ix| &catalogue.entity(*ix).keys).map(|key| &*key.name);
            let keys: Vec<&str> = std::iter::once("code").chain(keys).collect();
            let (name, of, keys) = (shortened(name), of.join(", "), keys.join(", "));
            return Err(Fault::invalid(format!("match: {of} has no unique key {name}; there is {keys}")));
        }
    }
    let of_entity = |ix: &EntityIx| {
        let keys = names.iter().filter_map(|name| key(catalogue.entity(*ix), name));
        (*ix, keys.collect::<Vec<MatchKey>>())
    };
    Ok(entities.iter().map(of_entity).filter(|(_, keys)| !keys.is_empty()).collect())
}

/// What a batch is told, in a fixed order, for the hash of its idempotency key.
pub fn parameters_text(parameters: &Parameters, media: &str) -> String {
    let Parameters { mode, commit, match_on, dry_run, .. } = parameters;
    format!("{media} {mode:?} {commit:?} {match_on:?} {dry_run}")
}

/// The answer about a batch.
pub fn batch_answer(
    report: Report,
    commit: Commit,
    catalogue: &Catalogue,
    codes: &Codes,
    zone: &TimeZone,
    csv: Option<&Detected>,
) -> wire::BatchAnswer {
    let differences = report.dry_run.then(|| differences(&report.differences, catalogue, codes, zone));
    let refusals = report.refusals.into_iter().take(decisions::MOST_REFUSALS);
    wire::BatchAnswer {
        batch: report.batch.map(|batch| batch.to_string()),
        dry_run: report.dry_run,
        commit,
        counts: report.counts.into(),
        effects: wire::EffectsAnswer::of(&report.effects),
        refusals: refusals.map(wire::RefusalAnswer::from).collect(),
        differences: differences.map(raw),
        csv: csv.map(csv_answer),
        statistics: report.statistics.into(),
    }
}

fn csv_answer(detected: &Detected) -> wire::CsvAnswer {
    wire::CsvAnswer {
        delimiter: detected.delimiter.to_string(),
        encoding: detected.encoding,
        decimal: detected.decimal.to_string(),
        date: match detected.date {
            DateForm::Iso => "YYYY-MM-DD",
            DateForm::DayDot => "DD.MM.YYYY",
            DateForm::DaySlash => "DD/MM/YYYY",
            DateForm::MonthSlash => "MM/DD/YYYY",
        },
        date_assumed: detected.date_assumed,
    }
}

fn differences(differences: &[Difference], catalogue: &Catalogue, codes: &Codes, zone: &TimeZone) -> Vec<u8> {
    let mut into = vec![b'['];
    for (n, difference) in differences.iter().enumerate() {
        if n > 0 {
            into.push(b',');
        }
        let entity = catalogue.entity(difference.entity);
        into.extend_from_slice(b"{\"row\":");
        records::number(difference.row as i64, &mut into);
        member("entity", &mut into);
        print::text_json(&entity.name, &mut into);
        member("code", &mut into);
        optional(difference.code.as_deref(), &mut into);
        member("outcome", &mut into);
        print::text_json(difference.outcome.name(), &mut into);
        member("fields", &mut into);
        into.push(b'{');
        for (n, (ix, before, after)) in difference.fields.iter().enumerate() {
            if n > 0 {
                into.push(b',');
            }
            let field = entity.field(*ix);
            let shown = |value| Some(value).filter(|_| !field.secret);
            before_and_after(field, shown(before), shown(after), codes, zone, &mut into);
        }
        into.extend_from_slice(b"}}");
    }
    into.push(b']');
    into
}

/// Internal ids of the records that differences refer to, new ones left out.
pub fn referred(differences: &[Difference]) -> Vec<domain::names::InternalId> {
    let mut ids = Vec::new();
    for (_, before, after) in differences.iter().flat_map(|difference| &difference.fields) {
        for value in [before, after] {
            match value {
                Value::Reference(id) => ids.push(*id),
                Value::References(many) => ids.extend(many.iter()),
                _ => {}
            }
        }
    }
    ids.retain(|id| id.new_record().is_none());
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Prints `"field":{"before":…,"after":…}`. A reference to a record that would be new is null: it
/// has no code yet.
fn before_and_after(
    field: &Field,
    before: Option<&Value>,
    after: Option<&Value>,
    codes: &Codes,
    zone: &TimeZone,
    into: &mut Vec<u8>,
) {
    let known = |value: Option<&Value>, into: &mut Vec<u8>| match value {
        Some(Value::Reference(id)) if id.new_record().is_some() => into.extend_from_slice(b"null"),
        Some(value) => print::value_json(value, field, codes, Times::Offset(zone), into),
        None => into.extend_from_slice(b"null"),
    };
    print::text_json(&field.name, into);
    into.extend_from_slice(b":{\"before\":");
    known(before, into);
    into.extend_from_slice(b",\"after\":");
    known(after, into);
    if before.is_none() || after.is_none() {
        into.extend_from_slice(b",\"secret\":true");
    }
    into.push(b'}');
}

/// Prints one entry of the journal.
pub fn change(change: &Change, codes: &Codes, zone: &TimeZone, into: &mut Vec<u8>) {
    into.push(b'{');
    change_members(change, codes, zone, into);
    into.push(b'}');
}

fn change_members(change: &Change, codes: &Codes, zone: &TimeZone, into: &mut Vec<u8>) {
    into.extend_from_slice(b"\"seq\":");
    records::number(change.seq as i64, into);
    member("time", into);
    print::text_json(&Times::Offset(zone).print(change.instant), into);
    member("batch", into);
    print::text_json(&change.batch.0, into);
    member("source", into);
    print::text_json(&change.source, into);
    member("entity", into);
    print::text_json(&change.entity, into);
    member("id", into);
    records::number(change.id.0, into);
    member("code", into);
    print::text_json(&change.code, into);
    if let Some(before) = &change.code_before {
        member("code_before", into);
        print::text_json(before, into);
    }
    member("operation", into);
    print::text_json(change.operation.name(), into);
    member("changed", into);
    into.push(b'{');
    for (n, changed) in change.fields.iter().enumerate() {
        if n > 0 {
            into.push(b',');
        }
        // The journal describes itself: of the type it keeps what printing needs.
        let field = Field::named(&changed.name, FieldType::Decimal { precision: 18, scale: changed.scale });
        before_and_after(&field, changed.before.as_ref(), changed.after.as_ref(), codes, zone, into);
    }
    into.push(b'}');
}

/// Prints one step of a trace.
pub fn step(step: &TraceStep, codes: &Codes, zone: &TimeZone) -> Vec<u8> {
    let mut into = Vec::new();
    match step {
        TraceStep::Changed(change) => {
            into.extend_from_slice(b"{\"kind\":\"change\",");
            change_members(change, codes, zone, &mut into);
            into.push(b'}');
        }
        TraceStep::Row(batch, instant, row) => {
            into.extend_from_slice(b"{\"kind\":\"row\"");
            member("batch", &mut into);
            print::text_json(&batch.0, &mut into);
            member("time", &mut into);
            print::text_json(&Times::Offset(zone).print(*instant), &mut into);
            let row = serde_json::to_vec(&batch_row(row.clone())).unwrap_or_else(|_| b"{}".to_vec());
            into.push(b',');
            into.extend_from_slice(row.get(1..).unwrap_or(b"}"));
        }
    }
    into
}

/// Prints `,"name":`.
fn member(name: &str, into: &mut Vec<u8>) {
    into.push(b',');
    print::text_json(name, into);
    into.push(b':');
}

fn optional(text: Option<&str>, into: &mut Vec<u8>) {
    match text {
        Some(text) => print::text_json(text, into),
        None => into.extend_from_slice(b"null"),
    }
}

/// What was printed as JSON, to stand in a larger answer.
pub fn raw(bytes: Vec<u8>) -> Box<RawValue> {
    let text = String::from_utf8(bytes).unwrap_or_default();
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A batch of the ledger.
pub fn batch_summary(entry: &BatchView, zone: &TimeZone) -> wire::BatchSummary {
    wire::BatchSummary {
        batch: entry.id.to_string(),
        state: serde_json::to_value(entry.state).unwrap_or_default(),
        login: entry.login.clone(),
        door: entry.door.clone(),
        operation: entry.operation.clone(),
        commit: entry.commit,
        refused_whole: entry.refused_whole,
        started_at: Times::Offset(zone).print(entry.started_at),
        finished_at: entry.finished_at.map(|at| Times::Offset(zone).print(at)),
        counts: entry.counts.into(),
        effects: wire::EffectsAnswer::of(&entry.effects),
        first_seq: entry.seqs.map(|(first, _)| first),
        last_seq: entry.seqs.map(|(_, last)| last),
        statistics: domain::batch::Statistics {
            statements: entry.statements,
            store_ms: entry.store_ms,
            total_ms: entry.total_ms,
        }
        .into(),
    }
}

/// A row of a batch.
pub fn batch_row(row: BatchRow) -> wire::BatchRowAnswer {
    wire::BatchRowAnswer {
        row: row.row,
        line: row.line,
        entity: row.entity,
        id: row.id,
        outcome: row.outcome.name(),
        code: row.code,
        record: row.record.map(|id| id.0),
        revision: row.revision,
        errors: row.problems.into_iter().map(wire::RecordError::from).collect(),
        received: row.received,
    }
}

/// What a caller sent, short enough to be repeated.
pub fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}
