//! gzip, made of what hosts can do: their function `compress` answers in zlib's format.
//!
//! Both formats hold the same compressed data, and differ in what stands around it:
//!
//! ```text
//! zlib = CMF FLG [DICTID] data ADLER32
//! gzip = 1f 8b CM FLG MTIME XFL OS [..] data CRC32 ISIZE
//! ```
//! Specs: <https://www.rfc-editor.org/rfc/rfc1950#section-2.2>,
//! <https://www.rfc-editor.org/rfc/rfc1952#section-2.3>

use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// What a host's `compress` made of `plain`, as gzip; `None` if that is not zlib's format.
///
/// The compressed data itself is taken as it is: a reader holds it against the length and the
/// checksum of `plain`, which are both in the end of it.
pub fn wrap(zlib: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let ([cmf, flags, data @ ..], _adler32) = zlib.split_last_chunk::<4>()? else { return None };
    let check = u16::from_be_bytes([*cmf, *flags]);
    if cmf & CM_AND_WINDOW != DEFLATE || flags & FDICT != 0 || !check.is_multiple_of(31) {
        return None;
    }
    let size = HEADER.len().saturating_add(data.len()).saturating_add(TRAILER);
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&HEADER);
    out.extend_from_slice(data);
    out.extend_from_slice(&crc32(plain).to_le_bytes());
    // ISIZE is the length modulo 2^32.
    let [a, b, c, d, ..] = u64::try_from(plain.len()).unwrap_or_default().to_le_bytes();
    out.extend_from_slice(&[a, b, c, d]);
    Some(out)
}

/// The tables are made anew each time: 6 us, where 16 KiB in the module would be there for all who
/// never compress. With one table instead of 16 it takes five times as long for a full request.
fn crc32(plain: &[u8]) -> u32 {
    Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC).checksum(plain)
}

const DEFLATE: u8 = 8;
/// In zlib's CMF: the method, and the bit that is set by windows larger than deflate's.
const CM_AND_WINDOW: u8 = 0x8f;
/// In zlib's FLG: a dictionary that both sides know, which gzip has no word for.
const FDICT: u8 = 0x20;
/// No name, no time, no word about effort, and a system that is none of those listed.
const HEADER: [u8; 10] = [0x1f, 0x8b, DEFLATE, 0, 0, 0, 0, 0, 0, 255];
/// CRC32 and ISIZE.
const TRAILER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::{GzDecoder, MultiGzDecoder, ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Read;

    fn zlib(plain: &[u8], level: u32) -> Vec<u8> {
        let mut out = Vec::new();
        ZlibEncoder::new(plain, Compression::new(level)).read_to_end(&mut out).unwrap();
        out
    }

    proptest! {
        /// The other implementation's decoder checks sum and length itself.
        #[test]
        fn whatever_is_wrapped_can_be_unwrapped(
            plain in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                prop::collection::vec(0_u8..3, 0..5_000),
            ],
            level in 0_u32..10,
        ) {
            let gzip = wrap(&zlib(&plain, level), &plain).unwrap();
            prop_assert_eq!(gzip.capacity(), gzip.len());
            let mut out = Vec::new();
            MultiGzDecoder::new(&gzip[..]).read_to_end(&mut out).unwrap();
            prop_assert_eq!(out, plain);
        }

        #[test]
        fn any_bytes_of_a_host_are_looked_at(zlib: Vec<u8>, plain: Vec<u8>) {
            wrap(&zlib, &plain);
        }
    }

    #[test]
    fn a_length_of_any_size_is_told() {
        for len in [0, 255, 256, 65_535, 65_536, 0x0001_0203] {
            let plain = vec![b'x'; len];
            let gzip = wrap(&zlib(&plain, 1), &plain).unwrap();
            let mut out = Vec::new();
            GzDecoder::new(&gzip[..]).read_to_end(&mut out).unwrap();
            assert_eq!(out.len(), len);
        }
    }

    #[test]
    fn the_header_says_nothing_that_is_not_known() {
        let gzip = wrap(&zlib(b"spans", 6), b"spans").unwrap();
        let read = GzDecoder::new(&gzip[..]);
        let header = read.header().unwrap();
        assert_eq!((header.mtime(), header.operating_system()), (0, 255));
        assert_eq!((header.filename(), header.comment(), header.extra()), (None, None, None));
    }

    #[test]
    fn what_is_not_zlib_is_not_passed_on() {
        let good = zlib(b"spans", 6);
        let with = |cmf: u8, flags: u8| [&[cmf, flags], &good[2..]].concat();
        assert!(wrap(&with(0x78, 0x9c), b"spans").is_some());
        for (why, zlib) in [
            ("nothing", Vec::new()),
            ("no room for the checksum", good[..5].to_vec()),
            ("another method", with(0x77, 0x09)),
            ("a window larger than any", with(0xf8, 0x00)),
            ("a dictionary", with(0x78, 0xbb)),
            ("a broken header", with(0x78, 0x9d)),
            ("gzip already", wrap(&good, b"spans").unwrap()),
        ] {
            assert_eq!(wrap(&zlib, b"spans"), None, "{why}");
        }
    }
}
