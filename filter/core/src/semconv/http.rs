//! HTTP's conventions: methods, and which responses are errors.
//!
//! Spec: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>

use crate::semconv::Kind;

/// Stands for a method that the conventions do not know.
pub const OTHER: &str = "_OTHER";

/// The method as `http.request.method` may hold it; methods are case-sensitive.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-9.1>
pub fn known_method(method: &[u8]) -> Option<&'static str> {
    const METHODS: [&str; 10] =
        ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY"];
    METHODS.into_iter().find(|it| it.as_bytes() == method)
}

/// Whether a response with this status is an error: for a client 4xx and 5xx are, for a
/// server only what it is to blame for.
pub fn is_error(status: u16, kind: Kind) -> bool {
    match kind {
        Kind::Client => status >= 400,
        Kind::Server => status >= 500,
    }
}

/// Whether the connection became something else, whose end has no sign of its own: by
/// `101 Switching Protocols`, or by `CONNECT`.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6>
pub fn is_tunnel(method: &[u8], status: Option<u16>) -> bool {
    match status {
        Some(101) => true,
        Some(200..=299) => method == b"CONNECT",
        _ => false,
    }
}

/// `1.1` of `HTTP/1.1`.
pub fn protocol_version(protocol: &[u8]) -> &[u8] {
    protocol.strip_prefix(b"HTTP/").unwrap_or(protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_to_the_letter() {
        assert_eq!(known_method(b"GET"), Some("GET"));
        for unknown in ["get", "BREW", "", "GETT"] {
            assert_eq!(known_method(unknown.as_bytes()), None, "{unknown}");
        }
    }

    #[test]
    fn upgrades_and_tunnels_are_no_longer_http() {
        for (method, status, want) in [
            ("GET", Some(101), true),
            ("CONNECT", Some(200), true),
            ("CONNECT", Some(503), false),
            ("GET", Some(200), false),
            ("CONNECT", None, false),
        ] {
            assert_eq!(is_tunnel(method.as_bytes(), status), want, "{method} {status:?}");
        }
    }

    #[test]
    fn the_client_alone_fails_on_4xx() {
        for (status, server, client) in [
            (101, false, false),
            (200, false, false),
            (304, false, false),
            (404, false, true),
            (503, true, true),
        ] {
            assert_eq!(is_error(status, Kind::Server), server, "{status}");
            assert_eq!(is_error(status, Kind::Client), client, "{status}");
        }
    }
}
