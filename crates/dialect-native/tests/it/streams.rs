//! Streams of many records.

use std::collections::HashSet;
use std::fmt::Write as _;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::{apply, authorized, clock, engine, router, send};

const PROJECT: &str = include_str!("../../scenarios/fixtures/project.toml");

async fn import(router: &Router, path: &str, media: &str, body: String) -> serde_json::Value {
    let request = authorized(Request::post(path)).header("content-type", media);
    let (status, answer) = send(router, request.body(Body::from(body)).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

fn events(count: usize) -> String {
    let mut body = String::new();
    for n in 0..count {
        let _ = writeln!(
            body,
            r#"{{"code":"S{n}","event_type":"VISIT","customer":"C000{}","label":"Visit {n}","occurred_at":"2026-02-01T10:00:00Z","status":"OPEN","amount":{n}.5}}"#,
            n % 3 + 1
        );
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_comes_once_over_many_pages() {
    let engine = engine(clock());
    apply(&engine, PROJECT).await;
    let router = router(&engine);
    import(&router, "/api/v1/ACME/event/import", "application/x-ndjson", events(3_500)).await;
    for query in [
        "format=ndjson",
        "format=ndjson&order=status+desc",
        "format=ndjson&order=occurred_at,customer+desc",
        "format=ndjson&expand=customer",
    ] {
        let request =
            authorized(Request::get(format!("/api/v1/ACME/event?{query}"))).body(Body::empty()).unwrap();
        let (status, text) = send(&router, request).await;
        assert_eq!(status, StatusCode::OK);
        let codes: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["code"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(codes.len(), 3_500, "{query}");
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), 3_500, "{query}");
    }
    let request =
        authorized(Request::get("/api/v1/ACME/event?format=csv&limit=2500")).body(Body::empty()).unwrap();
    let (_, text) = send(&router, request).await;
    assert_eq!(text.lines().count(), 2_501);
    // What was exported comes back unchanged, but for the stamps that are ours.
    let answer = import(&router, "/api/v1/ACME/event/import", "text/csv", text).await;
    assert_eq!(answer["counts"]["unchanged"], 2_500, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_rejects_has_every_page_and_every_member() {
    let engine = engine(clock());
    apply(&engine, PROJECT).await;
    let router = router(&engine);
    let mut body = String::new();
    for n in 0..2_500 {
        let member = if n == 2_400 { "status" } else { "label" };
        let _ = writeln!(body, r#"{{"code":"R{n}","customer":"none","{member}":"a\nb"}}"#);
    }
    let answer = import(&router, "/api/v1/ACME/event/import", "application/x-ndjson", body).await;
    let path = format!("/api/v1/ACME/batches/{}/rejects.csv", answer["batch"].as_str().unwrap());
    let request = authorized(Request::get(&path)).body(Body::empty()).unwrap();
    let (_, text) = send(&router, request).await;
    assert!(text.starts_with("\u{feff}code,customer,label,status,comptoir_outcome,"), "{}", &text[..200]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 2_500);
    assert_eq!(&records[2_400][0], "R2400");
    assert_eq!(&records[2_400][3], "a\nb");

    let mut body = "code;customer;label\n".to_owned();
    for n in 0..2_500 {
        let _ = writeln!(body, "R{n};none;x,y");
    }
    let answer = import(&router, "/api/v1/ACME/event/import", "text/csv", body).await;
    let path = format!("/api/v1/ACME/batches/{}/rejects.csv", answer["batch"].as_str().unwrap());
    let request = authorized(Request::get(&path)).body(Body::empty()).unwrap();
    let (_, text) = send(&router, request).await;
    assert_eq!(text.lines().count(), 2_501);
    let mended = text.replace("none", "C0001");
    let answer = import(&router, "/api/v1/ACME/event/import", "text/csv", mended).await;
    assert_eq!(answer["counts"]["added"], 2_500, "{answer}");
}
