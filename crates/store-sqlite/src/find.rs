//! Records by sets of keys: one prepared point select, stepped once a key.

use std::collections::HashMap;
use std::sync::Arc;

use domain::catalogue::{Entity, EntityIx, FieldIx};
use domain::field::FieldType;
use domain::find::{Find, Finder, Found, Record, Wanted};
use domain::names::{Company, InternalId};
use domain::row::By;
use domain::value::Value;
use rusqlite::{CachedStatement, Connection};
use store::Error;

use crate::error::Told;
use crate::schema::{SYSTEM_COLUMNS, SYSTEM_COUNT, column, key_part, leads_index, table};
use crate::session::Session;
use crate::values::{Bound, BoundPart, id_list, read_record, read_value};

/// More values than this of a field without index are looked for in one walk over the table.
const WALK: usize = 4;

impl Finder for Session {
    type Error = Error;

    fn find(&mut self, find: &Find) -> Result<Vec<Found>, Error> {
        if find.wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.statements += 1;
        let catalogue = Arc::clone(&self.catalogue);
        let entity = catalogue.entity(find.entity);
        match &find.wanted {
            Wanted::Ids(ids) => by_id(&self.conn, entity, find, ids),
            Wanted::Codes(codes) => by_code(&self.conn, entity, find, codes),
            Wanted::Keys(key, keys) => by_key(&self.conn, entity, find, &entity.key(*key).fields, keys),
            Wanted::Fields(field, values) if values.len() > WALK && !leads_index(entity, *field) => {
                by_walk(&self.conn, entity, find, *field, values)
            }
            Wanted::Fields(field, values) => by_field(&self.conn, entity, find, *field, values),
        }
    }

    fn referred(
        &mut self,
        entity: EntityIx,
        via: FieldIx,
        ids: &[InternalId],
        except: &[InternalId],
    ) -> Result<Vec<InternalId>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.statements += 1;
        let catalogue = Arc::clone(&self.catalogue);
        let entity = catalogue.entity(entity);
        let sql = referred_sql(entity, via);
        let mut statement = self.conn.prepare_cached(&sql).told()?;
        statement
            .query_map([id_list(ids), id_list(except)], |row| row.get(0).map(InternalId))
            .told()?
            .collect::<Result<_, _>>()
            .told()
    }

    fn children(
        &mut self,
        entity: EntityIx,
        via: FieldIx,
        parents: &[InternalId],
        fields: &[FieldIx],
    ) -> Result<Vec<Record>, Error> {
        if parents.is_empty() {
            return Ok(Vec::new());
        }
        self.statements += 1;
        let catalogue = Arc::clone(&self.catalogue);
        let entity = catalogue.entity(entity);
        let condition = match entity.field(via).kind {
            FieldType::References(_) => format!(
                "state = 0 AND EXISTS (SELECT 1 FROM json_each({}) AS named \
                 WHERE named.value IN (SELECT value FROM json_each(?)))",
                column(entity.field(via))
            ),
            _ => format!("{} IN (SELECT value FROM json_each(?)) AND state = 0", column(entity.field(via))),
        };
        let sql = format!("{} WHERE {condition} ORDER BY id", select_list(entity, fields));
        let mut statement = self.conn.prepare_cached(&sql).told()?;
        let kinds = kinds(entity, fields);
        let mut rows = statement.query([id_list(parents)]).told()?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().told()? {
            records.push(read_record(row, &kinds)?);
        }
        Ok(records)
    }

    fn neighbours(
        &mut self,
        entity: EntityIx,
        company: Company,
        by: By,
        text: &str,
    ) -> Result<Vec<Box<str>>, Error> {
        let catalogue = Arc::clone(&self.catalogue);
        let entity = catalogue.entity(entity);
        let searched = match by {
            By::Id => return Ok(Vec::new()),
            By::Code => Searched { column: "code".to_owned(), company: "company" },
            By::Key(key) => match entity.key(key).fields.as_slice() {
                [(field, false)] => Searched { column: column(entity.field(*field)), company: "company" },
                _ => return Ok(Vec::new()),
            },
            // Without an index the search would walk over the table.
            By::Field(field) if !leads_index(entity, field) => return Ok(Vec::new()),
            By::Field(field) => Searched { column: column(entity.field(field)), company: "+company" },
        };
        self.statements += 2;
        let mut near = Vec::with_capacity(2);
        for (comparison, direction) in [("<=", "DESC"), (">=", "ASC")] {
            near.extend(neighbour(&self.conn, entity, &searched, company, text, comparison, direction)?);
        }
        near.dedup();
        Ok(near)
    }
}

