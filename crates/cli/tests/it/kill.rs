//! The server dies fifty times in the middle of its work, and the books balance every time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::program::{Folder, Server};
use crate::wire::{self, JSON, KEY, NDJSON};

const PROJECT: &str = r#"
[project]
code = "ACME"

[[api_key]]
name = "erp"
key = "erp-key"
role = "integrator"
"#;

/// What a caller was told before the server died.
struct Told {
    marker: String,
    kind: Kind,
    /// `None` when no answer came.
    batch: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    /// 4,500 customers of three chunks, all or none.
    Together,
    /// 200 customers of one chunk, each alone.
    OneChunk,
    /// 9,000 events of several chunks, with an idempotency key.
    Large,
}

const LARGE: usize = 9_000;

#[test]
fn killed_fifty_times_nothing_answered_is_lost_and_nothing_is_half_done() {
    let folder = Folder::of_project(PROJECT);
    let calls = AtomicUsize::new(0);
    let mut interrupted = 0;
    let mut answered = 0;
    for round in 0..50_u64 {
        let server = folder.serve(&[]);
        let told = stream_until_killed(server, &calls, round);
        answered += told.iter().filter(|told| told.batch.is_some()).count();
        let server = folder.serve(&[]);
        for told in &told {
            interrupted += usize::from(check(&server, told));
        }
        balance(&server);
        assert_eq!(server.terminate(), Some(0));
    }
    assert!(answered > 50, "the test must see answers to mean anything: {answered}");
    assert!(interrupted > 5, "the test must interrupt large batches to mean anything: {interrupted}");
}

fn stream_until_killed(server: Server, calls: &AtomicUsize, round: u64) -> Vec<Told> {
    let stop = AtomicBool::new(false);
    let port = server.port;
    std::thread::scope(|scope| {
        let callers: Vec<_> = [Kind::Together, Kind::OneChunk, Kind::Large]
            .into_iter()
            .map(|kind| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut told = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        let marker = format!("K{}", calls.fetch_add(1, Ordering::SeqCst));
                        let batch = send(port, kind, &marker)
                            .and_then(|answer| answer["batch"].as_str().map(str::to_owned));
                        told.push(Told { marker, kind, batch });
                    }
                    told
                })
            })
            .collect();
        // Another moment each time, the same moments in every run.
        std::thread::sleep(Duration::from_millis(30 + round * 37 % 400));
        stop.store(true, Ordering::SeqCst);
        server.kill();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

/// One call; `None` when the server died before its answer.
fn send(port: u16, kind: Kind, marker: &str) -> Option<Value> {
    let (path, headers, body) = match kind {
        Kind::Together => {
            ("/api/v1/ACME/customer/import?commit=together", vec![KEY, JSON], customers(marker, 4_500))
        }
        Kind::OneChunk => ("/api/v1/ACME/customer/import", vec![KEY, JSON], customers(marker, 200)),
        Kind::Large => {
            ("/api/v1/ACME/event/import", vec![KEY, NDJSON, ("Idempotency-Key", marker)], events(marker))
        }
    };
    let answer = wire::call(port, "POST", path, &headers, body.as_bytes()).ok()?;
    assert!(answer.status == 200 || answer.status == 503, "{answer:?}");
    (answer.status == 200).then(|| answer.json())
}

fn customers(marker: &str, count: usize) -> String {
    let rows: Vec<String> =
        (0..count).map(|n| format!(r#"{{"code":"{marker}-{n}","name":"{marker}"}}"#)).collect();
    format!("[{}]", rows.join(","))
}

fn events(marker: &str) -> String {
    let line = |n| {
        format!(
            "{{\"label\":\"{marker}\",\"external_system\":\"{marker}\",\"external_reference\":\"{n}\"}}\n"
        )
    };
    (0..LARGE).map(line).collect()
}

/// Checks one call against what is stored; true when it was found interrupted and then completed.
fn check(server: &Server, told: &Told) -> bool {
    let stored = stored(server, told);
    match told.kind {
        Kind::Together | Kind::OneChunk => {
            let whole = if told.kind == Kind::Together { 4_500 } else { 200 };
            assert!(stored == 0 || stored == whole, "{}: {stored} of {whole}", told.marker);
            assert!(told.batch.is_none() || stored == whole, "{} was answered and is gone", told.marker);
            false
        }
        Kind::Large => {
            assert!(told.batch.is_none() || stored == LARGE, "{} was answered with {stored}", told.marker);
            assert!(
                stored == LARGE || stored.is_multiple_of(2_000),
                "{} ends inside a chunk: {stored}",
                told.marker
            );
            let half = stored > 0 && stored < LARGE;
            if half {
                assert!(
                    says_interrupted(server, stored),
                    "the ledger does not say that {} was interrupted",
                    told.marker
                );
            }
            let answer = send(server.port, Kind::Large, &told.marker).unwrap();
            assert_eq!(answer["counts"]["added"], LARGE, "{answer}");
            assert_eq!(self::stored(server, told), LARGE);
            half
        }
    }
}

fn says_interrupted(server: &Server, stored: usize) -> bool {
    server.batches().iter().any(|batch| {
        batch["state"] == "interrupted"
            && batch["counts"]["added"] == stored
            && batch["counts"]["skipped"] == LARGE - stored
    })
}

fn stored(server: &Server, told: &Told) -> usize {
    match told.kind {
        Kind::Large => server.count("event", &format!("external_system eq '{}'", told.marker)),
        _ => server.count("customer", &format!("name eq '{}'", told.marker)),
    }
}

/// What the ledger says was added is what is stored.
fn balance(server: &Server) {
    let mut added = 0;
    for batch in server.batches() {
        let counts = &batch["counts"];
        let of = |name: &str| counts[name].as_u64().unwrap() as usize;
        let outcomes = ["added", "updated", "unchanged", "deleted", "parked", "refused", "skipped"];
        assert_eq!(outcomes.iter().map(|name| of(name)).sum::<usize>(), of("received"), "{batch}");
        assert_ne!(batch["state"], "running");
        added += of("added");
    }
    let stored: usize =
        ["customer", "event", "generic_type"].map(|entity| server.count(entity, "")).iter().sum();
    assert_eq!(stored, added);
}
