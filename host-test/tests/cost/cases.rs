//! The requests whose cost is watched.

use host_test::{Answer, Headers, Proxy, Stream};

use crate::case::{Case, TICK, ok};

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let get = || Headers::plain_get("/cart");
    let sampled = || get().with("traceparent", SAMPLED);
    let unsampled = || get().with("traceparent", UNSAMPLED);
    let case = |name, direction, more: &str, request, created| Case {
        name,
        config: format!(
            r#"{{"direction":"{direction}","collector":{{"cluster":"otel"}}{UNCOUNTED}{more}}}"#
        ),
        request,
        before: |_| {},
        rest: ok,
        spans: [created, 0],
    };
    let inbound =
        |name, more: &str, request, created| case(name, "inbound", more, request, created);
    let trusted = r#","trust":{"default":"continue"}"#;
    let keep = r#","sampling":{"keep":{"errors":true,"slower_than_ms":500}}"#;
    let minimal = r#","spans":{"detail":"minimal"}"#;
    let ratio = r#","sampling":{"ratio":1e-9}"#;
    let counted = |it: Case| Case { config: it.config.replace(UNCOUNTED, ""), ..it };
    let many = r#","routes":{"max":10000}"#;
    let small = r#","batch":{"max_queue_size":8,"max_export_batch_size":8}"#;
    let b3 = format!("{TRACE}-{PARENT}-1");
    let headers = |mut all: Headers| {
        (all.len()..100).for_each(|it| all = all.clone().with(format!("x-header-{it}"), "value"));
        all
    };
    let call = Headers::grpc("/shop.Cart/Add").with("traceparent", SAMPLED);
    vec![
        inbound("SERVER", "", sampled(), 1),
        case("CLIENT", "outbound", "", sampled(), 1),
        case("SERVER and CLIENT", "gateway", trusted, sampled(), 2),
        inbound("SERVER, minimal", minimal, sampled(), 1),
        inbound("new trace", "", get(), 1),
        inbound("new trace, left out by a ratio", ratio, get(), 0),
        inbound("unsampled", "", unsampled(), 0),
        counted(inbound("unsampled, metrics", "", unsampled(), 0)),
        counted(case("unsampled, outbound, metrics", "outbound", "", unsampled(), 0)),
        counted(inbound("SERVER, metrics", "", sampled(), 1)),
        counted(case("SERVER and CLIENT, metrics", "gateway", trusted, sampled(), 2)),
        case("unsampled, outbound", "outbound", "", unsampled(), 0),
        case("unsampled, gateway", "gateway", trusted, unsampled(), 0),
        inbound("unsampled, kept if it goes wrong", keep, unsampled(), 0),
        inbound("B3", "", get().with("b3", &b3), 1),
        inbound("100 headers", "", headers(sampled()), 1),
        inbound("100 headers, unsampled", "", headers(unsampled()), 0),
        Case { rest: grpc, ..inbound("gRPC", "", call, 1) },
        Case { rest: failed, ..inbound("503 of the proxy", "", sampled(), 1) },
        Case { rest: parts, ..inbound("body in 64 parts", "", sampled(), 1) },
        Case { rest: parts, ..inbound("body in 64 parts, unsampled", "", unsampled(), 0) },
        Case { before: learn, ..inbound("10,000 routes", many, sampled(), 1) },
        Case { before: down, ..inbound("collector down", "", sampled(), 1) },
        Case { before: full, spans: [1, 1], ..inbound("queue full", small, sampled(), 1) },
    ]
}

/// All but those that say so are about spans alone.
const UNCOUNTED: &str = r#","metrics":{"to":[]}"#;

fn grpc(stream: &Stream) {
    stream.request_body([0, 0, 0, 0, 0], true);
    stream.response_headers([(":status", "200"), ("content-type", "application/grpc")], false);
    stream.response_body([0, 0, 0, 0, 0], false);
    stream.response_trailers([("grpc-status", "0")]);
    stream.finish();
}

/// No host of the cluster is healthy: the response flag `UH`.
fn failed(stream: &Stream) {
    stream.local_reply(503, 1 << 1, "no_healthy_upstream");
    stream.finish();
}

fn parts(stream: &Stream) {
    stream.response_headers([(":status", "200")], false);
    (0..64).for_each(|it| {
        stream.response_body("part of it", it == 63);
    });
    stream.finish();
}

/// Paths that are words, so that each is a route of its own; the last of ten thousand is that of
/// the request itself.
fn learn(proxy: &Proxy) {
    let letter = |number: u16| char::from(b'a' + (number % 26) as u8);
    for number in 0..9_999_u16 {
        let path: String = [number / 676, number / 26, number].map(letter).iter().collect();
        let stream = proxy.worker(0).stream();
        let request = Headers::plain_get(&format!("/{path}")).with("traceparent", SAMPLED);
        stream.request_headers(request, true);
        ok(&stream);
        if number % 1000 == 999 {
            proxy.run_for(TICK);
        }
    }
}

/// A collector that nobody answers for, and spans that wait for it.
fn down(proxy: &Proxy) {
    proxy.clusters().take_down("otel");
    requests(proxy, 100);
}

/// A collector that never answers, so that a queue fills.
fn full(proxy: &Proxy) {
    proxy.serve(|_| Answer::silence());
    requests(proxy, 10);
}

fn requests(proxy: &Proxy, count: usize) {
    for _ in 0..count {
        let stream = proxy.worker(0).stream();
        stream.request_headers(Headers::plain_get("/").with("traceparent", SAMPLED), true);
        ok(&stream);
    }
    proxy.run_for(TICK);
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
