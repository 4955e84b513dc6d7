//! Calls that no scenario can make: bodies that are large, deep or no text.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{PREFIX, door};

/// Sends a request and gives status and envelope.
pub(crate) async fn send(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json;charset=UTF-8");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Posts a body and gives status and envelope.
pub(crate) async fn post(router: &Router, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    let request = Request::post(format!("{PREFIX}/{path}")).header("content-type", "application/json");
    send(router, request.body(body.into()).unwrap()).await
}

/// A fresh token of the user `api`.
pub(crate) async fn token(router: &Router) -> String {
    let login = json!({"username": "api", "password": "s3cret", "organisation": "ACME"});
    let (_, answer) = post(router, "authentication/token", login.to_string()).await;
    answer["data"]["token"].as_str().unwrap().to_owned()
}

/// A minimal web row.
pub(crate) fn row(id: &str) -> Value {
    json!({
        "request_unique_identifier": id,
        "accounts_receivable_identifier": {"number": "ACR0000000020"},
        "performed_by_unit_identifier": {"name": "Admin Unit"},
        "performed_on": "2020-01-31T09:30:00",
        "website": "shop.example",
    })
}

const BULK: &str = "customer_events/bulk/web/create";

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_ten_megabytes_is_refused_with_an_envelope() {
    let (router, _) = door().await;
    let (status, answer) = post(&router, BULK, vec![b' '; (10 << 20) + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer["status"]["code"], "InvalidAPIRequestException");
    assert_eq!(answer["data"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deeply_nested_body_is_answered_like_any_other() {
    let (router, _) = door().await;
    let token = token(&router).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = format!(r#"{{"token":"{token}","foo":{deep},"web_customer_events_set":[{}]}}"#, row("a"));
    let (status, answer) = post(&router, BULK, body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["data"]["processed_customer_events_set"].as_array().unwrap().len(), 1, "{answer}");
    let in_row = row("b").to_string().replace("\"shop.example\"", &deep);
    let body = format!(r#"{{"token":"{token}","web_customer_events_set":[{in_row}]}}"#);
    let (_, answer) = post(&router, BULK, body).await;
    assert_eq!(
        answer["data"]["unprocessed_customer_events_set"][0]["error_code"], "InvalidAPIValueException",
        "{answer}"
    );
    let (status, answer) = post(&router, BULK, "[".repeat(10_000)).await;
    assert_eq!((status, &answer["status"]["code"]), (StatusCode::OK, &json!("InvalidAPIRequestException")));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_are_refused() {
    let (router, _) = door().await;
    let (status, answer) = post(&router, BULK, vec![b'{', 0xff, b'}']).await;
    assert_eq!((status, &answer["status"]["code"]), (StatusCode::OK, &json!("InvalidAPIRequestException")));
    let bom = b"\xef\xbb\xbf{\"username\":\"x\"}".to_vec();
    let (_, answer) = post(&router, "authentication/token", bom).await;
    assert_eq!(answer["status"]["code"], "MandatoryAPIParameterException");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_told_even_when_each_has_many_problems() {
    let (router, _) = door().await;
    let token = token(&router).await;
    let bad =
        |n: usize| json!({"request_unique_identifier": n.to_string(), "udf_float_1": "x", "udf_date_1": "y"});
    let rows: Vec<Value> = (0..1000).map(bad).collect();
    let body = json!({"token": token, "web_customer_events_set": rows}).to_string();
    let (_, answer) = post(&router, BULK, body).await;
    let told = answer["data"]["unprocessed_customer_events_set"].as_array().unwrap();
    assert_eq!(told.len(), 1000);
    for (n, row) in told.iter().enumerate() {
        assert_eq!(row["request_unique_identifier"], n.to_string());
        assert_eq!(row["error_code"], "MandatoryAPIParameterException", "{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_any_length_is_given_back_whole() {
    let (router, _) = door().await;
    let token = token(&router).await;
    let number = "N".repeat(1_000);
    let mut bad = row("a");
    bad["accounts_receivable_identifier"] = json!({ "number": number });
    let body = json!({"token": token, "web_customer_events_set": [bad]}).to_string();
    let (_, answer) = post(&router, BULK, body).await;
    let told = &answer["data"]["unprocessed_customer_events_set"][0]["error_description"];
    let expected =
        format!("Error:Account ({number}) Not Found. - Description:The specified API value was not found.");
    assert_eq!(*told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_rows_are_written_and_listed() {
    let (router, _) = door().await;
    let token = token(&router).await;
    for _ in 0..2 {
        let rows: Vec<Value> = (0..1000).map(|n| row(&n.to_string())).collect();
        let body = json!({"token": token, "web_customer_events_set": rows}).to_string();
        let (_, answer) = post(&router, BULK, body).await;
        assert_eq!(answer["data"]["processed_customer_events_set"].as_array().unwrap().len(), 1000);
    }
    let mut list = json!({"token": token, "accounts_receivable_identifier": {"id": "A1"}});
    let (_, answer) = post(&router, "customer_events/web/list", list.to_string()).await;
    assert_eq!(answer["data"].as_array().unwrap().len(), 1000);
    list["number_of_results"] = json!(1500);
    list["offset"] = json!(1);
    let (_, answer) = post(&router, "customer_events/web/list/", list.to_string()).await;
    let events = answer["data"].as_array().unwrap();
    assert_eq!(events.len(), 1500);
    for (n, event) in events.iter().enumerate() {
        assert_eq!(event["number"], (n + 2).to_string());
    }
}
