//! The whole program: real processes, sockets and signals.

mod chinook;
mod kill;
mod program;
mod world;

use std::time::{Duration, Instant};

use program::{Folder, Server, call, comptoir, connect, read_answer};

const ACME: &str = r#"
[project]
code = "ACME"
time_zone = "Europe/Paris"
[[api_key]]
name = "web"
key = "web-key"
role = "integrator"
[[records]]
entity = "customer"
rows = [{ code = "C0001", number = "ACR0000000020", name = "Quai Sud", city = "Brest" }]
"#;

fn acme() -> Folder {
    let folder = Folder::new();
    folder.write("acme.toml", ACME);
    let applied = comptoir(&folder, &["apply", "acme.toml"]);
    assert_eq!(applied.exit, 0, "{applied:?}");
    folder
}

/// A request for a row of NDJSON.
fn import(row: &str) -> String {
    format!(
        "POST /api/v1/ACME/customer/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer web-key\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{row}",
        row.len()
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer web-key\r\nConnection: close\r\n\r\n")
}

#[test]
fn a_file_applied_twice_changes_nothing_the_second_time() {
    let folder = Folder::new();
    folder.write("acme.toml", ACME);
    let dry = comptoir(&folder, &["apply", "acme.toml", "--dry-run"]);
    assert!(dry.exit == 0 && dry.stdout.starts_with("would be added     project ACME\n"), "{dry:?}");
    let first = comptoir(&folder, &["apply", "acme.toml"]);
    assert!(first.exit == 0 && first.stdout.contains("added     api_key web\n"), "{first:?}");
    let second = comptoir(&folder, &["apply", "acme.toml"]);
    assert_eq!(second.stdout, "nothing to change: project ACME is as the file says\n");
    assert_eq!(second.exit, 0);
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let folder = acme();
    folder.write("unknown.toml", &ACME.replace("[[api_key]]", "[[api_kay]]"));
    folder.write("refused.toml", &ACME.replace("city = \"Brest\"", "city = 5"));
    folder.write(
        "refused.ndjson",
        "{\"code\":\"C1\",\"parent\":\"C0002\"}\n{\"code\":\"C2\",\"name\":\"y\"}\n",
    );
    folder.write("good.ndjson", "{\"code\":\"C2\",\"name\":\"y\"}\n");
    folder.write("server.toml", "[limits]\nmax_bodi = \"1MiB\"\n");
    let rows = ["--project", "ACME", "--entity", "customer"];
    for (arguments, exit, told) in [
        (vec!["apply", "unknown.toml"], 2, "unknown.toml: line 5: unknown field `api_kay`"),
        (vec!["apply", "missing.toml"], 3, "missing.toml cannot be read"),
        (vec!["apply", "refused.toml"], 1, "wrong_type"),
        (vec!["apply"], 2, "<FILE>..."),
        (vec!["serve", "--config", "server.toml"], 2, "server.toml: there is no key `limits.max_bodi`"),
        ([&["import", "refused.ndjson"], &rows[..]].concat(), 1, "unknown_reference"),
        ([&["import", "refused.ndjson", "--commit", "together"], &rows[..]].concat(), 1, "skipped"),
        ([&["import", "good.ndjson", "--dry-run"], &rows[..]].concat(), 0, "nothing was stored"),
        ([&["import", "good.ndjson"], &rows[..]].concat(), 0, "batch "),
        ([&["import", "missing.ndjson"], &rows[..]].concat(), 3, "missing.ndjson cannot be read"),
        (vec!["import", "good.ndjson", "--project", "NONE", "--entity", "customer"], 2, "no project NONE"),
        (vec!["export", "--project", "ACME", "--entity", "nothing"], 2, "no entity nothing"),
        (vec!["export", "--project", "ACME", "--entity", "customer", "--filter", "city is"], 2, "comptoir: "),
        (vec!["explode"], 2, "explode"),
        (vec!["--help"], 0, "Usage"),
    ] {
        let done = comptoir(&folder, &arguments);
        assert_eq!(done.exit, exit, "{arguments:?} {done:?}");
        assert!(done.stdout.contains(told) || done.stderr.contains(told), "{arguments:?} {done:?}");
    }
    let elsewhere = Folder::new();
    let done = comptoir(&elsewhere, &["export", "--project", "ACME", "--entity", "customer"]);
    assert!(done.exit == 3 && done.stderr.contains("there is no data folder"), "{done:?}");
}

#[test]
fn refused_rows_come_back_as_a_file_to_mend_and_send() {
    let folder = acme();
    folder.write("rows.csv", "code;name;parent\nC1;Élodie;C0002\nC2;y;C0001\n");
    let rows = ["--project", "ACME", "--entity", "customer"];
    let done = comptoir(&folder, &[&["import", "rows.csv", "--rejects", "bad.csv"], &rows[..]].concat());
    assert_eq!(done.exit, 1);
    assert!(done.stdout.contains("delimiter ;") && done.stdout.contains("C0002"), "{done:?}");
    let mended = folder.read("bad.csv").replacen("C0002", "C0001", 1);
    folder.write("bad.csv", &mended);
    let done = comptoir(&folder, &[&["import", "bad.csv"], &rows[..]].concat());
    assert_eq!(done.exit, 0, "{done:?}");
    let done = comptoir(
        &folder,
        &["export", "--project", "ACME", "--entity", "customer", "--filter", "code eq 'C1'"],
    );
    assert!(done.stdout.contains("\"name\":\"Élodie\""), "{done:?}");
}

#[test]
fn a_server_answers_is_watched_and_stops_when_told() {
    let folder = acme();
    let begun = Instant::now();
    let mut server = Server::start(&folder, &[]);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    for (path, status, told) in [
        ("/healthz", 200, "alive"),
        ("/readyz", 200, "ready"),
        ("/api/v1/ACME/customer/C0001", 200, "Quai Sud"),
        ("/nothing", 404, "application/problem+json"),
        ("/metrics", 200, "comptoir_requests_total{door=\"native\",status=\"2xx\"} 1"),
    ] {
        let answer = call(server.port, &get(path));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(told),
            "{path}: {answer}"
        );
    }
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(!folder.has("data/socket") && !folder.has("data/owner-token"));
    assert!(!server.log().contains("web-key"));
}

