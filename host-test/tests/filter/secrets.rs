//! Nothing secret leaves the proxy: a request with a secret in every place that a request has, and
//! a configuration that tells as much as it can.

use crate::hopspan::{Hopspan, builder, sampled_get};
use host_test::{Headers, Level, Value};
use std::collections::BTreeSet;

/// What every secret has in it.
const SECRET: &str = "s3cr3t";
/// What the collector's own secrets have in them.
const COLLECTORS: &str = "c0ll3ct0r";

/// A secret of one place, so that one that gets out says where it was.
fn secret(place: &str) -> String {
    format!("{SECRET}-{place}")
}

/// Headers that are named like a secret.
const SECRET_HEADERS: [&str; 11] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "x-auth",
    "x-csrf-token",
    "x-amz-security-token",
    "x-goog-iap-jwt-assertion",
    "x-session-id",
    "x_client_secret",
    "x-pin",
];

/// Everything is told that can be.
fn config(direction: &str, redact: &str) -> String {
    let request = [&SECRET_HEADERS[..], &["referer", "x-original-url", "x-tenant"]].concat();
    let response =
        ["set-cookie", "location", "www-authenticate", "x-token", "x-refresh", "x-cache"];
    let properties = [
        "request.headers.authorization",
        "request.headers.cookie",
        "request.path",
        "request.query",
        "request.referer",
        "metadata.filter_metadata[my.app].api_key",
    ];
    let mut attributes = Vec::new();
    for (from, key, names) in [
        ("request_header", "name", &request[..]),
        ("response_header", "name", &response),
        ("baggage", "name", &["session_token", "plan"]),
        ("property", "path", &properties),
        ("env", "name", &["UPSTREAM_PASSWORD"]),
    ] {
        attributes.extend(names.iter().map(|name| {
            format!(r#"{{"key":"my.{from}.{name}","from":"{from}","{key}":"{name}"}}"#)
        }));
    }
    // A secret by the attribute's own name.
    attributes.push(r#"{"key":"my.password","from":"request_header","name":"x-plain"}"#.to_owned());
    let attributes = attributes.join(",");
    format!(
        r#"{{
            "direction": "{direction}",
            "trust": {{"default": "continue"}},
            "sampling": {{"ratio": 0, "keep": {{"errors": true}}}},
            "collector": {{
                "cluster": "otel",
                "headers": {{"authorization": "Bearer ${{COLLECTOR}}", "x-tenant": "{COLLECTORS}-2"}}
            }},
            "propagation": {{"baggage_attributes": ["access_token"]}},
            "routes": {{"learn": true, "metadata": true}},
            "response": {{"trace_id_header": "x-trace", "traceresponse": true}},
            "explain": {{"header": "x-explain"}},
            "spans": {{
                "name": "{{method}} {{route}} {{host}} {{cluster}} {{service}}",
                "redact": {redact},
                "attributes": [{attributes}]
            }}
        }}"#
    )
}

/// A request with a secret wherever there may be one.
fn request(path: &str) -> Headers {
    let url = |place: &str| {
        let secret = secret(place);
        format!("https://me:{secret}@shop/a;sid={secret}?id={secret}&token={secret}#{secret}")
    };
    let mut headers = sampled_get()
        .with(":authority", format!("me:{}@shop.example.com", secret("userinfo")))
        .with(":path", format!("/shop;jsessionid={}/cart{path}", secret("path")))
        .with("referer", url("referer"))
        .with("x-original-url", format!("/a?token={}", secret("original-url")))
        .with("x-tenant", "acme")
        .with("x-explain", "1")
        .with("grpc-timeout", "1S");
    let not_told = ["x-plain", "x-not-listed", "x-forwarded-client-cert"];
    for name in SECRET_HEADERS.iter().chain(&not_told) {
        headers = headers.with(*name, secret(name));
    }
    headers.and("cookie", secret("second-cookie")).with(
        "baggage",
        format!(
            "session_token={0},access_token={0},plan=gold,other={0};{0}={0}",
            secret("baggage")
        ),
    )
}

fn response(status: &str) -> Headers {
    let mut headers = Headers::from([(":status", status), ("x-cache", "hit")])
        .with("location", format!("/cb?code={0}&state={0}#token={0}", secret("location")));
    for name in
        ["set-cookie", "www-authenticate", "x-token", "x-refresh", "grpc-message", "x-unlisted"]
    {
        headers = headers.with(name, format!("/?token={}", secret(name)));
    }
    headers.and("set-cookie", secret("second-set-cookie"))
}

/// A proxy whose own environment and properties have secrets, too.
fn start(config: &str) -> Hopspan {
    let hopspan = Hopspan::of(
        builder(config)
            .log_level(Level::Trace)
            .env("COLLECTOR", &format!("{COLLECTORS}-1"))
            .env("UPSTREAM_PASSWORD", &secret("environment"))
            .env("HOPSPAN_REDACT_KEY", &secret("key")),
    );
    for (path, value) in [
        ("request.path", format!("/cart?token={}", secret("property-path"))),
        ("request.query", format!("token={}", secret("property-query"))),
        ("request.referer", format!("http://shop/?a={}", secret("property-referer"))),
        ("request.headers.authorization", secret("property-authorization")),
        ("request.headers.cookie", secret("property-cookie")),
        ("metadata.filter_metadata.my.app.api_key", secret("property-metadata")),
    ] {
        hopspan.set_property(path, Value::from(value));
    }
    hopspan
}

