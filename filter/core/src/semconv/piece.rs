//! The piece of a response's body where the status of a call is.
//!
//! A status that is in the body has to be read out of it, as it passes: of a stream the end
//! is kept, of a single message the beginning. Both are short, whatever passes.

use super::rpc::Protocol;

/// So much of a stream's end is kept: the trailers of most calls, with the details of an error.
const TAIL: usize = 4096;
/// So much of a message's beginning.
const HEAD: usize = 1024;

/// A piece of the body of a response.
#[derive(Debug, Default)]
pub struct Piece(Vec<u8>);

/// Which bytes of a chunk are to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// From where in the chunk.
    pub start: usize,
    /// How many.
    pub length: usize,
}

impl Piece {
    /// Which bytes of the next chunk belong to the piece, if the protocol has its status in a
    /// body at all.
    pub fn wants(&self, protocol: Option<Protocol>, size: usize) -> Option<Wanted> {
        let (start, length) = match protocol? {
            Protocol::Grpc => return None,
            Protocol::ConnectUnary => (0, size.min(HEAD.saturating_sub(self.0.len()))),
            Protocol::GrpcWeb | Protocol::ConnectStream => {
                (size.saturating_sub(TAIL), size.min(TAIL))
            }
        };
        (length > 0).then_some(Wanted { start, length })
    }

    /// Takes the bytes that were wanted. Bytes that could not be read leave a gap; what comes
    /// behind it is a piece again.
    pub fn take(&mut self, wanted: Wanted, bytes: Option<Vec<u8>>) {
        let bytes = bytes.filter(|it| it.len() == wanted.length);
        let excess = self.0.len().saturating_add(wanted.length).saturating_sub(TAIL);
        self.0 = match (self.0.get(excess..), bytes) {
            (Some(before @ [_, ..]), Some(bytes)) => [before, &bytes].concat(),
            (_, bytes) => bytes.unwrap_or_default(),
        };
    }

    /// What is there of it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The content of the frame that ends with the body, if it has these flags and is text.
///
/// ```text
/// frame = flags (one byte) length (four bytes, big endian) content
/// ```
/// The piece may begin anywhere, so each place is tried, the first one first: what begins
/// earlier and is long enough to hold the last frame has that frame's length in it, whose
/// zeros are no text.
#[inline(never)]
pub(super) fn last_frame(tail: &[u8], flags: u8) -> Option<&[u8]> {
    let is_text = |it: &[u8]| it.iter().all(|&b| b >= b' ' || matches!(b, b'\t' | b'\r' | b'\n'));
    let mut rest = tail;
    loop {
        let (byte, behind) = rest.split_first()?;
        let (length, content) = behind.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length));
        if *byte == flags && length == Ok(content.len()) && is_text(content) {
            return Some(content);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is kept of a body that comes in these chunks, and how much was read.
    fn kept(protocol: Protocol, chunks: &[Vec<u8>]) -> (Vec<u8>, usize) {
        let mut piece = Piece::default();
        let mut read = 0;
        for chunk in chunks {
            if let Some(wanted) = piece.wants(Some(protocol), chunk.len()) {
                let Wanted { start, length } = wanted;
                read += length;
                piece.take(wanted, Some(chunk[start..start + length].to_vec()));
            }
        }
        (piece.bytes().to_vec(), read)
    }

    #[test]
    fn only_bodies_with_a_status_are_read() {
        let wants = |protocol| Piece::default().wants(protocol, 10).is_some();
        assert!(!wants(None));
        assert!(!wants(Some(Protocol::Grpc)));
        assert!(wants(Some(Protocol::GrpcWeb)));
        assert!(wants(Some(Protocol::ConnectUnary)));
        assert!(wants(Some(Protocol::ConnectStream)));
        assert_eq!(Piece::default().wants(Some(Protocol::GrpcWeb), 0), None, "an empty chunk");
    }

    #[test]
    fn a_long_body_is_read_in_part() {
        let chunks = vec![vec![b'x'; 100_000]; 3];
        assert_eq!(kept(Protocol::GrpcWeb, &chunks), (vec![b'x'; TAIL], 3 * TAIL));
        assert_eq!(kept(Protocol::ConnectUnary, &chunks), (vec![b'x'; HEAD], HEAD));
    }

    #[test]
    fn a_gap_ends_the_piece_before_it() {
        let wanted = Wanted { start: 0, length: 3 };
        let mut piece = Piece(b"old".to_vec());
        piece.take(wanted, Some(b"new".to_vec()));
        assert_eq!(piece.bytes(), b"oldnew");
        for (why, answer) in [("refused", None), ("too short", Some(b"ne".to_vec()))] {
            let mut piece = Piece(b"old".to_vec());
            piece.take(wanted, answer);
            assert_eq!(piece.bytes(), b"", "{why}");
        }
    }

    proptest! {
        #[test]
        fn a_piece_is_the_end_or_the_beginning_however_it_comes(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..6),
        ) {
            let body = chunks.concat();
            let (head, tail) = (body.len().min(HEAD), body.len().saturating_sub(TAIL));
            prop_assert_eq!(kept(Protocol::ConnectUnary, &chunks).0, &body[..head]);
            for protocol in [Protocol::GrpcWeb, Protocol::ConnectStream] {
                prop_assert_eq!(kept(protocol, &chunks).0, &body[tail..]);
            }
        }
    }
}
