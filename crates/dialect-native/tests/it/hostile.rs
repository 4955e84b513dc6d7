//! Bodies and headers of strangers: a clear problem, and nothing stored.

use std::io::Write as _;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::clock::Clock;
use engine::Engine;

use super::{apply, authorized, clock, engine, router, send};

const PROJECT: &str = include_str!("../../scenarios/fixtures/project.toml");

async fn open() -> (Engine, Router) {
    let engine = engine(clock() as std::sync::Arc<dyn Clock>);
    apply(&engine, PROJECT).await;
    let router = router(&engine);
    (engine, router)
}

async fn post(
    router: &Router,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (StatusCode, String) {
    let mut request = authorized(Request::post(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(body.into()).unwrap()).await
}

/// The seq of the journal: nothing was stored while it stands.
async fn seq(router: &Router) -> String {
    let request = authorized(Request::get("/api/v1/ACME/changes?limit=1000")).body(Body::empty()).unwrap();
    let (_, answer) = send(router, request).await;
    answer.rsplit_once("\"next\":").map(|(_, seq)| seq.to_owned()).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Name, path, headers, body, and the status: all of it, or its hundreds.
type Case<'c> = (&'c str, &'c str, Vec<(&'c str, &'c str)>, Vec<u8>, u16);

#[tokio::test]
async fn broken_bodies_are_refused_and_store_nothing() {
    let (_engine, router) = open().await;
    let before = seq(&router).await;
    let rows = b"[{\"code\":\"H1\"}]";
    let whole = gzip(rows);
    let import = "/api/v1/ACME/event/import";
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: Vec<Case<'_>> = vec![
        ("deep arrays", import, vec![], deep.clone().into_bytes(), 400),
        ("a deep value", "/api/v1/ACME/event", vec![], format!("{{\"products\":{deep}}}").into_bytes(), 4),
        ("deep sets", "/api/v1/ACME/batches", vec![], format!("{{\"records\":{deep}}}").into_bytes(), 400),
        ("invalid UTF-8", import, vec![], b"[{\"code\":\"H\xff\"}]".to_vec(), 4),
        (
            "a truncated gzip",
            import,
            vec![("content-encoding", "gzip")],
            whole[..whole.len() - 6].to_vec(),
            400,
        ),
        ("no gzip", import, vec![("content-encoding", "gzip")], rows.to_vec(), 400),
        ("an unknown encoding", import, vec![("content-encoding", "br")], rows.to_vec(), 415),
        (
            "an unknown charset",
            import,
            vec![("content-type", "application/json; charset=utf-16")],
            rows.to_vec(),
            415,
        ),
        ("trailing bytes", import, vec![], b"[{\"code\":\"H1\"}] x".to_vec(), 400),
        ("an empty body", import, vec![], Vec::new(), 400),
        ("an object", import, vec![], b"{\"code\":\"H1\"}".to_vec(), 400),
        ("U+0000 in a code", "/api/v1/ACME/event", vec![], b"{\"code\":\"H\\u0000\"}".to_vec(), 422),
        ("a lone surrogate", "/api/v1/ACME/event", vec![], b"{\"label\":\"\\ud800\"}".to_vec(), 4),
        ("a token request that nests", "/api/v1/token", vec![], deep.into_bytes(), 400),
    ];
    for (name, path, headers, body, wanted) in cases {
        let (status, answer) = post(&router, path, &headers, body).await;
        let same = if wanted < 10 { status.as_u16() / 100 == wanted } else { status.as_u16() == wanted };
        assert!(same, "{name}: {status} {answer}");
        assert!(answer.starts_with("{\"type\":\"urn:comptoir:problem:"), "{name}: {answer}");
        assert!(answer.len() < 2_000, "{name}: the answer repeats the body");
    }
    assert_eq!(seq(&router).await, before);
}

#[tokio::test]
async fn rows_with_broken_texts_are_refused_alone() {
    let (_engine, router) = open().await;
    let body = b"{\"code\":\"H1\",\"label\":\"a\\u0000b\"}\n{\"code\":\"H2\",\"label\":\"\\ud800\"}\n{\"code\":\"H\xff\"}\n{\"code\":\"H4\"}\n";
    let headers = [("content-type", "application/x-ndjson")];
    let (status, answer) = post(&router, "/api/v1/ACME/event/import", &headers, body.to_vec()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(answer.contains("\"added\":1") && answer.contains("\"refused\":3"), "{answer}");
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let (_engine, router) = open().await;
    let rows = b"[{\"code\":\"Z1\"},{\"code\":\"Z2\"}]";
    let import = "/api/v1/ACME/event/import";
    let (status, answer) = post(&router, import, &[("content-encoding", "gzip")], gzip(rows)).await;
    assert!(status == StatusCode::OK && answer.contains("\"added\":2"), "{answer}");
}

#[tokio::test]
async fn a_token_opens_its_own_project_alone() {
    let (engine, router) = open().await;
    apply(
        &engine,
        &PROJECT
            .replace("\"ACME\"", "\"OTHER\"")
            .replace("it-key", "other-key")
            .replace("reader-key", "x")
            .replace("feeder-key", "y"),
    )
    .await;
    for path in ["/api/v1/OTHER/customer", "/api/v1/NONE/customer", "/api/v1/OTHER/nothing"] {
        let request = authorized(Request::get(path)).body(Body::empty()).unwrap();
        let (status, answer) = send(&router, request).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}: {answer}");
    }
    let request = Request::post("/api/v1/token").header("content-type", "application/json");
    let body = r#"{"project":"OTHER","login":"erp-sync","password":"s3cret"}"#;
    let (_, answer) = send(&router, request.body(Body::from(body)).unwrap()).await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let token = format!("Bearer {}", answer["token"].as_str().unwrap());
    for (path, wanted) in [("/api/v1/ACME/customer", 403), ("/api/v1/OTHER/customer", 200)] {
        let request = Request::get(path).header("authorization", &token).body(Body::empty()).unwrap();
        assert_eq!(send(&router, request).await.0.as_u16(), wanted, "{path}");
    }
}

#[tokio::test]
async fn deep_and_long_filters_are_refused() {
    let (_engine, router) = open().await;
    let deep = format!("{}city eq 'x'{}", "(".repeat(10_000), ")".repeat(10_000));
    let nots = format!("{}city%20is%20null", "not%20".repeat(10_000));
    let long = vec!["city%20eq%20'x'"; 2_700].join("%20or%20");
    for filter in [deep.replace(' ', "%20"), nots, long] {
        let path = format!("/api/v1/ACME/customer?filter={filter}");
        let request = authorized(Request::get(path)).body(Body::empty()).unwrap();
        let (status, answer) = send(&router, request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{}", &answer[..answer.len().min(300)]);
    }
}

#[tokio::test]
async fn headers_that_make_no_sense_are_problems() {
    let (_engine, router) = open().await;
    let before = seq(&router).await;
    let long = "x".repeat(100_000);
    for (name, value) in
        [("idempotency-key", long.as_str()), ("if-match", long.as_str()), ("if-match", "\"1")]
    {
        let request = authorized(Request::patch("/api/v1/ACME/customer/C0001")).header(name, value);
        let (status, answer) = send(&router, request.body(Body::from("{\"city\":\"x\"}")).unwrap()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}: {answer}");
    }
    let request = Request::get("/api/v1/ACME/customer").header("authorization", format!("Bearer {long}"));
    assert_eq!(send(&router, request.body(Body::empty()).unwrap()).await.0, StatusCode::UNAUTHORIZED);
    let twice = authorized(authorized(Request::get("/api/v1/ACME/customer")));
    assert_eq!(send(&router, twice.body(Body::empty()).unwrap()).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(seq(&router).await, before);
}
