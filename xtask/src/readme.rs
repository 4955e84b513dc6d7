//! `cargo xtask readme`: the README's commands do what the README says.
//!
//! A comment before a fenced `sh` block says what is done with it:
//!
//! - `<!-- ci: run -->`: the block is run and must succeed.
//! - `<!-- ci: serve URL -->`: the block's last command is a server. It is started and left running
//!   once URL answers 200; at the next such comment, or at the end, it is asked to stop (SIGTERM) and
//!   must exit with 0. The lines before the last command are run first, to their end.
//! - `<!-- ci: expect -->`: the block is run and must print what the next `text` or `json` block holds,
//!   in which a line `…` stands for any lines and `…` within a line for any text.
//! - `<!-- ci: printed -->`: comes before a `text` or `json` block instead, which must be all that the
//!   server has printed until then, with `…` as above.
//!
//! Blocks run in bash, one after the other as in one shell: a variable set in one is known in the next,
//! and a folder gone to is where the next one starts. The first starts in the workspace root.
//! `COMPTOIR_DATA` names a data folder that does not exist yet, `mktemp` makes its files in a folder of
//! this run, and `cargo install` puts its programs into one that is on the `PATH`.

mod blocks;
mod expect;
mod http;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use self::blocks::Action;
use self::http::Url;
use crate::no_arguments;
use crate::process::{self, Background, TemporaryFolder};

/// How long a server may take until it answers, once it is built.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a server that answers may take to print what it prints at its start.
const PRINT_LIMIT: Duration = Duration::from_secs(5);

/// What every script begins with: variables and folder of the earlier blocks are known, ours are kept.
const PRELUDE: &str = r#"[ ! -f "$README_STATE" ] || . "$README_STATE"
set -a
trap '{ export -p; printf "cd %q\n" "$PWD"; } >"$README_STATE"' EXIT
"#;

/// Runs the README's marked blocks.
pub(crate) fn command(args: &[String]) -> anyhow::Result<ExitCode> {
    no_arguments(args)?;
    run()?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the README's marked blocks, and fails at the first that does not do what the README says.
pub(crate) fn run() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(process::workspace_root().join("README.md"))
        .context("README.md cannot be read; write one whose commands are marked `<!-- ci: run -->`")?;
    let blocks = blocks::parse(&text)?;
    ensure!(
        !blocks.is_empty(),
        "README.md has no block marked `<!-- ci: … -->`, so nothing of it is checked"
    );
    let folder = TemporaryFolder::new("readme")?;
    let mut shell = Shell { folder: folder.path(), server: None };
    for block in &blocks {
        println!("-- README.md:{}", block.line);
        shell.perform(&block.action).with_context(|| format!("README.md:{}", block.line))?;
    }
    shell.stop_server().context("README.md: the last server")
}

/// Where the blocks are run, and the server that runs meanwhile.
struct Shell<'a> {
    folder: &'a Path,
    server: Option<Background>,
}

