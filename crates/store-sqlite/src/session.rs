//! One connection to one project, and what it knows: the catalogue, the head, the count of
//! statements. It is a [`Reader`] inside a reading transaction and a [`Writer`] inside a turn.

use std::sync::Arc;

use domain::catalogue::Catalogue;
use domain::catalogue::file::{Overlay, overlaid};
use domain::find::Record;
use domain::names::BatchId;
use domain::query::Select;
use domain::settle::{Head, Write};
use rusqlite::{Connection, OptionalExtension};
use store::{BatchEntry, Error, IdempotencyEntry, PageRow, Reader, RefusedRow, Writer};

use crate::error::Told;
use crate::{documents, dump, ledger, schema, select, write};

/// One connection to one project.
pub(crate) struct Session {
    pub(crate) conn: Connection,
    pub(crate) catalogue: Arc<Catalogue>,
    /// The head as last read or written; a writer keeps it from turn to turn.
    pub(crate) head: Option<Head>,
    /// True once a turn could not be undone: the connection is of no more use.
    pub(crate) broken: bool,
    /// Long values of the running turn, to be dated when it ends.
    pub(crate) blobs: Vec<[u8; 32]>,
    /// Instant of the latest page of the running turn.
    pub(crate) page_instant: i64,
    pub(crate) statements: u64,
}

impl Session {
    /// A session on a connection that was set up.
    pub(crate) fn new(conn: Connection, catalogue: Arc<Catalogue>) -> Self {
        Session {
            conn,
            catalogue,
            head: None,
            broken: false,
            blobs: Vec::new(),
            page_instant: 0,
            statements: 0,
        }
    }

    /// Begins a reading transaction. The moment is fixed here, together with the catalogue.
    ///
    /// `newest` is the catalogue that the project had last; at an older or newer moment the one of
    /// that moment is compiled.
    pub(crate) fn begin_read(&mut self, newest: &Arc<Catalogue>) -> Result<(), Error> {
        self.statements = 0;
        self.head = None;
        self.conn.prepare_cached("BEGIN DEFERRED").told()?.execute([]).told()?;
        let version: i64 = self
            .conn
            .prepare_cached("SELECT catalogue_version FROM head")
            .told()?
            .query_row([], |row| row.get(0))
            .told()?;
        if self.catalogue.version != version as u64 {
            self.catalogue = if newest.version == version as u64 {
                Arc::clone(newest)
            } else {
                Arc::new(compile(&read_overlay(&self.conn)?)?)
            };
        }
        Ok(())
    }

    /// Ends the transaction without keeping anything.
    pub(crate) fn roll_back(&mut self) -> Result<(), Error> {
        self.head = None;
        if self.conn.is_autocommit() {
            return Ok(());
        }
        self.conn.prepare_cached("ROLLBACK").told()?.execute([]).told()?;
        Ok(())
    }

    /// Forgets what a turn left in memory; called before each.
    pub(crate) fn begin_turn(&mut self) {
        self.statements = 0;
        self.blobs.clear();
        self.page_instant = 0;
    }

    /// Dates the long values of the turn by its latest page, with which they will be forgotten.
    pub(crate) fn end_turn(&mut self) -> Result<(), Error> {
        if self.blobs.is_empty() {
            return Ok(());
        }
        let instant = match self.page_instant {
            0 => self.head()?.instant,
            instant => instant,
        };
        let mut statement = self
            .conn
            .prepare_cached("UPDATE blob SET instant = ?2 WHERE hash = ?1 AND instant < ?2")
            .told()?;
        for hash in self.blobs.drain(..) {
            statement.execute((hash, instant)).told()?;
        }
        Ok(())
    }
}

/// The catalogue of an overlay.
pub(crate) fn compile(overlay: &Overlay) -> Result<Catalogue, Error> {
    overlaid(overlay).map_err(|fault| Error::Database(fault.into()))
}

