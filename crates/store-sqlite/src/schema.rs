//! Entity tables, derived from the catalogue.
//!
//! Tables only grow: what is there is never dropped, and what is missing is added in one
//! transaction with whatever made it necessary.

use std::collections::{HashMap, HashSet};

use domain::catalogue::{Catalogue, Entity, Field, FieldIx, Key};
use domain::field::FieldType;
use domain::fold::fold;
use rusqlite::Connection;
use store::Error;

use crate::error::Told;

/// Columns before those of the fields, in the order in which records are read.
pub(crate) const SYSTEM_COLUMNS: &str =
    "id, company, code, revision, created_at, changed_at, export_mark, state, merged_into";

/// How many columns [`SYSTEM_COLUMNS`] are.
pub(crate) const SYSTEM_COUNT: usize = 9;

/// Name of an entity's table, quoted.
pub(crate) fn table(entity: &Entity) -> String {
    format!("\"e_{}\"", entity.name)
}

/// Name of a field's column, quoted, so that no word of SQL collides.
pub(crate) fn column(field: &Field) -> String {
    format!("\"f_{}\"", field.name)
}

/// Name of the column with the folded form of a field, quoted.
pub(crate) fn folded_column(field: &Field) -> String {
    format!("\"s_{}\"", field.name)
}

/// A part of a key as its index holds it. Null, where it is a value, is a blob that no text, number
/// or reference equals.
pub(crate) fn key_part(field: &Field, null_is_value: bool) -> String {
    let column = column(field);
    if null_is_value { format!("ifnull({column}, x'00')") } else { column }
}

/// True when an index begins with the field: one record's worth of work finds its value.
pub(crate) fn leads_index(entity: &Entity, field: FieldIx) -> bool {
    let described = entity.field(field);
    (described.index && matches!(described.kind, FieldType::Reference(_)))
        || entity.indexes.iter().any(|fields| fields.first() == Some(&field))
}

/// Adds the tables, columns and indexes that the catalogue has and the database has not.
pub(crate) fn grow(conn: &Connection, catalogue: &Catalogue) -> Result<(), Error> {
    let there = There::read(conn)?;
    let mut names = there.indexes.clone();
    let mut steps = String::new();
    let mut unfolded: Vec<(&Entity, FieldIx)> = Vec::new();
    for entity in catalogue.entities() {
        match there.columns.get(&format!("e_{}", entity.name)) {
            None => create_table(&mut steps, catalogue, entity),
            Some(columns) => {
                for (ix, field) in entity.fields() {
                    if !columns.contains(&format!("f_{}", field.name)) {
                        add_column(&mut steps, entity, &column_definition(catalogue, field));
                    }
                    if field.search && !columns.contains(&format!("s_{}", field.name)) {
                        add_column(&mut steps, entity, &format!("{} TEXT", folded_column(field)));
                        unfolded.push((entity, ix));
                    }
                }
            }
        }
        for (name, definition) in indexes(entity) {
            add_index(&mut steps, &mut names, entity, name, &definition);
        }
    }
    if !steps.is_empty() {
        conn.execute_batch(&steps).told()?;
    }
    unfolded.into_iter().try_for_each(|(entity, field)| fold_stored(conn, entity, entity.field(field)))
}

/// What a database has already.
struct There {
    columns: HashMap<String, HashSet<String>>,
    /// Indexes with their tables.
    indexes: HashMap<String, String>,
}

impl There {
    fn read(conn: &Connection) -> Result<Self, Error> {
        let mut there = There { columns: HashMap::new(), indexes: HashMap::new() };
        let mut statement = conn
            .prepare(
                "SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c \
                 WHERE m.type = 'table' AND substr(m.name, 1, 2) = 'e_'",
            )
            .told()?;
        let mut rows = statement.query([]).told()?;
        while let Some(row) = rows.next().told()? {
            let (table, column): (String, String) = (row.get(0).told()?, row.get(1).told()?);
            there.columns.entry(table).or_default().insert(column);
        }
        let mut statement =
            conn.prepare("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index'").told()?;
        let mut rows = statement.query([]).told()?;
        while let Some(row) = rows.next().told()? {
            there.indexes.insert(row.get(0).told()?, row.get(1).told()?);
        }
        Ok(there)
    }
}

fn create_table(steps: &mut String, catalogue: &Catalogue, entity: &Entity) {
    let mut parts = vec![
        "id INTEGER PRIMARY KEY".to_owned(),
        "company INTEGER NOT NULL".to_owned(),
        "code TEXT NOT NULL".to_owned(),
        "revision INTEGER NOT NULL".to_owned(),
        "created_at INTEGER NOT NULL".to_owned(),
        "changed_at INTEGER NOT NULL".to_owned(),
        "export_mark INTEGER NOT NULL".to_owned(),
        "state INTEGER NOT NULL".to_owned(),
        "merged_into INTEGER".to_owned(),
    ];
    for (_, field) in entity.fields() {
        parts.push(column_definition(catalogue, field));
        if field.search {
            parts.push(format!("{} TEXT", folded_column(field)));
        }
    }
    steps.push_str(&format!("CREATE TABLE {} ({}) STRICT;\n", table(entity), parts.join(", ")));
}

