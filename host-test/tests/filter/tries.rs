//! `role: upstream`: each try of a request is a span of its own.

use crate::hopspan::{GATEWAY, Hopspan, INBOUND, OUTBOUND, PARENT, TRACE, sampled_get, sent};
use crate::received::Received;
use host_test::{Headers, Injection, Plugin, Status, Stream};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::time::Duration;

/// A proxy with an instance in its listener and one in its cluster.
struct Both {
    hopspan: Hopspan,
    cluster: Plugin,
}

impl Both {
    fn start(config: &str) -> Self {
        let hopspan = Hopspan::start(config);
        let cluster = hopspan.add_plugin(upstream(config)).unwrap();
        Self { hopspan, cluster }
    }

    /// The try of a request: its head, as the router has it.
    fn attempt(&self, request: &Headers, number: u64) -> Stream {
        let stream = self.hopspan.worker(0).stream_of(&self.cluster).as_upstream();
        stream.set_property("upstream.request_attempt_count", number);
        stream.request_headers(request, true);
        stream
    }

    /// A request whose tries are answered so, one after the other; `None` is silence. Each takes
    /// 10 ms, and 1 ms passes between two.
    fn request(&self, answers: &[Option<u16>]) -> Vec<Received> {
        let stream = self.hopspan.stream();
        stream.request_headers(sampled_get(), true);
        let mut headers = stream.upstream_headers();
        for (number, answer) in (1..).zip(answers) {
            self.hopspan.pass(1_000);
            let attempt = self.attempt(&headers, number);
            self.hopspan.pass(10_000);
            let is_last = number == answers.len() as u64;
            match answer {
                Some(status) if is_last => _ = attempt.respond(*status),
                Some(status) => {
                    attempt.response_headers([(":status", status.to_string())], false);
                }
                None => attempt.unset_property("response.backend_latency"),
            }
            attempt.set_property("upstream.cx_pool_ready_duration", Duration::ZERO);
            attempt.finish_without_log();
            headers = attempt.upstream_headers();
        }
        stream.rewrite_upstream_headers(|_| headers);
        stream.set_property("upstream.request_attempt_count", answers.len() as u64);
        match answers.last() {
            Some(Some(status)) => {
                stream.set_property("response.backend_latency", Duration::from_millis(10));
                stream.respond(*status);
            }
            _ => _ = stream.local_reply(504, 1 << 2, "response_timeout"),
        }
        stream.finish();
        self.hopspan.spans()
    }
}