/// What the project adds to the standard model.
pub(crate) fn read_overlay(conn: &Connection) -> Result<Overlay, Error> {
    let body: Option<String> = conn
        .prepare_cached("SELECT body FROM overlay")
        .told()?
        .query_row([], |row| row.get(0))
        .optional()
        .told()?;
    match body {
        Some(body) => serde_json::from_str(&body).map_err(|error| Error::Damaged(error.into())),
        None => Ok(Overlay::default()),
    }
}

fn read_head(conn: &Connection) -> Result<Head, Error> {
    let mut head = conn
        .prepare_cached("SELECT seq, instant, catalogue_version FROM head")
        .told()?
        .query_row([], |row| {
            Ok(Head {
                seq: row.get::<_, i64>(0)? as u64,
                instant: row.get(1)?,
                catalogue_version: row.get::<_, i64>(2)? as u64,
                ..Head::default()
            })
        })
        .told()?;
    let mut statement = conn.prepare_cached("SELECT name, value FROM counter").told()?;
    let mut rows = statement.query([]).told()?;
    while let Some(row) = rows.next().told()? {
        let name = row.get_ref(0).told()?.as_str().told()?.into();
        head.counters.insert(name, row.get(1).told()?);
    }
    Ok(head)
}

impl Reader for Session {
    fn head(&mut self) -> Result<Head, Error> {
        if let Some(head) = &self.head {
            return Ok(head.clone());
        }
        self.statements += 2;
        let head = read_head(&self.conn)?;
        self.head = Some(head.clone());
        Ok(head)
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue)
    }

    fn overlay(&mut self) -> Result<Overlay, Error> {
        self.statements += 1;
        read_overlay(&self.conn)
    }

    fn select(&mut self, wanted: &Select) -> Result<Vec<Record>, Error> {
        select::select(self, wanted)
    }

    fn count(&mut self, wanted: &Select) -> Result<u64, Error> {
        select::count(self, wanted)
    }

    fn pages_after(&mut self, seq: u64, limit: u32) -> Result<Vec<PageRow>, Error> {
        self.statements += 1;
        ledger::pages_after(&self.conn, seq, limit)
    }

    fn first_seq(&mut self) -> Result<Option<u64>, Error> {
        self.statements += 1;
        ledger::first_seq(&self.conn)
    }

    fn pages_of(&mut self, batch: &BatchId, from_chunk: u32, limit: u32) -> Result<Vec<PageRow>, Error> {
        self.statements += 1;
        ledger::pages_of(&self.conn, batch, from_chunk, limit)
    }

    fn pages_holding(&mut self, key: &str) -> Result<Vec<PageRow>, Error> {
        self.statements += 1;
        ledger::pages_holding(&self.conn, key)
    }

    fn blob(&mut self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, Error> {
        self.statements += 1;
        ledger::blob(&self.conn, hash)
    }

    fn batch(&mut self, id: &BatchId) -> Result<Option<BatchEntry>, Error> {
        self.statements += 1;
        ledger::batch(&self.conn, id)
    }

    fn batches(&mut self, before: Option<&BatchId>, limit: u32) -> Result<Vec<BatchEntry>, Error> {
        self.statements += 1;
        ledger::batches(&self.conn, before, limit)
    }

    fn running(&mut self) -> Result<Vec<BatchEntry>, Error> {
        self.statements += 1;
        ledger::running(&self.conn)
    }

    fn refused(&mut self, batch: &BatchId, after_row: u64, limit: u32) -> Result<Vec<RefusedRow>, Error> {
        self.statements += 1;
        ledger::refused(&self.conn, batch, after_row, limit)
    }

    fn refused_holding(&mut self, key: &str) -> Result<Vec<RefusedRow>, Error> {
        self.statements += 1;
        ledger::refused_holding(&self.conn, key)
    }

    fn idempotency(&mut self, login: &str, key: &str) -> Result<Option<IdempotencyEntry>, Error> {
        self.statements += 1;
        documents::idempotency(&self.conn, login, key)
    }

    fn document(&mut self, kind: &str, name: &str) -> Result<Option<String>, Error> {
        self.statements += 1;
        documents::document(&self.conn, kind, name)
    }

    fn documents(&mut self, kind: &str) -> Result<Vec<(String, String)>, Error> {
        self.statements += 1;
        documents::documents(&self.conn, kind)
    }

    fn dump(&mut self) -> Result<String, Error> {
        dump::dump(self)
    }

    fn statements(&self) -> u64 {
        self.statements
    }
}

