//! Bodies nobody can read, rows nobody can store.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{BULK, CRMCOM, House, IMPORT, envelope, event, problem, silent};
use crate::wire::{JSON, KEY, NDJSON, exchange};

const CSV: (&str, &str) = ("Content-Type", "text/csv");
const GZIP: (&str, &str) = ("Content-Encoding", "gzip");
const DEEP: usize = 10_000;

/// Bodies that are no JSON, or none that anybody reads.
fn unreadable() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("cut", b"[{\"code\":".to_vec()),
        ("no end", b"[{\"code\":\"X1\"}".to_vec()),
        ("words", b"give me".to_vec()),
        ("nothing", Vec::new()),
        ("more behind", b"[{\"code\":\"X1\"}] x".to_vec()),
        ("deep arrays", [vec![b'['; DEEP], vec![b']'; DEEP]].concat()),
        ("deep arrays in a row", [b"[{\"code\":\"X1\",\"name\":", &vec![b'['; DEEP][..]].concat()),
        ("deep objects", [b"{\"a\":".repeat(DEEP), b"1".to_vec(), vec![b'}'; DEEP]].concat()),
        ("deep and open", b"[{\"a\":".repeat(DEEP)),
        ("no UTF-8", b"[{\"code\":\"X1\",\"name\":\"\xff\xfe\"}]".to_vec()),
        ("a bare U+0000", b"[{\"code\":\"X1\",\"name\":\"a\0b\"}]".to_vec()),
    ]
}

/// Rows that are JSON and cannot be stored.
const BAD_ROWS: [&str; 12] = [
    "5",
    "[]",
    "null",
    r#"{"code":{"a":1}}"#,
    r#"{"code":"X1","name":{"a":1}}"#,
    r#"{"code":"X1","name":["a"]}"#,
    r#"{"code":"X1","nope":1}"#,
    r#"{"code":"X1","code":"X2"}"#,
    r#"{"code":"X1","name":"a\u0000b"}"#,
    r#"{"code":"X\u0000"}"#,
    r#"{"code":"X1","name":"\ud800"}"#,
    r#"{"code":"X1","blocked":1e999999}"#,
];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bodies_nobody_can_read_are_refused_in_the_words_of_the_door() {
    let mut house = House::new("");
    let unreadable = unreadable();
    for (told, body) in &unreadable {
        for path in [IMPORT, "/api/v1/ACME/batches", "/api/v1/ACME/customer", "/api/v1/token"] {
            let answer = house.server.call("POST", path, &[KEY, JSON], body);
            problem(&format!("{told} to {path}"), &answer, &[400]);
        }
        for method in ["PATCH", "PUT"] {
            let answer = house.server.call(method, "/api/v1/ACME/customer/C0001", &[KEY, JSON], body);
            problem(&format!("{method} {told}"), &answer, &[400]);
        }
        for path in ["authentication/token", "customer_events/web/create", "customer_events/web/list"] {
            let answer = house.server.call("POST", &format!("{CRMCOM}/{path}"), &[JSON], body);
            let code = answer.json()["status"]["code"].as_str().unwrap().to_owned();
            // However deep it is: an object is an object, and what is wanted is not in it.
            let expected = if *told == "deep objects" { &code } else { "InvalidAPIRequestException" };
            assert_ne!(code, "OK");
            envelope(&format!("{told} to {path}"), &answer, 200, expected);
        }
        if !told.starts_with("deep") {
            let body = [&house.bulk("")[..house.bulk("").len() - 1], body, b"}"].concat();
            let answer = house.server.call("POST", BULK, &[JSON], body);
            envelope(&format!("{told} as rows"), &answer, 200, "InvalidAPIRequestException");
        }
    }
    house.still_good();
    house.close();
}