#[test]
fn what_is_being_answered_is_finished_and_what_is_new_is_turned_away() {
    let folder = acme();
    let mut server = Server::start(&folder, &[]);
    let request = import("{\"code\":\"C9\",\"name\":\"slow\"}\n");
    let (first, rest) = request.split_at(request.len() - 10);
    let mut slow = connect(server.port, first);
    // The slow one, and the one that asks.
    while !call(server.port, &get("/metrics")).contains("comptoir_requests_in_progress 2") {
        std::thread::yield_now();
    }
    server.signal("TERM");
    server.await_line("stopping");
    let refused = call(server.port, &get("/healthz")).to_lowercase();
    assert!(refused.starts_with("http/1.1 503 "), "{refused}");
    assert!(refused.contains("connection: close") && refused.contains("retry-after: 5"), "{refused}");
    program::send(&mut slow, rest);
    let answer = read_answer(&mut slow);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"added\":1"), "{answer}");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_second_process_works_through_the_first() {
    let folder = acme();
    let mut server = Server::start(&folder, &[]);
    folder.write("two.toml", &ACME.replace("ACME", "TWO").replace("web-key", "two-key"));
    folder.write("rows.ndjson", "{\"code\":\"C5\",\"name\":\"via socket\"}\n");
    let applied = comptoir(&folder, &["apply", "two.toml"]);
    assert!(applied.exit == 0 && applied.stdout.contains("added     project TWO"), "{applied:?}");
    let imported = comptoir(&folder, &["import", "rows.ndjson", "--project", "TWO", "--entity", "customer"]);
    assert_eq!(imported.exit, 0, "{imported:?}");
    let exported =
        comptoir(&folder, &["export", "--project", "TWO", "--entity", "customer", "--format", "csv"]);
    assert!(exported.exit == 0 && exported.stdout.contains("via socket"), "{exported:?}");
    let url = format!("http://127.0.0.1:{}", server.port);
    let remote =
        ["export", "--project", "TWO", "--entity", "customer", "--server", &url, "--token", "two-key"];
    assert!(program::comptoir_elsewhere(&remote).stdout.contains("via socket"));

    let second = comptoir(&folder, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(second.exit == 3 && second.stderr.contains(&format!("process {}", server.id())), "{second:?}");
    folder.write("data/owner-token", "guessed");
    let guessed = comptoir(&folder, &["export", "--project", "TWO", "--entity", "customer"]);
    assert!(guessed.exit == 2 && guessed.stderr.contains("owner"), "{guessed:?}");
    folder.remove("data/socket");
    let lost = comptoir(&folder, &["export", "--project", "TWO", "--entity", "customer"]);
    assert!(lost.exit == 3 && lost.stderr.contains(&format!("process {}", server.id())), "{lost:?}");
    server.signal("INT");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn what_was_answered_is_there_after_a_kill() {
    let folder = acme();
    for n in 0..3 {
        let mut server = Server::start(&folder, &[]);
        let answer = call(server.port, &import(&format!("{{\"code\":\"K{n}\",\"name\":\"kept\"}}\n")));
        assert!(answer.contains("\"added\":1"), "{answer}");
        server.signal("KILL");
        server.wait();
    }
    let kept = comptoir(
        &folder,
        &["export", "--project", "ACME", "--entity", "customer", "--filter", "name eq 'kept'"],
    );
    assert_eq!(kept.stdout.lines().count(), 3, "{kept:?}");
}

#[test]
fn who_sends_too_slowly_is_let_go() {
    let folder = acme();
    folder.write("server.toml", "[limits]\nheader_timeout = \"300ms\"\nbody_timeout = \"300ms\"\n");
    let server = Server::start(&folder, &["--config", "server.toml"]);
    let begun = Instant::now();
    let mut head = connect(server.port, "GET /healthz HTTP/1.1\r\nHos");
    assert!(!read_answer(&mut head).contains("200 OK"));
    let request = import("{\"code\":\"C9\",\"name\":\"slow\"}\n");
    let mut body = connect(server.port, &request[..request.len() - 10]);
    assert!(!read_answer(&mut body).contains("\"added\":1"));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(call(server.port, &get("/healthz")).contains("alive"));
}

#[test]
fn the_demo_shows_an_import_serves_and_leaves_nothing() {
    let folder = Folder::new();
    let mut demo = Server::demo(&folder);
    let text = demo.await_output("trace?key=");
    assert!(text.contains("Error:Account (ACR00045000) Not Found."), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("w-") && line.contains("  event  ")).count(), 3);
    assert_eq!(folder.count("tmp"), 1);
    let answer = call(demo.port, &get("/api/v1/DEMO/trace?key=C0001").replace("web-key", "demo-key"));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    demo.signal("INT");
    assert_eq!(demo.wait(), Some(0));
    assert_eq!(folder.count("tmp"), 0);
}
