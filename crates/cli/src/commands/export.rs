//! `comptoir export`

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::PathBuf;

use axum::body::Body;
use clap::{Args, ValueEnum};
use http::Request;
use http::header::ACCEPT;
use http_body_util::BodyExt as _;
use server::{Exit, Failure};

use super::import::Source;
use crate::counter::{Counter, escaped};
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Code of the project
    #[arg(long, value_name = "P")]
    project: String,
    /// Entity of the records
    #[arg(long, value_name = "E")]
    entity: String,
    /// Only records for which this holds, such as "city eq 'Brest'"
    #[arg(long, value_name = "F")]
    filter: Option<String>,
    /// How records are written
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
    /// Write there instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Ndjson,
    Csv,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let runtime = super::runtime(2)?;
    runtime.block_on(async {
        let counter = options.source.counter().await?;
        let result = export(&counter, options).await;
        counter.close().await;
        result
    })
}

async fn export(counter: &Counter, options: &Options) -> Result<Exit, Failure> {
    let mut path = format!("/api/v1/{}/{}", escaped(&options.project), escaped(&options.entity));
    if let Some(filter) = &options.filter {
        path.push_str(&format!("?filter={}", escaped(filter)));
    }
    let media = match options.format {
        Format::Ndjson => "application/x-ndjson",
        Format::Csv => "text/csv",
    };
    let call =
        Request::builder().uri(path).header(ACCEPT, media).body(Body::empty()).map_err(Failure::internal)?;
    let mut body = counter.open(call).await?;
    // A broken stream leaves no file that looks whole.
    let part = options.output.as_ref().map(|path| {
        let mut name = path.clone().into_os_string();
        name.push(".part");
        PathBuf::from(name)
    });
    let mut output: Box<dyn Write> = match &part {
        Some(part) => {
            let file = File::create(part).map_err(|error| {
                Failure::unreachable(format!(
                    "{} cannot be written: {error}; choose another --output",
                    part.display()
                ))
            })?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    let progress = Progress::counting("records written", options.output.is_some());
    let ended = copy(&mut body, &mut output, &progress).await;
    drop(output);
    progress.finish();
    match (ended, part, &options.output) {
        (Ok(()), Some(part), Some(path)) => std::fs::rename(&part, path).map_err(|error| {
            Failure::unreachable(format!("{} cannot be written: {error}", path.display()))
        })?,
        (Err(failure), Some(part), _) => {
            let _ = std::fs::remove_file(part);
            return Err(failure);
        }
        (ended, ..) => ended?,
    }
    Ok(Exit::Done)
}

async fn copy(body: &mut Body, output: &mut dyn Write, progress: &Progress) -> Result<(), Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Failure::unreachable(format!(
                "the stream broke off ({error}); what was written is incomplete, export again"
            ))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        progress.add(data.iter().filter(|byte| **byte == b'\n').count() as u64);
        match output.write_all(&data) {
            // `comptoir export | head` has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            other => other
                .map_err(|error| Failure::unreachable(format!("the output cannot be written: {error}")))?,
        }
    }
    match output.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::unreachable(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