#[test]
fn rows_nobody_can_store_are_refused_each_for_itself() {
    let mut house = House::new("");
    let rows = format!("[{}]", BAD_ROWS.join(","));
    let lines = BAD_ROWS.join("\n") + "\n" + &"[".repeat(DEEP) + "\n{\"code\":\n\n" + &"{\"a\":".repeat(DEEP);
    for (media, body, count) in [(JSON, rows, BAD_ROWS.len()), (NDJSON, lines, BAD_ROWS.len() + 3)] {
        let answer = house.server.call("POST", IMPORT, &[KEY, media], &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["counts"]["refused"], count, "{answer:?}");
        assert_eq!(answer.json()["counts"]["received"], count, "{answer:?}");
        let answer = house.server.call("POST", &format!("{IMPORT}?commit=together"), &[KEY, media], &body);
        assert_eq!(answer.status, 422, "{answer:?}");
        house.batches += 2;
    }
    for row in BAD_ROWS {
        let answer = house.server.call("POST", "/api/v1/ACME/customer", &[KEY, JSON], row);
        problem(row, &answer, &[422]);
        house.batches += 1;
    }
    let deep = format!(",\"description\":{}{}", "{\"a\":".repeat(DEEP), "1".to_owned() + &"}".repeat(DEEP));
    let bad = ["5", "[]", "null", r#"{"code":"X1"}"#].map(str::to_owned);
    let members = [
        &deep,
        r#","description":"\u0000""#,
        r#","description":"\udc00""#,
        r#","description":5"#,
        r#","udf_float_1":1e999999"#,
        r#","accounts_receivable_identifier":5"#,
        r#","accounts_receivable_identifier":{"id":{"id":1}}"#,
        r#","performed_on":"yesterday""#,
    ];
    let rows: Vec<String> = bad.into_iter().chain(members.map(event)).collect();
    for row in &rows {
        let answer = house.server.call("POST", BULK, &[JSON], house.bulk(&format!("[{row}]")));
        let refused = &answer.json()["data"]["unprocessed_customer_events_set"];
        assert_eq!(refused.as_array().map(Vec::len), Some(1), "{row}: {answer:?}");
        silent(row, &answer);
        house.batches += 1;
    }
    house.still_good();
    house.close();
}

#[test]
fn bodies_too_large_or_badly_packed_are_refused_before_anything_is_read_from_them() {
    let mut house = House::new("[limits]\nmax_body = \"12MiB\"\nmemory_body = \"1MiB\"\n");
    let good = b"[{\"code\":\"X1\"}]";
    let packed = gzip(good);
    let bomb = gzip(&vec![b' '; 20 << 20]);
    assert!(bomb.len() < 25_000);
    let large = vec![b' '; 20 << 20];
    let latin = ("Content-Type", "application/json; charset=ISO-8859-1");
    let klingon = ("Content-Type", "text/csv; charset=klingon");
    let brotli = ("Content-Encoding", "br");
    let zstd = ("Content-Encoding", "zstd");
    for (told, headers, body, status) in [
        ("large", vec![KEY, JSON], &large[..], 413),
        ("a bomb", vec![KEY, JSON, GZIP], &bomb, 413),
        ("a bomb of lines", vec![KEY, NDJSON, GZIP], &bomb, 413),
        ("half a gzip", vec![KEY, JSON, GZIP], &packed[..packed.len() - 12], 400),
        ("a gzip without its end", vec![KEY, JSON, GZIP], &packed[..packed.len() - 4], 400),
        ("no gzip", vec![KEY, JSON, GZIP], good, 400),
        ("no zstd", vec![KEY, JSON, zstd], good, 400),
        ("another packing", vec![KEY, JSON, brotli], good, 415),
        ("another charset", vec![KEY, latin], good, 415),
        ("no charset", vec![KEY, klingon], good, 415),
        ("another media type", vec![KEY, ("Content-Type", "text/xml")], good, 415),
        ("an open quote", vec![KEY, CSV], b"code,name\nX1,\"a\n", 400),
        ("a column twice", vec![KEY, CSV], b"code,code\nX1,X2\n", 400),
        ("an empty file", vec![KEY, CSV], b"", 400),
    ] {
        problem(told, &house.server.call("POST", IMPORT, &headers, body), &[status]);
    }
    // Announced in pieces, so that only counting tells.
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{}: {}\r\n\r\n",
        KEY.0, KEY.1
    );
    let chunks = format!("{head}{:x}\r\n", large.len()).into_bytes();
    let answer = exchange(house.server.port, &[&chunks, &large[..], b"\r\n0\r\n\r\n"].concat()).unwrap();
    problem("large in pieces", &answer, &[413]);

    let rows = house.bulk(&format!("[{}]", event("")));
    let packed = gzip(&rows);
    for (told, headers, body, status) in [
        ("large", vec![JSON], &large[..11 << 20], 413),
        ("a bomb", vec![JSON, GZIP], &bomb, 413),
        ("half a gzip", vec![JSON, GZIP], &packed[..packed.len() - 12], 200),
        ("no gzip", vec![JSON, GZIP], &rows, 200),
        ("another packing", vec![JSON, brotli], &rows, 200),
        ("another charset", vec![latin], &rows, 200),
        ("a bad key", vec![JSON, ("Idempotency-Key", "a b")], &rows, 200),
    ] {
        let answer = house.server.call("POST", BULK, &headers, body);
        envelope(told, &answer, status, "InvalidAPIRequestException");
    }
    assert_eq!(house.folder.count("data/spool"), 0);
    house.still_good();
    house.close();
}

#[test]
fn the_smaller_of_two_limits_counts_on_every_door() {
    let mut house = House::new("[limits]\nmax_body = \"64KiB\"\n");
    let large = vec![b' '; 65 << 10];
    problem("native", &house.server.call("POST", IMPORT, &[KEY, JSON], &large), &[413]);
    let answer = house.server.call("POST", BULK, &[JSON], &large);
    envelope("vendor", &answer, 413, "InvalidAPIRequestException");
    house.still_good();
    house.close();
}

#[test]
fn a_file_of_a_hundred_thousand_columns_is_answered_at_once() {
    let house = House::new("");
    let begun = Instant::now();
    let body = ",".repeat(100_000) + "\nX1,\"a\n";
    problem("columns", &house.server.call("POST", IMPORT, &[KEY, CSV], body), &[400]);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    house.close();
}
