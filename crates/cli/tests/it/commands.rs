//! The commands: what they print, and how they end.

use crate::program::{Folder, Server};
use crate::{ACME, acme};

#[test]
fn a_file_applied_twice_changes_nothing_the_second_time() {
    let folder = Folder::new();
    folder.write("acme.toml", ACME);
    let dry = folder.run(&["apply", "acme.toml", "--dry-run"]);
    assert!(dry.exit == 0 && dry.stdout.starts_with("would be added     project ACME\n"), "{dry:?}");
    let first = folder.run(&["apply", "acme.toml"]);
    assert!(first.exit == 0 && first.stdout.contains("added     api_key erp\n"), "{first:?}");
    let second = folder.run(&["apply", "acme.toml"]);
    assert_eq!(second.stdout, "nothing to change: project ACME is as the file says\n");
    assert_eq!(second.exit, 0);
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let folder = acme();
    folder.write("unknown.toml", ACME.replace("[[api_key]]", "[[api_kay]]"));
    folder.write("refused.toml", ACME.replace("city = \"Brest\"", "city = 5"));
    folder.write(
        "refused.ndjson",
        "{\"code\":\"C1\",\"parent\":\"C0002\"}\n{\"code\":\"C2\",\"name\":\"y\"}\n",
    );
    folder.write("good.ndjson", "{\"code\":\"C2\",\"name\":\"y\"}\n");
    folder.write("limited.toml", "[project]\ncode = \"ACME\"\nrequests_per_minute = 60\nactive_users = 5\n");
    folder.write(
        "lost.toml",
        "[project]\ncode = \"ACME\"\n[[records]]\nentity = \"customer\"\nfile = \"lost.csv\"\n",
    );
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
        (
            [&["import", "refused.ndjson", "--commit", "together"], &rows[..]].concat(),
            1,
            "nothing was stored: the rows stand together and 1 was refused\n",
        ),
        ([&["import", "good.ndjson", "--dry-run"], &rows[..]].concat(), 0, "nothing was stored"),
        ([&["import", "good.ndjson"], &rows[..]].concat(), 0, "batch "),
        ([&["import", "missing.ndjson"], &rows[..]].concat(), 3, "missing.ndjson cannot be read"),
        (vec!["import", "good.ndjson", "--project", "NONE", "--entity", "customer"], 2, "no project NONE"),
        (
            vec!["export", "--project", "NONE", "--entity", "customer"],
            2,
            "no project NONE; `comptoir apply` makes one",
        ),
        (vec!["export", "--project", "ACME", "--entity", "nothing"], 2, "no entity nothing;"),
        (
            vec!["export", "--project", "ACME", "--entity", "custmer"],
            2,
            "no entity custmer (did you mean customer?);",
        ),
        (vec!["export", "--project", "ACME", "--entity", "customer", "--filter", "city is"], 2, "comptoir: "),
        (vec!["explode"], 2, "explode"),
        (vec!["--help"], 0, "Usage"),
        (vec!["help"], 0, "Usage"),
        (vec!["help", "import"], 0, "--rejects"),
        (vec!["serve", "--print-config"], 0, "max_body = \"2GiB\""),
        (vec!["serve", "--listen", "localhost:7070"], 2, "such as 127.0.0.1:7070"),
        (vec!["apply", "limited.toml"], 0, "requests_per_minute is kept, not enforced yet"),
        (
            vec!["apply", "lost.toml"],
            3,
            "lost.csv cannot be read: No such file or directory (os error 2); check the path",
        ),
    ] {
        let done = folder.run(&arguments);
        assert_eq!(done.exit, exit, "{arguments:?} {done:?}");
        assert!(done.stdout.contains(told) || done.stderr.contains(told), "{arguments:?} {done:?}");
    }
    let elsewhere = Folder::new();
    let done = elsewhere.run(&["export", "--project", "ACME", "--entity", "customer"]);
    assert!(done.exit == 3 && done.stderr.contains("there is no data folder"), "{done:?}");
}

#[test]
fn refused_rows_come_back_as_a_file_to_mend_and_send() {
    let folder = acme();
    folder.write("rows.csv", "code;name;parent\nC1;Élodie;C0002\nC2;y;C0001\n");
    let rows = ["--project", "ACME", "--entity", "customer"];
    let done = folder.run(&[&["import", "rows.csv", "--rejects", "bad.csv"], &rows[..]].concat());
    assert_eq!(done.exit, 1);
    assert!(done.stdout.contains("delimiter ;") && done.stdout.contains("C0002"), "{done:?}");
    let mended = folder.read("bad.csv").replacen("C0002", "C0001", 1);
    folder.write("mended.csv", &mended);
    let again = [&["import", "mended.csv", "--rejects", "bad.csv"], &rows[..]].concat();
    let done = folder.must(0, &[&again[..], &["--dry-run"]].concat());
    assert!(folder.has("bad.csv") && !done.stdout.contains("removed"), "{done:?}");
    let done = folder.must(0, &again);
    assert!(done.stdout.ends_with("nothing was refused, so the old bad.csv was removed\n"), "{done:?}");
    assert!(!folder.has("bad.csv"));
    // What was sent is nobody's leavings.
    folder.must(0, &[&["import", "mended.csv", "--rejects", "mended.csv"], &rows[..]].concat());
    assert!(folder.has("mended.csv"));
    let done =
        folder.run(&["export", "--project", "ACME", "--entity", "customer", "--filter", "code eq 'C1'"]);
    assert!(done.stdout.contains("\"name\":\"Élodie\""), "{done:?}");
}

#[test]
fn the_demo_shows_an_import_serves_and_leaves_nothing() {
    let folder = Folder::new();
    let mut demo = Server::demo(&folder);
    let text = demo.await_output("trace?key=");
    assert!(text.contains("Error:Account (ACR00045000) Not Found."), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("w-") && line.contains("  event  ")).count(), 3);
    assert_eq!(folder.count("tmp"), 1);
    let key = [("Authorization", "Bearer demo-key")];
    let answer = demo.call("GET", "/api/v1/DEMO/trace?key=C0001", &key, "");
    assert_eq!(answer.status, 200, "{answer:?}");
    demo.signal("INT");
    assert_eq!(demo.wait(), Some(0));
    assert_eq!(folder.count("tmp"), 0);
}
