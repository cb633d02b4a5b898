//! What an upstream does.

use hyper::Method;
use serde_json::json;

use super::{Case, HALF, OK, case};
use crate::bootstrap::UPSTREAM;
use crate::client::get;
use crate::outcomes::places::{FULL, HTTP2, HURRIED, REFUSING, TLS};
use crate::outcomes::rough::Then;

pub(super) fn all() -> Vec<Case> {
    let answers = |name, says| case(name).upstream(says, Then::Waits);
    let head = |path: &str| {
        let mut request = get(path);
        *request.method_mut() = Method::HEAD;
        request
    };
    let tries = json!({ "route": {
        "cluster": UPSTREAM,
        "timeout": "10s",
        "retry_policy": {
            "retry_on": "5xx",
            "num_retries": 2,
            "per_try_timeout": "0.05s",
            "retry_back_off": { "base_interval": "0.001s", "max_interval": "0.002s" },
        },
    } });
    let lucky = json!({ "route": { "cluster": UPSTREAM, "retry_policy": { "retry_on": "5xx" } } });
    let idle = json!({ "route": { "cluster": UPSTREAM, "timeout": "0s", "idle_timeout": "0.2s" } });
    let quick = json!({ "route": { "cluster": UPSTREAM, "timeout": "0.2s" } });
    vec![
        case("answered"),
        answers(
            "answered-404",
            &["HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"],
        ),
        answers(
            "answered-500",
            &["HTTP/1.1 500 Oh\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"],
        ),
        answers("no-content", &["HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"]),
        answers("head", &["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\n"])
            .asks(head),
        answers(
            "early-hints",
            &[
                "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n",
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            ],
        ),
        answers(
            "long-stream",
            &[
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\
             transfer-encoding: chunked\r\n\r\n",
                "5\r\ndata\n\r\n",
                "5\r\ndata\n\r\n",
                "5\r\ndata\n\r\n",
                "0\r\n\r\n",
            ],
        ),
        case("connection-refused").to(REFUSING),
        case("connection-timeout").to(FULL),
        case("tls-handshake-failed").to(TLS),
        case("closed-before-the-response").upstream(&[], Then::Closes),
        case("reset-before-the-response").upstream(&[], Then::Resets),
        case("closed-in-mid-response").upstream(&[HALF], Then::Closes),
        case("reset-in-mid-response").upstream(&[HALF], Then::Resets),
        case("http2-stream-reset-by-the-upstream").to(HTTP2),
        case("http2-stream-reset-in-mid-response").to(HTTP2),
        answers("not-http", &["what is this\r\n\r\n"]),
        case("route-timeout").silent().action(quick.clone()),
        case("route-timeout-in-mid-response").upstream(&[HALF], Then::Waits).action(quick),
        case("try-timeouts").silent().action(tries),
        Case { again: OK, ..case("retry-that-helps").upstream(&[], Then::Closes) }.action(lucky),
        case("stream-idle-timeout").silent().action(idle.clone()),
        case("stream-idle-timeout-in-mid-response").upstream(&[HALF], Then::Waits).action(idle),
        case("upstream-stream-too-long").to(HURRIED).silent(),
    ]
}
