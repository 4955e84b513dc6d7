//! Connections that are no HTTP, break, crawl, or come too late.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{BULK, House, IMPORT, envelope, event, problem};
use crate::wire::{JSON, KEY, begin, connect, exchange, read_answer, request};

/// An answer is read although the client was still sending when it was given, and sent on.
#[test]
fn who_sends_too_much_still_gets_the_answer() {
    let house = House::new("[limits]\nmax_body = \"64KiB\"\n");
    let large = vec![b' '; 16 << 20];
    for headers in [vec![KEY, JSON], vec![JSON]] {
        let mut stream = connect(house.server.port).unwrap();
        stream.write_all(&request("POST", IMPORT, &headers, &large)).expect("the server hung up");
        let answer = read_answer(&mut stream).unwrap();
        problem("too much", &answer, &[413, 401]);
    }
    house.close();
}

/// What is no HTTP has no door: a status, and the end of the connection.
#[test]
fn what_is_no_http_is_refused_without_a_word() {
    let mut house = House::new("");
    let head = |more: &str| {
        format!(
            "POST {IMPORT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}: {}\r\n{more}\r\n",
            KEY.0, KEY.1
        )
    };
    let big = format!("X-Big: {}\r\n", "a".repeat(1_000_000));
    let many: String = (0..300).map(|n| format!("X-{n}: a\r\n")).collect();
    let url = format!("GET /api/v1/ACME/customer?filter={} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    for (told, bytes, status) in [
        ("a header of 1 MB", head(&big), 431),
        ("300 headers", head(&many), 431),
        ("a URL of 100 KB", url, 414),
        ("two lengths", head("Content-Length: 2\r\nContent-Length: 3\r\n") + "[]]", 400),
        ("a length below 0", head("Content-Length: -2\r\n") + "[]", 400),
        ("an unknown coding", head("Transfer-Encoding: xchunked\r\n") + "2\r\n[]\r\n0\r\n\r\n", 400),
        (
            "a coding behind chunks",
            head("Transfer-Encoding: chunked, identity\r\n") + "2\r\n[]\r\n0\r\n\r\n",
            400,
        ),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0hello\r\n\r\n".to_owned(), 400),
    ] {
        let answer =
            exchange(house.server.port, bytes.as_bytes()).unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!((answer.status, &answer.body[..]), (status, &b""[..]), "{told}: {answer:?}");
    }
    let row = "1\r\n[\r\n";
    for (told, chunks) in [
        ("no size", "zz\r\n[]\r\n0\r\n\r\n".to_owned()),
        ("a huge size", "ffffffffffffffffff\r\n[]\r\n0\r\n\r\n".to_owned()),
        ("a size that lies", format!("{row}1\r\n{{\"code\":\"X1\"}}]\r\n0\r\n\r\n")),
    ] {
        let bytes = head("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n") + &chunks;
        problem(told, &exchange(house.server.port, bytes.as_bytes()).unwrap(), &[400]);
    }
    house.still_good();
    house.close();
}

#[test]
fn clients_that_go_away_leave_nothing_half_done() {
    let mut house = House::new("");
    let port = house.server.port;
    let rows = b"[{\"code\":\"X1\"},{\"code\":\"X2\"}]";
    let whole = request("POST", IMPORT, &[KEY, JSON], rows);
    let vendor = request("POST", BULK, &[JSON], &house.bulk(&format!("[{}]", event(""))));
    let chunked = format!(
        "POST {IMPORT} HTTP/1.1\r\nHost: x\r\n{}: {}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{{\"co",
        KEY.0, KEY.1
    );
    // During the upload: by closing, and by falling silent for ever on one side.
    for bytes in [&whole[..whole.len() - 1], &vendor[..vendor.len() - 1], chunked.as_bytes()] {
        drop(begin(port, bytes));
        let mut half = begin(port, bytes);
        half.shutdown(Shutdown::Write).unwrap();
        let answer = read_answer(&mut half).unwrap();
        match bytes == &vendor[..vendor.len() - 1] {
            true => envelope("cut", &answer, 200, "InvalidAPIRequestException"),
            false => problem("cut", &answer, &[400]),
        }
    }
    house.still_good();
    // Who has nothing more to say is answered.
    let mut half = begin(port, &request("GET", "/api/v1/ACME/customer/C0001", &[KEY], b""));
    half.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut half).unwrap().status, 200);
    // Before reading the answer: what was received whole is done whole.
    drop(begin(port, &whole));
    let begun = Instant::now();
    while house.server.count("customer", "code startswith 'X'") < 2 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the batch was given up");
        std::thread::yield_now();
    }
    (house.records, house.batches) = (house.records + 2, house.batches + 1);
    house.still_good();
    house.close();
}

#[test]
fn two_hundred_slow_senders_hold_up_nobody() {
    let mut house = House::new("");
    let port = house.server.port;
    let whole = request("POST", IMPORT, &[KEY, JSON], b"[{\"code\":\"X1\"}]");
    let headless = b"GET /healthz HTTP/1.1\r\nHost: ";
    let senders: io::Result<Vec<TcpStream>> = (0..200).map(|_| connect(port)).collect();
    let mut senders = senders.unwrap();
    let mut slowest = Duration::ZERO;
    for second in 0..3 {
        for (n, sender) in senders.iter_mut().enumerate() {
            // Half of them in the middle of a head, half in the middle of a body.
            let bytes: &[u8] = match (n % 2, second) {
                (0, 0) => headless,
                (0, _) => b"x",
                (_, 0) => &whole[..whole.len() - 10],
                (_, at) => &whole[whole.len() - 10 + at..][..1],
            };
            sender.write_all(bytes).unwrap();
        }
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            let begun = Instant::now();
            house.good += 1;
            let row = format!("[{{\"code\":\"FAST{}\"}}]", house.good);
            let answer = house.server.call("POST", IMPORT, &[KEY, JSON], row);
            assert_eq!(answer.json()["counts"]["added"], 1, "{answer:?}");
            (house.records, house.batches) = (house.records + 1, house.batches + 1);
            slowest = slowest.max(begun.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(slowest < Duration::from_secs(2), "a good call took {slowest:?}");
    drop(senders);
    house.still_good();
    house.close();
}

/// A server that stops says so in the words of each door.
#[test]
fn who_comes_while_the_server_stops_is_told_in_the_words_of_the_door() {
    let house = House::new("");
    let whole = request("POST", IMPORT, &[KEY, JSON], b"[{\"code\":\"X1\"}]");
    let mut slow = begin(house.server.port, &whole[..whole.len() - 1]);
    while !house.server.get("/metrics").text().contains("comptoir_requests_in_progress 2") {
        std::thread::yield_now();
    }
    house.server.signal("TERM");
    house.server.await_line("stopping");
    problem("house", &house.server.get("/healthz"), &[503]);
    let answer = house.server.get("/api/v1/ACME/customer");
    problem("native", &answer, &[503]);
    assert_eq!(answer.json()["type"], "urn:comptoir:problem:unavailable");
    let answer = house.server.call("POST", BULK, &[JSON], "{}");
    envelope("vendor", &answer, 503, "GeneralAPIException");
    assert!(answer.header("retry-after").is_some());
    slow.write_all(&whole[whole.len() - 1..]).unwrap();
    let told: Value = read_answer(&mut slow).unwrap().json();
    assert_eq!(told["counts"]["added"], 1);
    let House { mut server, .. } = house;
    assert_eq!(server.wait(), Some(0));
}
