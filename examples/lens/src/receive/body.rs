//! Bodies of requests, within limits: compressed and expanded.

use std::io::Read;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use flate2::read::MultiGzDecoder;

use super::refusal::Reason;

/// The largest body as it comes, in bytes.
pub const BODY_LIMIT: usize = 4 << 20;

/// The largest body after decompression, in bytes.
pub const EXPANDED_LIMIT: usize = 16 << 20;

/// Reads a body to its end, and expands it.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Reason> {
    let is_gzip = match encoding(headers) {
        "" | "identity" => false,
        "gzip" | "x-gzip" => true,
        other => {
            let text = format!("the Content-Encoding must be gzip or none, not {other:?}");
            return Err(Reason::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
    };
    let too_large = |what: &str, limit: usize| {
        let text = format!("the body {what} is larger than {limit} bytes");
        Reason::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|error| {
        use std::error::Error;
        match error.source().is_some_and(|it| it.is::<http_body_util::LengthLimitError>()) {
            true => too_large("as it comes", BODY_LIMIT),
            false => Reason::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}")),
        }
    })?;
    if !is_gzip {
        return Ok(body.into());
    }
    let mut expanded = Vec::new();
    let mut decoder = MultiGzDecoder::new(&*body).take(EXPANDED_LIMIT as u64 + 1);
    decoder.read_to_end(&mut expanded).map_err(|error| {
        Reason::new(StatusCode::BAD_REQUEST, format!("the body is not gzip: {error}"))
    })?;
    match expanded.len() > EXPANDED_LIMIT {
        true => Err(too_large("after decompression", EXPANDED_LIMIT)),
        false => Ok(expanded),
    }
}

fn encoding(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("?")).trim()
}

/// The media type of a request in lower case, without parameters; empty if there is none.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let value = value.unwrap_or_default().split(';').next().unwrap_or_default();
    value.trim().to_ascii_lowercase()
}
