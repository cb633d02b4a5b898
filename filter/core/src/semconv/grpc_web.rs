//! gRPC-Web: its trailers are the last frame of the response's body.
//!
//! Spec: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>

use super::grpc;
use super::piece::last_frame;
use super::rpc::Status;
use crate::base64::value_of;

/// The flag of the frame that holds trailers; one that is compressed as well is not read.
const TRAILERS: u8 = 0x80;

/// The status in the end of a body: `None` if there are no trailers, `Some(None)` if their
/// status is none that gRPC knows.
///
/// ```text
/// trailers = flags (one byte, 0x80) length (four bytes, big endian) *( name ":" value CRLF )
/// ```
pub(super) fn status(content_type: &[u8], tail: &[u8]) -> Option<Option<Status>> {
    let decoded;
    let tail = if content_type.starts_with(b"application/grpc-web-text") {
        decoded = decode(tail);
        &decoded
    } else {
        tail
    };
    let trailers = last_frame(tail, TRAILERS)?;
    trailers.split(|&b| b == b'\n').find_map(|line| {
        let colon = line.iter().position(|&b| b == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let is_status = name.eq_ignore_ascii_case(b"grpc-status");
        is_status.then(|| grpc::status(value.get(1..).unwrap_or_default().trim_ascii()))
    })
}

/// Decodes the end of base64 text: groups of four characters, each for up to three bytes.
///
/// Text may be padded wherever the server flushed it, so each group stands for itself. And
/// there is no other alphabet: a body that has one is no gRPC-Web.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc4648#section-4>
fn decode(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    // The tail may begin within a group. It ends with one.
    for group in text.as_rchunks::<4>().1 {
        let padding = group.iter().rev().take_while(|&&b| b == b'=').count();
        let digit = |b: u8| u32::from(value_of(b).unwrap_or(0));
        let bits = group.iter().fold(0_u32, |bits, &b| bits << 6 | digit(b));
        let [_, all @ ..] = bits.to_be_bytes();
        bytes.extend_from_slice(all.get(..3_usize.saturating_sub(padding)).unwrap_or_default());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BINARY: &[u8] = b"application/grpc-web+proto";
    const TEXT: &[u8] = b"application/grpc-web-text+proto";

    fn frame(flags: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[flags][..], &length, content].concat()
    }

    fn name(content_type: &[u8], body: &[u8]) -> Option<Option<&'static str>> {
        status(content_type, body).map(|it| it.map(Status::name))
    }

    #[test]
    fn trailers_are_the_last_frame() {
        let message = frame(0, b"hello");
        let trailers = |it: &str| frame(TRAILERS, it.as_bytes());
        let long = format!("grpc-status:13\r\ngrpc-message:{}\r\n", "x".repeat(300));
        for (why, body, want) in [
            ("alone", trailers("grpc-status:0\r\n"), Some(Some("OK"))),
            (
                "as Envoy writes them",
                trailers("grpc-status:5\r\ngrpc-message:no\r\n"),
                Some(Some("NOT_FOUND")),
            ),
            (
                "after a message",
                [message.clone(), trailers("grpc-status: 14\r\n")].concat(),
                Some(Some("UNAVAILABLE")),
            ),
            (
                "after the end of a message",
                [b"lo".to_vec(), trailers("grpc-status: 14\r\n")].concat(),
                Some(Some("UNAVAILABLE")),
            ),
            (
                "not the first line",
                trailers("grpc-message:x\r\ngrpc-status:1\r\n"),
                Some(Some("CANCELLED")),
            ),
            ("in capitals", trailers("Grpc-Status: 7\r\n"), Some(Some("PERMISSION_DENIED"))),
            ("with tabs", trailers("grpc-status:\t7\r\n"), Some(Some("PERMISSION_DENIED"))),
            ("without the last CRLF", trailers("grpc-status:7"), Some(Some("PERMISSION_DENIED"))),
            ("long ones", trailers(&long), Some(Some("INTERNAL"))),
            ("a status that is none", trailers("grpc-status:x\r\n"), Some(None)),
            ("no status in them", trailers("grpc-message:x\r\n"), None),
            ("a name that only begins so", trailers("grpc-status-details-bin:0\r\n"), None),
            ("no trailers", message.clone(), None),
            ("compressed trailers", frame(0x81, b"grpc-status:0\r\n"), None),
            ("something after them", [trailers("grpc-status:0\r\n"), message].concat(), None),
            (
                "a message that looks alike",
                frame(0, &trailers("grpc-status:0\r\n")),
                Some(Some("OK")),
            ),
            ("cut", trailers("grpc-status:0\r\n")[..12].to_vec(), None),
            ("nothing", Vec::new(), None),
        ] {
            assert_eq!(name(BINARY, &body), want, "{why}");
        }
    }

    #[test]
    fn what_a_message_says_does_not_hide_the_trailers() {
        // The whole rest looks like a frame, seen from within the message.
        let trailers = frame(TRAILERS, b"grpc-status:13\r\n");
        let rest = u32::try_from(trailers.len()).unwrap().to_be_bytes();
        let message = [&[TRAILERS][..], &rest].concat();
        assert_eq!(name(BINARY, &[frame(0, &message), trailers].concat()), Some(Some("INTERNAL")));
    }

    #[test]
    fn text_is_decoded_group_by_group() {
        for (why, text, want) in [
            ("one piece", "AAAAAAVoZWxsb4AAAAAPZ3JwYy1zdGF0dXM6NQ0K", Some(Some("NOT_FOUND"))),
            (
                "two padded pieces",
                "AAAAAAVoZWxsbw==gAAAAA9ncnBjLXN0YXR1czo1DQo=",
                Some(Some("NOT_FOUND")),
            ),
            ("begun within a group", "w==gAAAAA9ncnBjLXN0YXR1czo1DQo=", Some(Some("NOT_FOUND"))),
            ("a character too few", "gAAAAA9ncnBjLXN0YXR1czo1DQo", None),
            ("binary after all", "\u{80}\0\0\0\u{f}grpc-status:5\r\n", None),
            ("padding alone", "====", None),
        ] {
            assert_eq!(name(TEXT, text.as_bytes()), want, "{why}");
        }
    }

    proptest! {
        #[test]
        fn text_says_what_binary_says(body: Vec<u8>) {
            let mut text = crate::base64::encode(&body);
            text.resize(text.len().next_multiple_of(4), b'=');
            prop_assert_eq!(decode(&text), body);
        }

        /// Whatever was in the messages before, however much of them is left.
        #[test]
        fn the_status_is_found_behind_any_messages(before: Vec<u8>, code in 0..17_u8, blank: bool) {
            let blank = if blank { " " } else { "" };
            let trailers = frame(TRAILERS, format!("grpc-status:{blank}{code}\r\n").as_bytes());
            let body = [before, trailers].concat();
            let want = status(BINARY, &body[body.len().saturating_sub(40)..]);
            prop_assert_eq!(status(BINARY, &body), want);
            prop_assert_eq!(want, Some(Some(Status::grpc(code))));
        }

        #[test]
        fn any_bytes_can_be_read(body: Vec<u8>) {
            let _ = (status(BINARY, &body), status(TEXT, &body));
        }
    }
}
