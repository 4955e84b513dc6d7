//! Everything of a project as text, in the form that all stores share.

use std::sync::Arc;

use domain::page::Page;
use store::dump::Dump;
use store::{Error, Reader};

use crate::error::Told;
use crate::find::{kinds, select_list};
use crate::session::Session;
use crate::values::read_record;
use crate::{documents, ledger};

/// Prints the project.
pub(crate) fn dump(session: &mut Session) -> Result<String, Error> {
    let mut dump = Dump::default();
    records(session, &mut dump)?;
    let conn = &session.conn;
    for entry in ledger::batches(conn, None, u32::MAX)?.iter().rev() {
        dump.batch(entry);
    }
    for row in ledger::all_refused(conn)? {
        dump.refused(&row);
    }
    for entry in documents::all_idempotency(conn)? {
        dump.idempotency(&entry);
    }
    for (kind, name, body) in documents::all_documents(conn)? {
        dump.document(&kind, &name, &body);
    }
    for row in ledger::all_pages(conn)? {
        let page = Page::unpack(&row.body, &mut |hash| ledger::blob(conn, hash).ok().flatten());
        dump.page(&row, &page.map_err(|fault| Error::Damaged(fault.into()))?);
    }
    dump.head(&session.head()?);
    Ok(dump.text())
}

fn records(session: &mut Session, dump: &mut Dump) -> Result<(), Error> {
    let catalogue = Arc::clone(&session.catalogue);
    let mut entities: Vec<_> = catalogue.entities().collect();
    entities.sort_by_key(|entity| &entity.name);
    for entity in entities {
        session.statements += 1;
        let fields: Vec<_> = entity.fields().map(|(ix, _)| ix).collect();
        let kinds = kinds(entity, &fields);
        let sql = format!("{} ORDER BY id", select_list(entity, &fields));
        let mut statement = session.conn.prepare(&sql).told()?;
        let mut rows = statement.query([]).told()?;
        while let Some(row) = rows.next().told()? {
            dump.record(entity, &read_record(row, &kinds)?);
        }
    }
    Ok(())
}
