//! What a caller does.

use hyper::Method;
use serde_json::json;

use super::{Case, HALF, case};
use crate::bootstrap::UPSTREAM;
use crate::client::{get, post, with};
use crate::outcomes::caller::Caller;
use crate::outcomes::caller::Step::{Head, Reached, Reads, ReadsAll, Says};
use crate::outcomes::rough::Then;

const UPGRADED: &str = "HTTP/1.1 101 Up\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

pub(super) fn all() -> Vec<Case> {
    let head = |lines: &str| Head("GET", lines.to_owned());
    let upgrade = || head("connection: upgrade\r\nupgrade: websocket\r\n");
    // These have no path.
    let connect = |closed_by: &str| {
        json!({
            "match": { "connect_matcher": {}, "headers": [
                { "name": "x-closed-by", "string_match": { "exact": closed_by } },
            ] },
            "route": {
                "cluster": UPSTREAM,
                "upgrade_configs": [{ "upgrade_type": "CONNECT", "connect_config": {} }],
            },
        })
    };
    let extended = json!({
        "match": { "path": "/extended-connect" },
        "route": { "cluster": UPSTREAM },
    });
    vec![
        case("gone-before-the-response").silent().script([head(""), Reached]),
        case("gone-in-mid-response")
            .upstream(&[HALF], Then::Waits)
            .script([head(""), Reads("first half")]),
        case("http2-stream-reset-by-the-caller").silent().caller(Caller::ResetsHttp2),
        case("caller-breaks-the-protocol").silent().script([
            Head("POST", "transfer-encoding: chunked\r\n".to_owned()),
            Reached,
            Says("no size\r\n"),
            ReadsAll,
        ]),
        case("websocket-closed-by-the-caller").upstream(&[UPGRADED], Then::Echoes).script([
            upgrade(),
            Reads("\r\n\r\n"),
            Says("ping"),
            Reads("ping"),
        ]),
        case("websocket-closed-by-the-upstream")
            .upstream(&[UPGRADED, "bye"], Then::Closes)
            .script([upgrade(), Reads("bye"), ReadsAll]),
        case("websocket-refused")
            .upstream(
                &["HTTP/1.1 403 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"],
                Then::Waits,
            )
            .script([upgrade(), Reads("403")]),
        case("extended-connect")
            .upstream(&[UPGRADED], Then::Echoes)
            .action(extended)
            .caller(Caller::ExtendedConnect),
        case("connect-closed-by-the-caller").action(connect("caller")).script([
            Head("CONNECT", "x-closed-by: caller\r\n".to_owned()),
            Reads("200 OK"),
            Says("GET /in-the-tunnel HTTP/1.1\r\n\r\n"),
            Reads("hello"),
        ]),
        case("connect-closed-by-the-upstream")
            .upstream(&["bye"], Then::Closes)
            .action(connect("upstream"))
            .script([
                Head("CONNECT", "x-closed-by: upstream\r\n".to_owned()),
                Reads("200 OK"),
                Says("GET /connect-closed-by-the-upstream HTTP/1.1\r\n\r\n"),
                Reads("bye"),
                ReadsAll,
            ]),
        case("unknown-method").caller(Caller::AsksHttp2(|path| {
            let mut request = get(path);
            *request.method_mut() = Method::from_bytes(b"BREW").unwrap();
            request
        })),
        case("expect-continue").asks(|path| with(post(path, "body"), "expect", "100-continue")),
        case("headers-too-large")
            .unrouted()
            .script([Head("GET", format!("long: {}\r\n", "x".repeat(70_000))), Reads("431")]),
        case("no-host").unrouted().script([
            Says("GET /no-host HTTP/1.1\r\ntraceparent: {traceparent}\r\n\r\n"),
            Reads("400"),
        ]),
        case("not-a-request").unrouted().script([Says("what is this\r\n\r\n"), Reads("400")]),
    ]
}
