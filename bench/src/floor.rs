//! The floor: each workload written by hand on the same tables.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::input;

/// A database made by the server, opened by hand.
pub struct Floor {
    db: Connection,
    next_event: i64,
}

#[derive(Deserialize)]
struct Customer<'a> {
    code: &'a str,
    number: &'a str,
    name: &'a str,
    address1: &'a str,
    postal_code: &'a str,
    city: &'a str,
    phone_number: &'a str,
    email: &'a str,
    website: &'a str,
    comment: &'a str,
    discount_rate: f64,
    user: &'a str,
    unit: &'a str,
}

#[derive(Deserialize)]
struct Bulk<'a> {
    #[serde(borrow)]
    web_customer_events_set: Vec<WebRow<'a>>,
}

#[derive(Deserialize)]
struct WebRow<'a> {
    #[serde(borrow)]
    accounts_receivable_identifier: Number<'a>,
    #[serde(borrow)]
    performed_by_unit_identifier: Unit<'a>,
    performed_on: &'a str,
    website: &'a str,
    description: &'a str,
    external_system: &'a str,
    external_system_reference_number: &'a str,
}

#[derive(Deserialize)]
struct Number<'a> {
    number: &'a str,
}

#[derive(Deserialize)]
struct Unit<'a> {
    alternative_code: &'a str,
}

#[derive(Deserialize)]
struct Event<'a> {
    kind: &'a str,
    customer: &'a str,
    unit: &'a str,
    occurred_at: &'a str,
    label: &'a str,
    website: &'a str,
    status: &'a str,
    external_system: &'a str,
    external_reference: &'a str,
}

#[derive(Serialize)]
struct Printed<'a> {
    code: &'a str,
    kind: Option<&'a str>,
    label: Option<&'a str>,
    customer: Option<&'a str>,
    unit: Option<&'a str>,
    occurred_at: Option<i64>,
    website: Option<&'a str>,
    status: Option<&'a str>,
    external_system: Option<&'a str>,
    external_reference: Option<&'a str>,
    number: Option<&'a str>,
}

