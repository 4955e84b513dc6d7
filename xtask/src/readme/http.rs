//! Just enough HTTP to ask whether a server is there.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;

/// How long connecting, and each reading, may take.
const LIMIT: Duration = Duration::from_secs(5);

/// An address `http://host:port/path`.
#[derive(Debug)]
pub(crate) struct Url {
    authority: String,
    path: String,
}

impl Url {
    /// Parses an address; the port must be written.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let parts = || {
            let (authority, path) = text.strip_prefix("http://")?.split_once('/')?;
            let (_, port) = authority.rsplit_once(':')?;
            port.parse::<u16>().ok()?;
            Some(Self { authority: authority.to_owned(), path: format!("/{path}") })
        };
        parts().with_context(|| format!("`{text}` is not of the form http://host:port/path"))
    }

    /// Returns `host:port`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether anything listens there.
    pub(crate) fn is_taken(&self) -> bool {
        self.connect().is_ok()
    }

    /// Sends a GET and returns the status of the answer.
    pub(crate) fn get_status(&self) -> io::Result<u16> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let Self { authority, path } = self;
        // In one piece: a server may answer and hang up while we still send the next one.
        let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let status =
            line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.trim().parse().ok());
        status.ok_or_else(|| io::Error::other(format!("`{}` is not an HTTP answer", line.trim_end())))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::other("the name has no address");
        for address in self.authority.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, LIMIT) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_status_of_an_answer_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let url = Url::parse(&format!("http://127.0.0.1:{port}/readyz")).unwrap();
        assert_eq!(url.get_status().unwrap(), 503);
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\n"), "{request}");
    }

    #[test]
    fn an_address_needs_scheme_port_and_path() {
        for text in
            ["127.0.0.1:7070/", "https://127.0.0.1:7070/", "http://127.0.0.1/", "http://127.0.0.1:7070"]
        {
            assert!(Url::parse(text).is_err(), "{text}");
        }
        assert_eq!(Url::parse("http://[::1]:80/a?b").unwrap().to_string(), "http://[::1]:80/a?b");
    }
}
