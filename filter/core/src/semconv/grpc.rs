//! gRPC's conventions: which requests are calls, and which statuses are errors.
//!
//! Spec: <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>

use crate::semconv::Kind;

/// A gRPC status code that the protocol defines.
///
/// Source: <https://grpc.io/docs/guides/status-codes/>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GrpcStatus(u8);

const NAMES: [&str; 17] = [
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

impl GrpcStatus {
    /// What a call has that its client ended before there was a status.
    pub const CANCELLED: Self = Self(1);

    /// Reads a `grpc-status` header or trailer.
    ///
    /// ```text
    /// Status = "grpc-status" 1*DIGIT ; 0-9
    /// ```
    /// Spec: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let code: u8 = std::str::from_utf8(value).ok()?.parse().ok()?;
        (usize::from(code) < NAMES.len()).then_some(Self(code))
    }

    /// The status by its name, as `rpc.response.status_code` holds it.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("UNKNOWN")
    }

    /// Whether a span of this kind failed: a server is not to blame for what its client
    /// asked, a client got no answer that it can use.
    pub fn is_error(self, kind: Kind) -> bool {
        match kind {
            Kind::Client => self.0 != 0,
            Kind::Server => matches!(self.0, 2 | 4 | 12 | 13 | 14 | 15),
        }
    }
}

/// Whether a request with this content type is a gRPC call.
///
/// ```text
/// Content-Type = "content-type" "application/grpc" [("+proto" / "+json" / {custom})]
/// ```
pub fn is_call(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_names_and_blame() {
        for (value, name, server, client) in [
            ("0", "OK", false, false),
            ("1", "CANCELLED", false, true),
            ("2", "UNKNOWN", true, true),
            ("3", "INVALID_ARGUMENT", false, true),
            ("4", "DEADLINE_EXCEEDED", true, true),
            ("5", "NOT_FOUND", false, true),
            ("12", "UNIMPLEMENTED", true, true),
            ("13", "INTERNAL", true, true),
            ("14", "UNAVAILABLE", true, true),
            ("15", "DATA_LOSS", true, true),
            ("16", "UNAUTHENTICATED", false, true),
        ] {
            let status = GrpcStatus::parse(value.as_bytes()).unwrap();
            assert_eq!(status.name(), name);
            assert_eq!(status.is_error(Kind::Server), server, "{name}");
            assert_eq!(status.is_error(Kind::Client), client, "{name}");
        }
        for value in ["", "17", "-1", "+1", "x", "999", " 0"] {
            assert_eq!(GrpcStatus::parse(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn calls_are_known_by_their_content_type() {
        for (content_type, want) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_call(content_type.as_bytes()), want, "{content_type}");
        }
    }
}
