//! Starting the program, talking to it, ending it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// No step of a test takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of a test's own; the data lies in `data`.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Folder(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
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
}

/// A command that is over.
#[derive(Debug)]
pub struct Done {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command on the folder's data.
pub fn comptoir(folder: &Folder, arguments: &[&str]) -> Done {
    finish(program(folder.path()).env("COMPTOIR_DATA", "data").args(arguments))
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
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
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

/// Sends a request on a connection of its own and gives the answer.
pub fn call(port: u16, request: &str) -> String {
    read_answer(&mut connect(port, request))
}

/// Opens a connection and sends the beginning of a request.
pub fn connect(port: u16, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    send(&mut stream, request);
    stream
}

pub fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

/// Reads one answer with a length; what came before the end when the connection breaks.
pub fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            if length.is_some_and(|length| answer.len() >= head.len() + 4 + length) {
                return text;
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return text,
            Ok(read) => answer.extend_from_slice(&piece[..read]),
        }
    }
}
