//! Questions as SQL: conditions, order, and pages by key.

use std::sync::Arc;

use domain::catalogue::{Entity, FieldIx};
use domain::find::Record;
use domain::fold::fold;
use domain::query::{Column, Comparison, Condition, Select};
use domain::value::Value;
use rusqlite::CachedStatement;
use store::Error;

use crate::error::Told;
use crate::find::{kinds, select_list};
use crate::schema::{column, folded_column, leads_index, table};
use crate::session::Session;
use crate::values::{Bound, read_record};

/// A list of more values than this travels as one JSON array.
const MANY: usize = 32;

/// A page of records.
pub(crate) fn select(session: &mut Session, wanted: &Select) -> Result<Vec<Record>, Error> {
    let catalogue = Arc::clone(&session.catalogue);
    let entity = catalogue.entity(wanted.entity);
    let kinds = kinds(entity, &wanted.fields);
    let mut records = Vec::new();
    for leg in legs(entity, wanted) {
        let left = wanted.limit as usize - records.len();
        if left == 0 {
            break;
        }
        session.statements += 1;
        let sql = page_sql(entity, wanted, &leg, left);
        let mut statement = session.conn.prepare_cached(&sql.text).told()?;
        sql.bind(&mut statement)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().told()? {
            records.push(read_record(row, &kinds)?);
        }
    }
    Ok(records)
}

/// How many records a question is about.
pub(crate) fn count(session: &mut Session, wanted: &Select) -> Result<u64, Error> {
    session.statements += 1;
    let catalogue = Arc::clone(&session.catalogue);
    let entity = catalogue.entity(wanted.entity);
    let mut sql = Sql::new(format!("SELECT count(*) FROM {}", table(entity)));
    sql.scope(entity, wanted);
    let mut statement = session.conn.prepare_cached(&sql.text).told()?;
    sql.bind(&mut statement)?;
    let mut rows = statement.raw_query();
    match rows.next().told()? {
        Some(row) => row.get::<_, i64>(0).map(|n| n as u64).told(),
        None => Ok(0),
    }
}

/// Which part of what is behind the bound a statement reads.
enum Leg {
    /// All of it.
    Whole,
    /// Where the first, descending column has a value: an index can begin at the bound.
    Valued,
    /// Where the first, descending column has none; these come last.
    Null,
}

/// A page behind a value of a nullable descending column is two stretches of its index.
fn legs(entity: &Entity, wanted: &Select) -> Vec<Leg> {
    let (Some(after), Some((first, true))) = (&wanted.after, wanted.order.first()) else {
        return vec![Leg::Whole];
    };
    let split = wanted.offset == 0
        && matches!(first, Column::Field(field) if leads_index(entity, *field))
        && after.first().is_some_and(|value| !value.is_null());
    if split { vec![Leg::Valued, Leg::Null] } else { vec![Leg::Whole] }
}

fn page_sql<'a>(entity: &Entity, wanted: &'a Select, leg: &Leg, limit: usize) -> Sql<'a> {
    let mut sql = Sql::new(select_list(entity, &wanted.fields));
    sql.scope(entity, wanted);
    match (leg, &wanted.after, wanted.order.first()) {
        (Leg::Null, _, Some((first, _))) => {
            sql.push(&format!(" AND {} IS NULL", column_of(entity, *first)));
        }
        (leg, Some(after), _) => {
            sql.push(" AND ");
            sql.behind(entity, &wanted.order, after, matches!(leg, Leg::Valued));
        }
        _ => {}
    }
    sql.push(" ORDER BY ");
    for (column, descends) in &wanted.order {
        // SQLite takes null for the least value, as the contract does.
        sql.push(&column_of(entity, *column));
        sql.push(if *descends { " DESC, " } else { ", " });
    }
    sql.push("id LIMIT ?");
    sql.binds.push(Bind::Integer(limit as i64));
    if wanted.offset > 0 {
        sql.push(" OFFSET ?");
        sql.binds.push(Bind::Integer(i64::try_from(wanted.offset).unwrap_or(i64::MAX)));
    }
    sql
}

fn column_of(entity: &Entity, wanted: Column) -> String {
    match wanted {
        Column::Id => "id".to_owned(),
        Column::Code => "code".to_owned(),
        Column::Revision => "revision".to_owned(),
        Column::CreatedAt => "created_at".to_owned(),
        Column::ChangedAt => "changed_at".to_owned(),
        Column::ExportMark => "export_mark".to_owned(),
        Column::Field(field) => column(entity.field(field)),
    }
}

enum Bind<'a> {
    Value(&'a Value),
    Text(String),
    Integer(i64),
}

