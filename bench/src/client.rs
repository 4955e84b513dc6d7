//! As little HTTP as a measurement needs: one kept connection, whole answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail};

/// One connection to the server.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// A whole answer.
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, where the status is 200.
    pub fn json(&self) -> Result<serde_json::Value> {
        if self.status != 200 {
            bail!(
                "status {}: {}",
                self.status,
                String::from_utf8_lossy(&self.body[..self.body.len().min(500)])
            );
        }
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::with_capacity(1 << 18, stream) })
    }

    /// Sends a request and reads the whole answer.
    pub fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let mut answer = Answer { status: 0, body: Vec::new() };
        let mut collect = Vec::new();
        answer.status =
            self.stream(method, path, headers, body, &mut |part| collect.extend_from_slice(part))?;
        answer.body = collect;
        Ok(answer)
    }

    /// Sends a request and hands over the answer's body as it comes; gives the status.
    pub fn stream(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        into: &mut dyn FnMut(&[u8]),
    ) -> Result<u16> {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.stream.get_mut().write_all(body)?;
        let status: u16 = self.line()?.split(' ').nth(1).context("no status")?.parse()?;
        let mut length = None;
        let mut chunked = false;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = Some(value.trim().parse::<usize>()?);
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        if chunked {
            loop {
                let size = usize::from_str_radix(self.line()?.trim(), 16)?;
                self.take(size, into)?;
                self.line()?;
                if size == 0 {
                    return Ok(status);
                }
            }
        }
        self.take(length.unwrap_or(0), into)?;
        Ok(status)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }

    fn take(&mut self, mut size: usize, into: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut buffer = vec![0; 1 << 16];
        while size > 0 {
            let part = size.min(buffer.len());
            let read = self.stream.read(&mut buffer[..part])?;
            if read == 0 {
                bail!("the server closed the connection in the middle of an answer");
            }
            into(&buffer[..read]);
            size -= read;
        }
        Ok(())
    }
}