impl Shell<'_> {
    fn perform(&mut self, action: &Action) -> anyhow::Result<()> {
        let result = match action {
            Action::Run { script } => self.succeed(script),
            Action::Serve { url, script } => self.serve(url, script),
            Action::Expect { script, output } => self.expect(script, output),
            Action::Printed { output } => self.printed(output),
        };
        if let (Err(_), Some(server)) = (&result, &self.server) {
            println!("the server's last lines:\n{}", server.last_lines());
        }
        result
    }

    fn succeed(&self, script: &str) -> anyhow::Result<()> {
        let status = self.bash(script).status().context("bash cannot be started: is it installed?")?;
        ensure!(status.success(), "the block ended with {status}");
        Ok(())
    }

    fn expect(&self, script: &str, expected: &str) -> anyhow::Result<()> {
        let output = self
            .bash(script)
            .stderr(Stdio::inherit())
            .output()
            .context("bash cannot be started: is it installed?")?;
        let actual = String::from_utf8_lossy(&output.stdout);
        print!("{actual}");
        println!();
        ensure!(output.status.success(), "the block ended with {}", output.status);
        match expect::difference(expected, &actual) {
            None => Ok(()),
            Some(difference) => {
                bail!("{difference}")
            }
        }
    }

    fn printed(&self, expected: &str) -> anyhow::Result<()> {
        let server = self.server.as_ref().context("no server runs that could have printed this")?;
        let start = Instant::now();
        loop {
            match expect::difference(expected, &server.printed()) {
                None => return Ok(()),
                Some(difference) if start.elapsed() > PRINT_LIMIT => bail!("{difference}"),
                Some(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn serve(&mut self, url: &str, script: &str) -> anyhow::Result<()> {
        self.stop_server()?;
        let url = Url::parse(url)?;
        let (before, server) = blocks::split_last_command(script);
        ensure!(!server.is_empty(), "the block holds no command");
        if !before.trim().is_empty() {
            self.succeed(&before)?;
        }
        if let Some(build) = blocks::build_ahead(&server) {
            self.succeed(&build)?;
        }
        ensure!(!url.is_taken(), "something else already listens at {}; stop it first", url.authority());
        let log = self.folder.join("server.log");
        // `exec`, so that the process whose id we know is the server itself and not a shell around it.
        let server = Background::start(&mut self.bash(&format!("exec env {server}")), &log)?;
        wait_for(self.server.insert(server), &url)
    }

    fn stop_server(&mut self) -> anyhow::Result<()> {
        self.server.take().map_or(Ok(()), Background::stop)
    }

    /// A command that runs the script in bash, on the data and with the programs of this run.
    fn bash(&self, script: &str) -> Command {
        for line in script.lines() {
            println!("$ {line}");
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = vec![self.folder.join("install/bin")];
        folders.extend(std::env::split_paths(&path));
        let mut bash = process::command("bash");
        bash.args(["-euo", "pipefail", "-c", &format!("{PRELUDE}{script}")])
            .env("README_STATE", self.folder.join("variables"))
            .env("COMPTOIR_DATA", self.folder.join("data"))
            .env("TMPDIR", self.folder)
            .env("CARGO_INSTALL_ROOT", self.folder.join("install"))
            .env("PATH", std::env::join_paths(folders).unwrap_or(path));
        bash
    }
}

/// Waits until the URL answers 200.
fn wait_for(server: &mut Background, url: &Url) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut seen = String::from("no answer");
    while start.elapsed() < START_LIMIT {
        if let Some(status) = server.ended()? {
            bail!("the server ended with {status} before {url} answered");
        }
        match url.get_status() {
            Ok(200) => return Ok(()),
            Ok(status) => seen = format!("status {status}"),
            Err(error) => seen = error.to_string(),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("{url} did not answer 200 within {START_LIMIT:?}; seen last: {seen}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn perform(actions: &[Action]) -> anyhow::Result<()> {
        let folder = TemporaryFolder::new("readme-test")?;
        let mut shell = Shell { folder: folder.path(), server: None };
        actions.iter().try_for_each(|action| shell.perform(action))?;
        shell.stop_server()
    }

    fn run(script: &str) -> Action {
        Action::Run { script: script.into() }
    }

    fn expect(script: &str, output: &str) -> Action {
        Action::Expect { script: script.into(), output: output.into() }
    }

    #[test]
    fn variables_are_known_in_later_blocks() {
        perform(&[run("NAME='Quai Sud'"), expect("echo \"$NAME\"", "Quai Sud")]).unwrap();
    }

    #[test]
    fn a_folder_is_where_the_next_block_starts() {
        let here = "mkdir \"$TMPDIR/Quai Sud\"\ncd \"$TMPDIR/Quai Sud\"";
        perform(&[run(here), expect("basename \"$PWD\"", "Quai Sud")]).unwrap();
    }

    #[test]
    fn what_a_server_printed_is_compared() {
        let folder = TemporaryFolder::new("readme-test").unwrap();
        let mut shell = Shell { folder: folder.path(), server: None };
        let printed = |output: &str| Action::Printed { output: output.into() };
        assert!(shell.perform(&printed("…")).unwrap_err().to_string().contains("no server runs"));
        let script = "echo listening; exec sleep 60";
        let mut bash = process::command("bash");
        let server = Background::start(bash.args(["-c", script]), &folder.path().join("log")).unwrap();
        shell.server = Some(server);
        shell.perform(&printed("listening")).unwrap();
    }

    #[test]
    fn a_failing_block_stops_the_run() {
        let error = perform(&[run("false\necho not reached")]).unwrap_err();
        assert!(error.to_string().contains("exit status: 1"), "{error}");
    }

    #[test]
    fn an_output_that_differs_stops_the_run() {
        assert!(perform(&[expect("echo 3 rows", "… rows")]).is_ok());
        assert!(perform(&[expect("echo 3 rows", "4 rows")]).is_err());
    }

    #[test]
    fn the_data_folder_is_new() {
        perform(&[run("test ! -e \"$COMPTOIR_DATA\"; mkdir \"$COMPTOIR_DATA\"")]).unwrap();
    }

    #[test]
    fn a_server_that_ends_at_once_is_reported() {
        // The port is one that nobody can listen on for long: it is asked for and let go.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}/healthz");
        let error = perform(&[Action::Serve { url, script: "sh -c 'exit 3'".into() }]).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
