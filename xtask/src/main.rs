//! Every chore of the workspace: `cargo xtask <command>`.
//!
//! Chores use std, `anyhow` and `toml` only, so that they build in a moment and never hold up the
//! program's own dependencies. Each command is one line in [`COMMANDS`] and one module.

#![allow(clippy::print_stdout, reason = "a chore talks to whoever started it")]

mod bench;
mod ci;
mod process;
mod readme;
mod tests;
mod tidy;

use std::process::ExitCode;

/// A chore: its name, what it does in one line, and how it is run with the arguments after its name.
struct Command {
    name: &'static str,
    help: &'static str,
    run: fn(&[String]) -> anyhow::Result<ExitCode>,
}

/// All chores. A new one is a module beside this file and its line here.
const COMMANDS: &[Command] = &[
    Command { name: "bench", help: "measures the server against the floor", run: bench::command },
    Command { name: "ci", help: "all that machines check", run: ci::command },
    Command { name: "readme", help: "runs the README's marked commands", run: readme::command },
    Command { name: "test", help: "runs all tests; arguments go to cargo test", run: tests::command },
    Command { name: "tidy", help: "checks what the compiler cannot", run: tidy::command },
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        println!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("{}", usage());
        return ExitCode::from(2);
    };
    (command.run)(&rest).unwrap_or_else(|error| {
        eprintln!("{name}: {error:#}");
        ExitCode::FAILURE
    })
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask <command>\n");
    for Command { name, help, .. } in COMMANDS {
        text.push_str(&format!("\n  {name:<8} {help}"));
    }
    text
}

/// Refuses arguments, for the commands that take none.
fn no_arguments(args: &[String]) -> anyhow::Result<()> {
    match args.first() {
        None => Ok(()),
        Some(argument) => {
            anyhow::bail!("`{argument}` means nothing here: this command takes no arguments")
        }
    }
}
