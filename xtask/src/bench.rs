//! `cargo xtask bench`: builds the server and the bench for speed, and runs the one against the other.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::process::workspace_root;

/// Builds both and runs the bench with the arguments given.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    let root = &workspace_root();
    for package in ["cli", "bench"] {
        let built = Command::new("cargo")
            .args(["build", "--release", "--package", package])
            .current_dir(root)
            .status()?;
        if !built.success() {
            bail!("{package} does not build; mend it and run `cargo xtask bench` again");
        }
    }
    let target = root.join("target/release");
    let ran = Command::new(target.join("bench"))
        .arg("--binary")
        .arg(target.join("comptoir"))
        .args(arguments)
        .current_dir(root)
        .status()?;
    if !ran.success() {
        bail!("the bench stopped; what it printed last says why");
    }
    Ok(ExitCode::SUCCESS)
}