fn upstream(config: &str) -> String {
    config.replacen('{', r#"{"role":"upstream","#, 1)
}

fn tries(spans: &[Received]) -> Vec<&Received> {
    let mut tries: Vec<_> = spans.iter().filter(|it| it.kind() == SpanKind::Client).collect();
    tries.sort_by_key(|it| it.span.start_time_unix_nano);
    tries
}

#[test]
fn each_try_has_its_own_id_time_and_outcome() {
    for config in [INBOUND, OUTBOUND, GATEWAY] {
        let both = Both::start(config);
        let spans = both.request(&[Some(503), None, Some(200)]);
        let tries = tries(&spans);
        let told = |it: &&Received| {
            let error = it.text("error.type").map(str::to_owned);
            let status = it.int("http.response.status_code");
            (it.duration_ns() / 1000, it.int("http.request.resend_count"), status, error)
        };
        assert_eq!(
            tries.iter().map(told).collect::<Vec<_>>(),
            [
                (10_000, None, Some(503), Some("503".to_owned())),
                (10_000, Some(1), None, Some("no_response".to_owned())),
                (10_000, Some(2), Some(200), None),
            ],
            "{config}: {spans:#?}"
        );
        let server = spans.iter().find(|it| it.kind() == SpanKind::Server);
        let parent = server.map_or(PARENT.to_owned(), Received::span_id);
        assert!(tries.iter().all(|it| it.parent_id() == parent), "{spans:#?}");
        assert!(spans.iter().all(|it| it.trace_id() == TRACE), "{spans:#?}");
        assert_eq!(spans.len(), 3 + usize::from(server.is_some()));
        // 1 ms before each try, and nothing after the last.
        let whole = server.unwrap_or(tries[2]);
        assert_eq!(whole.int("hopspan.proxy_time_ns"), Some(3_000_000), "{spans:#?}");
        assert_eq!(whole.flag("hopspan.proxy_time_upper_bound"), None);
    }
}

#[test]
fn the_last_try_failed_as_the_request_did() {
    for config in [INBOUND, OUTBOUND, GATEWAY] {
        let both = Both::start(config);
        let spans = both.request(&[None, None]);
        let errors: Vec<_> = tries(&spans).iter().map(|it| it.text("error.type")).collect();
        assert_eq!(errors, [Some("no_response"), Some("timeout")], "{config}: {spans:#?}");
    }
}

#[test]
fn a_request_without_tries_is_told_as_ever() {
    for (config, kinds) in [
        (INBOUND, &[SpanKind::Server][..]),
        (OUTBOUND, &[SpanKind::Client]),
        (GATEWAY, &[SpanKind::Server]),
    ] {
        let both = Both::start(config);
        let spans = both.request(&[]);
        let got: Vec<_> = spans.iter().map(Received::kind).collect();
        assert_eq!(got, kinds, "{config}: {spans:#?}");
    }
}

/// The application passes on what it got, and no instance in the listener of its own request
/// makes another id of it: that is a call under the try, not the try again.
#[test]
fn what_an_application_passes_on_is_no_try_of_the_same_request() {
    let both = Both::start(INBOUND);
    let stream = both.hopspan.stream();
    stream.request_headers(sampled_get(), true);
    let first = both.attempt(&stream.upstream_headers(), 1);
    let nested = both.attempt(&first.upstream_headers(), 1);
    nested.respond(200);
    nested.finish_without_log();
    first.respond(200);
    first.finish_without_log();
    stream.respond(200);
    stream.finish();

    let spans = both.hopspan.spans();
    let by_id = |id: &str| spans.iter().find(|it| it.span_id() == id).unwrap();
    let (first, nested) = (by_id(&sent(&first).parent_id), by_id(&sent(&nested).parent_id));
    assert_eq!(nested.parent_id(), first.span_id(), "{spans:#?}");
    assert_eq!(first.parent_id(), sent(&stream).parent_id);
}

#[test]
fn all_that_was_written_names_the_try_and_nothing_else_changes() {
    let config = r#"{"direction":"inbound","collector":{"cluster":"otel"},
        "propagation":{"inject":["b3","b3multi","datadog","preserve"]}}"#;
    let both = Both::start(config);
    let stream = both.hopspan.stream();
    let request = sampled_get().with("tracestate", "a=1").with("baggage", "b=2");
    stream.request_headers(request, true);
    let before = stream.upstream_headers();
    let attempt = both.attempt(&before, 1);
    let after = attempt.upstream_headers();
    let id = sent(&attempt).parent_id;
    assert_ne!(id, sent(&stream).parent_id);
    let text =
        |headers: &Headers, name| String::from_utf8(headers.value(name).unwrap().into()).unwrap();
    assert_eq!(text(&after, "x-b3-spanid"), id);
    assert!(text(&after, "b3").contains(&id), "{after:?}");
    let number = u64::from_str_radix(&id, 16).unwrap().to_string();
    assert_eq!(text(&after, "x-datadog-parent-id"), number);
    for name in [":path", ":authority", "tracestate", "baggage", "x-b3-traceid"] {
        assert_eq!(before.values(name), after.values(name), "{name}");
    }
    attempt.finish_without_log();
    stream.finish();
}

/// Where the next hop is told who calls, that is bound to the id which reaches it.
#[test]
fn who_calls_is_bound_to_each_trys_id() {
    let config = r#"{"direction":"gateway","collector":{"cluster":"otel"},
        "service":{"name":"shop"},"metrics":{"announce_caller":"always"}}"#;
    let both = Both::start(config);
    let stream = both.hopspan.stream();
    stream.request_headers(Headers::plain_get("/"), true);
    let mut headers = stream.upstream_headers();
    for number in 1..4 {
        let attempt = both.attempt(&headers, number);
        headers = attempt.upstream_headers();
        let member = format!("hopspan={}:shop", sent(&attempt).parent_id);
        let list = String::from_utf8_lossy(headers.value("tracestate").unwrap()).into_owned();
        assert!(list.starts_with(&member), "try {number}: {member} in {list}");
        assert_eq!(list.matches("hopspan=").count(), 1, "{list}");
        attempt.finish_without_log();
    }
    stream.finish();
}

