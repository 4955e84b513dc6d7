//! Migrations of our own tables: numbered, forward only, compiled in.
//!
//! `PRAGMA user_version` says how many a database has seen.

use rusqlite::Connection;
use store::Error;

use crate::error::Told;

/// Migrations of the control database, from number 1 on.
pub(crate) const CONTROL: &[&str] = &[include_str!("../migrations/control/0001_projects.sql")];

/// Migrations of a project's database, from number 1 on.
pub(crate) const PROJECT: &[&str] = &[include_str!("../migrations/project/0001_journal_and_ledger.sql")];

/// Brings a database to the newest version, each step in a transaction of its own.
pub(crate) fn migrate(conn: &Connection, migrations: &[&str]) -> Result<(), Error> {
    let found: u32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).told()?;
    let known = migrations.len() as u32;
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for (number, text) in (1_u32..).zip(migrations).skip(found as usize) {
        let step = format!("BEGIN IMMEDIATE; {text}; PRAGMA user_version = {number}; COMMIT;");
        let done = conn.execute_batch(&step).told();
        if done.is_err() && !conn.is_autocommit() {
            conn.execute_batch("ROLLBACK").told()?;
        }
        done?;
    }
    Ok(())
}
