//! Statements on journal and ledger: batches, pages, refused rows, long values.

use domain::batch::{Commit, Counts, Effects};
use domain::names::BatchId;
use domain::page::may_hold;
use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, params};
use store::{BatchEntry, BatchState, Error, PageRow, RefusedRow};

use crate::error::Told;

pub(crate) fn pages_after(conn: &Connection, seq: u64, limit: u32) -> Result<Vec<PageRow>, Error> {
    let statement = conn
        .prepare_cached(
            "SELECT batch, chunk, source, first_seq, entries, fates, instant, body FROM page \
             WHERE entries > 0 AND last_seq > ? ORDER BY last_seq LIMIT ?",
        )
        .told()?;
    pages(statement, (seq as i64, limit))
}

pub(crate) fn first_seq(conn: &Connection) -> Result<Option<u64>, Error> {
    let seq: Option<i64> = conn
        .prepare_cached("SELECT first_seq FROM page WHERE entries > 0 ORDER BY last_seq LIMIT 1")
        .told()?
        .query_row([], |row| row.get(0))
        .optional()
        .told()?;
    Ok(seq.map(|seq| seq as u64))
}

pub(crate) fn pages_of(
    conn: &Connection,
    batch: &BatchId,
    from_chunk: u32,
    limit: u32,
) -> Result<Vec<PageRow>, Error> {
    let statement = conn
        .prepare_cached(
            "SELECT batch, chunk, source, first_seq, entries, fates, instant, body FROM page \
             WHERE batch = ? AND chunk >= ? ORDER BY chunk LIMIT ?",
        )
        .told()?;
    pages(statement, (&*batch.0, from_chunk, limit))
}

/// Looks at the hashes of every page, and reads the body of those that may hold the key.
pub(crate) fn pages_holding(conn: &Connection, key: &str) -> Result<Vec<PageRow>, Error> {
    let mut statement = conn
        .prepare_cached(
            "SELECT batch, chunk, source, first_seq, entries, fates, instant, body, hashes FROM page",
        )
        .told()?;
    let mut rows = statement.query([]).told()?;
    let mut held = Vec::new();
    while let Some(row) = rows.next().told()? {
        if may_hold(row.get_ref(8).told()?.as_blob().told()?, key) {
            held.push(read_page(row).told()?);
        }
    }
    held.sort_by(|a, b| (a.instant, &a.batch, a.chunk).cmp(&(b.instant, &b.batch, b.chunk)));
    Ok(held)
}

pub(crate) fn put_page(conn: &Connection, page: &PageRow) -> Result<(), Error> {
    let last_seq = (page.first_seq + u64::from(page.entries)).saturating_sub(1);
    conn.prepare_cached(
        "INSERT INTO page (batch, chunk, source, first_seq, last_seq, entries, fates, instant, hashes, body) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .told()?
    .execute(params![
        &*page.batch.0,
        page.chunk,
        page.source,
        page.first_seq as i64,
        last_seq as i64,
        page.entries,
        page.fates,
        page.instant,
        page.hashes,
        page.body,
    ])
    .told()?;
    Ok(())
}

/// Deletes old pages, and the long values that no younger page names.
pub(crate) fn forget_pages(conn: &Connection, before: i64) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM page WHERE instant < ?").told()?.execute([before]).told()?;
    conn.prepare_cached("DELETE FROM blob WHERE instant < ?").told()?.execute([before]).told()?;
    Ok(())
}