impl Floor {
    /// Opens the project's file with the pragmas that the server uses.
    pub fn open(data: &Path) -> Result<Self> {
        let db = Connection::open(data.join("projects/bench.db"))?;
        db.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA temp_store=FILE;
             PRAGMA wal_autocheckpoint=0;",
        )?;
        db.set_prepared_statement_cache_capacity(64);
        let next_event =
            db.query_row("SELECT coalesce(max(id), 1040000000000) FROM e_event", [], |row| row.get(0))?;
        Ok(Floor { db, next_event })
    }

    /// Moves what the log holds into the file, outside all measurements.
    pub fn checkpoint(&self) -> Result<()> {
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// W1: reads each customer, writes those that differ.
    pub fn customers(&mut self, json: &str) -> Result<Duration> {
        let began = Instant::now();
        let rows: Vec<Customer<'_>> = serde_json::from_str(json)?;
        let transaction = self.db.transaction()?;
        {
            let mut read = transaction.prepare_cached(
                "SELECT id, f_number, f_name, f_address1, f_postal_code, f_city, f_phone_number, f_email, f_website,
                        f_comment, f_discount_rate, f_user, f_unit FROM e_customer WHERE company = 1 AND code = ?1",
            )?;
            let mut user =
                transaction.prepare_cached("SELECT id FROM e_user WHERE company = 0 AND code = ?1")?;
            let mut unit =
                transaction.prepare_cached("SELECT id FROM e_unit WHERE company = 0 AND code = ?1")?;
            let mut write = transaction.prepare_cached(
                "UPDATE e_customer SET f_city = ?2, s_city = ?3, f_phone_number = ?4, changed_at = ?5,
                        revision = revision + 1 WHERE id = ?1",
            )?;
            for row in &rows {
                let user: i64 = user.query_row([row.user], |found| found.get(0))?;
                let unit: i64 = unit.query_row([row.unit], |found| found.get(0))?;
                let mut found = read.query([row.code])?;
                let Some(held) = found.next()? else { continue };
                let text = |at: usize| -> Result<&str> { Ok(held.get_ref(at)?.as_str()?) };
                let id: i64 = held.get(0)?;
                let same = text(1)? == row.number
                    && text(2)? == row.name
                    && text(3)? == row.address1
                    && text(4)? == row.postal_code
                    && text(5)? == row.city
                    && text(6)? == row.phone_number
                    && text(7)? == row.email
                    && text(8)? == row.website
                    && text(9)? == row.comment
                    && held.get::<_, f64>(10)? == row.discount_rate
                    && held.get::<_, i64>(11)? == user
                    && held.get::<_, i64>(12)? == unit;
                if !same {
                    write.execute(params![id, row.city, row.city.to_lowercase(), row.phone_number, 1])?;
                }
            }
        }
        transaction.commit()?;
        Ok(began.elapsed())
    }

    /// W2: looks each account up, adds the events whose account there is.
    pub fn web_events(&mut self, json: &str) -> Result<Duration> {
        let began = Instant::now();
        let bulk: Bulk<'_> = serde_json::from_str(json)?;
        let transaction = self.db.transaction()?;
        {
            let mut customer = transaction
                .prepare_cached("SELECT id FROM e_customer WHERE company = 1 AND f_number = ?1")?;
            let mut unit = transaction
                .prepare_cached("SELECT id FROM e_unit WHERE company = 0 AND f_alternative_code = ?1")?;
            let mut taken = transaction.prepare_cached(
                "SELECT id FROM e_event WHERE company = 1 AND ifnull(f_external_system, x'00') = ?1
                        AND f_external_reference = ?2",
            )?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO e_event (id, company, code, revision, created_at, changed_at, export_mark, state, f_kind,
                        f_customer, f_unit, f_occurred_at, f_website, f_description, f_external_system,
                        f_external_reference, f_number, f_status)
                 VALUES (?1, 1, ?2, ?1, 1, 1, 1, 0, 'WEB', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'POSTED')",
            )?;
            for row in &bulk.web_customer_events_set {
                let found =
                    customer.query_row([row.accounts_receivable_identifier.number], |found| found.get(0));
                let Ok::<i64, _>(account) = found else { continue };
                let unit: i64 = unit
                    .query_row([row.performed_by_unit_identifier.alternative_code], |found| found.get(0))?;
                if taken.exists([row.external_system, row.external_system_reference_number])? {
                    continue;
                }
                self.next_event += 1;
                let id = self.next_event;
                insert.execute(params![
                    id,
                    format!("{id:032X}"),
                    account,
                    unit,
                    seconds(row.performed_on),
                    row.website,
                    row.description,
                    row.external_system,
                    row.external_system_reference_number,
                    format!("f{id}"),
                ])?;
            }
        }
        transaction.commit()?;
        Ok(began.elapsed())
    }

    /// W3: adds all events in one transaction.
    pub fn stream(&mut self, lines: &str) -> Result<Duration> {
        let began = Instant::now();
        let transaction = self.db.transaction()?;
        {
            let mut customer =
                transaction.prepare_cached("SELECT id FROM e_customer WHERE company = 1 AND code = ?1")?;
            let mut unit =
                transaction.prepare_cached("SELECT id FROM e_unit WHERE company = 0 AND code = ?1")?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO e_event (id, company, code, revision, created_at, changed_at, export_mark, state, f_kind,
                        f_customer, f_unit, f_occurred_at, f_label, s_label, f_website, f_status, f_external_system,
                        f_external_reference, f_number)
                 VALUES (?1, 1, ?2, ?1, 1, 1, 1, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?;
            for line in lines.lines() {
                let row: Event<'_> = serde_json::from_str(line)?;
                let account: i64 = customer.query_row([row.customer], |found| found.get(0))?;
                let unit: i64 = unit.query_row([row.unit], |found| found.get(0))?;
                self.next_event += 1;
                let id = self.next_event;
                insert.execute(params![
                    id,
                    id.to_string(),
                    row.kind,
                    account,
                    unit,
                    seconds(row.occurred_at),
                    row.label,
                    row.label.to_lowercase(),
                    row.website,
                    row.status,
                    row.external_system,
                    row.external_reference,
                    format!("f{id}"),
                ])?;
            }
        }
        transaction.commit()?;
        Ok(began.elapsed())
    }

    /// W4: a thousand events of a customer from a day on, sorted, as JSON.
    pub fn query(&self, customer: usize, from_ms: i64) -> Result<(Duration, usize)> {
        let began = Instant::now();
        let mut out = Vec::with_capacity(1 << 18);
        let mut count = 0;
        let account: i64 = self
            .db
            .prepare_cached("SELECT id FROM e_customer WHERE company = 1 AND code = ?1")?
            .query_row([format!("C{customer:06}")], |found| found.get(0))?;
        let mut select = self.db.prepare_cached(
            "SELECT e.code, e.f_kind, e.f_label, c.code, u.code, e.f_occurred_at, e.f_website, e.f_status,
                    e.f_external_system, e.f_external_reference, e.f_number
             FROM e_event e LEFT JOIN e_customer c ON c.id = e.f_customer LEFT JOIN e_unit u ON u.id = e.f_unit
             WHERE e.f_customer = ?1 AND e.f_occurred_at >= ?2 AND e.state = 0
             ORDER BY e.f_occurred_at LIMIT 1000",
        )?;
        let mut rows = select.query(params![account, from_ms])?;
        while let Some(row) = rows.next()? {
            let text = |at: usize| -> Result<Option<&str>> { Ok(row.get_ref(at)?.as_str_or_null()?) };
            let printed = Printed {
                code: text(0)?.unwrap_or_default(),
                kind: text(1)?,
                label: text(2)?,
                customer: text(3)?,
                unit: text(4)?,
                occurred_at: row.get(5)?,
                website: text(6)?,
                status: text(7)?,
                external_system: text(8)?,
                external_reference: text(9)?,
                number: text(10)?,
            };
            serde_json::to_writer(&mut out, &printed)?;
            out.push(b'\n');
            count += 1;
        }
        Ok((began.elapsed(), count))
    }
}

/// Milliseconds since 1970 of `2026-MM-DDTHH:MM:SS`, near enough for an index.
fn seconds(text: &str) -> i64 {
    let part = |at: usize| text.get(at..at + 2).and_then(|digits| digits.parse::<i64>().ok()).unwrap_or(0);
    let days = 20_454 + (part(5) - 1) * 30 + part(8);
    (days * 86_400 + part(11) * 3600 + part(14) * 60 + part(17)) * 1000
}

/// A bulk call for the floor, without a token.
pub fn call(call: usize, rows: usize, customers: usize) -> String {
    input::web_call("", &input::web_events(call, rows, customers))
}
