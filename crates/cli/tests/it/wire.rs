//! HTTP as callers speak it, good and bad ones: requests are bytes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// No step of a test takes longer, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The native door's key of the tests' project.
pub const KEY: (&str, &str) = ("Authorization", "Bearer erp-key");
pub const JSON: (&str, &str) = ("Content-Type", "application/json");
pub const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");

/// What the server says to one request.
pub struct Answer {
    pub status: u16,
    /// Names in small letters.
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.text().chars().take(2_000).collect();
        write!(f, "{} {:?}\n{text}", self.status, self.headers)
    }
}

/// One request on a connection of its own.
pub fn call(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    exchange(port, &request(method, path, headers, body))
}

/// A request with the length of its body, on a connection that ends with it.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n"
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Sends bytes on a connection of their own and reads the answer.
pub fn exchange(port: u16, bytes: &[u8]) -> io::Result<Answer> {
    let mut stream = connect(port)?;
    // A server that refuses early may close before all is sent; its answer counts.
    let sent = stream.write_all(bytes);
    read_answer(&mut stream).map_err(|error| sent.err().unwrap_or(error))
}

pub fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Opens a connection and sends the beginning of a request.
pub fn begin(port: u16, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(port).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Reads one answer to its end; an error when the connection breaks before that.
pub fn read_answer(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut reader = BufReader::new(stream);
    let line = line(&mut reader)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(line))?;
    let mut headers = Vec::new();
    loop {
        let line = self::line(&mut reader)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().map_err(io::Error::other)?];
        reader.read_exact(&mut answer.body)?;
    } else if answer.header("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(&self::line(&mut reader)?, 16).map_err(io::Error::other)?;
            let from = answer.body.len();
            answer.body.resize(from + size, 0);
            reader.read_exact(&mut answer.body[from..])?;
            self::line(&mut reader)?;
            if size == 0 {
                break;
            }
        }
    } else if status != 204 && status != 304 {
        reader.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match reader.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
