//! What is recorded: whose word counts, and how many traces are kept.

use crate::hopspan::{
    DELAY, Hopspan, INBOUND, PARENT, SAMPLED, TRACE, UNSAMPLED, builder, sampled_get, sent,
};
use host_test::{Headers, Injection, Status};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind::{Client, Server};
use std::collections::BTreeSet;

#[test]
fn a_gateway_does_not_let_strangers_decide() {
    let gateway = |ratio: &str, trust: &str| {
        format!(
            r#"{{"direction":"gateway","collector":{{"cluster":"otel"}},
            "trust":{{"default":"{trust}"}},"sampling":{{"ratio":{ratio}}},
            "metrics":{{"announce_caller":"never"}}}}"#
        )
    };
    for (why, ratio, trust, incoming, same_trace, sampled, links) in [
        ("auto drops their yes", "0", "auto", SAMPLED, true, false, 0),
        ("auto makes up its own", "1", "auto", UNSAMPLED, true, true, 0),
        ("ignore_sampling", "0", "ignore_sampling", SAMPLED, true, false, 0),
        ("restart links to theirs", "1", "restart", UNSAMPLED, false, true, 1),
        ("restart by our ratio", "0", "restart", SAMPLED, false, false, 0),
        ("continue takes their yes", "0", "continue", SAMPLED, true, true, 0),
        ("continue takes their no", "1", "continue", UNSAMPLED, true, false, 0),
    ] {
        let hopspan = Hopspan::start(&gateway(ratio, trust));
        let stream = hopspan.stream();
        let request = sampled_get().with("traceparent", incoming).with("tracestate", "a=1");
        stream.request_headers(request, true);
        let out = sent(&stream);
        stream.respond(200);
        stream.finish();
        assert_eq!(out.trace_id == TRACE, same_trace, "{why}");
        assert_eq!(out.flags.ends_with(['1', '3']), sampled, "{why}");
        let state = stream.upstream_headers().text("tracestate").map(str::to_owned);
        assert_eq!(state.as_deref(), same_trace.then_some("a=1"), "{why}: it belongs to the trace");
        let spans = hopspan.spans();
        assert_eq!(spans.len(), if sampled { 2 } else { 0 }, "{why}");
        if let [server, client] = spans.as_slice() {
            assert_eq!((server.span.links.len(), client.span.links.len()), (links, 0), "{why}");
            for link in &server.span.links {
                assert_eq!(link.trace_id, bytes_of(TRACE), "{why}");
                assert_eq!(
                    (link.span_id.as_slice(), link.trace_state.as_str()),
                    (&bytes_of(PARENT)[..], "a=1")
                );
            }
        }
        let untrusted = i64::from(trust != "continue");
        assert_eq!(hopspan.untrusted("context"), untrusted, "{why}");
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_listener_says_its_direction_where_the_configuration_does_not() {
    for (why, direction, kinds) in [
        ("inbound", Some(1), &[Server][..]),
        ("outbound", Some(2), &[Client]),
        ("neither", Some(0), &[Server, Client]),
        ("unknown to the host", None, &[Server, Client]),
    ] {
        // `xds.` is what newer hosts have; older ones know the bare name alone.
        for (prefix, old_host) in [("xds.", false), ("", true)] {
            let mut builder = builder(r#"{"collector":{"cluster":"otel"}}"#);
            if let Some(direction) = direction {
                builder = builder.property(&format!("{prefix}listener_direction"), direction);
            }
            if old_host {
                let missing = Status::NOT_FOUND;
                let injection = Injection::always("proxy_get_property", missing);
                builder = builder.property("node.id", "old").property("node.cluster", "old");
                builder = builder.inject(injection.about("xds.node.id"));
            }
            let hopspan = Hopspan::of(builder);
            hopspan.heal();
            hopspan.requests(1);
            let found: Vec<_> = hopspan.spans().iter().map(|it| it.kind()).collect();
            // A gateway takes its own decision, which by the default ratio is yes.
            assert_eq!(found, kinds, "{why}, old host: {old_host}");
        }
    }
}

#[test]
fn new_ids_are_random_and_differ_between_workers() {
    let hopspan = Hopspan::of(builder(INBOUND).workers(3));
    let mut ids = BTreeSet::new();
    for worker in 0..3 {
        for _ in 0..200 {
            let stream = hopspan.worker(worker).stream();
            stream.request_headers(Headers::plain_get("/"), true);
            let out = sent(&stream);
            ids.extend([out.trace_id, out.parent_id]);
            stream.respond(200);
            stream.finish();
        }
    }
    assert_eq!(ids.len(), 3 * 200 * 2);
}

#[test]
fn the_ratio_is_kept_and_a_trace_is_sampled_whole() {
    let config =
        r#"{"direction":"inbound","collector":{"cluster":"otel"},"sampling":{"ratio":0.25}}"#;
    let hopspan = Hopspan::start(config);
    let mut sampled = 0;
    for _ in 0..2000 {
        let first = hopspan.stream();
        first.request_headers(Headers::plain_get("/"), true);
        let out = sent(&first);
        let next = hopspan.stream();
        next.request_headers(first.upstream_headers(), true);
        assert_eq!(sent(&next).flags, out.flags, "the next hop does as this one did");
        sampled += i32::from(out.flags == "03");
    }
    // 500 ± 5 standard deviations of 19.4
    assert!((403..=597).contains(&sampled), "{sampled} of 2000");
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.stat("sampling.sampled") + hopspan.stat("sampling.dropped"), 4000);
}
