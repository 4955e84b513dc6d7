//! `comptoir apply`

use std::path::PathBuf;

use clap::Args;
use http::{Method, Request};
use server::apply::{ApplyAnswer, ApplyRequest};
use server::{Exit, Failure, local};

use super::Place;
use crate::counter::Counter;
use crate::show;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Project files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Remove logins, keys, switches and rules that the file does not name
    #[arg(long)]
    prune: bool,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = options.place.config()?;
    // All files are read before the first one is applied.
    let read = |path: &PathBuf| server::apply::read(path, options.dry_run, options.prune);
    let requests = options.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let runtime = super::runtime(2)?;
    runtime.block_on(async {
        let counter = Counter::at_folder(config).await?;
        let result = apply_all(&counter, requests).await;
        counter.close().await;
        result
    })
}

async fn apply_all(counter: &Counter, requests: Vec<ApplyRequest>) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for request in requests {
        let name = request.name.clone();
        let answer = apply(counter, &request)
            .await
            .map_err(|failure| Failure { exit: failure.exit, error: failure.error.context(name) })?;
        show::say(&show::applied(&answer));
        if !answer.refusals.is_empty() {
            exit = Exit::Refused;
        }
    }
    Ok(exit)
}

async fn apply(counter: &Counter, request: &ApplyRequest) -> Result<ApplyAnswer, Failure> {
    let body = serde_json::to_vec(request).map_err(Failure::internal)?;
    let call = Request::builder()
        .method(Method::POST)
        .uri(local::APPLY_PATH)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .map_err(Failure::internal)?;
    counter.call(call).await?.json()
}
