//! Eight callers at once, over the same records and the same idempotency keys, through both doors:
//! what remains is what the same batches make one after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use crate::program::{Folder, Server};
use crate::wire::{Answer, JSON, KEY};

const PROJECT: &str = r#"
[project]
code = "ACME"
[[login]]
name = "api"
password = "s3cret"
role = "integrator"
unit = "1"
[[api_key]]
name = "erp"
key = "erp-key"
role = "integrator"
[[records]]
entity = "unit"
rows = [{ code = "1", name = "Head office" }]
[[records]]
entity = "customer"
rows = [{ code = "A1", number = "A-1", name = "Never changed" }]
"#;

const CALLERS: u64 = 8;
const CALLS: u64 = 100;
/// Customers that all callers write.
const CUSTOMERS: usize = 50;
/// External references that all callers use.
const REFERENCES: usize = 2_000;
/// Idempotency keys that all callers use, for each kind of call.
const KEYS: u64 = 6;

const CRMCOM: &str = "/crmcom/crmapi/rest/v2";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Customers of the pool, each alone; some name a parent that is not there.
    Alone,
    /// The same, all or none.
    Together,
    /// Customers of the pool are deleted.
    Delete,
    /// Events found by their external reference, with their customer, in one transaction.
    Sets,
    /// The vendor's bulk call, with external references of the pool.
    Bulk,
}

const KINDS: [Kind; 5] = [Kind::Alone, Kind::Together, Kind::Delete, Kind::Sets, Kind::Bulk];

/// One call, and what was said to it.
struct Sent {
    kind: Kind,
    key: Option<String>,
    rows: Vec<Value>,
    answer: Answer,
}

/// The same numbers in every run, and others for every seed.
struct Dice(u64);

impl Dice {
    fn of(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    /// So many different numbers below a bound, in any order.
    fn some(&mut self, count: usize, bound: usize) -> Vec<usize> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let number = self.below(bound);
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        numbers
    }
}

/// Rows of a call; `marker` makes their values like no other's.
fn rows(kind: Kind, dice: &mut Dice, marker: &str) -> Vec<Value> {
    match kind {
        Kind::Alone | Kind::Together => {
            let count = if kind == Kind::Alone { 20 } else { 6 };
            let chosen = dice.some(count, CUSTOMERS);
            let row = |(n, at): (usize, usize)| {
                let mut row = json!({"code": format!("C{at}"), "name": format!("{marker}-{n}")});
                match dice.below(4) {
                    0 => row["city"] = json!(marker),
                    1 => row["city"] = Value::Null,
                    2 if kind == Kind::Alone || marker.starts_with('c') => {
                        row["parent"] = json!(format!("C{}", dice.below(CUSTOMERS)))
                    }
                    _ => row["address1"] = json!(marker),
                }
                row
            };
            chosen.into_iter().enumerate().map(row).collect()
        }
        Kind::Delete => {
            dice.some(3, CUSTOMERS).into_iter().map(|at| json!({"code": format!("C{at}")})).collect()
        }
        Kind::Sets => {
            let row = |(n, at)| {
                json!({"customer": "A1", "external_system": "shop", "external_reference": format!("r{at}"),
                       "label": format!("{marker}-{n}")})
            };
            dice.some(8, REFERENCES).into_iter().enumerate().map(row).collect()
        }
        Kind::Bulk => {
            let row = |(n, at)| {
                json!({"request_unique_identifier": format!("{marker}-{n}"),
                       "accounts_receivable_identifier": {"number": "A-1"},
                       "performed_by_unit_identifier": {"id": "1"},
                       "performed_on": "2026-02-01T10:00:00", "website": format!("{marker}-{n}"),
                       "external_system": "shop", "external_system_reference_number": format!("r{at}")})
            };
            dice.some(20, REFERENCES).into_iter().enumerate().map(row).collect()
        }
    }
}

