//! The binary: arguments in, text out.

#![allow(clippy::print_stdout, reason = "text on standard output is what this crate is for")]

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use server::Exit;

mod client;
mod commands;
mod counter;
mod progress;
mod show;

/// Rows are made on one thread and dropped on another, thousands at a time. The system's allocator
/// spends an eighth of an import on that; others keep what they freed. This one gives it back within
/// a second (`.cargo/config.toml` says so to its build).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = match commands::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            let helped = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if helped { Exit::Done as u8 } else { Exit::Usage as u8 });
        }
    };
    match commands::run(arguments) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            eprintln!("comptoir: {failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}
