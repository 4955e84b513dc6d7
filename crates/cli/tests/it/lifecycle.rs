//! A server's life: it starts, answers, shares its folder, is killed, and comes to an end.

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Folder, comptoir_elsewhere};
use crate::wire::{self, JSON, KEY, NDJSON, begin, read_answer, request};
use crate::{ACME, acme};

const IMPORT: &str = "/api/v1/ACME/customer/import";

/// A request for a row of NDJSON.
fn import(row: &str) -> Vec<u8> {
    request("POST", IMPORT, &[KEY, NDJSON], row.as_bytes())
}

#[test]
fn a_server_answers_is_watched_and_stops_when_told() {
    let folder = acme();
    let begun = Instant::now();
    let mut server = folder.serve(&[]);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    for (path, status, told) in [
        ("/healthz", 200, "alive"),
        ("/readyz", 200, "ready"),
        ("/api/v1/ACME/customer/C0001", 200, "Quai Sud"),
        ("/nothing", 404, "There is no such path"),
        ("/metrics", 200, "comptoir_requests_total{door=\"native\",status=\"2xx\"} 1"),
    ] {
        let answer = server.get(path);
        assert!(answer.status == status && answer.text().contains(told), "{path}: {answer:?}");
    }
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(!folder.has("data/socket") && !folder.has("data/owner-token"));
    assert!(!server.log().contains("erp-key"));
}

#[test]
fn what_is_being_answered_is_finished_and_what_is_new_is_turned_away() {
    let folder = acme();
    let mut server = folder.serve(&[]);
    let request = import("{\"code\":\"C9\",\"name\":\"slow\"}\n");
    let (first, rest) = request.split_at(request.len() - 10);
    let mut slow = begin(server.port, first);
    // The slow one, and the one that asks.
    while !server.get("/metrics").text().contains("comptoir_requests_in_progress 2") {
        std::thread::yield_now();
    }
    server.signal("TERM");
    server.await_line("stopping");
    let refused = server.get("/healthz");
    assert_eq!((refused.status, refused.header("connection")), (503, Some("close")), "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("5"));
    slow.write_all(rest).unwrap();
    let answer = read_answer(&mut slow).unwrap();
    assert!(answer.status == 200 && answer.json()["counts"]["added"] == 1, "{answer:?}");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_second_process_works_through_the_first() {
    let folder = acme();
    let mut server = folder.serve(&[]);
    folder.write("two.toml", ACME.replace("ACME", "TWO").replace("erp-key", "two-key"));
    folder.write("rows.ndjson", "{\"code\":\"C5\",\"name\":\"via socket\"}\n");
    let applied = folder.run(&["apply", "two.toml"]);
    assert!(applied.exit == 0 && applied.stdout.contains("added     project TWO"), "{applied:?}");
    let imported = folder.run(&["import", "rows.ndjson", "--project", "TWO", "--entity", "customer"]);
    assert_eq!(imported.exit, 0, "{imported:?}");
    let exported = folder.run(&["export", "--project", "TWO", "--entity", "customer", "--format", "csv"]);
    assert!(exported.exit == 0 && exported.stdout.contains("via socket"), "{exported:?}");
    let url = format!("http://127.0.0.1:{}", server.port);
    let remote =
        ["export", "--project", "TWO", "--entity", "customer", "--server", &url, "--token", "two-key"];
    assert!(comptoir_elsewhere(&remote).stdout.contains("via socket"));

    let second = folder.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(second.exit == 3 && second.stderr.contains(&format!("process {}", server.id())), "{second:?}");
    folder.write("data/owner-token", "guessed");
    let guessed = folder.run(&["export", "--project", "TWO", "--entity", "customer"]);
    assert!(guessed.exit == 2 && guessed.stderr.contains("owner"), "{guessed:?}");
    folder.remove("data/socket");
    let lost = folder.run(&["export", "--project", "TWO", "--entity", "customer"]);
    assert!(lost.exit == 3 && lost.stderr.contains(&format!("process {}", server.id())), "{lost:?}");
    server.signal("INT");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn where_the_port_is_taken_nothing_is_begun() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for command in ["serve", "demo"] {
        let done = folder.run(&[command, "--listen", &address.to_string()]);
        let told = format!("port {} of 127.0.0.1 is taken by another process", address.port());
        assert!(done.exit == 3 && done.stderr.contains(&told), "{done:?}");
        assert!(done.stderr.contains("--listen 127.0.0.1:0"), "{done:?}");
        assert!(done.stdout.is_empty() && !folder.has("data") && folder.count("tmp") == 0, "{done:?}");
    }
}

#[test]
fn nobody_else_can_read_the_databases() {
    let folder = acme();
    let _server = folder.serve(&[]);
    let mut folders = vec![folder.path().join("data")];
    let mut databases = 0;
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(inside).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains(".db") {
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
                databases += 1;
            }
        }
    }
    assert!(databases >= 2, "{databases}");
}

