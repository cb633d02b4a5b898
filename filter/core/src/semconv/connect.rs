//! Connect: its error codes and time-outs.
//!
//! Spec: <https://connectrpc.com/docs/protocol>

use super::grpc::digits;
use super::piece::last_frame;
use super::rpc::{
    INTERNAL, PERMISSION_DENIED, Status, UNAUTHENTICATED, UNAVAILABLE, UNIMPLEMENTED, UNKNOWN,
};
use std::time::Duration;

/// The error codes by the numbers that gRPC gives them, from 1 on: no error has no code.
///
/// Spec: <https://connectrpc.com/docs/protocol#error-codes>
pub(super) const NAMES: [&str; 16] = [
    "canceled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

/// The same, of a length that the compiler does not know: it would write the search out.
fn names() -> &'static [&'static str] {
    std::hint::black_box(&NAMES)
}

const OK: Status = Status::connect(0);

/// The flag of the envelope that ends a stream; one that is compressed as well is not read.
const END_STREAM: u8 = 0x02;

/// The status of a call with one message each way, by the HTTP status and the beginning of the
/// body. A response in the 300s is for caches and browsers, and no error.
///
/// ```text
/// Unary-Response = HTTP-Status .. Bare-Message ; not 200: omitted, or an Error in JSON
/// Error          = { "code": "not_found", .. }
/// ```
pub(super) fn unary(http: u16, is_complete: bool, head: &[u8]) -> Option<Status> {
    match http {
        ..400 => is_complete.then_some(OK),
        _ => Some(error(head).unwrap_or(of_http(http))),
    }
}

/// The status of a call with streams of messages, by the end of the body.
///
/// ```text
/// EndStreamResponse = { "error": Error, "metadata": .. } ; no "error" after a success
/// ```
/// <https://connectrpc.com/docs/protocol#error-end-stream>
pub(super) fn stream(http: u16, tail: &[u8]) -> Option<Status> {
    if http >= 400 {
        return Some(of_http(http));
    }
    let end = last_frame(tail, END_STREAM)?.trim_ascii();
    match member(end, b"error") {
        Some(it) => error(it),
        None => (end.first() == Some(&b'{') && end.last() == Some(&b'}')).then_some(OK),
    }
}

/// What a client makes of an error that has no code of its own.
///
/// Spec: <https://connectrpc.com/docs/protocol#http-to-error-code>
fn of_http(status: u16) -> Status {
    Status::connect(match status {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    })
}

/// Reads `connect-timeout-ms`.
///
/// ```text
/// Timeout-Milliseconds = {positive integer as ASCII string of at most 10 digits}
/// ```
pub(super) fn timeout(value: &[u8]) -> Option<Duration> {
    digits(value, 10).map(Duration::from_millis)
}

/// The code of an error in JSON.
fn error(json: &[u8]) -> Option<Status> {
    let (code, _) = string(member(json, b"code")?)?;
    let before = names().iter().position(|it| it.as_bytes() == code)?;
    u8::try_from(before).ok().map(|it| Status::connect(it.wrapping_add(1)))
}

/// The text from the value of an object's member on; `None` if there is no such member as far
/// as the text goes. One read from left to right, without a stack.
///
/// ```text
/// object = "{" [ member *( "," member ) ] "}" ; member = string ":" value
/// ```
/// Spec: <https://www.rfc-editor.org/rfc/rfc8259#section-4>
fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = after(object, b'{')?;
    loop {
        let (found, value) = string(rest)?;
        let value = after(value, b':')?;
        if found == name {
            return Some(value);
        }
        rest = after(behind(value)?, b',')?;
    }
}