impl Writer for Session {
    fn write(&mut self, writes: Vec<Write>) -> Result<(), Error> {
        writes.into_iter().try_for_each(|set| write::write(self, set))
    }

    fn put_head(&mut self, head: &Head) -> Result<(), Error> {
        let before = self.head()?;
        if (before.seq, before.instant) != (head.seq, head.instant) {
            self.statements += 1;
            self.conn
                .prepare_cached("UPDATE head SET seq = ?, instant = ?")
                .told()?
                .execute((head.seq as i64, head.instant))
                .told()?;
        }
        if before.counters != head.counters {
            self.statements += 1;
            let mut statement = self
                .conn
                .prepare_cached(
                    "INSERT INTO counter (name, value) VALUES (?, ?) \
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )
                .told()?;
            for (name, value) in &head.counters {
                if before.counters.get(name) != Some(value) {
                    statement.execute((&**name, value)).told()?;
                }
            }
        }
        // A counter is never taken away, and the version of the catalogue is the overlay's.
        let mut counters = before.counters;
        counters.extend(head.counters.iter().map(|(name, value)| (name.clone(), *value)));
        self.head = Some(Head { counters, catalogue_version: before.catalogue_version, ..head.clone() });
        Ok(())
    }

    fn put_page(&mut self, page: &PageRow) -> Result<(), Error> {
        self.statements += 1;
        self.page_instant = self.page_instant.max(page.instant);
        ledger::put_page(&self.conn, page)
    }

    fn put_batch(&mut self, entry: &BatchEntry) -> Result<(), Error> {
        self.statements += 1;
        ledger::put_batch(&self.conn, entry)
    }

    fn put_refused(&mut self, rows: &[RefusedRow]) -> Result<(), Error> {
        self.statements += 1;
        ledger::put_refused(&self.conn, rows)
    }

    fn put_idempotency(&mut self, entry: &IdempotencyEntry) -> Result<(), Error> {
        self.statements += 1;
        documents::put_idempotency(&self.conn, entry)
    }

    fn remove_idempotency(&mut self, login: &str, key: &str) -> Result<(), Error> {
        self.statements += 1;
        documents::remove_idempotency(&self.conn, login, key)
    }

    fn put_document(&mut self, kind: &str, name: &str, body: &str) -> Result<(), Error> {
        self.statements += 1;
        documents::put_document(&self.conn, kind, name, body)
    }

    fn remove_document(&mut self, kind: &str, name: &str) -> Result<bool, Error> {
        self.statements += 1;
        documents::remove_document(&self.conn, kind, name)
    }

    fn put_overlay(&mut self, overlay: &Overlay) -> Result<Arc<Catalogue>, Error> {
        let catalogue = Arc::new(compile(overlay)?);
        let mut head = self.head()?;
        self.statements += 2;
        schema::grow(&self.conn, &catalogue)?;
        let body = serde_json::to_string(overlay).map_err(|error| Error::Database(error.into()))?;
        self.conn
            .prepare_cached(
                "INSERT INTO overlay (one, body) VALUES (1, ?) \
                 ON CONFLICT (one) DO UPDATE SET body = excluded.body",
            )
            .told()?
            .execute([body])
            .told()?;
        self.conn
            .prepare_cached("UPDATE head SET catalogue_version = ?")
            .told()?
            .execute([overlay.version as i64])
            .told()?;
        head.catalogue_version = overlay.version;
        self.head = Some(head);
        self.catalogue = Arc::clone(&catalogue);
        Ok(catalogue)
    }

    fn forget(&mut self, pages_before: i64, refused_before: i64, keys_before: i64) -> Result<(), Error> {
        self.statements += 4;
        ledger::forget_pages(&self.conn, pages_before)?;
        ledger::forget_refused(&self.conn, refused_before)?;
        documents::forget_idempotency(&self.conn, keys_before)
    }
}
