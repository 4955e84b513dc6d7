//! `comptoir demo`: a throw-away project, one import end to end, then the server over it.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use server::config::Limits;
use server::{Config, Exit, Failure, OpenFault, Opened};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::show;

mod sample;

/// Where CRM.COM's clients call.
const CRMCOM: &str = "/crmcom/crmapi/rest/v2";

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR", value_parser = super::address, default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let mut config = Config::load(None)?;
    config.listen = options.listen;
    // What people want to see here is the demo, not the log of it.
    config.log.level = "warn".to_owned();
    super::log(&config)?;
    let runtime = super::runtime(config.workers())?;
    let listener = runtime.block_on(server::listen(config.listen))?;
    let folder = tempfile::Builder::new().prefix("comptoir-demo-").tempdir().map_err(|error| {
        Failure::unreachable(format!("no temporary folder can be made: {error}; set TMPDIR"))
    })?;
    config.data = folder.path().to_owned();
    let result = runtime.block_on(demo(config, listener));
    runtime.shutdown_background();
    let removed = folder.close();
    result?;
    removed
        .map_err(|error| Failure::unreachable(format!("the temporary folder cannot be removed: {error}")))?;
    Ok(Exit::Done)
}

async fn demo(config: Config, listener: TcpListener) -> Result<(), Failure> {
    let stop = server::stop_on_signals()?;
    let limits: Limits = config.limits.clone();
    let opened = server::open(config).map_err(|fault| match fault {
        OpenFault::InUse { pid } => {
            Failure::unreachable(format!("the temporary folder is in use by process {pid}"))
        }
        OpenFault::Failed(failure) => failure,
    })?;
    let token = match show_import(&opened).await {
        Ok(token) => token,
        Err(failure) => {
            let engine = opened.engine.clone();
            let _ = tokio::task::spawn_blocking(move || engine.close()).await;
            return Err(failure);
        }
    };
    let wait_s = limits.stop_timeout.as_secs();
    server::serve(opened, listener, stop, |address| show::say(&try_it(address, &token, wait_s))).await
}

/// Makes the project, sends one call through CRM.COM's door and shows what became of it.
async fn show_import(opened: &Opened) -> Result<String, Failure> {
    let mut request = server::apply::read_text(sample::PROJECT, "demo.toml", Path::new(""), false, false)?;
    request.records = sample::records(opened.engine.now_ms());
    let answer = server::apply::apply(&opened.engine, request).await?;
    let stored = answer.records.map_or(0, |counts| counts.added);
    if !answer.refusals.is_empty() {
        return Err(Failure::internal(format!("the sample data was refused:\n{}", show::applied(&answer))));
    }
    show::say(&format!(
        "Project DEMO: {stored} records of customers, users, units, event types and events.\n\n"
    ));

    let doors = opened.doors();
    let login = json!({ "username": "api", "password": "demo", "organisation": "DEMO" });
    let answer = crmcom(&doors, "authentication/token", &login).await?;
    let token = answer["data"]["token"].as_str();
    let token = token.ok_or_else(|| Failure::internal(format!("no token was given: {answer}")))?.to_owned();
    let rows = sample::web_events();
    show::say(&format!(
        "One call as CRM.COM's clients make it, POST {CRMCOM}/customer_events/bulk/web/create,\n"
    ));
    show::say(&format!("with {} web events, two of them of accounts that do not exist:\n\n", rows.len()));
    let call = json!({ "token": token, "web_customer_events_set": rows });
    let answer = crmcom(&doors, "customer_events/bulk/web/create", &call).await?;
    show::say(&show::table(&fates(&rows, &answer["data"])));
    show::say("\nThe good rows are stored, the bad ones say why, and the ledger keeps both.\n\n");
    Ok(token)
}

async fn crmcom(doors: &Router, method: &str, body: &Value) -> Result<Value, Failure> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{CRMCOM}/{method}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .map_err(Failure::internal)?;
    let Ok(response) = doors.clone().oneshot(request).await;
    let bytes = response.into_body().collect().await.map_err(Failure::internal)?.to_bytes();
    let answer: Value = serde_json::from_slice(&bytes).map_err(Failure::internal)?;
    match answer["status"]["code"].as_str() {
        Some("OK") => Ok(answer),
        _ => Err(Failure::internal(format!("{method} failed: {answer}"))),
    }
}

/// What became of each row, as a table.
fn fates(rows: &[Value], data: &Value) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let find = |set: &str, id: &str| {
        let set = data[set].as_array().into_iter().flatten();
        set.into_iter().find(|fate| fate["request_unique_identifier"] == id).cloned()
    };
    let mut table =
        vec![["row", "account", "website", "became", "number or reason"].map(str::to_owned).to_vec()];
    for row in rows {
        let id = text(&row["request_unique_identifier"]);
        let (became, told) = match (
            find("processed_customer_events_set", &id),
            find("unprocessed_customer_events_set", &id),
        ) {
            (Some(fate), _) => ("event", text(&fate["number"])),
            (None, Some(fate)) => ("refused", text(&fate["error_description"])),
            (None, None) => ("?", String::new()),
        };
        let account = text(&row["accounts_receivable_identifier"]["number"]);
        table.push(vec![id, account, text(&row["website"]), became.to_owned(), told]);
    }
    table
}

/// Lines to paste into a shell.
fn try_it(address: SocketAddr, token: &str, wait_s: u64) -> String {
    let event = json!({
        "token": token,
        "web_customer_events_set": [{
            "request_unique_identifier": "w-100",
            "accounts_receivable_identifier": { "number": "ACR0000000021" },
            "performed_by_unit_identifier": { "name": "Admin Unit" },
            "performed_on": "2026-03-01T09:30:00",
            "website": "www.example.com/tarifs",
        }],
    });
    format!(
        "Serving on http://{address} until Ctrl-C (which waits up to {wait_s} s for calls to finish).\n\
         API key demo-key, login api with password demo. Try, in another shell:\n\n\
         # Two customers by the native API: one new, one changed\n\
         printf '%s\\n' '{{\"code\":\"C9001\",\"name\":\"Crêperie du Port\",\"city\":\"Douarnenez\"}}' \
         '{{\"code\":\"C0001\",\"phone_number\":\"+33 2 98 00 00 01\"}}' | \
         curl -sS -H 'Authorization: Bearer demo-key' -H 'Content-Type: application/x-ndjson' \
         --data-binary @- http://{address}/api/v1/DEMO/customer/import\n\n\
         # A web event by CRM.COM's API\n\
         curl -sS -H 'Content-Type: application/json' -d '{event}' \
         http://{address}{CRMCOM}/customer_events/bulk/web/create\n\n\
         # Everything that ever touched customer C0001\n\
         curl -sS -H 'Authorization: Bearer demo-key' 'http://{address}/api/v1/DEMO/trace?key=C0001'\n\n"
    )
}