/// A statement in the making, with what will be bound to it.
struct Sql<'a> {
    text: String,
    binds: Vec<Bind<'a>>,
}

impl<'a> Sql<'a> {
    fn new(text: String) -> Self {
        Sql { text, binds: Vec::new() }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn value(&mut self, value: &'a Value) {
        self.text.push('?');
        self.binds.push(Bind::Value(value));
    }

    fn bind(&self, statement: &mut CachedStatement<'_>) -> Result<(), Error> {
        for (n, bind) in (1..).zip(&self.binds) {
            match bind {
                Bind::Value(value) => statement.raw_bind_parameter(n, Bound(value)),
                Bind::Text(text) => statement.raw_bind_parameter(n, text.as_str()),
                Bind::Integer(integer) => statement.raw_bind_parameter(n, integer),
            }
            .told()?;
        }
        Ok(())
    }

    /// Company, state and filter.
    fn scope(&mut self, entity: &Entity, wanted: &'a Select) {
        // Nearly all records are of one company: the planner shall not take an index for it,
        // unless that index goes on with something the question is about.
        self.push(if company_index_helps(entity, wanted) {
            " WHERE company = ?"
        } else {
            " WHERE +company = ?"
        });
        self.binds.push(Bind::Integer(i64::from(wanted.company.0)));
        if !wanted.with_deleted {
            self.push(" AND state = 0");
        }
        if let Some(filter) = &wanted.filter {
            self.push(" AND ");
            self.condition(entity, filter);
        }
    }

    fn condition(&mut self, entity: &Entity, condition: &'a Condition) {
        match condition {
            Condition::And(parts) => self.joined(entity, parts, " AND ", "1"),
            Condition::Or(parts) => self.joined(entity, parts, " OR ", "0"),
            Condition::Not(part) => {
                self.push("(NOT ");
                self.condition(entity, part);
                self.push(")");
            }
            Condition::Compare(column, comparison, value) => {
                self.compare(entity, *column, *comparison, value)
            }
            Condition::In(column, values) => self.one_of(entity, *column, values),
            Condition::IsNull(column) => self.push(&format!("({} IS NULL)", column_of(entity, *column))),
            Condition::Never => self.push("0"),
        }
    }

    /// Joins parts as a balanced tree: SQLite bounds the depth of an expression.
    fn joined(&mut self, entity: &Entity, parts: &'a [Condition], word: &str, none: &str) {
        match parts {
            [] => self.push(none),
            [one] => self.condition(entity, one),
            _ => {
                let (left, right) = parts.split_at(parts.len() / 2);
                self.push("(");
                self.joined(entity, left, word, none);
                self.push(word);
                self.joined(entity, right, word, none);
                self.push(")");
            }
        }
    }

    fn compare(&mut self, entity: &Entity, wanted: Column, comparison: Comparison, value: &'a Value) {
        let sign = match comparison {
            Comparison::Eq => "=",
            Comparison::Ne => "<>",
            Comparison::Lt => "<",
            Comparison::Le => "<=",
            Comparison::Gt => ">",
            Comparison::Ge => ">=",
            Comparison::Contains | Comparison::StartsWith => {
                return self.text_search(entity, wanted, comparison, value);
            }
        };
        self.push(&format!("({} {sign} ", column_of(entity, wanted)));
        self.value(value);
        self.push(")");
    }

    /// `Contains` and `StartsWith`, in the folded form where there is one.
    fn text_search(&mut self, entity: &Entity, wanted: Column, comparison: Comparison, value: &Value) {
        let Some(text) = value.as_text() else {
            return self.push("NULL");
        };
        let (column, text) = match wanted {
            Column::Field(field) if entity.field(field).search => {
                (folded_column(entity.field(field)), fold(text))
            }
            _ => (column_of(entity, wanted), text.to_owned()),
        };
        match (comparison, next_prefix(&text)) {
            (Comparison::Contains, _) => {
                self.push(&format!("(instr({column}, ?) > 0)"));
                self.binds.push(Bind::Text(text));
            }
            (_, Some(end)) => {
                self.push(&format!("({column} >= ? AND {column} < ?)"));
                self.binds.push(Bind::Text(text));
                self.binds.push(Bind::Text(end));
            }
            (_, None) => {
                self.push(&format!("({column} >= ?)"));
                self.binds.push(Bind::Text(text));
            }
        }
    }

    fn one_of(&mut self, entity: &Entity, wanted: Column, values: &'a [Value]) {
        if values.is_empty() {
            return self.push("0");
        }
        let column = column_of(entity, wanted);
        if values.len() > MANY
            && let Some(list) = json_list(values)
        {
            self.push(&format!("({column} IN (SELECT value FROM json_each(?)))"));
            self.binds.push(Bind::Text(list));
            return;
        }
        self.push(&format!("({column} IN ("));
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                self.push(", ");
            }
            self.value(value);
        }
        self.push("))");
    }

    /// What comes behind the record with these values of the order, then this id.
    ///
    /// `valued` means that a second statement asks for the nulls of the first column.
    fn behind(&mut self, entity: &Entity, order: &[(Column, bool)], after: &'a [Value], valued: bool) {
        let mut open = 0;
        for (n, ((wanted, descends), value)) in order.iter().zip(after).enumerate() {
            let column = column_of(entity, *wanted);
            let may_be_null = matches!(wanted, Column::Field(_)) && !(n == 0 && valued);
            match (value.is_null(), descends) {
                (true, false) => self.push(&format!("({column} IS NOT NULL OR ({column} IS NULL AND ")),
                (true, true) => self.push(&format!("(({column} IS NULL AND ")),
                (false, false) => {
                    self.push(&format!("({column} >= "));
                    self.value(value);
                    self.push(&format!(" AND ({column} > "));
                    self.value(value);
                    self.push(" OR (");
                    open += 1;
                }
                (false, true) if may_be_null => {
                    self.push(&format!("({column} IS NULL OR {column} < "));
                    self.value(value);
                    self.push(&format!(" OR ({column} = "));
                    self.value(value);
                    self.push(" AND ");
                }
                (false, true) => {
                    self.push(&format!("({column} <= "));
                    self.value(value);
                    self.push(&format!(" AND ({column} < "));
                    self.value(value);
                    self.push(" OR (");
                    open += 1;
                }
            }
            open += 2;
        }
        match after.get(order.len()) {
            Some(id) => {
                self.push("id > ");
                self.value(id);
            }
            None => self.push("1"),
        }
        for _ in 0..open {
            self.push(")");
        }
    }
}

