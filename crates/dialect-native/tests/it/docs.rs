//! What the document says is there.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;

use super::{clock, engine, router, send};

async fn document() -> (axum::Router, Value) {
    let router = router(&engine(clock()));
    let request = Request::get("/api/openapi.json").body(Body::empty()).unwrap();
    let (_, text) = send(&router, request).await;
    (router, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn every_operation_described_is_there_and_wants_a_caller() {
    let (router, document) = document().await;
    let mut count = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let called =
                path.replace("{project}", "ACME").replace("{entity}", "customer").replace(['{', '}'], "");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = Request::builder().method(&method).uri(&called).body(Body::empty()).unwrap();
            let (status, answer) = send(&router, request).await;
            let wanted =
                if path.ends_with("/token") { StatusCode::BAD_REQUEST } else { StatusCode::UNAUTHORIZED };
            assert_eq!(status, wanted, "{method} {called}: {answer}");
            count += 1;
        }
    }
    assert_eq!(count, 17);
}

#[tokio::test]
async fn every_schema_referred_to_is_there() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                members.values().for_each(|member| walk(member, document));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, document)),
            _ => {}
        }
    }
    let (_, document) = document().await;
    walk(&document, &document);
}
