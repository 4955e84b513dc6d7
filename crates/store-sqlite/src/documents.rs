//! Statements on documents and idempotency keys.

use domain::names::BatchId;
use rusqlite::{Connection, OptionalExtension, Row};
use store::{Error, IdempotencyEntry};

use crate::error::Told;

pub(crate) fn document(conn: &Connection, kind: &str, name: &str) -> Result<Option<String>, Error> {
    conn.prepare_cached("SELECT body FROM document WHERE kind = ? AND name = ?")
        .told()?
        .query_row([kind, name], |row| row.get(0))
        .optional()
        .told()
}

pub(crate) fn documents(conn: &Connection, kind: &str) -> Result<Vec<(String, String)>, Error> {
    conn.prepare_cached("SELECT name, body FROM document WHERE kind = ? ORDER BY name")
        .told()?
        .query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))
        .told()?
        .collect::<Result<_, _>>()
        .told()
}

/// All documents: kind, name, body.
pub(crate) fn all_documents(conn: &Connection) -> Result<Vec<(String, String, String)>, Error> {
    conn.prepare_cached("SELECT kind, name, body FROM document ORDER BY kind, name")
        .told()?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .told()?
        .collect::<Result<_, _>>()
        .told()
}

pub(crate) fn put_document(conn: &Connection, kind: &str, name: &str, body: &str) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT INTO document (kind, name, body) VALUES (?, ?, ?) \
         ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
    )
    .told()?
    .execute([kind, name, body])
    .told()?;
    Ok(())
}

pub(crate) fn remove_document(conn: &Connection, kind: &str, name: &str) -> Result<bool, Error> {
    let removed = conn
        .prepare_cached("DELETE FROM document WHERE kind = ? AND name = ?")
        .told()?
        .execute([kind, name])
        .told()?;
    Ok(removed > 0)
}

pub(crate) fn idempotency(
    conn: &Connection,
    login: &str,
    key: &str,
) -> Result<Option<IdempotencyEntry>, Error> {
    conn.prepare_cached(
        "SELECT login, key, hash, batch, instant FROM idempotency WHERE login = ? AND key = ?",
    )
    .told()?
    .query_row([login, key], read_idempotency)
    .optional()
    .told()
}

pub(crate) fn all_idempotency(conn: &Connection) -> Result<Vec<IdempotencyEntry>, Error> {
    conn.prepare_cached("SELECT login, key, hash, batch, instant FROM idempotency ORDER BY login, key")
        .told()?
        .query_map([], read_idempotency)
        .told()?
        .collect::<Result<_, _>>()
        .told()
}

pub(crate) fn put_idempotency(conn: &Connection, entry: &IdempotencyEntry) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT INTO idempotency (login, key, hash, batch, instant) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (login, key) DO UPDATE \
         SET hash = excluded.hash, batch = excluded.batch, instant = excluded.instant",
    )
    .told()?
    .execute((&entry.login, &entry.key, &entry.hash, &*entry.batch.0, entry.instant))
    .told()?;
    Ok(())
}

pub(crate) fn remove_idempotency(conn: &Connection, login: &str, key: &str) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM idempotency WHERE login = ? AND key = ?")
        .told()?
        .execute([login, key])
        .told()?;
    Ok(())
}

pub(crate) fn forget_idempotency(conn: &Connection, before: i64) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM idempotency WHERE instant < ?").told()?.execute([before]).told()?;
    Ok(())
}

fn read_idempotency(row: &Row<'_>) -> rusqlite::Result<IdempotencyEntry> {
    Ok(IdempotencyEntry {
        login: row.get(0)?,
        key: row.get(1)?,
        hash: row.get(2)?,
        batch: BatchId(row.get::<_, String>(3)?.into()),
        instant: row.get(4)?,
    })
}
