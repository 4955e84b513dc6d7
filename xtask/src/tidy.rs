//! `cargo xtask tidy`: what the compiler cannot check.
//!
//! Every check is a function from the committed texts ([`Tree`]) to findings, so that its tests are
//! texts too. A finding says where it is, what is wrong and what to do.

mod boundaries;
mod citations;
mod files;
mod lists;
mod migrations;
mod tree;

use std::fmt;
use std::process::ExitCode;

use anyhow::bail;

use self::tree::Tree;
use crate::no_arguments;

/// Which of our crates each crate may use, lowest first; `*` stands for any rest of a name.
///
/// Tests may use more: anything that stands above the crate's own line.
pub(crate) const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &["domain"]),
    ("store-*", &["store", "domain"]),
    ("engine", &["store", "domain"]),
    ("dialect", &["engine", "domain"]),
    ("dialect-*", &["dialect", "engine", "domain"]),
    ("hooks", &["dialect", "engine", "domain"]),
    ("pump", &["dialect", "engine", "domain"]),
    ("reports", &["engine", "domain"]),
    ("console", &["engine", "domain"]),
    (
        "server",
        &[
            "domain",
            "store",
            "store-*",
            "engine",
            "dialect",
            "dialect-*",
            "hooks",
            "pump",
            "reports",
            "console",
        ],
    ),
    ("cli", &["server"]),
];

/// All checks.
const CHECKS: &[fn(&Tree) -> Vec<Finding>] =
    &[boundaries::check, lists::check, citations::check, files::check, migrations::check];

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    text: String,
    weight: Weight,
}

/// Whether a finding fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Advice,
    Fault,
}

impl Finding {
    /// A finding that fails the run; `line` counts from 1.
    fn fault(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into(), weight: Weight::Fault }
    }

    /// A finding that is printed and no more.
    fn advice(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { weight: Weight::Advice, ..Self::fault(path, line, text) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let note = match self.weight {
            Weight::Advice => "note: ",
            Weight::Fault => "",
        };
        write!(f, "{}:{}: {note}{}", self.path, self.line, self.text)
    }
}

/// Prints every finding; any but advice is a failure.
pub(crate) fn command(args: &[String]) -> anyhow::Result<ExitCode> {
    no_arguments(args)?;
    run()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints every finding, and fails if there is any but advice.
pub(crate) fn run() -> anyhow::Result<()> {
    let tree = Tree::committed()?;
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.iter().filter(|finding| finding.weight == Weight::Fault).count() {
        0 => println!("tidy: {} files, nothing to mend", tree.len()),
        1 => bail!("1 finding to mend"),
        many => bail!("{many} findings to mend"),
    }
    Ok(())
}
