//! What remains of a call in the ledger, and what a caller is told while the store is away.

use axum::http::StatusCode;
use domain::batch::Outcome;
use domain::rule::Rule;
use serde_json::json;

use crate::calls::{post, row, token};
use crate::{apply, door};

const BULK: &str = "customer_events/bulk/web/create";

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_a_call_is_in_the_ledger_without_secrets() {
    let (router, engine) = door().await;
    let token = token(&router).await;
    let mut unknown = row("b");
    unknown["accounts_receivable_identifier"] = json!({"number": "ACR00045000"});
    let mut guessed = row("c");
    guessed["accounts_receivable_identifier"] =
        json!({"access_token_identifier": {"identifier": "ann@example.com", "pass_code": "9876"}});
    let rows = json!([row("a"), unknown, guessed, 7]);
    post(&router, BULK, json!({"token": token, "web_customer_events_set": rows}).to_string()).await;
    let owner = engine.owner("ACME").await.unwrap();
    let batches = engine.batches(&owner, None, 10).await.unwrap();
    let batch = batches.iter().find(|batch| batch.door == "crmcom").unwrap();
    assert_eq!(batch.operation, "customer_events/bulk/web/create");
    assert_eq!((batch.counts.received, batch.counts.added, batch.counts.refused), (4, 1, 3));
    let rows = engine.batch_rows(&owner, &batch.id, None, 0, 10).await.unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.id.as_deref()).collect();
    assert_eq!(ids, [Some("a"), Some("b"), Some("c"), None]);
    assert_eq!(rows[0].outcome, Outcome::Added);
    assert_eq!(rows[1].problems[0].rule, Rule::UnknownReference);
    assert_eq!(rows[1].received.as_deref(), Some(&*unknown.to_string()));
    let received = rows[2].received.as_deref().unwrap();
    assert!(received.contains("ann@example.com") && !received.contains("9876"), "{received}");
    assert!(!serde_json::to_string(&rows[2].problems).unwrap().contains("9876"));
    assert_eq!(rows[3].received.as_deref(), Some("7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_single_create_is_not_kept() {
    let (router, engine) = door().await;
    let token = token(&router).await;
    let body = json!({"token": token, "website": "shop.example"}).to_string();
    let (_, answer) = post(&router, "customer_events/web/create", body).await;
    assert_eq!(answer["status"]["code"], "MandatoryAPIParameterException");
    let owner = engine.owner("ACME").await.unwrap();
    let batches = engine.batches(&owner, None, 1).await.unwrap();
    let rows = engine.batch_rows(&owner, &batches[0].id, None, 0, 10).await.unwrap();
    assert_eq!(rows[0].received.as_deref(), Some(r#"{"token":"***","website":"shop.example"}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_callers_are_told_to_come_back() {
    let (router, engine) = door().await;
    let token = token(&router).await;
    engine.close();
    let body = json!({"token": token, "web_customer_events_set": [row("a")]}).to_string();
    let (status, answer) = post(&router, BULK, body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer["status"]["code"], "GeneralAPIException");
}

/// A shop's web site may post events and read nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_insert_names_accounts_by_access_token_and_is_told_of_every_row() {
    let (router, engine) = door().await;
    let shop =
        "[project]\ncode = 'ACME'\n[[login]]\nname = 'shop'\npassword = 'sh0p'\nrights = ['insert:event']";
    apply(&engine, shop).await;
    let login = json!({"username": "shop", "password": "sh0p", "organisation": "ACME"});
    let (_, answer) = post(&router, "authentication/token", login.to_string()).await;
    let token = answer["data"]["token"].as_str().unwrap();
    let mut by_token = row("a");
    by_token["accounts_receivable_identifier"] =
        json!({"access_token_identifier": {"authentication_code": "AC-1"}});
    let bad = (0..999).map(|n| {
        let mut bad = row(&format!("b{n}"));
        bad["accounts_receivable_identifier"] = json!({"number": format!("X{n}")});
        bad["performed_by_unit_identifier"] = json!({"name": "No Unit"});
        bad
    });
    let rows: Vec<_> = std::iter::once(by_token).chain(bad).collect();
    let (_, answer) =
        post(&router, BULK, json!({"token": token, "web_customer_events_set": rows}).to_string()).await;
    let done = answer["data"]["processed_customer_events_set"].as_array().unwrap();
    assert_eq!((done.len(), &done[0]["number"]), (1, &json!("1")), "{answer}");
    let refused = answer["data"]["unprocessed_customer_events_set"].as_array().unwrap();
    assert_eq!(refused.len(), 999);
    assert!(refused.iter().all(|row| row["error_code"] == "NotFoundAPIValueException"), "{}", refused[998]);
}
