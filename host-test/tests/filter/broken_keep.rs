//! Hosts that refuse, forget or contradict, with everything switched on that asks them: rules,
//! limits, keeping, explaining. Nothing traps, and every request and response goes through.

use crate::hopspan::{DELAY, PARENT, SAMPLED, TRACE, UNSAMPLED, builder};
use host_test::{
    Action, Answer, Builder, Headers, HostcallCounts, Injection, Proxy, Status, Stream,
};

/// Every key that has the host asked something.
const CONFIG: &str = r#"{"collector":{"cluster":"otel"},"batch":{"max_export_batch_size":2},
    "propagation":{"inject":["tracecontext","b3","preserve"],"baggage_attributes":["user"],
        "extract":["tracecontext","b3","b3multi","grpc-trace-bin","jaeger","xray","datadog","gcp"]},
    "trust":{"strip_on_egress":{"clusters":["ads"],"hosts":["*.third.example"]},
        "rules":[{"match":{"source":["10.0.0.0/8"],"filter_chain":"x*"},"action":"restart"},
            {"match":{"route":"strange"},"action":"ignore_sampling"},
            {"match":{"peer":"spiffe://*"},"action":"continue"}]},
    "sampling":{"ratio":0.5,"max_per_second":3,"min_per_minute":2,"force":{"header":"x-force"},
        "keep":{"errors":true,"slower_than_ms":100},
        "rules":[{"match":{"direction":"inbound","route":"all"},"ratio":1}]},
    "routes":{"metadata":true},"metrics":{"announce_caller":"always"},
    "response":{"trace_id_header":"x-trace","server_timing":true},
    "explain":{"header":"x-why"}}"#;

/// What hopspan may write, on either way.
const OURS: [&str; 9] = [
    "traceparent",
    "tracestate",
    "b3",
    "x-force",
    "x-why",
    "baggage",
    "traceresponse",
    "x-trace",
    "server-timing",
];

fn proxy() -> Builder {
    // Istio's own node, so that clusters are looked at.
    builder(CONFIG)
        .node_id("sidecar~10.0.0.1~cart.shop~shop.svc.cluster.local")
        .workers(2)
        .property("connection.mtls", true)
        .property("connection.uri_san_peer_certificate", "spiffe://x/sa/cart")
        .property("xds.filter_chain_name", "inbound")
}

/// How a response comes.
#[derive(Clone, Copy)]
enum Response {
    Whole(u16),
    Told,
    Call,
    Local,
    Cut,
    None,
}

/// One request, in any of the ways that make hopspan ask the host something else.
struct Request {
    worker: usize,
    direction: i64,
    facts: &'static [(&'static str, &'static str)],
    headers: Headers,
    response: Response,
}

fn requests() -> Vec<Request> {
    let get = || Headers::plain_get("/cart");
    let unsampled = || get().with("traceparent", UNSAMPLED);
    let asked = unsampled().with("tracestate", format!("hopspan={PARENT};shop,a=1"));
    let call = Headers::grpc("/shop.Cart/Add").with("traceparent", UNSAMPLED);
    let debug = get().with("b3", format!("{TRACE}-{PARENT}-d")).with("baggage", "user=7");
    let third = unsampled().with(":authority", "api.third.example").with("x-why", "");
    let of = |worker, direction, facts, headers, response| Request {
        worker,
        direction,
        facts,
        headers,
        response,
    };
    use Response::{Call, Cut, Local, None, Told, Whole};
    vec![
        of(0, 2, &[], unsampled(), Whole(503)),
        of(1, 1, &[], asked.clone().with("x-why", ""), Whole(200)),
        of(0, 1, &[], asked.clone(), Whole(500)),
        of(1, 2, &[], unsampled().with("x-why", ""), Told),
        of(0, 0, &[], asked, Told),
        of(0, 1, &[], call.clone(), Call),
        of(0, 2, &[], call, None),
        of(0, 1, &[("xds.route_name", "all")], get().with("x-why", ""), Whole(200)),
        of(1, 1, &[("xds.route_name", "all")], get(), Cut),
        of(1, 2, &[], get(), Whole(200)),
        of(0, 1, &[("xds.route_name", "strange")], debug.clone().with("x-force", ""), Whole(200)),
        of(0, 1, &[], debug, Local),
        of(0, 2, &[("xds.cluster_name", "ads")], get().with("x-force", ""), Whole(200)),
        of(0, 2, &[], third, Whole(500)),
        of(0, 1, &[], get().with("traceparent", SAMPLED).with("tracestate", "A"), Whole(200)),
        of(0, 1, &[], unsampled().with("x-why", ""), Local),
        of(0, 1, &[("disabled", "")], unsampled(), Whole(500)),
    ]
}

