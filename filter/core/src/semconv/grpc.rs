//! gRPC: its statuses and time-outs.
//!
//! Spec: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use super::rpc::{
    INTERNAL, PERMISSION_DENIED, Status, UNAUTHENTICATED, UNAVAILABLE, UNIMPLEMENTED, UNKNOWN,
};
use std::time::Duration;

/// The statuses by their numbers.
///
/// Source: <https://grpc.io/docs/guides/status-codes/>
pub(super) const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Reads a `grpc-status` header or trailer.
///
/// ```text
/// Status = "grpc-status" 1*DIGIT ; 0-9
/// ```
pub fn status(value: &[u8]) -> Option<Status> {
    let code = u8::try_from(digits(value, 3)?).ok()?;
    (usize::from(code) < NAMES.len()).then_some(Status::grpc(code))
}

/// What a client makes of a response that has no `grpc-status`: the answer of somebody on the
/// way who does not speak gRPC.
///
/// 200 is left out. The table has UNKNOWN for it, as a server that speaks gRPC does send a
/// status; but here it may be that only we could not read it.
///
/// Source: <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
pub(super) fn of_http(status: u16) -> Option<Status> {
    let code = match status {
        200 => return None,
        400 | 431 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    };
    Some(Status::grpc(code))
}

/// Reads `grpc-timeout`.
///
/// ```text
/// Timeout      = "grpc-timeout" TimeoutValue TimeoutUnit
/// TimeoutValue = {positive integer as ASCII string of at most 8 digits}
/// TimeoutUnit  = Hour / Minute / Second / Millisecond / Microsecond / Nanosecond
///                "H"    "M"      "S"      "m"           "u"           "n"
/// ```
pub(super) fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, value) = value.split_last()?;
    let value = digits(value, 8)?;
    Some(match unit {
        b'H' => Duration::from_secs(value.wrapping_mul(3600)),
        b'M' => Duration::from_secs(value.wrapping_mul(60)),
        b'S' => Duration::from_secs(value),
        b'm' => Duration::from_millis(value),
        b'u' => Duration::from_micros(value),
        b'n' => Duration::from_nanos(value),
        _ => return None,
    })
}

/// A number in decimal, of one digit at least and so many at most.
#[inline(never)]
pub(super) fn digits(value: &[u8], most: usize) -> Option<u64> {
    if value.is_empty() || value.len() > most {
        return None;
    }
    value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number.wrapping_mul(10).wrapping_add(digit.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semconv::Kind;
    use proptest::prelude::*;

    #[test]
    fn statuses_have_names_and_blame() {
        for (value, name, server, client) in [
            ("0", "OK", false, false),
            ("1", "CANCELLED", false, true),
            ("2", "UNKNOWN", true, true),
            ("3", "INVALID_ARGUMENT", false, true),
            ("4", "DEADLINE_EXCEEDED", true, true),
            ("5", "NOT_FOUND", false, true),
            ("6", "ALREADY_EXISTS", false, true),
            ("7", "PERMISSION_DENIED", false, true),
            ("8", "RESOURCE_EXHAUSTED", false, true),
            ("9", "FAILED_PRECONDITION", false, true),
            ("10", "ABORTED", false, true),
            ("11", "OUT_OF_RANGE", false, true),
            ("12", "UNIMPLEMENTED", true, true),
            ("13", "INTERNAL", true, true),
            ("14", "UNAVAILABLE", true, true),
            ("15", "DATA_LOSS", true, true),
            ("16", "UNAUTHENTICATED", false, true),
        ] {
            let status = status(value.as_bytes()).unwrap();
            assert_eq!(status.name(), name);
            assert_eq!(status.is_error(Kind::Server), server, "{name}");
            assert_eq!(status.is_error(Kind::Client), client, "{name}");
        }
        for value in ["", "17", "-1", "+1", "x", "999", "256", " 0", "0000", "0x1", "1,1"] {
            assert_eq!(status(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn an_answer_in_http_alone_has_a_status_for_it() {
        for (http, want) in [
            (400, Some("INTERNAL")),
            (401, Some("UNAUTHENTICATED")),
            (403, Some("PERMISSION_DENIED")),
            (404, Some("UNIMPLEMENTED")),
            (429, Some("UNAVAILABLE")),
            (431, Some("INTERNAL")),
            (502, Some("UNAVAILABLE")),
            (503, Some("UNAVAILABLE")),
            (504, Some("UNAVAILABLE")),
            (500, Some("UNKNOWN")),
            (302, Some("UNKNOWN")),
            (418, Some("UNKNOWN")),
            (200, None),
        ] {
            assert_eq!(of_http(http).map(Status::name), want, "{http}");
        }
    }

    #[test]
    fn a_timeout_has_a_number_and_a_unit() {
        let seconds = Duration::from_secs;
        for (why, value, want) in [
            ("hours", "2H", Some(seconds(7200))),
            ("minutes", "3M", Some(seconds(180))),
            ("seconds", "4S", Some(seconds(4))),
            ("milliseconds", "100m", Some(Duration::from_millis(100))),
            ("microseconds", "99999999u", Some(Duration::from_micros(99_999_999))),
            ("nanoseconds", "00000001n", Some(Duration::from_nanos(1))),
            ("the longest", "99999999H", Some(seconds(99_999_999 * 3600))),
            ("nine digits", "100000000n", None),
            ("no unit", "100", None),
            ("no number", "S", None),
            ("nothing", "", None),
            ("an unknown unit", "1s", None),
            ("a fraction", "1.5S", None),
            ("a sign", "-1S", None),
            ("a blank", "1 S", None),
        ] {
            assert_eq!(timeout(value.as_bytes()), want, "{why}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(value: Vec<u8>) {
            let _ = (status(&value), timeout(&value));
        }
    }
}