#[test]
fn what_was_answered_is_there_after_a_kill() {
    let folder = acme();
    for n in 0..3 {
        let server = folder.serve(&[]);
        let row = format!("{{\"code\":\"K{n}\",\"name\":\"kept\"}}\n");
        let answer = server.call("POST", IMPORT, &[KEY, NDJSON], row);
        assert_eq!(answer.json()["counts"]["added"], 1, "{answer:?}");
        server.kill();
    }
    let kept =
        folder.run(&["export", "--project", "ACME", "--entity", "customer", "--filter", "name eq 'kept'"]);
    assert_eq!(kept.stdout.lines().count(), 3, "{kept:?}");
}

#[test]
fn who_sends_too_slowly_is_let_go() {
    let folder = acme();
    folder.write("server.toml", "[limits]\nheader_timeout = \"300ms\"\nbody_timeout = \"300ms\"\n");
    let server = folder.serve(&["--config", "server.toml"]);
    let begun = Instant::now();
    let mut head = begin(server.port, b"GET /healthz HTTP/1.1\r\nHos");
    assert!(read_answer(&mut head).is_err());
    let request = import("{\"code\":\"C9\",\"name\":\"slow\"}\n");
    let mut body = begin(server.port, &request[..request.len() - 10]);
    assert!(!matches!(read_answer(&mut body), Ok(answer) if answer.status == 200));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(server.get("/healthz").text(), "alive\n");
    assert_eq!(server.count("customer", "code eq 'C9'"), 0);
}

/// Rows of each call of the callers that a stop meets.
const ROWS: usize = 50;

/// Calls until the server is gone; gives markers of calls, with the batch of those that were done.
fn call_until_the_end(port: u16, nth: usize, answered: &AtomicUsize) -> Vec<(String, Option<String>)> {
    let mut told = Vec::new();
    for n in 0.. {
        let marker = format!("S{nth}-{n}");
        let row = |at| format!(r#"{{"code":"{marker}-{at}","name":"{marker}"}}"#);
        let rows: Vec<String> = (0..ROWS).map(row).collect();
        let body = format!("[{}]", rows.join(","));
        match wire::call(port, "POST", IMPORT, &[KEY, JSON], body.as_bytes()) {
            Ok(answer) if answer.status == 200 => {
                let batch = answer.json()["batch"].as_str().map(str::to_owned);
                told.push((marker, batch));
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{answer:?}");
                told.push((marker, None));
            }
            Err(_) => {
                told.push((marker, None));
                break;
            }
        }
    }
    told
}

#[test]
fn a_stop_under_load_loses_nothing_that_was_answered_and_does_nothing_that_was_not() {
    let folder = acme();
    let mut server = folder.serve(&[]);
    let (port, answered) = (server.port, AtomicUsize::new(0));
    let told: Vec<(String, Option<String>)> = std::thread::scope(|scope| {
        let answered = &answered;
        let callers: Vec<_> =
            (0..8).map(|nth| scope.spawn(move || call_until_the_end(port, nth, answered))).collect();
        while answered.load(Ordering::SeqCst) < 100 {
            std::thread::yield_now();
        }
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let server = folder.serve(&[]);
    let batches = server.batches();
    let by_id: HashMap<&str, &Value> =
        batches.iter().map(|batch| (batch["batch"].as_str().unwrap(), batch)).collect();
    let mut stored: HashMap<String, usize> = HashMap::new();
    for customer in folder.export("customer") {
        *stored.entry(customer["name"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for (marker, batch) in &told {
        let expected = if batch.is_some() { ROWS } else { 0 };
        assert_eq!(stored.get(marker).copied().unwrap_or_default(), expected, "{marker}");
        if let Some(id) = batch {
            let batch = by_id[id.as_str()];
            assert_eq!(
                (&batch["state"], &batch["counts"]["added"]),
                (&"done".into(), &ROWS.into()),
                "{batch}"
            );
        }
    }
    let done = told.iter().filter(|(_, batch)| batch.is_some()).count();
    assert_eq!(batches.iter().filter(|batch| batch["door"] == "native").count(), done);
    assert_eq!(server.terminate(), Some(0));
}
