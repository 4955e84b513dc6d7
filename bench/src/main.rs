//! Measures the built server against a floor, in one run.
//!
//! The floor is what a careful programmer writes by hand for one task on the same database file:
//! prepared statements, references looked up in the database, one transaction a call, JSON parsed
//! into structs; no ledger, no journal, no rights, no HTTP. Ours is the whole way over loopback.
//! Every figure is printed as it was seen; the ratio of the two is what counts.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod client;
mod floor;
mod input;
mod server;
mod work;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// How much to do; `--quick` is for trying the bench itself.
#[derive(Debug, Clone)]
pub struct Scale {
    /// The server's binary.
    pub binary: PathBuf,
    /// Customers in the database.
    pub customers: usize,
    /// Events of W3.
    pub stream: usize,
    /// Events in the database for W4 and the export.
    pub large: usize,
    /// Calls of W2 for each caller.
    pub calls: usize,
    /// Callers of W2 under full load.
    pub callers: usize,
    /// Times each short workload is run; the median counts.
    pub times: usize,
    /// Names of the workloads to run; all where empty.
    pub only: Vec<String>,
}

impl Scale {
    /// True when a workload was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only.eq_ignore_ascii_case(name))
    }

    /// True when one workload alone was asked for, so that both databases hold the same.
    pub fn wants_only(&self, name: &str) -> bool {
        self.only.len() == 1 && self.wants(name)
    }
}

fn main() -> Result<()> {
    let mut scale = Scale {
        binary: PathBuf::new(),
        customers: 10_000,
        stream: 100_000,
        large: 1_000_000,
        calls: 40,
        callers: 8,
        times: 7,
        only: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--binary" => scale.binary = arguments.next().context("--binary needs a path")?.into(),
            "--quick" => {
                scale.large = 50_000;
                scale.stream = 20_000;
                scale.calls = 8;
                scale.times = 3;
            }
            "--only" => {
                let names = arguments.next().context("--only needs names, such as w1,w2")?;
                scale.only = names.split(',').map(str::to_owned).collect();
            }
            other => bail!("unknown argument {other}; known are --binary PATH, --quick, --only NAMES"),
        }
    }
    if !scale.binary.is_file() {
        bail!(
            "--binary must name the built `comptoir`; `cargo xtask bench` builds it and calls this program"
        );
    }
    work::run(&scale)
}
