use std::io::Write as _;

use futures_util::stream;
use http::HeaderValue;

use super::*;

fn config(folder: &Path) -> Config {
    Config { memory_body: 1000, spool: folder.to_owned(), ..Config::default() }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

/// Receives bytes in frames of an odd size.
async fn receive_as(coding: &str, bytes: &[u8], limit: u64) -> Result<Received, BodyFault> {
    let folder = tempfile::tempdir().unwrap();
    let frames: Vec<io::Result<Bytes>> =
        bytes.chunks(777).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    let body = axum::body::Body::from_stream(stream::iter(frames));
    let received = receive(
        &headers(&[("content-encoding", coding), ("idempotency-key", "k")]),
        body,
        limit,
        &config(folder.path()),
    )
    .await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    received
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 1).unwrap()
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|n| b"0123456789abcdef"[(n * n / 7) % 16]).collect()
}

#[tokio::test]
async fn every_encoding_gives_the_same_body_and_hash() {
    for length in [0, 1, 999, 1000, 1001, 700_000] {
        let sent = text(length);
        let hash: [u8; 32] = Sha256::digest(&sent).into();
        for (coding, bytes) in [("identity", sent.clone()), ("gzip", gzip(&sent)), ("zstd", zstd(&sent))] {
            let received = receive_as(coding, &bytes, 1 << 20).await.unwrap();
            assert_eq!(received.length, length as u64);
            assert_eq!(received.hash, Some(hash), "{coding} {length}");
            assert_eq!(received.body.bytes().unwrap(), sent);
            assert_eq!(matches!(received.body, Body::File(_)), length > 1000);
        }
    }
}

#[tokio::test]
async fn several_members_and_frames_are_one_body() {
    let both = [text(5000), text(300)].concat();
    let members = [gzip(&text(5000)), gzip(&text(300))].concat();
    assert_eq!(receive_as("gzip", &members, 1 << 20).await.unwrap().body.bytes().unwrap(), both);
    let frames = [zstd(&text(5000)), zstd(&text(300))].concat();
    assert_eq!(receive_as("zstd", &frames, 1 << 20).await.unwrap().body.bytes().unwrap(), both);
}

#[tokio::test]
async fn the_limit_counts_decoded_bytes() {
    let sent = vec![b'x'; 500_000];
    for (coding, bytes) in [("identity", sent.clone()), ("gzip", gzip(&sent)), ("zstd", zstd(&sent))] {
        let fault = receive_as(coding, &bytes, 499_999).await.unwrap_err();
        assert!(matches!(fault, BodyFault::TooLarge { limit: 499_999 }), "{coding} {fault:?}");
        assert_eq!(fault.kind(), Kind::TooLarge);
        assert!(receive_as(coding, &bytes, 500_000).await.is_ok());
    }
}

#[tokio::test]
async fn a_cut_body_is_truncated_wherever_it_is_cut() {
    let sent = text(3000);
    for (coding, whole) in [("gzip", gzip(&sent)), ("zstd", zstd(&sent))] {
        for cut in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let fault = receive_as(coding, &whole[..cut], 1 << 20).await.unwrap_err();
            assert!(matches!(fault, BodyFault::Truncated), "{coding} {cut} {fault:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_compressed_is_unreadable() {
    for coding in ["gzip", "zstd"] {
        let fault =
            receive_as(coding, b"[{\"code\":\"C1\"}] and more than ten bytes", 1 << 20).await.unwrap_err();
        assert!(matches!(fault, BodyFault::Unreadable(_)), "{coding} {fault:?}");
    }
}

#[tokio::test]
async fn unknown_and_several_encodings_are_refused() {
    for coding in ["br", "gzip, zstd", "deflate"] {
        let fault = receive_as(coding, b"", 10).await.unwrap_err();
        assert!(matches!(fault, BodyFault::UnknownEncoding(_)));
    }
}

#[tokio::test]
async fn a_broken_connection_is_truncated() {
    let frames = vec![Ok(Bytes::from_static(b"[{")), Err(io::Error::other("reset"))];
    let body = axum::body::Body::from_stream(stream::iter(frames));
    let fault = receive(&HeaderMap::new(), body, 100, &Config::default()).await.unwrap_err();
    assert!(matches!(fault, BodyFault::Truncated));
}

#[test]
fn only_csv_has_other_charsets() {
    let of = |value: &str| content_type(&headers(&[("content-type", value)]));
    assert_eq!(of("application/json; charset=UTF-8").unwrap().0, Media::Json);
    assert_eq!(of("application/problem+json").unwrap().0, Media::Json);
    assert!(matches!(of("application/json; charset=latin1"), Err(BodyFault::UnknownCharset(_))));
    let csv = of("Text/CSV; header=present; Charset=\"Windows-1252\"").unwrap();
    assert_eq!(csv, (Media::Csv, Some("windows-1252".to_owned())));
    assert!(of("text/csv; charset=klingon").is_err());
    assert_eq!(of("application/xml").unwrap().0, Media::Other("application/xml".to_owned()));
}