impl Request {
    /// Its whole life. Whatever the host does, it and its response must get through.
    fn live(&self, proxy: &Proxy) {
        let Self { worker, direction, facts, headers, response } = self;
        let stream = proxy.worker(*worker).stream();
        stream.set_property("xds.listener_direction", *direction);
        for (path, value) in *facts {
            match *path {
                "disabled" => {
                    stream.set_property("xds.route_metadata.filter_metadata.hopspan.disabled", true)
                }
                path => stream.set_property(path, *value),
            }
        }
        let mut actions = vec![stream.request_headers(headers, true)];
        let ours = |it: Headers| OURS.iter().fold(it, |it, name| it.without(name));
        assert_eq!(ours(stream.upstream_headers()), ours(headers.clone()));
        proxy.clock().advance(DELAY / 20);
        let ok = [(":status", "200"), ("x-a", "1"), ("x-a", "2")];
        actions.push(match response {
            Response::Whole(status) => stream.respond(*status),
            Response::Told => {
                let told = format!("00-{TRACE}-00f067aa0ba902b7-01");
                stream.response_headers(Headers::from(ok).with("traceresponse", told), true)
            }
            Response::Call => {
                stream.response_headers(ok, false);
                stream.response_trailers([("grpc-status", "14")])
            }
            Response::Local => stream.local_reply(503, 2, "no_healthy_upstream"),
            Response::Cut => stream.response_headers(ok, false),
            Response::None => Action::Continue,
        });
        let back = ours(stream.downstream_headers());
        let lines = match response {
            Response::Whole(_) => 3,
            Response::Told | Response::Call | Response::Cut => 3,
            Response::Local => 2,
            Response::None => 0,
        };
        assert_eq!(back.len(), lines, "{back:?}");
        stream.finish();
        assert!(actions.iter().all(|it| *it == Action::Continue), "{actions:?}");
        assert!(stream.local_response().is_none() && !stream.reset_by_filter());
    }
}

/// A proxy's life. Returns what it asked of the host after its start.
fn live(builder: Builder) -> HostcallCounts {
    let proxy = builder.start().unwrap_or_else(|refused| panic!("it starts: {refused}"));
    proxy.serve(|_| Answer::status(200));
    let before = proxy.hostcalls();
    for request in requests() {
        request.live(&proxy);
    }
    proxy.run_for(DELAY * 2);
    let counts = proxy.hostcalls().since(&before);
    for vm in proxy.vms() {
        assert!(vm.trap().is_none(), "{}", vm.trap().unwrap());
    }
    counts
}

/// Calls by name and subject, each once; counters are alike.
fn subjects(calls: &HostcallCounts) -> Vec<(&'static str, String)> {
    let subject = |(name, about, _): (&'static str, &str, u64)| (name, about.to_owned());
    calls.iter().map(subject).filter(|(name, _)| !name.ends_with("_metric")).collect()
}

/// What the tests below are worth: the life asks for all that hopspan can.
#[test]
fn the_life_asks_for_everything() {
    let calls = live(proxy());
    let properties = [
        "connection.mtls",
        "connection.uri_san_peer_certificate",
        "response.flags",
        "xds.listener_direction",
        "xds.route_metadata.filter_metadata.hopspan.disabled",
        "xds.route_metadata.filter_metadata.hopspan.sampling_ratio",
        "xds.route_name",
    ];
    for path in properties {
        assert!(calls.about("proxy_get_property", path) > 0, "{path}: {calls}");
    }
    for function in ["expr_create", "expr_evaluate"] {
        assert!(calls.about("proxy_call_foreign_function", function) > 0, "{function}: {calls}");
    }
    for (name, map) in [
        ("proxy_get_header_map_pairs", "response_headers"),
        ("proxy_get_header_map_value", "response_trailers"),
        ("proxy_add_header_map_value", "response_headers"),
        ("proxy_replace_header_map_value", "response_headers"),
        ("proxy_remove_header_map_value", "response_headers"),
        ("proxy_remove_header_map_value", "request_headers"),
    ] {
        assert!(calls.about(name, map) > 0, "{name}, {map}: {calls}");
    }
    for prefix in ["hopspan.keep.", "hopspan.limit.", "hopspan.floor."] {
        for name in ["proxy_get_shared_data", "proxy_set_shared_data"] {
            let mut of =
                calls.iter().filter(|(it, about, _)| *it == name && about.starts_with(prefix));
            assert!(of.next().is_some(), "{name}, {prefix}: {calls}");
        }
    }
}

#[test]
fn no_status_of_any_call_traps_or_holds_anything() {
    for (name, about) in subjects(&live(proxy())) {
        for status in 1..=12 {
            live(proxy().inject(Injection::always(name, Status(status)).about(&about)));
        }
    }
}

/// What worked before and works after is the harder case.
#[test]
fn no_single_failure_traps_or_holds_anything() {
    let calls = live(proxy());
    for (name, about) in subjects(&calls) {
        for nth in 1..=calls.about(name, &about) {
            // A race is told from a failure, and a value that is not there from one that is.
            let statuses: &[u32] = if name.ends_with("_shared_data") { &[1, 8, 10] } else { &[2] };
            for status in statuses {
                let injection = Injection::nth(name, nth, Status(*status)).about(&about);
                live(proxy().inject(injection));
            }
        }
    }
}

/// What others wrote under our keys, or an older version did.
#[test]
fn garbage_in_shared_data_is_survived() {
    let builders = [&b""[..], b"\x01", b"\x02", &[0xff; 17], &[1; 16 * 17], &[0xff; 70_000]];
    for value in builders {
        let proxy = proxy().start().unwrap();
        for (name, about) in subjects(&live(self::proxy())) {
            if name == "proxy_get_shared_data" {
                proxy.set_shared_data(about, value);
            }
        }
        requests().iter().for_each(|it| it.live(&proxy));
        proxy.run_for(DELAY);
        assert_eq!(proxy.traps(), []);
    }
}

/// Whoever writes between our reading and writing.
#[test]
fn workers_that_race_are_survived() {
    for call in ["proxy_set_shared_data", "proxy_get_shared_data"] {
        let proxy = proxy().workers(3).start().unwrap();
        let other = proxy.worker(2);
        proxy.before(call, move || {
            let stream: Stream = other.stream();
            stream.set_property("xds.listener_direction", 2);
            stream.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
            stream.respond(500);
            stream.finish();
            let stream = other.stream();
            stream.request_headers(Headers::plain_get("/"), true);
            stream.finish();
        });
        requests().iter().for_each(|it| it.live(&proxy));
        assert_eq!(proxy.traps(), []);
    }
}
