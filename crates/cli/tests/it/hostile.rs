//! What nobody should send, on every door: a clear answer in the door's own form, nothing stored, and
//! the next caller is served as if nothing had been.

mod bodies;
mod connections;
mod paths;

use serde_json::json;

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
rows = [{ code = "C0001", number = "ACR0000000020", name = "Quai Sud" }]
"#;

const OTHER: &str = r#"
[project]
code = "OTHER"
[[api_key]]
name = "web"
key = "other-key"
role = "admin"
"#;

const IMPORT: &str = "/api/v1/ACME/customer/import";
const CRMCOM: &str = "/crmcom/crmapi/rest/v2";
const BULK: &str = "/crmcom/crmapi/rest/v2/customer_events/bulk/web/create";

/// A server, and what was stored when it began.
struct House {
    server: Server,
    /// A token of the vendor's door.
    token: String,
    records: usize,
    batches: usize,
    good: usize,
    folder: Folder,
}

impl House {
    fn new(config: &str) -> Self {
        let folder = Folder::of_project(PROJECT);
        folder.write("other.toml", OTHER);
        folder.must(0, &["apply", "other.toml"]);
        folder.write("server.toml", config);
        let server = folder.serve(&["--config", "server.toml"]);
        let login = r#"{"username":"api","password":"s3cret","organisation":"ACME"}"#;
        let path = format!("{CRMCOM}/authentication/token");
        let answer = server.call("POST", &path, &[JSON], login).json();
        let token = answer["data"]["token"].as_str().unwrap().to_owned();
        let (records, batches) = stored(&server);
        House { server, token, records, batches, good: 0, folder }
    }

    /// A body of the bulk call with these rows.
    fn bulk(&self, rows: &str) -> Vec<u8> {
        format!(r#"{{"token":"{}","web_customer_events_set":{rows}}}"#, self.token).into_bytes()
    }

    /// Nothing came in, and a good call on either door still goes through.
    fn still_good(&mut self) {
        assert_eq!(stored(&self.server), (self.records, self.batches), "something was stored");
        self.good += 1;
        let row = format!("[{{\"code\":\"GOOD{}\"}}]", self.good);
        let answer = self.server.call("POST", IMPORT, &[KEY, JSON], row);
        assert_eq!(answer.json()["counts"]["added"], 1, "{answer:?}");
        let answer = self.server.call("POST", BULK, &[JSON], self.bulk(&format!("[{}]", event(""))));
        assert_eq!(answer.json()["status"]["code"], "OK", "{answer:?}");
        (self.records, self.batches) = (self.records + 2, self.batches + 2);
    }

    /// The end, orderly and without a bug in the log.
    fn close(self) {
        let log = self.server.log();
        assert!(!log.contains("panic") && !log.contains("ERROR"), "{log}");
        for secret in ["erp-key", "s3cret", &self.token] {
            assert!(!log.contains(secret), "the log tells {secret}");
        }
        assert_eq!(self.server.terminate(), Some(0));
    }
}

/// Records and batches.
fn stored(server: &Server) -> (usize, usize) {
    (server.count("customer", "") + server.count("event", ""), server.batches().len())
}

/// A row of the bulk call, with more members behind.
fn event(more: &str) -> String {
    format!(
        r#"{{"request_unique_identifier":"w1","accounts_receivable_identifier":{{"number":"ACR0000000020"}},
        "performed_by_unit_identifier":{{"id":"1"}},"performed_on":"2020-01-31T09:30:00","website":"x"{more}}}"#
    )
}

/// An answer of ours that says no.
#[track_caller]
fn problem(told: &str, answer: &Answer, statuses: &[u16]) {
    assert!(statuses.contains(&answer.status), "{told}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{told}: {answer:?}");
    let document = answer.json();
    assert_eq!(document["status"], answer.status, "{told}: {answer:?}");
    for member in ["type", "title", "detail"] {
        assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{told}: {answer:?}");
    }
    assert_eq!(answer.status == 405, answer.header("allow").is_some(), "{told}: {answer:?}");
    silent(told, answer);
}

/// An answer of the vendor's that says no.
#[track_caller]
fn envelope(told: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{told}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"), "{told}: {answer:?}");
    let document = answer.json();
    assert_eq!(
        (&document["data"], &document["status"]["code"]),
        (&json!({}), &json!(code)),
        "{told}: {answer:?}"
    );
    assert!(document["status"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
    silent(told, answer);
}

/// Nothing of our inside is told.
#[track_caller]
fn silent(told: &str, answer: &Answer) {
    let text = answer.text().to_lowercase();
    for word in ["panick", "sqlite", "constraint", ".rs:", "/tmp", "serde", "erp-key", "s3cret"] {
        assert!(!text.contains(word), "{told}: {word} in {answer:?}");
    }
}