fn send(server: &Server, token: &str, kind: Kind, rows: &[Value], key: Option<&str>) -> Answer {
    let (path, body) = match kind {
        Kind::Alone => ("/api/v1/ACME/customer/import".to_owned(), json!(rows)),
        Kind::Together => ("/api/v1/ACME/customer/import?commit=together".to_owned(), json!(rows)),
        Kind::Delete => ("/api/v1/ACME/customer/import?mode=delete".to_owned(), json!(rows)),
        Kind::Sets => (
            "/api/v1/ACME/batches?match=external".to_owned(),
            json!({"records": [{"entity": "event", "rows": rows}]}),
        ),
        Kind::Bulk => (
            format!("{CRMCOM}/customer_events/bulk/web/create"),
            json!({"token": token, "web_customer_events_set": rows}),
        ),
    };
    let mut headers = vec![JSON];
    headers.extend((kind != Kind::Bulk).then_some(KEY));
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    server.call("POST", &path, &headers, body.to_string())
}

fn log_in(server: &Server) -> String {
    let login = r#"{"username":"api","password":"s3cret","organisation":"ACME"}"#;
    let answer = server.call("POST", &format!("{CRMCOM}/authentication/token"), &[JSON], login);
    answer.json()["data"]["token"].as_str().unwrap().to_owned()
}

/// What one caller does: calls of its own, and calls that others make too.
fn caller(server: &Server, nth: u64) -> Vec<Sent> {
    let token = log_in(server);
    let mut dice = Dice::of(nth + 1);
    let mut sent = Vec::new();
    for n in 0..CALLS {
        let kind = KINDS[dice.below(KINDS.len())];
        let shared = kind != Kind::Delete && dice.below(3) == 0;
        let (key, rows) = if shared {
            let at = dice.below(KEYS as usize) as u64;
            // Two of eight mean something else by the same key.
            let variant = u64::from(nth % 4 == 3);
            let mut dice = Dice::of(1_000 + at * 2 + variant);
            (Some(format!("{kind:?}-{at}")), rows(kind, &mut dice, &format!("k{at}.{variant}")))
        } else {
            (None, rows(kind, &mut dice, &format!("c{nth}.{n}")))
        };
        let answer = send(server, &token, kind, &rows, key.as_deref());
        sent.push(Sent { kind, key, rows, answer });
    }
    sent
}

