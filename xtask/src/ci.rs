//! `cargo xtask ci`: all that machines check, step by step.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::{no_arguments, process, readme, tidy};

/// One check: its name, and how it is made.
struct Step {
    name: &'static str,
    run: fn() -> anyhow::Result<()>,
}

/// The checks, quickest to report first; each may rely on those before it.
const STEPS: &[Step] = &[
    Step { name: "fmt", run: fmt },
    Step { name: "clippy", run: clippy },
    Step { name: "tidy", run: tidy::run },
    Step { name: "test", run: test },
    Step { name: "readme", run: readme::run },
];

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotReached,
}

/// Makes the checks in order, stops at the first that fails, and prints a table of them all.
pub(crate) fn command(args: &[String]) -> anyhow::Result<ExitCode> {
    no_arguments(args)?;
    let start = Instant::now();
    let mut outcomes = Vec::new();
    let mut failure = None;
    for step in STEPS {
        if failure.is_some() {
            outcomes.push((step.name, Outcome::NotReached));
            continue;
        }
        let (outcome, error) = make(step);
        outcomes.push((step.name, outcome));
        failure = error.map(|error| (step.name, error));
    }
    println!("\n{}", summary(&outcomes));
    match failure {
        None => {
            println!("ci: all {} steps passed in {}", STEPS.len(), seconds(start.elapsed()));
            Ok(ExitCode::SUCCESS)
        }
        Some((name, error)) => Err(error.context(format!("FAILED at the step {name}"))),
    }
}

fn make(step: &Step) -> (Outcome, Option<anyhow::Error>) {
    println!("\n== {}", step.name);
    let start = Instant::now();
    let result = (step.run)();
    let took = start.elapsed();
    match result {
        Ok(()) => {
            println!("== {}: passed in {}", step.name, seconds(took));
            (Outcome::Passed(took), None)
        }
        Err(error) => {
            println!("== {}: FAILED after {}", step.name, seconds(took));
            (Outcome::Failed(took), Some(error))
        }
    }
}

fn fmt() -> anyhow::Result<()> {
    process::run(process::command("cargo").args(["fmt", "--all", "--check"]))
        .map_err(|error| error.context("some files are not formatted; run `cargo fmt --all`"))
}

fn clippy() -> anyhow::Result<()> {
    let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    process::run(process::command("cargo").args(args))
}

fn test() -> anyhow::Result<()> {
    let status = crate::tests::run(&[])?;
    anyhow::ensure!(
        status.success(),
        "`cargo test` ended with {status}; run `cargo xtask test` to see it alone"
    );
    Ok(())
}

fn summary(outcomes: &[(&str, Outcome)]) -> String {
    let mut table = format!("{:<8} {:<12} {:>9}", "step", "result", "time");
    for (name, outcome) in outcomes {
        let (result, time) = match outcome {
            Outcome::Passed(took) => ("passed", seconds(*took)),
            Outcome::Failed(took) => ("FAILED", seconds(*took)),
            Outcome::NotReached => ("not reached", String::new()),
        };
        table.push_str(format!("\n{name:<8} {result:<12} {time:>9}").trim_end());
    }
    table
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_every_step() {
        let table = summary(&[
            ("fmt", Outcome::Passed(Duration::from_millis(1240))),
            ("clippy", Outcome::Failed(Duration::from_secs(61))),
            ("tidy", Outcome::NotReached),
        ]);
        let expected = "step     result            time
fmt      passed           1.2 s
clippy   FAILED          61.0 s
tidy     not reached";
        assert_eq!(table, expected);
    }
}
