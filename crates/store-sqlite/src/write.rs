//! Sets of records: one prepared statement each, run row by row.

use std::sync::Arc;

use domain::catalogue::{Catalogue, Entity, FieldIx};
use domain::fold::fold;
use domain::names::InternalId;
use domain::settle::{InsertSet, MarkSet, UpdateSet, Write};
use domain::value::Value;
use rusqlite::{CachedStatement, Connection};
use store::Error;

use crate::error::Told;
use crate::ledger;
use crate::schema::{column, folded_column, table};
use crate::session::Session;
use crate::values::{Bound, state_columns};

/// Writes one set.
pub(crate) fn write(session: &mut Session, set: Write) -> Result<(), Error> {
    session.statements += 1;
    let catalogue = Arc::clone(&session.catalogue);
    let conn = &session.conn;
    let done = match set {
        Write::Insert(set) => insert(conn, catalogue.entity(set.entity), &set),
        Write::Update(set) => update(conn, catalogue.entity(set.entity), &set),
        Write::Rename(entity, rows) => rename(conn, catalogue.entity(entity), &rows),
        Write::Mark(set) => mark(conn, catalogue.entity(set.entity), &set),
        Write::Remove(entity, ids) => remove(conn, catalogue.entity(entity), &ids),
        Write::Blobs(blobs) => {
            session.blobs.extend(blobs.iter().map(|(hash, _)| *hash));
            ledger::put_blobs(conn, &blobs)
        }
    };
    done.map_err(|error| by_key_name(error, &catalogue))
}

fn insert(conn: &Connection, entity: &Entity, set: &InsertSet) -> Result<(), Error> {
    let mut columns = String::from("id, company, code, revision, created_at, changed_at, export_mark, state");
    let mut marks = String::from("?, ?, ?, ?, ?, ?, ?, 0");
    for name in columns_of(entity, &set.fields) {
        columns.push_str(", ");
        columns.push_str(&name);
        marks.push_str(", ?");
    }
    let sql = format!("INSERT INTO {} ({columns}) VALUES ({marks})", table(entity));
    let mut statement = conn.prepare_cached(&sql).told()?;
    statement.raw_bind_parameter(5, set.instant).told()?;
    statement.raw_bind_parameter(6, set.instant).told()?;
    statement.raw_bind_parameter(7, set.export_mark).told()?;
    for row in &set.rows {
        statement.raw_bind_parameter(1, row.id.0).told()?;
        statement.raw_bind_parameter(2, row.company.0).told()?;
        statement.raw_bind_parameter(3, &*row.code).told()?;
        statement.raw_bind_parameter(4, row.revision as i64).told()?;
        bind_values(&mut statement, 8, entity, &set.fields, &row.values)?;
        statement.raw_execute().told()?;
    }
    Ok(())
}

fn update(conn: &Connection, entity: &Entity, set: &UpdateSet) -> Result<(), Error> {
    let mut sql = format!("UPDATE {} SET revision = ?2, changed_at = ?3", table(entity));
    let mut next = 4;
    if set.export_mark.is_some() {
        sql.push_str(", export_mark = ?4");
        next = 5;
    }
    for (n, name) in columns_of(entity, &set.fields).enumerate() {
        sql.push_str(&format!(", {name} = ?{}", next + n));
    }
    sql.push_str(" WHERE id = ?1");
    let mut statement = conn.prepare_cached(&sql).told()?;
    statement.raw_bind_parameter(3, set.instant).told()?;
    if let Some(export_mark) = set.export_mark {
        statement.raw_bind_parameter(4, export_mark).told()?;
    }
    for (id, revision, values) in &set.rows {
        statement.raw_bind_parameter(1, id.0).told()?;
        statement.raw_bind_parameter(2, *revision as i64).told()?;
        bind_values(&mut statement, next, entity, &set.fields, values)?;
        statement.raw_execute().told()?;
    }
    Ok(())
}

fn rename(conn: &Connection, entity: &Entity, rows: &[(InternalId, Box<str>)]) -> Result<(), Error> {
    let mut statement =
        conn.prepare_cached(&format!("UPDATE {} SET code = ?2 WHERE id = ?1", table(entity))).told()?;
    for (id, code) in rows {
        statement.execute((id.0, &**code)).told()?;
    }
    Ok(())
}

fn mark(conn: &Connection, entity: &Entity, set: &MarkSet) -> Result<(), Error> {
    let sql = format!(
        "UPDATE {} SET revision = ?2, changed_at = ?3, export_mark = ifnull(?4, export_mark), state = ?5, \
         merged_into = ?6 WHERE id = ?1",
        table(entity)
    );
    let mut statement = conn.prepare_cached(&sql).told()?;
    for (id, revision, state) in &set.rows {
        let (state, merged_into) = state_columns(*state);
        statement
            .execute((id.0, *revision as i64, set.instant, set.export_mark, state, merged_into))
            .told()?;
    }
    Ok(())
}

fn remove(conn: &Connection, entity: &Entity, ids: &[InternalId]) -> Result<(), Error> {
    let mut statement = conn.prepare_cached(&format!("DELETE FROM {} WHERE id = ?", table(entity))).told()?;
    for id in ids {
        statement.execute([id.0]).told()?;
    }
    Ok(())
}

/// Columns that a set of fields fills: theirs, then those of their folded forms.
fn columns_of<'e>(entity: &'e Entity, fields: &'e [FieldIx]) -> impl Iterator<Item = String> + 'e {
    let folded = fields.iter().map(|ix| entity.field(*ix)).filter(|field| field.search).map(folded_column);
    fields.iter().map(|ix| column(entity.field(*ix))).chain(folded)
}

/// Binds values, then folded forms, from a parameter on.
fn bind_values(
    statement: &mut CachedStatement<'_>,
    first: usize,
    entity: &Entity,
    fields: &[FieldIx],
    values: &[Value],
) -> Result<(), Error> {
    for (n, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(first + n, Bound(value)).told()?;
    }
    let mut next = first + fields.len();
    for (field, value) in fields.iter().zip(values) {
        if entity.field(*field).search {
            statement.raw_bind_parameter(next, value.as_text().map(fold)).told()?;
            next += 1;
        }
    }
    Ok(())
}

/// Gives a violated key its own name, where SQLite only told the columns.
fn by_key_name(error: Error, catalogue: &Catalogue) -> Error {
    let Error::Constraint { name, source } = error else { return error };
    let key = catalogue.entities().find_map(|entity| {
        let columns = name.strip_prefix("u_")?.strip_prefix(&*entity.name)?.strip_prefix('_')?;
        entity.keys.iter().find_map(|key| {
            let fields: Vec<&str> = key.fields.iter().map(|(ix, _)| &*entity.field(*ix).name).collect();
            (fields.join("_") == columns).then(|| format!("u_{}_{}", entity.name, key.name))
        })
    });
    Error::Constraint { name: key.unwrap_or(name), source }
}