#[test]
fn eight_callers_make_what_one_after_the_other_makes() {
    let folder = Folder::of_project(PROJECT);
    let server = folder.serve(&[]);
    let before = server.batches().len();
    let sent: Vec<Sent> = std::thread::scope(|scope| {
        let server = &server;
        let callers: Vec<_> = (0..CALLERS).map(|nth| scope.spawn(move || caller(server, nth))).collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    for sent in &sent {
        check_answer(sent);
    }
    let keys = check_keys(&sent);
    assert!(keys.0 > 10 && keys.1 > 10, "the test must see repetitions and conflicts: {keys:?}");
    let done = sent.iter().filter(|sent| stands(sent)).count();
    let refused = sent.iter().filter(|sent| sent.answer.status == 422).count();
    assert_eq!(server.batches().len() - before, done + refused);

    let changes = server.changes();
    let stored = ["customer", "event"].map(|entity| (entity, folder.export(entity)));
    check_journal(&changes, &stored);
    check_order(&changes, &sent, &stored[0].1);
    check_pairs(&sent, &stored[1].1);
    for (entity, records) in &stored {
        let numbers: BTreeSet<&str> =
            records.iter().map(|record| record["number"].as_str().unwrap()).collect();
        assert_eq!(numbers.len(), records.len(), "{entity}: numbers are not unique");
    }
    assert_eq!(server.terminate(), Some(0));
}

/// True for the first of calls that mean the same, where it stored something.
fn stands(sent: &Sent) -> bool {
    sent.answer.status == 200 && sent.answer.header("idempotency-replayed").is_none()
}

fn check_answer(sent: &Sent) {
    let answer = &sent.answer;
    assert!([200, 409, 422].contains(&answer.status), "{:?}: {answer:?}", sent.kind);
    let text = answer.text().to_lowercase();
    for word in ["constraint", "deadlock", "sqlite", "database", "serializ", "panic"] {
        assert!(!text.contains(word), "{word} in {answer:?}");
    }
    let body = answer.json();
    match sent.kind {
        Kind::Bulk if answer.status == 200 => assert_eq!(body["status"]["code"], "OK", "{answer:?}"),
        Kind::Bulk => assert_eq!(body["status"]["code"], "NotAllowedAPIActionException", "{answer:?}"),
        _ if answer.status == 409 => {
            assert_eq!(body["type"], "urn:comptoir:problem:key_conflict", "{answer:?}");
        }
        _ => assert_eq!(body["counts"]["received"], sent.rows.len(), "{answer:?}"),
    }
    assert!(answer.status != 409 || sent.key.is_some(), "{answer:?}");
}

/// Of calls with one key one is done; those that mean the same are told the same, others 409.
/// Gives how many were repeated and how many were in conflict.
fn check_keys(sent: &[Sent]) -> (usize, usize) {
    let mut of_key: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
    for sent in sent {
        if let Some(key) = &sent.key {
            of_key.entry(key).or_default().push(sent);
        }
    }
    let (mut repeated, mut conflicts) = (0, 0);
    for (key, calls) in of_key {
        let done: Vec<&&Sent> = calls.iter().filter(|sent| stands(sent)).collect();
        let [first] = done[..] else { panic!("{key}: {} calls were done", done.len()) };
        for call in &calls {
            if call.rows != first.rows {
                assert_eq!(call.answer.status, 409, "{key}: {:?}", call.answer);
                conflicts += 1;
                continue;
            }
            assert_eq!(call.answer.status, 200, "{key}: {:?}", call.answer);
            let said = |sent: &Sent| {
                let mut body = sent.answer.json();
                body["statistics"].take();
                body
            };
            assert_eq!(said(call), said(first), "{key}");
            repeated += usize::from(!stands(call));
        }
    }
    (repeated, conflicts)
}

/// What the journal tells, entry after entry, is what is stored: every field of every record.
fn check_journal(changes: &[Value], stored: &[(&str, Vec<Value>)]) {
    let mut told: HashMap<(String, String), Map<String, Value>> = HashMap::new();
    let mut last_seq = 0;
    for change in changes {
        let seq = change["seq"].as_u64().unwrap();
        assert!(seq > last_seq, "{change}");
        last_seq = seq;
        let text = |name: &str| change[name].as_str().unwrap().to_owned();
        let place = (text("entity"), text("code"));
        let known = told.remove(&place);
        let is_new = change["operation"] == "added";
        assert_eq!(known.is_none(), is_new, "{change}");
        let mut record = known.unwrap_or_default();
        for (field, values) in change["changed"].as_object().unwrap() {
            let before = record.remove(field).unwrap_or_default();
            assert_eq!(before, values["before"], "{field} of {change}");
            if !values["after"].is_null() {
                record.insert(field.clone(), values["after"].clone());
            }
        }
        match change["operation"].as_str().unwrap() {
            "deleted" => assert!(record.is_empty(), "{change} leaves {record:?}"),
            _ => drop(told.insert(place, record)),
        }
    }
    for (entity, records) in stored {
        for record in records {
            let code = record["code"].as_str().unwrap().to_owned();
            let told = told.remove(&(entity.to_string(), code)).unwrap_or_else(|| panic!("{record}"));
            let mut record = record.as_object().unwrap().clone();
            for name in ["code", "id", "revision", "created_at", "changed_at"] {
                record.remove(name);
            }
            record.retain(|_, value| !value.is_null());
            assert_eq!(record, told);
        }
        assert!(!told.keys().any(|(of, _)| of == entity), "{entity}: the journal knows more than is stored");
    }
}

/// The calls' own rows, applied in the order of the journal, make the stored customers.
fn check_order(changes: &[Value], sent: &[Sent], customers: &[Value]) {
    let mut batches: Vec<&str> = Vec::new();
    for change in changes {
        let batch = change["batch"].as_str().unwrap();
        if batches.last() != Some(&batch) {
            assert!(!batches.contains(&batch), "the batch {batch} was written in two turns");
            batches.push(batch);
        }
    }
    let answers: Vec<(Value, &Sent)> = sent
        .iter()
        .filter(|sent| stands(sent) && matches!(sent.kind, Kind::Alone | Kind::Together | Kind::Delete))
        .map(|sent| (sent.answer.json(), sent))
        .collect();
    let mut made: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for batch in batches {
        let Some((answer, sent)) = answers.iter().find(|(answer, _)| answer["batch"] == batch) else {
            continue;
        };
        let refused: Vec<u64> =
            answer["refusals"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect();
        for (row, _) in sent.rows.iter().zip(1..).filter(|(_, n)| !refused.contains(n)) {
            let code = row["code"].as_str().unwrap();
            match sent.kind {
                Kind::Delete => drop(made.remove(code)),
                _ => made.entry(code).or_default().extend(row.as_object().unwrap().clone()),
            }
        }
    }
    let stored: Vec<&Value> = customers.iter().filter(|customer| customer["code"] != "A1").collect();
    assert_eq!(stored.len(), made.len());
    for customer in stored {
        let made = &made[customer["code"].as_str().unwrap()];
        for field in ["name", "city", "address1", "parent"] {
            assert_eq!(&customer[field], made.get(field).unwrap_or(&Value::Null), "{field} of {customer}");
        }
    }
}

/// Every external reference that somebody sent is stored once, numbers ascend in the order of rows.
fn check_pairs(sent: &[Sent], events: &[Value]) {
    let mut by_code = HashMap::new();
    let mut pairs = BTreeSet::new();
    for event in events {
        by_code.insert(event["code"].as_str().unwrap(), event);
        assert!(pairs.insert(event["external_reference"].as_str().unwrap()), "twice: {event}");
    }
    let mut expected = BTreeSet::new();
    let mut added = 0;
    for sent in sent.iter().filter(|sent| stands(sent)) {
        match sent.kind {
            Kind::Sets => {
                expected.extend(sent.rows.iter().map(|row| row["external_reference"].as_str().unwrap()));
                added += sent.answer.json()["counts"]["added"].as_u64().unwrap() as usize;
            }
            Kind::Bulk => {
                let name = "external_system_reference_number";
                expected.extend(sent.rows.iter().map(|row| row[name].as_str().unwrap()));
                added += check_bulk(sent, &by_code);
            }
            _ => {}
        }
    }
    assert_eq!(pairs, expected);
    assert_eq!(events.len(), added);
}

/// The rows of a bulk call are processed or refused, in their order. Gives how many are processed.
fn check_bulk(sent: &Sent, events: &HashMap<&str, &Value>) -> usize {
    let data = sent.answer.json()["data"].take();
    let set = |name: &str| data[name].as_array().unwrap().clone();
    let processed = set("processed_customer_events_set");
    let unprocessed = set("unprocessed_customer_events_set");
    assert_eq!(processed.len() + unprocessed.len(), sent.rows.len());
    let mut last = 0;
    for row in &processed {
        let number: u64 = row["number"].as_str().unwrap().parse().unwrap();
        assert!(number > last, "{data}");
        last = number;
        let event = events[row["id"].as_str().unwrap()];
        assert_eq!(
            (&event["number"], &event["website"]),
            (&row["number"], &row["request_unique_identifier"])
        );
    }
    for row in &unprocessed {
        assert_eq!(row["error_code"], "DuplicateAPIValueException", "{row}");
    }
    processed.len()
}
