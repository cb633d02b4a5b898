//! The request to the collector as HTTP: what stands in its headers, and what nobody sees.

use crate::hopspan::{DELAY, Hopspan, INBOUND, builder, refused, sampled_get};
use crate::traceparent::Traceparent;
use host_test::{Answer, Level, Request};
use std::time::Duration;

const SECRET: &str = "s3cr3t-t0ken";

fn request(config: &str) -> Request {
    let hopspan = Hopspan::of(builder(config).env("TOKEN", SECRET));
    hopspan.requests(1);
    hopspan.run_for(DELAY);
    let [request] = hopspan.collector.requests().try_into().unwrap();
    request
}

#[test]
fn it_is_a_post_of_protobuf_that_nobody_on_the_way_traces() {
    let request = request(INBOUND);
    let text = |name: &str| request.headers.text(name).unwrap_or_default().to_owned();
    assert_eq!(request.cluster, "otel");
    assert_eq!(
        [text(":method"), text(":path"), text(":authority")],
        ["POST", "/v1/traces", "otel"]
    );
    assert_eq!(text("content-type"), "application/x-protobuf");
    assert_eq!(text("content-length"), request.body.len().to_string(), "the host's");
    // Spec: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#user-agent
    assert!(
        text("user-agent").starts_with("OTel-OTLP-Exporter-hopspan/"),
        "{}",
        text("user-agent")
    );
    let [parent] = request.headers.values("traceparent").try_into().unwrap();
    let sampled = u8::from_str_radix(&Traceparent::parse(parent).flags, 16).unwrap() & 1;
    assert_eq!(sampled, 0, "a sidecar before the collector must not trace it");
    assert!(request.trailers.is_empty());
    assert_eq!(request.timeout, Some(Duration::from_secs(10)));
}

#[test]
fn the_configuration_says_where_to() {
    for (collector, authority, path) in [
        (r#""cluster":"otel""#, "otel", "/v1/traces"),
        (r#""cluster":"otel","authority":"otel.example:4318""#, "otel.example:4318", "/v1/traces"),
        (r#""cluster":"otel","traces_path":"/otlp/v1/traces""#, "otel", "/otlp/v1/traces"),
        (r#""cluster":"outbound|4318||otel.obs.svc""#, "otel.obs.svc:4318", "/v1/traces"),
    ] {
        let config = format!(r#"{{"direction":"inbound","collector":{{{collector}}}}}"#);
        let request = request(&config);
        let found = (request.headers.text(":authority"), request.headers.text(":path"));
        assert_eq!(found, (Some(authority), Some(path)), "{collector}");
    }
}

#[test]
fn headers_of_the_configuration_are_sent_with_their_secrets_filled_in() {
    let request = request(
        r#"{"direction":"inbound","collector":{"cluster":"otel","headers":
            {"Authorization":"Bearer ${TOKEN}","x-scope-orgid":"shop"}}}"#,
    );
    let bearer = format!("Bearer {SECRET}");
    assert_eq!(request.headers.text("authorization"), Some(bearer.as_str()));
    assert_eq!(request.headers.text("x-scope-orgid"), Some("shop"));
}

#[test]
fn the_environment_adds_headers_where_the_configuration_has_none() {
    let config =
        r#"{"direction":"inbound","collector":{"cluster":"otel","headers":{"x-a":"mine"}}}"#;
    let list = format!("x-a=theirs,authorization=Bearer%20{SECRET}");
    let hopspan = Hopspan::of(builder(config).env("OTEL_EXPORTER_OTLP_HEADERS", &list));
    hopspan.requests(1);
    hopspan.run_for(DELAY);
    let [request] = hopspan.collector.requests().try_into().unwrap();
    let bearer = format!("Bearer {SECRET}");
    assert_eq!(request.headers.values("x-a"), [b"mine"]);
    assert_eq!(request.headers.text("authorization"), Some(bearer.as_str()));
    assert!(hopspan.said(SECRET).is_empty());
}

/// Whatever goes wrong, and at every level.
#[test]
fn no_secret_is_ever_logged() {
    let config = r#"{"direction":"inbound","colector":{},"collector":{"cluster":"otel",
        "headers":{"authorization":"Bearer ${TOKEN}","x-key":"s3cr3t-t0ken"}}}"#;
    let builder_of = |config: &str| builder(config).env("TOKEN", SECRET).log_level(Level::Trace);
    let hopspan = Hopspan::of(builder_of(config));
    let answers = [
        Answer::status(401),
        Answer::status(503),
        Answer::reset(),
        Answer::new(400, [("a", "b")], b"who is s3cr3t-t0ken?"),
        Answer::new(200, [("a", "b")], b"s3cr3t-t0ken"),
    ];
    for answer in answers {
        hopspan.collector.next([answer]);
        let stream = hopspan.stream();
        let request = sampled_get().with(":path", "/?key=s3cr3t-t0ken").with("cookie", SECRET);
        stream.request_headers(request.with(":authority", "me:s3cr3t-t0ken@shop"), true);
        stream.respond(200);
        stream.finish();
        hopspan.run_for(DELAY * 70);
    }
    hopspan.clusters().only([]);
    hopspan.requests(1);
    hopspan.run_for(DELAY * 70);
    hopspan.reconfigure(config.replace("colector", "collectr")).unwrap();
    hopspan.drained();
    hopspan.shut_down();
    assert!(hopspan.log().len() >= 4, "{:#?}", hopspan.log());
    assert_eq!(hopspan.said(SECRET), []);
    for request in hopspan.collector.requests() {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!body.contains(SECRET), "nor does a caller's leave in a span");
    }
    // Values that cannot be headers, and wrong types: the refusal must not show them.
    for headers in [
        r#"{"x-key":"s3cr3t-t0ken\n"}"#,
        r#"{"x-key":["s3cr3t-t0ken"]}"#,
        r#"{"x-key":"${TOKEN} ${NOT_SET}"}"#,
        r#""s3cr3t-t0ken""#,
        r#"{"x key":"s3cr3t-t0ken"}"#,
    ] {
        let config = format!(r#"{{"collector":{{"cluster":"otel","headers":{headers}}}}}"#);
        let refused = refused(builder_of(&config));
        assert!(refused.to_string().contains("collector.headers"), "{refused}");
        assert!(!refused.to_string().contains(SECRET), "{refused}");
    }
}
