//! Running other programs, and stopping the ones we started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How long a server may take to stop when asked politely.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The folder of the workspace's own `Cargo.toml`.
pub(crate) fn workspace_root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map_or_else(|| xtask.clone(), Path::to_path_buf)
}

/// A command that starts in the workspace root, with nothing to read on its standard input.
///
/// What `cargo run` told us about ourselves is taken out of its environment: some build scripts
/// watch those variables, and would rebuild their crate each time we and a shell take turns.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace_root()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_this_crate) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_this_crate(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
        .iter()
        .any(|start| variable.starts_with(start))
}

/// Prints the command, runs it to its end and returns how it ended.
pub(crate) fn status(command: &mut Command) -> anyhow::Result<ExitStatus> {
    let words = words(command);
    println!("$ {words}");
    command.status().with_context(|| format!("`{words}` cannot be started: is it installed?"))
}

/// Prints the command, runs it to its end, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` ended with {status}", words(command));
    }
    Ok(())
}

fn words(command: &Command) -> String {
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    all.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A process in the background, stopped by its id when this value goes out of scope.
#[derive(Debug)]
pub(crate) struct Background {
    child: Child,
    log: PathBuf,
}

impl Background {
    /// Starts the command with both its outputs going to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
        let child =
            command.stdout(file.try_clone()?).stderr(file).spawn().context("the server cannot be started")?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    /// Returns how the process ended, or `None` while it runs.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Returns what the process has printed so far.
    pub(crate) fn printed(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Returns the last lines the process printed.
    pub(crate) fn last_lines(&self) -> String {
        let text = self.printed();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Asks the process to stop and fails unless it then exits with 0.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.ended()? {
            bail!("the server ended by itself with {status}; its last lines:\n{}", self.last_lines());
        }
        self.ask_to_stop()?;
        match self.wait(STOP_LIMIT)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => {
                bail!(
                    "asked to stop, the server ended with {status}, not 0; its last lines:\n{}",
                    self.last_lines()
                )
            }
            None => bail!(
                "asked to stop, the server still ran after {STOP_LIMIT:?}; its last lines:\n{}",
                self.last_lines()
            ),
        }
    }

    /// Sends SIGTERM. Until we have waited for it the id cannot belong to any other process.
    fn ask_to_stop(&self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        // Bash's own `kill`, because std has no signals and `kill` need not be installed.
        let status = command("bash")
            .args(["-c", "kill -TERM \"$0\"", &id])
            .status()
            .context("bash cannot be started")?;
        if !status.success() {
            bail!("SIGTERM could not be sent to process {id}");
        }
        Ok(())
    }

    fn wait(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !matches!(self.ended(), Ok(None)) {
            return;
        }
        let asked = self.ask_to_stop().is_ok();
        if asked && matches!(self.wait(Duration::from_secs(10)), Ok(Some(_))) {
            return;
        }
        // Nothing more can be done about a process that cannot even be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An empty folder that is removed when this value goes out of scope.
#[derive(Debug)]
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes the folder among the machine's temporary ones.
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        let parent = std::env::temp_dir();
        for number in 0..100 {
            let path = parent.join(format!("comptoir-{name}-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("{} cannot be made", path.display()));
                }
            }
        }
        bail!("{} holds a hundred leftovers of ours: remove its comptoir-{name}-* folders", parent.display())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A leftover in the temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_background(script: &str) -> (TemporaryFolder, Background) {
        let folder = TemporaryFolder::new("test").unwrap();
        let log = folder.path().join("log");
        let server = Background::start(command("bash").args(["-c", script]), &log).unwrap();
        while server.last_lines().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        (folder, server)
    }

    #[test]
    fn a_server_that_stops_when_asked_is_fine() {
        let (_folder, server) = in_background("trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done");
        server.stop().unwrap();
    }

    #[test]
    fn a_server_that_dies_of_the_signal_is_reported() {
        let (_folder, server) = in_background("echo up; exec sleep 60");
        let error = server.stop().unwrap_err().to_string();
        assert!(error.contains("not 0"), "{error}");
    }

    #[test]
    fn a_server_out_of_scope_is_gone() {
        let (_folder, server) = in_background("echo up; exec sleep 60");
        let id = server.child.id();
        drop(server);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn a_temporary_folder_is_removed() {
        let folder = TemporaryFolder::new("test").unwrap();
        let path = folder.path().to_path_buf();
        std::fs::write(path.join("file"), "text").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
