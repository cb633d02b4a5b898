//! What keeps the page to itself: nothing from other hosts in it, and no other page behind it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Nothing but what this program serves: no inline script, no inline style, no other host, no frame.
/// WebAssembly may be compiled, which is what the playground is.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Adds what each answer has.
pub(super) async fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let no_store = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(no_store);
    response
}

/// Answers only who asked for this machine by a name that nobody else can give it.
pub(super) async fn local_names_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|it| it.to_str().ok());
    if host.is_some_and(is_local) {
        return next.run(request).await;
    }
    let text = "this page answers to localhost and to addresses of this machine only\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// `localhost`, or an IP address: no name that a stranger's DNS can answer.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_others_can_give_are_refused() {
        for (host, want) in [
            ("localhost", true),
            ("LOCALHOST:4318", true),
            ("127.0.0.1:4318", true),
            ("[::1]:4318", true),
            ("[::1]", true),
            ("localhost.example.com", false),
            ("example.com:4318", false),
            ("127.0.0.1.example.com", false),
            ("", false),
        ] {
            assert_eq!(is_local(host), want, "{host:?}");
        }
    }
}
