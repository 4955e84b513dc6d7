//! The commands and what they share.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use server::config::LogFormat;
use server::{Config, Exit, Failure};
use tokio::runtime::{Builder, Runtime};

mod apply;
mod demo;
mod export;
mod import;
mod serve;

pub(crate) use import::{BatchAnswer, Difference};

/// Comptoir: a data-exchange counter for CRM data.
#[derive(Debug, Parser)]
#[command(name = "comptoir", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a throw-away project with sample data, show one import end to end, and serve it
    Demo(demo::Options),
    /// Serve a data folder
    Serve(serve::Options),
    /// Make projects what their files say, and print what was done
    Apply(apply::Options),
    /// Bring records of one entity in from a CSV, NDJSON or JSON file
    Import(import::Options),
    /// Write records of one entity as NDJSON or CSV
    Export(export::Options),
}

/// Where the data is, for commands that open it.
#[derive(Debug, Args)]
struct Place {
    /// Data folder [default: comptoir-data]
    #[arg(long, value_name = "DIR", env = "COMPTOIR_DATA")]
    data: Option<PathBuf>,
    /// Configuration file; `comptoir serve --print-config` shows all its keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The configuration, with what the command line says before it.
    fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }
}

/// Runs a command to its end.
pub fn run(arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Demo(options) => demo::run(&options),
        Command::Serve(options) => serve::run(&options),
        Command::Apply(options) => apply::run(&options),
        Command::Import(options) => import::run(&options),
        Command::Export(options) => export::run(&options),
    }
}

/// Reads the address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:7070".to_owned())
}

/// A runtime with this many threads for requests. Their stacks are small: what needs a deep one
/// has a thread of its own.
fn runtime(workers: usize) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_stack_size(1 << 20)
        .max_blocking_threads(64)
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format!("no threads can be started: {error}")))
}

/// Begins to log on standard error.
fn log(config: &Config) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.level).map_err(|error| {
        Failure::usage(format!(
            "log.level `{}` is no level: {error}; use error, warn, info or debug",
            config.log.level
        ))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call in one process is refused, and the first one stands.
    let _ = match config.log.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
