//! Envoy's foreign function `compress`: any bytes in, zlib's format at its default level out. The
//! bytes are another implementation's, and need not be the same.
//!
//! Source: <https://github.com/envoyproxy/envoy/blob/main/source/extensions/common/wasm/foreign.cc>

use crate::abi::Status;
use flate2::Compression;
use flate2::read::ZlibEncoder;
use std::io::Read;

pub(crate) fn zlib(plain: &[u8]) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    let read = ZlibEncoder::new(plain, Compression::default()).read_to_end(&mut out);
    read.map(|_| out).map_err(|_| Status::SERIALIZATION_FAILURE)
}
