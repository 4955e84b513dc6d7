//! `cargo xtask test`: all tests of the workspace.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use crate::process;

/// Where the sample data of the tests lies, relative to the workspace root, unless [`VARIABLE`] says.
const SAMPLE_DATA: &str = "../shared/data/chinook";

/// Names the folder of the sample data for the tests.
const VARIABLE: &str = "COMPTOIR_SAMPLE_DATA";

/// Runs `cargo test` and ends as it does, so that its lines are the last ones.
pub(crate) fn command(args: &[String]) -> anyhow::Result<ExitCode> {
    let status = run(args)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Builds and runs all tests, or those that `args` choose, and returns how `cargo test` ended.
pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitStatus> {
    let mut cargo = process::command("cargo");
    cargo.arg("test");
    if !chooses_packages(args) {
        cargo.arg("--workspace");
    }
    cargo.args(args);
    match sample_data() {
        Some(folder) => _ = cargo.env(VARIABLE, folder),
        None => not_run(&format!("the sample-data tests: no {SAMPLE_DATA}, and {VARIABLE} names no folder"))?,
    }
    process::status(&mut cargo)
}

/// Whether the arguments already say which packages to test; `--workspace` would override them.
fn chooses_packages(args: &[String]) -> bool {
    let ours = args.iter().take_while(|argument| *argument != "--");
    ours.into_iter().any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

fn sample_data() -> Option<PathBuf> {
    let folder = std::env::var_os(VARIABLE).unwrap_or_else(|| SAMPLE_DATA.into());
    process::workspace_root().join(folder).canonicalize().ok().filter(|path| path.is_dir())
}

/// Says in one red line that a suite cannot run; where machines check, that is a failure.
fn not_run(suite: &str) -> anyhow::Result<()> {
    let line = format!("NOT RUN: {suite}");
    if std::env::var_os("CI").is_some_and(|value| value == "true") {
        anyhow::bail!("{line}; with CI=true every suite must run, so put what is missing there");
    }
    if std::io::stderr().is_terminal() {
        eprintln!("\x1b[31m{line}\x1b[0m");
    } else {
        eprintln!("{line}");
    }
    Ok(())
}

#[cfg(test)]
mod which_packages {
    use super::*;

    fn chosen(args: &[&str]) -> bool {
        chooses_packages(&args.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_named_package_replaces_the_whole_workspace() {
        assert!(chosen(&["-p", "domain"]));
        assert!(chosen(&["--package=domain"]));
    }

    #[test]
    fn arguments_for_the_tests_themselves_do_not_choose_packages() {
        assert!(!chosen(&[]));
        assert!(!chosen(&["--release", "--", "-p"]));
    }
}
