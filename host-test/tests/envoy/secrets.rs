//! Nothing secret leaves a real Envoy but towards the service that it is for.

use serde_json::{Value, json};

use crate::bootstrap::{COLLECTOR, Direction};
use crate::client::{raw, read_until};
use crate::hop::Hop;
use crate::received::Received;
use crate::upstream::{Answer, Seen};

/// What every secret has in it.
const SECRET: &str = "s3cr3t";
/// What the collector's own secret has in it.
const COLLECTORS: &str = "c0ll3ct0r";

/// Everything is told that can be.
fn config(mode: &str) -> [(&'static str, Value); 3] {
    let mut attributes = Vec::new();
    for (from, key, names) in [
        (
            "request_header",
            "name",
            &["authorization", "cookie", "x-api-key", "x-pin", "referer", "x-tenant"][..],
        ),
        ("response_header", "name", &["set-cookie", "location", "www-authenticate", "x-cache"]),
        ("baggage", "name", &["session_token", "plan"]),
        (
            "property",
            "path",
            &[
                "request.headers.authorization",
                "request.path",
                "request.query",
                "request.referer",
                "xds.route_metadata.filter_metadata[my.app].api_key",
                "xds.route_metadata.filter_metadata[my.app].tier",
            ],
        ),
    ] {
        attributes.extend(
            names
                .iter()
                .map(|name| json!({ "key": format!("my.{name}"), "from": from, key: name })),
        );
    }
    attributes.push(json!({
        "key": "my.total", "from": "property", "path": "request.total_size", "type": "integer",
    }));
    attributes.push(json!({
        "key": "my.mtls", "from": "property", "path": "connection.mtls", "type": "boolean",
    }));
    let redact = json!({ "mode": mode, "names": ["x-pin"] });
    let collector = json!({
        "cluster": COLLECTOR,
        "headers": { "authorization": "Bearer ${COLLECTOR}" },
    });
    [
        ("collector", collector),
        ("trust", json!({ "default": "continue" })),
        ("spans", json!({ "redact": redact, "attributes": attributes })),
    ]
}

async fn start(mode: &str) -> Hop {
    let answer = |_: &Seen| Answer::Reply {
        after: std::time::Duration::ZERO,
        status: 401,
        headers: vec![
            ("set-cookie", format!("id={SECRET}-1")),
            ("set-cookie", format!("id={SECRET}-2")),
            ("location", format!("https://me:{SECRET}@shop/cb?code={SECRET}#token={SECRET}")),
            ("www-authenticate", format!("Negotiate {SECRET}")),
            ("x-unlisted", SECRET.to_owned()),
            ("x-cache", "hit".to_owned()),
            ("grpc-message", SECRET.to_owned()),
        ],
        body: b"body s3cr3t",
        trailers: vec![("x-token", SECRET.to_owned())],
    };
    Hop::start_with(Direction::Unspecified, answer, |setup| {
        for (key, value) in config(mode) {
            setup.configure(key, value);
        }
        setup.environment =
            vec![("COLLECTOR", "c0ll3ct0r-1"), ("HOPSPAN_REDACT_KEY", "s3cr3t-key-of-tokens")];
        setup.routes = vec![json!({
            "match": { "prefix": "/" },
            "route": { "cluster": crate::bootstrap::UPSTREAM },
            "metadata": { "filter_metadata": {
                "my.app": { "api_key": format!("{SECRET}-of-a-route"), "tier": "gold" },
            }},
        })];
    })
    .await
}

/// A request with a secret wherever there may be one.
fn request() -> String {
    let s = SECRET;
    format!(
        "POST /shop;jsessionid={s}/cart?id={s}&%74oken={s}&word HTTP/1.1\r\n\
         host: me:{s}@shop.test\r\n\
         authorization: Bearer {s}\r\n\
         proxy-authorization: Basic {s}\r\n\
         cookie: id={s}\r\n\
         x-api-key: {s}\r\n\
         x-pin: {s}\r\n\
         x-unlisted: {s}\r\n\
         x-tenant: acme\r\n\
         referer: https://me:{s}@shop.test/a?token={s}#{s}\r\n\
         baggage: session_token={s},plan=gold,other={s}\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
         connection: close\r\n\
         transfer-encoding: chunked\r\n\
         trailer: x-token\r\n\
         \r\n\
         6\r\n{s}\r\n0\r\nx-token: {s}\r\n\r\n"
    )
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

#[tokio::test]
async fn no_secret_reaches_the_collector_or_a_log() {
    for (mode, cookie) in [("mask", Some("REDACTED")), ("drop", None), ("hash", Some("token"))] {
        let hop = start(mode).await;
        let mut client = raw(hop.proxy.address(), request().as_bytes()).await;
        read_until(&mut client, "body s3cr3t").await;

        let spans = hop.spans(2).await;
        let exported = hop.collector.bytes();
        assert!(!holds(&exported, SECRET), "{mode}: {}", exported.escape_ascii());
        assert!(holds(&exported, COLLECTORS), "{mode}: the collector's own header");
        assert!(!format!("{spans:?}").contains(COLLECTORS), "{mode}");
        let log = hop.proxy.log();
        assert!(!log.contains(SECRET) && !log.contains(COLLECTORS), "{mode}: {log}");
        let stats = hop.proxy.stats().await;
        assert!(!stats.to_string().contains(SECRET), "{mode}");
        for kind in ["query", "userinfo", "path", "header", "baggage", "property"] {
            let count = stats.hopspan(&format!("redactions.kind=.={kind};.;"));
            assert!(count > 0, "{mode}: {kind} in {stats}");
        }

        // The service gets all of it, and what is no secret is told.
        let seen = hop.upstream.seen(1).await.remove(0);
        assert_eq!(seen.header("cookie"), Some("id=s3cr3t"), "{mode}");
        assert!(seen.path.contains("token=s3cr3t") || seen.path.contains("%74oken=s3cr3t"));
        for span in &spans {
            told(span, mode);
            let got = span.text("my.cookie");
            match cookie {
                Some("token") => assert!(got.is_some_and(|it| it.len() == 16), "{got:?}"),
                want => assert_eq!(got, want, "{mode}"),
            }
        }
    }
}

#[track_caller]
fn told(span: &Received, mode: &str) {
    assert_eq!(span.text("my.x-tenant"), Some("acme"), "{mode}");
    assert_eq!(span.text("my.x-cache"), Some("hit"), "{mode}");
    assert_eq!(span.text("my.plan"), Some("gold"), "{mode}");
    let tier = "my.xds.route_metadata.filter_metadata[my.app].tier";
    assert_eq!(span.text(tier), Some("gold"), "{mode}");
    assert!(span.int("my.total").is_some_and(|it| it > 400), "{mode}: {span:?}");
    assert!(
        format!("{span:?}")
            .contains(r#"my.mtls", value: Some(AnyValue { value: Some(BoolValue(false))"#),
        "{mode}"
    );
    if mode == "mask" {
        assert_eq!(span.text("my.request.query"), Some("id=REDACTED&%74oken=REDACTED&word"));
    }
}
