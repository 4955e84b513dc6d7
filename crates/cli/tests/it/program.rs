//! Starting the program, talking to it, ending it.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;

use crate::wire::{self, Answer, PATIENCE};

/// A folder of a test's own; the data lies in `data`.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Folder(folder)
    }

    /// A folder to which a project file was applied.
    pub fn of_project(text: &str) -> Self {
        let folder = Folder::new();
        folder.write("acme.toml", text);
        folder.must(0, &["apply", "acme.toml"]);
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }

    pub fn count(&self, name: &str) -> usize {
        std::fs::read_dir(self.path().join(name)).unwrap().count()
    }

    /// Runs a command on the folder's data.
    pub fn run(&self, arguments: &[&str]) -> Done {
        finish(program(self.path()).env("COMPTOIR_DATA", "data").args(arguments))
    }

    /// Runs a command that must end with a code.
    #[track_caller]
    pub fn must(&self, exit: i32, arguments: &[&str]) -> Done {
        let done = self.run(arguments);
        assert_eq!(done.exit, exit, "comptoir {arguments:?}\n{}\n{}", done.stdout, done.stderr);
        done
    }

    /// Records of an entity as the export gives them.
    pub fn export(&self, entity: &str) -> Vec<Value> {
        let done = self.must(0, &["export", "--project", "ACME", "--entity", entity]);
        done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Starts a server on the folder's data.
    pub fn serve(&self, arguments: &[&str]) -> Server {
        Server::start(self, arguments)
    }
}

/// A command that is over.
#[derive(Debug)]
pub struct Done {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command that knows no data folder.
pub fn comptoir_elsewhere(arguments: &[&str]) -> Done {
    let folder = Folder::new();
    finish(program(folder.path()).args(arguments))
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comptoir"));
    command.current_dir(folder).env("TMPDIR", folder.join("tmp"));
    for variable in ["COMPTOIR_DATA", "COMPTOIR_KEY", "COMPTOIR_TOKEN"] {
        command.env_remove(variable);
    }
    command
}

fn finish(command: &mut Command) -> Done {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Done {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A process that serves. It ends with its test.
pub struct Server {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    pub port: u16,
}

impl Server {
    /// Serves the folder's data on a free port.
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = program(folder.path());
        command.env("COMPTOIR_DATA", "data").args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        let mut server = Self::spawn(command);
        let line = server.await_line("address=127.0.0.1:");
        server.port = port_in(&line, "address=127.0.0.1:");
        server
    }

    /// The demo on a free port.
    pub fn demo(folder: &Folder) -> Self {
        let mut command = program(folder.path());
        command.args(["demo", "--listen", "127.0.0.1:0"]);
        let mut server = Self::spawn(command);
        let line = server.stdout.wait("http://127.0.0.1:");
        server.port = port_in(&line, "http://127.0.0.1:");
        server
    }

    fn spawn(mut command: Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Server { child, stdout: Lines::of(stdout), stderr: Lines::of(stderr), port: 0 }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of the log that holds `text`.
    pub fn await_line(&self, text: &str) -> String {
        self.stderr.wait(text)
    }

    /// Waits for a line of the output that holds `text`, and gives all lines so far.
    pub fn await_output(&self, text: &str) -> String {
        self.stdout.wait(text);
        self.stdout.all()
    }

    pub fn log(&self) -> String {
        self.stderr.all()
    }

    pub fn signal(&self, name: &str) {
        let told = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(told.unwrap().success());
    }

    /// Waits for the end; gives the exit code, unless a signal killed it.
    pub fn wait(&mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        self.stderr.ended();
        status.code()
    }

    /// Asks the server to end, and waits for it; gives the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Ends the server as a power cut does.
    pub fn kill(mut self) {
        self.signal("KILL");
        self.wait();
    }

    /// One call on a connection of its own.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        self.try_call(method, path, headers, body).unwrap()
    }

    /// One call on a connection of its own; an error when it breaks before the end of the answer.
    pub fn try_call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> io::Result<Answer> {
        wire::call(self.port, method, path, headers, body.as_ref())
    }

    /// Reads with the key of the tests' project.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[wire::KEY], "")
    }

    /// Number of records of an entity.
    #[track_caller]
    pub fn count(&self, entity: &str, filter: &str) -> usize {
        let filter = filter.replace(' ', "%20").replace('\'', "%27");
        let filter = if filter.is_empty() { filter } else { format!("&filter={filter}") };
        let answer = self.get(&format!("/api/v1/ACME/{entity}?select=code&format=ndjson{filter}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.iter().filter(|byte| **byte == b'\n').count()
    }

    /// All batches of the ledger, newest first.
    #[track_caller]
    pub fn batches(&self) -> Vec<Value> {
        let mut batches = Vec::new();
        let mut after = String::new();
        loop {
            let mut page = self.get(&format!("/api/v1/ACME/batches?limit=1000{after}")).json();
            batches.append(page["batches"].as_array_mut().unwrap());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return batches,
            }
        }
    }

    /// All changes of the journal, in the order of their seq.
    #[track_caller]
    pub fn changes(&self) -> Vec<Value> {
        let mut changes = Vec::new();
        let mut after = Value::from(0);
        loop {
            let mut page = self.get(&format!("/api/v1/ACME/changes?limit=1000&after={after}")).json();
            let page_of = page["changes"].as_array_mut().unwrap();
            if page_of.is_empty() {
                return changes;
            }
            changes.append(page_of);
            after = page["next"].take();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port_in(line: &str, before: &str) -> u16 {
    let (_, rest) = line.split_once(before).unwrap();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Lines of a stream, collected beside the test.
#[derive(Clone)]
struct Lines(Arc<(Mutex<Collected>, Condvar)>);

#[derive(Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Lines(Arc::default());
        let collecting = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                collecting.0.0.lock().unwrap().lines.push(line);
                collecting.0.1.notify_all();
            }
            collecting.0.0.lock().unwrap().ended = true;
            collecting.0.1.notify_all();
        });
        lines
    }

    fn wait(&self, text: &str) -> String {
        let found = |collected: &Collected| collected.lines.iter().find(|line| line.contains(text)).cloned();
        let waiting = |collected: &mut Collected| found(collected).is_none() && !collected.ended;
        let (collected, _) =
            self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, waiting).unwrap();
        found(&collected).unwrap_or_else(|| panic!("no line with `{text}`:\n{}", collected.lines.join("\n")))
    }

    fn ended(&self) {
        let waiting = |collected: &mut Collected| !collected.ended;
        drop(self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, waiting).unwrap());
    }

    fn all(&self) -> String {
        self.0.0.lock().unwrap().lines.join("\n")
    }
}