/// Tries rewrite `traceparent` after the listener's instance: that is not another tracer.
#[test]
fn a_try_is_not_taken_for_another_tracer() {
    let both = Both::start(INBOUND);
    both.request(&[Some(503), Some(200)]);
    assert_eq!(both.hopspan.stat("native_tracing"), 0);

    let stream = both.hopspan.stream();
    stream.request_headers(sampled_get(), true);
    let attempt = both.attempt(&stream.upstream_headers(), 1);
    attempt.finish_without_log();
    let other = "00-0af7651916cd43dd8448eb211c80319c-1111111111111111-01";
    stream.rewrite_upstream_headers(|it| it.with("traceparent", other));
    stream.respond(200);
    stream.finish();
    both.hopspan.spans();
    assert_eq!(both.hopspan.stat("native_tracing"), 1, "but another tracer is");
}

#[test]
fn what_is_not_sampled_costs_the_cluster_one_look_at_its_headers() {
    let config = r#"{"direction":"inbound","collector":{"cluster":"otel"},"sampling":{"ratio":0}}"#;
    let both = Both::start(config);
    let stream = both.hopspan.stream();
    stream.request_headers(Headers::plain_get("/"), true);
    let before = both.hopspan.hostcalls();
    let attempt = both.attempt(&stream.upstream_headers(), 1);
    attempt.respond(200);
    attempt.finish_without_log();
    let calls = both.hopspan.hostcalls().since(&before);
    assert_eq!(calls.of("proxy_get_header_map_pairs"), 1, "{calls:?}");
    for name in ["proxy_get_property", "proxy_replace_header_map_value"] {
        assert_eq!(calls.of(name), 0, "{calls:?}");
    }
    assert_eq!(attempt.upstream_headers(), stream.upstream_headers());
    stream.finish();
}

/// To ask for it crashes Envoy where a try has no client.
#[test]
fn a_trys_client_is_never_asked_for() {
    let config = r#"{"collector":{"cluster":"otel"},"trust":{"rules":[
        {"match":{"source":["192.0.2.0/24"]},"action":"restart"}]},
        "spans":{"attributes":[{"key":"client","from":"property","path":"source.address"}]}}"#;
    let hopspan = Hopspan::start(&upstream(config));
    let stream = hopspan.stream().as_upstream();
    stream.request_headers(sampled_get(), true);
    stream.respond(200);
    stream.finish_without_log();
    let span = hopspan.span();
    assert_eq!((span.trace_id().as_str(), span.parent_id().as_str()), (TRACE, PARENT), "no match");
    assert_eq!((span.text("client.address"), span.text("client")), (None, None));
    let calls = hopspan.hostcalls();
    assert_eq!(calls.about("proxy_get_property", "source.address"), 0, "{calls:?}");
}

/// The end of the listener's stream comes first where the client is gone.
#[test]
fn a_try_that_outlives_its_request_is_told_once() {
    for config in [INBOUND, OUTBOUND, GATEWAY] {
        let both = Both::start(config);
        let stream = both.hopspan.stream();
        stream.request_headers(sampled_get(), true);
        let attempt = both.attempt(&stream.upstream_headers(), 1);
        both.hopspan.pass(1_000);
        stream.set_property("response.flags", 1 << 14);
        stream.set_property("response.code_details", "downstream_remote_disconnect");
        stream.finish();
        attempt.finish_without_log();
        let spans = both.hopspan.spans();
        let tries = tries(&spans);
        assert_eq!(tries.len(), 1, "{config}: {spans:#?}");
        assert_eq!((tries[0].text("error.type"), tries[0].duration_ns()), (None, 1_000_000));
    }
}

/// No status of any host call traps, and what was begun is forgotten at its end.
#[test]
fn a_broken_host_breaks_no_try() {
    for name in [
        "proxy_get_header_map_pairs",
        "proxy_get_header_map_value",
        "proxy_replace_header_map_value",
        "proxy_get_property",
        "clock_time_get",
    ] {
        for status in [1, 2, 3, 7, 10, 12] {
            let both = Both::start(INBOUND);
            both.hopspan.inject(Injection::always(name, Status(status)));
            both.request(&[Some(503), None, Some(200)]);
            both.hopspan.heal();
            assert_eq!(both.request(&[Some(200)]).len(), 2, "{name} {status}");
        }
    }
}