struct Searched {
    column: String,
    company: &'static str,
}

fn neighbour(
    conn: &Connection,
    entity: &Entity,
    searched: &Searched,
    company: Company,
    text: &str,
    comparison: &str,
    direction: &str,
) -> Result<Option<Box<str>>, Error> {
    let Searched { column, company: company_column } = searched;
    let sql = format!(
        "SELECT {column} FROM {} WHERE {company_column} = ? AND {column} {comparison} ? AND state = 0 \
         ORDER BY {column} {direction} LIMIT 1",
        table(entity)
    );
    let mut statement = conn.prepare_cached(&sql).told()?;
    let mut rows = statement.query((company.0, text)).told()?;
    match rows.next().told()? {
        Some(row) => match row.get_ref(0).told()?.as_str() {
            Ok(text) => Ok(Some(text.into())),
            // Only texts are near to a text.
            Err(_) => Ok(None),
        },
        None => Ok(None),
    }
}

/// `SELECT` of the system columns and fields of an entity, up to `FROM`.
pub(crate) fn select_list(entity: &Entity, fields: &[FieldIx]) -> String {
    let mut sql = String::with_capacity(120 + fields.len() * 24);
    sql.push_str("SELECT ");
    sql.push_str(SYSTEM_COLUMNS);
    for field in fields {
        sql.push_str(", ");
        sql.push_str(&column(entity.field(*field)));
    }
    sql.push_str(" FROM ");
    sql.push_str(&table(entity));
    sql
}

/// Types of fields, in order.
pub(crate) fn kinds(entity: &Entity, fields: &[FieldIx]) -> Vec<FieldType> {
    fields.iter().map(|field| entity.field(*field).kind).collect()
}

fn by_id(conn: &Connection, entity: &Entity, find: &Find, ids: &[InternalId]) -> Result<Vec<Found>, Error> {
    let sql = format!("{} WHERE id = ?", select_list(entity, &find.fields));
    let mut points = Points::new(conn, &sql, entity, find)?;
    for (at, id) in ids.iter().enumerate() {
        points.statement.raw_bind_parameter(1, id.0).told()?;
        points.step(at)?;
    }
    Ok(points.found)
}

fn by_code(conn: &Connection, entity: &Entity, find: &Find, codes: &[Box<str>]) -> Result<Vec<Found>, Error> {
    let sql = format!("{} WHERE company = ? AND code = ?", select_list(entity, &find.fields));
    let mut points = Points::new(conn, &sql, entity, find)?;
    points.statement.raw_bind_parameter(1, find.company.0).told()?;
    for (at, code) in codes.iter().enumerate() {
        points.statement.raw_bind_parameter(2, &**code).told()?;
        points.step(at)?;
    }
    Ok(points.found)
}

fn by_key(
    conn: &Connection,
    entity: &Entity,
    find: &Find,
    parts: &[(FieldIx, bool)],
    keys: &[Vec<Value>],
) -> Result<Vec<Found>, Error> {
    let mut sql = format!("{} WHERE company = ?", select_list(entity, &find.fields));
    for (field, null_is_value) in parts {
        sql.push_str(&format!(" AND {} = ?", key_part(entity.field(*field), *null_is_value)));
    }
    let mut points = Points::new(conn, &sql, entity, find)?;
    points.statement.raw_bind_parameter(1, find.company.0).told()?;
    for (at, key) in keys.iter().enumerate() {
        let complete =
            key.len() == parts.len() && key.iter().zip(parts).all(|(value, part)| part.1 || !value.is_null());
        if !complete {
            continue;
        }
        for (n, (value, part)) in key.iter().zip(parts).enumerate() {
            match part.1 {
                true => points.statement.raw_bind_parameter(n + 2, BoundPart(value)).told()?,
                false => points.statement.raw_bind_parameter(n + 2, Bound(value)).told()?,
            }
        }
        points.step(at)?;
    }
    Ok(points.found)
}

