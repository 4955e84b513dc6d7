//! Callers at once.

use serde_json::json;

use crate::calls::{post, row, token};
use crate::door;

/// Of two calls with the same external reference exactly one makes an event: case 53.
#[tokio::test(flavor = "multi_thread")]
async fn an_external_reference_is_taken_once() {
    let (router, _) = door().await;
    let token = token(&router).await;
    let mut calls = Vec::new();
    for n in 0..16 {
        let mut row = row(&n.to_string());
        row["external_system"] = json!("pos");
        row["external_system_reference_number"] = json!("77");
        let body = json!({"token": token, "web_customer_events_set": [row]}).to_string();
        let router = router.clone();
        calls.push(tokio::spawn(
            async move { post(&router, "customer_events/bulk/web/create", body).await.1 },
        ));
    }
    let mut processed = 0;
    for call in calls {
        let answer = call.await.unwrap();
        processed += answer["data"]["processed_customer_events_set"].as_array().unwrap().len();
        for row in answer["data"]["unprocessed_customer_events_set"].as_array().unwrap() {
            assert_eq!(row["error_code"], "DuplicateAPIValueException", "{row}");
        }
    }
    assert_eq!(processed, 1);
    let list = json!({"token": token, "accounts_receivable_identifier": {"id": "A1"}}).to_string();
    let (_, answer) = post(&router, "customer_events/web/list", list).await;
    assert_eq!(answer["data"].as_array().unwrap().len(), 1);
}

/// Of several calls that cancel one event exactly one does.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_cancelled_once() {
    let (router, _) = door().await;
    let token = token(&router).await;
    let body = json!({"token": token, "web_customer_events_set": [row("a")]}).to_string();
    post(&router, "customer_events/bulk/web/create", body).await;
    let mut calls = Vec::new();
    for _ in 0..8 {
        let body = json!({"token": token, "customer_event_identifier": {"number": "1"}}).to_string();
        let router = router.clone();
        calls.push(tokio::spawn(async move { post(&router, "customer_events/web/cancel", body).await.1 }));
    }
    let mut cancelled = 0;
    for call in calls {
        let answer = call.await.unwrap();
        match answer["status"]["code"].as_str() {
            Some("OK") => {
                assert_eq!(answer["data"]["life_cycle_state"], "CANCELLED");
                cancelled += 1;
            }
            other => assert_eq!(other, Some("NotAllowedAPIActionException"), "{answer}"),
        }
    }
    assert_eq!(cancelled, 1);
}