/// The text behind a value: at the comma or bracket that follows it.
fn behind(value: &[u8]) -> Option<&[u8]> {
    let mut rest = value;
    let mut depth = 0_u32;
    loop {
        match rest.first()? {
            b'"' => (_, rest) = string(rest)?,
            b',' | b'}' | b']' if depth == 0 => return Some(rest),
            byte => {
                match byte {
                    b'{' | b'[' => depth = depth.saturating_add(1),
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                rest = rest.get(1..)?;
            }
        }
    }
}

/// What stands between two quotes, escapes left as they are, and the text behind them.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = after(text, b'"')?;
    let mut is_escaped = false;
    let end = text.iter().position(|&byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    let (string, rest) = text.split_at_checked(end)?;
    Some((string, rest.get(1..)?))
}

/// The text behind a character, with blanks in front of it.
fn after(text: &[u8], character: u8) -> Option<&[u8]> {
    text.trim_ascii_start().strip_prefix(&[character])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semconv::Kind;
    use proptest::prelude::*;

    fn envelope(flags: u8, content: &str) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[flags][..], &length, content.as_bytes()].concat()
    }

    #[test]
    fn codes_have_their_own_names_and_the_same_blame() {
        for (code, server) in [
            ("canceled", false),
            ("unknown", true),
            ("invalid_argument", false),
            ("deadline_exceeded", true),
            ("not_found", false),
            ("already_exists", false),
            ("permission_denied", false),
            ("resource_exhausted", false),
            ("failed_precondition", false),
            ("aborted", false),
            ("out_of_range", false),
            ("unimplemented", true),
            ("internal", true),
            ("unavailable", true),
            ("data_loss", true),
            ("unauthenticated", false),
        ] {
            let status = error(format!("{{\"code\":\"{code}\"}}").as_bytes()).unwrap();
            assert_eq!(status.name(), code);
            assert_eq!(status.is_error(Kind::Server), server, "{code}");
            assert!(status.is_error(Kind::Client), "{code}");
        }
        assert_eq!((OK.name(), OK.is_error(Kind::Client)), ("", false));
    }

    #[test]
    fn an_error_of_a_single_message_has_a_code_or_an_http_status() {
        let spaced = "{\n  \"code\": \"unimplemented\",\n  \"message\": \"x\"\n}";
        let late = r#"{"message":"a \"code\": \\","details":[{"code":"aborted"},[1]],"n":-1e3,
            "code":"data_loss"}"#;
        for (why, http, body, want) in [
            ("a success", 200, "{\"code\":\"aborted\"}", Some("")),
            ("not modified", 304, "", Some("")),
            ("a code", 404, r#"{"code":"not_found"}"#, Some("not_found")),
            ("with blanks", 501, spaced, Some("unimplemented")),
            ("behind other members", 500, late, Some("data_loss")),
            ("cut behind the code", 404, r#"{"code":"not_found","mess"#, Some("not_found")),
            ("cut within the code", 404, r#"{"code":"not_f"#, Some("unimplemented")),
            ("cut before the code", 503, r#"{"message":"on and on"#, Some("unavailable")),
            ("a code of nobody", 400, r#"{"code":"teapot"}"#, Some("internal")),
            ("an empty code", 400, r#"{"code":""}"#, Some("internal")),
            ("no code", 401, "{}", Some("unauthenticated")),
            ("null", 403, r#"{"code":null}"#, Some("permission_denied")),
            ("a number", 429, r#"{"code":5}"#, Some("unavailable")),
            ("a page in HTML", 502, "<html>", Some("unavailable")),
            ("nothing", 504, "", Some("unavailable")),
            ("any other", 418, "", Some("unknown")),
            ("a list", 500, r#"[{"code":"aborted"}]"#, Some("unknown")),
        ] {
            let got = unary(http, true, body.as_bytes());
            assert_eq!(got.map(Status::name), want, "{why}");
        }
        assert_eq!(unary(200, false, b""), None, "half a response is no success");
    }

    #[test]
    fn a_stream_tells_of_its_end_in_its_last_envelope() {
        let message = || envelope(0, "{\"code\":\"aborted\"}");
        let end = |it| [message(), envelope(END_STREAM, it)].concat();
        let bad = r#"{"error": {"code": "unavailable", "message": "overloaded"}}"#;
        let late = r#"{"metadata":{"error":["x"]},"error":{"message":"}","code":"internal"}}"#;
        for (why, http, body, want) in [
            ("a success", 200, end("{}"), Some("")),
            ("with metadata", 200, end(r#"{"metadata":{"error":["}"]}}"#), Some("")),
            ("with a line's end", 200, end("{}\n"), Some("")),
            ("an error", 200, end(bad), Some("unavailable")),
            ("an error behind metadata", 200, end(late), Some("internal")),
            ("alone", 200, envelope(END_STREAM, bad), Some("unavailable")),
            ("compressed", 200, envelope(3, bad), None),
            ("an error without a code", 200, end(r#"{"error":{}}"#), None),
            ("no end", 200, message(), None),
            ("cut", 200, end(bad)[..60].to_vec(), None),
            ("no JSON", 200, end("hello"), None),
            ("nothing", 200, Vec::new(), None),
            ("refused on the way", 503, b"no healthy upstream".to_vec(), Some("unavailable")),
            ("a media type that is not served", 415, Vec::new(), Some("unknown")),
        ] {
            assert_eq!(stream(http, &body).map(Status::name), want, "{why}");
        }
    }

    #[test]
    fn a_timeout_is_in_milliseconds() {
        for (value, want) in [
            ("5000", Some(5000)),
            ("9999999999", Some(9_999_999_999)),
            ("0", Some(0)),
            ("10000000000", None),
            ("", None),
            ("-1", None),
            ("1S", None),
        ] {
            assert_eq!(timeout(value.as_bytes()), want.map(Duration::from_millis), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn the_code_is_found_behind_any_message(message: String, code in 1..17_usize) {
            let code = NAMES[code - 1];
            let json = format!("{{\"message\":{message:?},\"code\":\"{code}\"}}");
            prop_assert_eq!(unary(500, true, json.as_bytes()).map(Status::name), Some(code));
            let end = envelope(END_STREAM, &format!("{{\"metadata\":{{}}, \"error\":{json}}}"));
            prop_assert_eq!(stream(200, &end).map(Status::name), Some(code));
        }

        #[test]
        fn any_bytes_can_be_read(body: Vec<u8>) {
            let _ = (unary(500, true, &body), stream(200, &body), timeout(&body));
            let _ = stream(200, &envelope(END_STREAM, &String::from_utf8_lossy(&body)));
        }
    }
}
