//! The module does what `hopspan explain` and the playground of Lens say that it does.

#[path = "../../../filter/explain/cases.rs"]
mod cases;

use crate::hopspan::{Hopspan, builder, refused};
use cases::{Case, DECISION, Want};
use host_test::{Headers, Stream};
use serde_json::{Map, Value};

#[test]
fn the_module_does_what_is_said_of_it() {
    for case in cases::all() {
        if let Want::Refused(paths) = &case.want {
            let log = refused(builder(&case.config)).log;
            let [line] = log.as_slice() else { panic!("{}: one line: {log:?}", case.why) };
            for path in paths {
                assert!(line.text.contains(&format!("{path}: ")), "{}: {line}", case.why);
            }
            continue;
        }
        let hopspan = Hopspan::start(&case.config);
        let stream = hopspan.stream();
        stream.request_headers(request(&case, &stream), true);
        let upstream = stream.upstream_headers();
        let upstream: Vec<_> =
            upstream.iter().map(|(name, value)| (text(name), text(value))).collect();
        let upstream = upstream.into_iter().filter(|(name, _)| case.compares(name));
        let upstream = case.masked(upstream);
        stream.respond(200);
        let decision = told(&stream);
        stream.finish();

        let Want::Passed { decision: said, upstream: goes_on } = &case.want else { continue };
        assert_eq!(&upstream, goes_on, "{}", case.why);
        // Who is not trusted is told nothing.
        let is_trusted = said["trust"] == "continue";
        assert_eq!(decision.as_ref(), is_trusted.then_some(said), "{}", case.why);
    }
}

/// The request, and what the proxy knows of it.
fn request(case: &Case, stream: &Stream) -> Headers {
    let known =
        |name: &str| case.known.iter().find(|(it, _)| it == name).map(|(_, it)| it.as_str());
    match known("direction") {
        Some("inbound") => stream.set_property("xds.listener_direction", 1_i64),
        Some("outbound") => stream.set_property("xds.listener_direction", 2_i64),
        _ => stream.set_property("xds.listener_direction", 0_i64),
    }
    if let Some(source) = known("source") {
        stream.set_property("source.address", source);
    }
    if let Some(peer) = known("peer") {
        stream.set_property("connection.mtls", true);
        stream.set_property("connection.uri_san_peer_certificate", peer);
    }
    let mut headers = Headers::new()
        .with(":method", known("method").unwrap_or("GET"))
        .with(":authority", known("host").unwrap_or("shop"))
        .with(":scheme", "http")
        .with(":path", known("path").unwrap_or("/"));
    for header in &case.headers {
        let (name, value) = header.split_once(": ").expect("a header");
        headers = headers.with(name, value);
    }
    headers
}

/// What the caller is told of the decision.
fn told(stream: &Stream) -> Option<Value> {
    let headers = stream.downstream_headers();
    let line = headers.text("x-why")?;
    let items = line.split("; ").filter_map(|it| it.split_once('='));
    let items = items.filter(|(key, _)| DECISION.contains(key));
    Some(Value::Object(items.map(|(key, value)| (key.into(), value.into())).collect::<Map<_, _>>()))
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}
