//! What a large import costs the server in memory.

use crate::acme;
use crate::program::Server;
use crate::wire::{KEY, NDJSON};

const EVENTS: usize = 150_000;
/// Whatever the size of the import.
const MOST_BYTES: usize = 200 << 20;
/// What an allocator may need more or less from one run to the next.
const NOISE_BYTES: usize = 16 << 20;

/// Most bytes the server ever held; `None` prints why the test does not run, and fails where all must.
fn peak(server: &Server) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let Some(line) = line else {
        eprintln!("\x1b[31mNOT RUN: this system does not tell how much memory a process held\x1b[0m");
        assert!(std::env::var_os("CI").is_none(), "NOT RUN: the memory of a process is not told");
        return None;
    };
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    Some(kib << 10)
}

fn events(marker: &str) -> String {
    let line = |n| {
        format!(
            "{{\"customer\":\"C0001\",\"kind\":\"WEB\",\"occurred_at\":\"2026-02-01T10:00:00\",\"website\":\"shop.example\",\
             \"external_system\":\"{marker}\",\"external_reference\":\"{n}\"}}\n"
        )
    };
    (0..EVENTS).map(line).collect()
}

#[test]
fn an_import_of_any_size_takes_no_more_memory_than_the_one_before() {
    let folder = acme();
    let server = folder.serve(&[]);
    if peak(&server).is_none() {
        return;
    }
    let mut peaks = Vec::new();
    // The first import fills the caches, which have limits of their own.
    for marker in ["before", "first", "second"] {
        let answer = server.call("POST", "/api/v1/ACME/event/import", &[KEY, NDJSON], events(marker));
        assert_eq!(answer.json()["counts"]["added"], EVENTS, "{answer:?}");
        peaks.extend(peak(&server));
    }
    assert!(peaks[2] < MOST_BYTES, "{peaks:?} bytes");
    assert!(peaks[2] < peaks[1] + NOISE_BYTES, "{peaks:?} bytes");
    assert_eq!(server.terminate(), Some(0));
}