/// The least text that is greater than every text with this prefix; `None` when there is none.
fn next_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = match last {
            char::MAX => continue,
            '\u{d7ff}' => '\u{e000}',
            other => char::from_u32(u32::from(other) + 1)?,
        };
        characters.push(next);
        return Some(characters.into_iter().collect());
    }
    None
}

/// Values as a JSON array, where JSON holds them exactly.
fn json_list(values: &[Value]) -> Option<String> {
    let list: Option<Vec<serde_json::Value>> = values
        .iter()
        .map(|value| match value {
            Value::Null => Some(serde_json::Value::Null),
            Value::Text(text) | Value::Json(text) => Some((&**text).into()),
            Value::Integer(n) | Value::Decimal(n) | Value::Datetime(n) => Some((*n).into()),
            Value::Date(n) => Some((*n).into()),
            Value::Boolean(b) => Some(i64::from(*b).into()),
            Value::Reference(id) => Some(id.0.into()),
            Value::Float(_) | Value::Binary(_) | Value::References(_) => None,
        })
        .collect();
    Some(serde_json::Value::Array(list?).to_string())
}

/// True when the index of codes, or that of a key, answers the question: these begin with the
/// company.
fn company_index_helps(entity: &Entity, wanted: &Select) -> bool {
    let mut bounded = Vec::new();
    if let Some(filter) = &wanted.filter {
        bounded_columns(entity, filter, &mut bounded);
    }
    let leads_key = |field: FieldIx| {
        entity.keys.iter().any(|key| key.fields.first().is_some_and(|(first, null)| *first == field && !null))
    };
    let helps = |column: &Column| match column {
        Column::Code => true,
        Column::Field(field) => leads_key(*field),
        _ => false,
    };
    let better = |column: &Column| match column {
        Column::Id => true,
        Column::Field(field) => leads_index(entity, *field),
        _ => false,
    };
    if bounded.iter().any(better) {
        return false;
    }
    bounded.iter().any(helps) || matches!(wanted.order.first(), Some((Column::Code, _)))
}

/// Columns that every record of the answer has within bounds an index can use.
fn bounded_columns(entity: &Entity, condition: &Condition, into: &mut Vec<Column>) {
    // A prefix in folded form is looked for in another column, which has no index.
    let folded = |column: &Column| matches!(column, Column::Field(field) if entity.field(*field).search);
    match condition {
        Condition::And(parts) => parts.iter().for_each(|part| bounded_columns(entity, part, into)),
        Condition::Compare(_, Comparison::Ne | Comparison::Contains, _) => {}
        Condition::Compare(column, Comparison::StartsWith, _) if folded(column) => {}
        Condition::Compare(column, ..) | Condition::In(column, _) => into.push(*column),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