fn by_field(
    conn: &Connection,
    entity: &Entity,
    find: &Find,
    field: FieldIx,
    values: &[Value],
) -> Result<Vec<Found>, Error> {
    let sql = format!(
        "{} WHERE {} = ? AND +company = ? AND state = 0 ORDER BY id",
        select_list(entity, &find.fields),
        column(entity.field(field))
    );
    let mut points = Points::new(conn, &sql, entity, find)?;
    points.statement.raw_bind_parameter(2, find.company.0).told()?;
    for (at, value) in values.iter().enumerate() {
        points.statement.raw_bind_parameter(1, Bound(value)).told()?;
        points.step(at)?;
    }
    Ok(points.found)
}

/// Finds the values of a field without index in one walk over the table.
fn by_walk(
    conn: &Connection,
    entity: &Entity,
    find: &Find,
    field: FieldIx,
    values: &[Value],
) -> Result<Vec<Found>, Error> {
    let mut places: HashMap<&Value, Vec<u32>> = HashMap::with_capacity(values.len());
    for (at, value) in values.iter().enumerate().filter(|(_, value)| !value.is_null()) {
        places.entry(value).or_default().push(at as u32);
    }
    let mut fields = find.fields.clone();
    fields.push(field);
    let kind = entity.field(field).kind;
    let sql = format!(
        "{} WHERE {} IS NOT NULL AND +company = ? AND state = 0 ORDER BY id",
        select_list(entity, &fields),
        column(entity.field(field))
    );
    let kinds = kinds(entity, &find.fields);
    let mut statement = conn.prepare_cached(&sql).told()?;
    let mut rows = statement.query([find.company.0]).told()?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().told()? {
        let value = read_value(row.get_ref(SYSTEM_COUNT + kinds.len()).told()?, kind)?;
        for at in places.get(&value).into_iter().flatten() {
            found.push(Found { at: *at, record: read_record(row, &kinds)? });
        }
    }
    found.sort_by_key(|found| found.at);
    Ok(found)
}

/// A point select with what it found so far.
struct Points<'c> {
    statement: CachedStatement<'c>,
    kinds: Vec<FieldType>,
    found: Vec<Found>,
}

impl<'c> Points<'c> {
    fn new(conn: &'c Connection, sql: &str, entity: &Entity, find: &Find) -> Result<Self, Error> {
        Ok(Points {
            statement: conn.prepare_cached(sql).told()?,
            kinds: kinds(entity, &find.fields),
            found: Vec::with_capacity(find.wanted.len()),
        })
    }

    fn step(&mut self, at: usize) -> Result<(), Error> {
        let mut rows = self.statement.raw_query();
        while let Some(row) = rows.next().told()? {
            self.found.push(Found { at: at as u32, record: read_record(row, &self.kinds)? });
        }
        Ok(())
    }
}

/// With an index a look at each id, else one walk over all references.
fn referred_sql(entity: &Entity, via: FieldIx) -> String {
    let (table, column) = (table(entity), column(entity.field(via)));
    let except = "id NOT IN (SELECT value FROM json_each(?2))";
    if let FieldType::References(_) = entity.field(via).kind {
        return format!(
            "SELECT DISTINCT named.value FROM {table} AS e, json_each(e.{column}) AS named \
             WHERE named.value IN (SELECT value FROM json_each(?1)) AND e.{except} ORDER BY 1"
        );
    }
    if leads_index(entity, via) {
        format!(
            "SELECT wanted.value FROM json_each(?1) AS wanted WHERE EXISTS \
             (SELECT 1 FROM {table} WHERE {column} = wanted.value AND {except}) ORDER BY 1"
        )
    } else {
        format!(
            "SELECT DISTINCT {column} FROM {table} \
             WHERE {column} IN (SELECT value FROM json_each(?1)) AND {except} ORDER BY 1"
        )
    }
}