fn column_definition(catalogue: &Catalogue, field: &Field) -> String {
    let name = column(field);
    match field.kind {
        FieldType::Text(_) | FieldType::LongText | FieldType::Json | FieldType::References(_) => {
            format!("{name} TEXT")
        }
        FieldType::Float => format!("{name} REAL"),
        FieldType::Binary => format!("{name} BLOB"),
        FieldType::Reference(target) => {
            format!("{name} INTEGER REFERENCES {} (id)", table(catalogue.entity(target)))
        }
        FieldType::Integer
        | FieldType::Decimal { .. }
        | FieldType::Boolean
        | FieldType::Datetime
        | FieldType::Date => format!("{name} INTEGER"),
    }
}

fn add_column(steps: &mut String, entity: &Entity, definition: &str) {
    steps.push_str(&format!("ALTER TABLE {} ADD COLUMN {definition};\n", table(entity)));
}

/// Names and definitions of an entity's indexes; the definition stands behind the table's name.
fn indexes(entity: &Entity) -> Vec<(String, String)> {
    let name = &entity.name;
    let mut indexes = vec![(format!("u_{name}_code"), "(company, code)".to_owned())];
    for key in &entity.keys {
        indexes.push((format!("u_{name}_{}", key.name), key_definition(entity, key)));
    }
    for (_, field) in entity.fields() {
        if field.index && matches!(field.kind, FieldType::Reference(_)) {
            let column = column(field);
            indexes
                .push((format!("i_{name}_{}", field.name), format!("({column}) WHERE {column} IS NOT NULL")));
        }
    }
    for fields in &entity.indexes {
        let names: Vec<&str> = fields.iter().map(|ix| &*entity.field(*ix).name).collect();
        let columns: Vec<String> = fields.iter().map(|ix| column(entity.field(*ix))).collect();
        let mut definition = format!("({})", columns.join(", "));
        if fields.first().is_some_and(|ix| entity.field(*ix).kind.target().is_some()) {
            definition.push_str(&format!(" WHERE {} IS NOT NULL", columns[0]));
        }
        indexes.push((format!("i_{name}_{}", names.join("_")), definition));
    }
    indexes
}

fn key_definition(entity: &Entity, key: &Key) -> String {
    let parts: Vec<String> =
        key.fields.iter().map(|(ix, null_is_value)| key_part(entity.field(*ix), *null_is_value)).collect();
    let present: Vec<String> = key
        .fields
        .iter()
        .filter(|(_, null_is_value)| !null_is_value)
        .map(|(ix, _)| format!("{} IS NOT NULL", column(entity.field(*ix))))
        .collect();
    let condition =
        if present.is_empty() { String::new() } else { format!(" WHERE {}", present.join(" AND ")) };
    format!("(company, {}){condition}", parts.join(", "))
}

/// Adds an index unless it is there. `task` + `type_x` and `task_type` + `x` would share a name:
/// the later one gets a longer one.
fn add_index(
    steps: &mut String,
    names: &mut HashMap<String, String>,
    entity: &Entity,
    mut name: String,
    definition: &str,
) {
    let owner = format!("e_{}", entity.name);
    loop {
        match names.get(&name) {
            Some(table) if *table == owner => return,
            Some(_) => name.push('_'),
            None => break,
        }
    }
    let kind = if name.starts_with("u_") { "UNIQUE INDEX" } else { "INDEX" };
    steps.push_str(&format!("CREATE {kind} \"{name}\" ON \"{owner}\" {definition};\n"));
    names.insert(name, owner);
}

/// Fills the folded form of a field that became searchable while records were stored.
fn fold_stored(conn: &Connection, entity: &Entity, field: &Field) -> Result<(), Error> {
    let (table, plain, folded) = (table(entity), column(field), folded_column(field));
    let mut page = conn
        .prepare(&format!(
            "SELECT id, {plain} FROM {table} WHERE id > ? AND {plain} IS NOT NULL ORDER BY id LIMIT 1000"
        ))
        .told()?;
    let mut update = conn.prepare(&format!("UPDATE {table} SET {folded} = ? WHERE id = ?")).told()?;
    let mut last = 0_i64;
    loop {
        let rows: Vec<(i64, String)> = page
            .query_map([last], |row| Ok((row.get(0)?, row.get(1)?)))
            .told()?
            .collect::<Result<_, _>>()
            .told()?;
        let Some((id, _)) = rows.last() else { return Ok(()) };
        last = *id;
        for (id, text) in rows {
            update.execute((fold(&text), id)).told()?;
        }
    }
}