pub(crate) fn blob(conn: &Connection, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, Error> {
    conn.prepare_cached("SELECT body FROM blob WHERE hash = ?")
        .told()?
        .query_row([hash], |row| row.get(0))
        .optional()
        .told()
}

pub(crate) fn put_blobs(conn: &Connection, blobs: &[([u8; 32], Vec<u8>)]) -> Result<(), Error> {
    let mut statement =
        conn.prepare_cached("INSERT OR IGNORE INTO blob (hash, instant, body) VALUES (?, 0, ?)").told()?;
    for (hash, body) in blobs {
        statement.execute((hash, body)).told()?;
    }
    Ok(())
}

const BATCH: &str = "id, login, door, operation, commits, state, refused_whole, started_at, finished_at, \
     chunks, first_seq, last_seq, columns, memo, statements, store_ms, total_ms, received, added, updated, \
     unchanged, deleted, parked, refused, skipped, effects_added, effects_updated, effects_deleted";

pub(crate) fn batch(conn: &Connection, id: &BatchId) -> Result<Option<BatchEntry>, Error> {
    conn.prepare_cached(&format!("SELECT {BATCH} FROM batch WHERE id = ?"))
        .told()?
        .query_row([&*id.0], read_batch)
        .optional()
        .told()
}

pub(crate) fn batches(
    conn: &Connection,
    before: Option<&BatchId>,
    limit: u32,
) -> Result<Vec<BatchEntry>, Error> {
    match before {
        Some(before) => {
            let sql = format!("SELECT {BATCH} FROM batch WHERE id < ? ORDER BY id DESC LIMIT ?");
            entries(conn, &sql, (&*before.0, limit))
        }
        None => entries(conn, &format!("SELECT {BATCH} FROM batch ORDER BY id DESC LIMIT ?"), (limit,)),
    }
}

pub(crate) fn running(conn: &Connection) -> Result<Vec<BatchEntry>, Error> {
    entries(conn, &format!("SELECT {BATCH} FROM batch WHERE state = 'running' ORDER BY id"), ())
}

pub(crate) fn put_batch(conn: &Connection, entry: &BatchEntry) -> Result<(), Error> {
    let columns = serde_json::to_string(&entry.columns).map_err(|error| Error::Database(error.into()))?;
    let (counts, effects) = (&entry.counts, &entry.effects);
    conn.prepare_cached(&format!(
        "INSERT OR REPLACE INTO batch ({BATCH}) VALUES \
         (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))
    .told()?
    .execute(params![
        &*entry.id.0,
        entry.login,
        entry.door,
        entry.operation,
        commit_name(entry.commit),
        state_name(entry.state),
        entry.refused_whole,
        entry.started_at,
        entry.finished_at,
        entry.chunks,
        entry.seqs.map(|(first, _)| first as i64),
        entry.seqs.map(|(_, last)| last as i64),
        columns,
        entry.memo,
        entry.statements as i64,
        entry.store_ms,
        entry.total_ms,
        counts.received as i64,
        counts.added as i64,
        counts.updated as i64,
        counts.unchanged as i64,
        counts.deleted as i64,
        counts.parked as i64,
        counts.refused as i64,
        counts.skipped as i64,
        effects.added as i64,
        effects.updated as i64,
        effects.deleted as i64,
    ])
    .told()?;
    Ok(())
}

const REFUSED: &str = "batch, row, line, entity, id, instant, received, problems";

pub(crate) fn refused(
    conn: &Connection,
    batch: &BatchId,
    after_row: u64,
    limit: u32,
) -> Result<Vec<RefusedRow>, Error> {
    conn.prepare_cached(&format!(
        "SELECT {REFUSED} FROM refused WHERE batch = ? AND row > ? ORDER BY row LIMIT ?"
    ))
    .told()?
    .query_map((&*batch.0, after_row as i64, limit), read_refused)
    .told()?
    .collect::<Result<_, _>>()
    .told()
}

pub(crate) fn refused_holding(conn: &Connection, key: &str) -> Result<Vec<RefusedRow>, Error> {
    let mut statement = conn.prepare_cached(&format!("SELECT {REFUSED}, hashes FROM refused")).told()?;
    let mut rows = statement.query([]).told()?;
    let mut held = Vec::new();
    while let Some(row) = rows.next().told()? {
        if may_hold(row.get_ref(8).told()?.as_blob().told()?, key) {
            held.push(read_refused(row).told()?);
        }
    }
    held.sort_by(|a, b| (a.instant, &a.batch, a.row).cmp(&(b.instant, &b.batch, b.row)));
    Ok(held)
}

pub(crate) fn all_refused(conn: &Connection) -> Result<Vec<RefusedRow>, Error> {
    conn.prepare_cached(&format!("SELECT {REFUSED} FROM refused ORDER BY batch, row"))
        .told()?
        .query_map([], read_refused)
        .told()?
        .collect::<Result<_, _>>()
        .told()
}

pub(crate) fn put_refused(conn: &Connection, rows: &[RefusedRow]) -> Result<(), Error> {
    let mut statement = conn
        .prepare_cached(
            "INSERT INTO refused (batch, row, line, entity, id, instant, hashes, received, problems) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .told()?;
    for row in rows {
        statement
            .execute(params![
                &*row.batch.0,
                row.row as i64,
                row.line.map(|line| line as i64),
                row.entity,
                row.id,
                row.instant,
                row.hashes,
                row.received,
                row.problems,
            ])
            .told()?;
    }
    Ok(())
}

pub(crate) fn forget_refused(conn: &Connection, before: i64) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM refused WHERE instant < ?").told()?.execute([before]).told()?;
    Ok(())
}

/// All pages in the order of batches and chunks.
pub(crate) fn all_pages(conn: &Connection) -> Result<Vec<PageRow>, Error> {
    let statement = conn
        .prepare_cached(
            "SELECT batch, chunk, source, first_seq, entries, fates, instant, body FROM page \
             ORDER BY batch, chunk",
        )
        .told()?;
    pages(statement, ())
}

fn pages(mut statement: CachedStatement<'_>, params: impl Params) -> Result<Vec<PageRow>, Error> {
    statement.query_map(params, read_page).told()?.collect::<Result<_, _>>().told()
}

fn entries(conn: &Connection, sql: &str, params: impl Params) -> Result<Vec<BatchEntry>, Error> {
    conn.prepare_cached(sql).told()?.query_map(params, read_batch).told()?.collect::<Result<_, _>>().told()
}

fn read_page(row: &Row<'_>) -> rusqlite::Result<PageRow> {
    Ok(PageRow {
        batch: BatchId(row.get::<_, String>(0)?.into()),
        chunk: row.get(1)?,
        source: row.get(2)?,
        first_seq: count(row, 3)?,
        entries: row.get(4)?,
        fates: row.get(5)?,
        instant: row.get(6)?,
        hashes: Vec::new(),
        body: row.get(7)?,
    })
}

fn read_refused(row: &Row<'_>) -> rusqlite::Result<RefusedRow> {
    Ok(RefusedRow {
        batch: BatchId(row.get::<_, String>(0)?.into()),
        row: count(row, 1)?,
        line: row.get::<_, Option<i64>>(2)?.map(|line| line as u64),
        entity: row.get(3)?,
        id: row.get(4)?,
        instant: row.get(5)?,
        hashes: Vec::new(),
        received: row.get(6)?,
        problems: row.get(7)?,
    })
}

fn read_batch(row: &Row<'_>) -> rusqlite::Result<BatchEntry> {
    let seqs = match (row.get::<_, Option<i64>>(10)?, row.get::<_, Option<i64>>(11)?) {
        (Some(first), Some(last)) => Some((first as u64, last as u64)),
        _ => None,
    };
    Ok(BatchEntry {
        id: BatchId(row.get::<_, String>(0)?.into()),
        login: row.get(1)?,
        door: row.get(2)?,
        operation: row.get(3)?,
        commit: named(row, 4, &[Commit::Together, Commit::Alone], commit_name)?,
        state: named(row, 5, &[BatchState::Running, BatchState::Done, BatchState::Interrupted], state_name)?,
        refused_whole: row.get(6)?,
        counts: Counts {
            received: count(row, 17)?,
            added: count(row, 18)?,
            updated: count(row, 19)?,
            unchanged: count(row, 20)?,
            deleted: count(row, 21)?,
            parked: count(row, 22)?,
            refused: count(row, 23)?,
            skipped: count(row, 24)?,
        },
        effects: Effects { added: count(row, 25)?, updated: count(row, 26)?, deleted: count(row, 27)? },
        started_at: row.get(7)?,
        finished_at: row.get(8)?,
        chunks: row.get(9)?,
        seqs,
        columns: serde_json::from_str(row.get_ref(12)?.as_str()?)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(12, Type::Text, error.into()))?,
        memo: row.get(13)?,
        statements: count(row, 14)?,
        store_ms: row.get(15)?,
        total_ms: row.get(16)?,
    })
}

fn count(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(|n| n as u64)
}

/// Reads one of a few names.
fn named<T: Copy>(row: &Row<'_>, at: usize, all: &[T], name: fn(T) -> &'static str) -> rusqlite::Result<T> {
    let stored: String = row.get(at)?;
    match all.iter().find(|one| name(**one) == stored) {
        Some(one) => Ok(*one),
        None => Err(rusqlite::Error::FromSqlConversionFailure(at, Type::Text, stored.into())),
    }
}

fn commit_name(commit: Commit) -> &'static str {
    match commit {
        Commit::Together => "together",
        Commit::Alone => "alone",
    }
}

fn state_name(state: BatchState) -> &'static str {
    match state {
        BatchState::Running => "running",
        BatchState::Done => "done",
        BatchState::Interrupted => "interrupted",
    }
}
