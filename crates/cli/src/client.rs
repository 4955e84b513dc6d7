//! Calls over a socket, one connection a call.

use axum::body::Body;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use server::Failure;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    authority: Authority,
    /// What stands before every path; without slash at the end.
    base: String,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |remedy: &str| Failure::usage(format!("`{text}` is no address of a server: {remedy}"));
        let uri: Uri = text.parse().map_err(|_| wrong("write it like http://127.0.0.1:7070"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(wrong(
                    "this program does not speak TLS itself; go through a tunnel and write http://",
                ));
            }
            _ => return Err(wrong("begin with http://")),
        }
        if uri.query().is_some() {
            return Err(wrong("leave out what begins with `?`"));
        }
        let authority = uri.authority().cloned().ok_or_else(|| wrong("it names no host"))?;
        Ok(Url { authority, base: uri.path().trim_end_matches('/').to_owned() })
    }

    pub(crate) async fn send(&self, mut call: Request<Body>) -> Result<Response<Body>, Failure> {
        let (host, port) = (self.authority.host(), self.authority.port_u16().unwrap_or(80));
        let path = call.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        *call.uri_mut() = format!("{}{path}", self.base).parse().map_err(Failure::internal)?;
        let name = HeaderValue::from_str(self.authority.as_str()).map_err(Failure::internal)?;
        call.headers_mut().insert(HOST, name);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await.map_err(|error| {
            Failure::unreachable(format!(
                "the server {} cannot be reached: {error}; is it running?",
                self.authority
            ))
        })?;
        let _ = stream.set_nodelay(true);
        send(stream, call).await
    }
}

/// Sends one call over a connection of its own.
pub(crate) async fn send<S>(stream: S, call: Request<Body>) -> Result<Response<Body>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broke_off = |error: hyper::Error| {
        Failure::unreachable(format!(
            "the connection broke off ({error}); GET batches says what became of the call"
        ))
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke_off)?;
    tokio::spawn(connection);
    let response = sender.send_request(call).await.map_err(broke_off)?;
    Ok(response.map(Body::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_refused() {
        let url = Url::parse("http://127.0.0.1:7070/counter/").unwrap();
        assert_eq!((url.authority.as_str(), url.base.as_str()), ("127.0.0.1:7070", "/counter"));
        assert!(Url::parse("https://x").unwrap_err().to_string().contains("TLS"));
        assert!(Url::parse("127.0.0.1:7070").is_err());
    }
}