/// What became of requests: each way by which a span is made.
fn all_kinds_of_requests(hopspan: &Hopspan, path: &str) -> usize {
    // Sampled, and answered in full.
    let stream = hopspan.stream();
    stream.request_headers(request(path), false);
    stream.request_body(secret("body"), false);
    stream.request_trailers([("x-token", secret("request-trailer"))]);
    stream.response_headers(response("302"), false);
    stream.response_body(secret("response-body"), false);
    stream.response_trailers([("x-token", secret("trailer")), ("grpc-message", secret("trailer"))]);
    stream.finish();
    // A call that fails.
    let stream = hopspan.stream();
    let call = request(path).with("content-type", "application/grpc").with("te", "trailers");
    stream.request_headers(call, true);
    stream.response_headers(response("200").with("content-type", "application/grpc"), false);
    stream
        .response_trailers([("grpc-status", "13".to_owned()), ("grpc-message", secret("message"))]);
    stream.finish();
    // Not sampled, and kept because it failed.
    let stream = hopspan.stream();
    stream.request_headers(request(path).with("traceparent", crate::hopspan::UNSAMPLED), true);
    stream.response_headers(response("500"), true);
    stream.finish();
    // Answered by the proxy.
    let stream = hopspan.stream();
    stream.request_headers(request(path), true);
    stream.local_reply(503, 0x2, "no_healthy_upstream");
    stream.finish();
    // Refused before the filter was shown it.
    hopspan.stream().refused(request(path), response("401"));
    5
}

/// Where a text stands in all that left the proxy.
fn found(hopspan: &Hopspan, text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut look = |place: &str, bytes: &[u8]| {
        for (at, _) in
            bytes.windows(text.len()).enumerate().filter(|(_, it)| *it == text.as_bytes())
        {
            let rest = &bytes[at..bytes.len().min(at + 40)];
            found.insert(format!("{place}: {}", rest.escape_ascii()));
        }
    };
    for callout in hopspan.callouts_made() {
        let request = callout.request();
        look("exported", &request.body);
        for (name, value) in request.headers.iter().chain(request.trailers.iter()) {
            look("a header of a callout", name);
            look("a header of a callout", value);
        }
    }
    for line in hopspan.log() {
        look("the log", line.text.as_bytes());
    }
    for name in hopspan.metrics().keys() {
        look("a stat's name", name.as_bytes());
    }
    found
}

#[test]
fn no_secret_leaves_the_proxy() {
    for direction in ["inbound", "outbound", "gateway"] {
        for mode in ["mask", "drop", "hash"] {
            for (query, path) in
                [("all", "/7?id=S&token=S&q"), ("listed", "/7?%74oken=S&page=1;sig=S")]
            {
                let why = format!("{direction} {mode} {query}");
                let redact = format!(
                    r#"{{"mode":"{mode}","query":"{query}","query_allow":["token","page"],
                        "names":["x-pin","id","state","code","a"]}}"#
                );
                let hopspan = start(&config(direction, &redact));
                let requests =
                    all_kinds_of_requests(&hopspan, &path.replace('S', &secret("query")));
                let spans = hopspan.spans();
                let each = if direction == "gateway" { 2 } else { 1 };
                assert!(spans.len() >= requests, "{why}: {} spans of {requests}", spans.len());
                assert!(spans.len() <= requests * each, "{why}");
                assert_eq!(found(&hopspan, SECRET), BTreeSet::new(), "{why}");
                let of_collector = found(&hopspan, COLLECTORS);
                assert!(
                    of_collector.iter().all(|it| it.starts_with("a header of a callout")),
                    "{why}: {of_collector:?}"
                );
                assert_eq!(of_collector.len(), 2, "{why}: the collector gets its own");
                // There was something to hide, and what is no secret is there.
                for kind in ["query", "userinfo", "path", "header", "baggage", "property"] {
                    let stat = format!("redactions.kind=.={kind};.;");
                    assert!(hopspan.stat(&stat) > 0, "{why}: {kind}");
                }
                let tenant = |it: &&crate::received::Received| {
                    it.text("my.request_header.x-tenant") == Some("acme")
                };
                assert_eq!(spans.iter().filter(tenant).count(), spans.len(), "{why}");
                let cookie = spans.iter().map(|it| it.text("my.request_header.cookie"));
                for cookie in cookie {
                    match mode {
                        "mask" => assert_eq!(cookie, Some("REDACTED"), "{why}"),
                        "drop" => assert_eq!(cookie, None, "{why}"),
                        _ => assert!(cookie.is_some_and(|it| it.len() == 16), "{why}: {cookie:?}"),
                    }
                }
            }
        }
    }
}

/// Two requests of one session have one token, whichever proxy saw them; another has another.
#[test]
fn a_token_tells_who_belongs_together() {
    let config = config("inbound", r#"{"mode":"hash"}"#);
    let token = |cookie: &str| {
        let hopspan = start(&config);
        let stream = hopspan.stream();
        stream.request_headers(sampled_get().with("cookie", cookie), true);
        stream.respond(200);
        stream.finish();
        hopspan.span().text("my.request_header.cookie").expect("a token").to_owned()
    };
    assert_eq!(token("id=1"), token("id=1"));
    assert_ne!(token("id=1"), token("id=2"));
}

/// The search above finds what there is to be found.
#[test]
fn what_is_no_secret_by_any_name_is_found() {
    let hopspan = start(&config("inbound", "{}"));
    let stream = hopspan.stream();
    stream.request_headers(sampled_get().with("x-tenant", secret("tenant")), true);
    stream.respond(200);
    stream.finish();
    hopspan.span();
    let want = format!("exported: {}", secret("tenant"));
    let found = found(&hopspan, SECRET);
    assert!(found.len() == 1 && found.iter().all(|it| it.starts_with(&want)), "{found:?}");
}
