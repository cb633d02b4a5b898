//! A request's body as it was before it was compressed.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;

/// The body behind this `content-encoding`. What cannot be unpacked stays what it is, and whoever
/// reads it will complain.
pub(crate) fn unpacked(encoding: Option<&[u8]>, body: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    match encoding {
        // The decoder checks the length and the sum at the end.
        Some(b"gzip") if GzDecoder::new(body).read_to_end(&mut plain).is_ok() => plain.into(),
        _ => Bytes::copy_from_slice(body),
    }
}
