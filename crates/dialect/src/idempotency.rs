//! How a caller says that a call repeats another.

use engine::Idempotency;
use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};

/// The header by which a caller says it.
pub(crate) const HEADER: &str = "idempotency-key";

/// The header `Idempotency-Key` is no key.
#[derive(Debug, thiserror::Error)]
#[error("the header Idempotency-Key must come once and hold 1 to 255 visible ASCII characters")]
pub struct BadKey;

impl BadKey {
    /// How bad it is.
    pub fn kind(&self) -> domain::Kind {
        domain::Kind::Invalid
    }
}

impl From<BadKey> for engine::Error {
    fn from(key: BadKey) -> Self {
        engine::Error::Invalid(key.to_string())
    }
}

/// The key that the header `Idempotency-Key` gives, with the hash of what it stands for: method,
/// path, `parameters` (whatever changes what the call means, in a fixed order) and the hash of the
/// decoded body, which is there where the header is. `None` when there is no such header.
pub fn idempotency(
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    parameters: &str,
    body: Option<&[u8; 32]>,
) -> Result<Option<Idempotency>, BadKey> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let good = (1..=255).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    if !good || values.next().is_some() {
        return Err(BadKey);
    }
    let key = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut hash = Sha256::new();
    for part in [method.as_str(), path, parameters] {
        // With its length, so that no two calls run into one another.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(body.unwrap_or(&[0; 32]));
    Ok(Some(Idempotency { key, hash: hash.finalize().into() }))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(key: &[u8], path: &str) -> Result<Option<Idempotency>, BadKey> {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_bytes(key).unwrap());
        idempotency(&headers, &Method::POST, path, "mode=upsert", Some(&[7; 32]))
    }

    #[test]
    fn a_key_is_bound_to_its_call() {
        let (a, b) = (of(b"k-1", "/a").unwrap().unwrap(), of(b"k-1", "/b").unwrap().unwrap());
        assert_eq!(a.key, "k-1");
        assert_ne!(a.hash, b.hash);
        assert_eq!(a.hash, of(b"k-1", "/a").unwrap().unwrap().hash);
    }

    #[test]
    fn what_is_no_key_is_said_to_be_none() {
        assert!(of(b"", "/a").is_err());
        assert!(of(b"two words", "/a").is_err());
        assert!(of("\u{e9}".as_bytes(), "/a").is_err());
        assert!(of(&[b'x'; 256], "/a").is_err());
        assert!(of(&[b'x'; 255], "/a").is_ok());
        assert!(idempotency(&HeaderMap::new(), &Method::POST, "/a", "", None).unwrap().is_none());
    }
}
