//! Sampling: who decides, and how one finds out.

mod limits;
mod probability;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bootstrap::{Direction, Setup, UPSTREAM};
use crate::client::{Client, Reply, get, with};
use crate::collector::Collector;
use crate::hop::Hop;
use crate::proxy::Proxy;
use crate::upstream::{Answer, Upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

type Headers<'a> = &'a [(&'static str, &'a str)];

fn request(path: &str, headers: Headers<'_>) -> hyper::Request<crate::client::Body> {
    headers.iter().fold(get(path), |it, (name, value)| with(it, name, value))
}

async fn hop(direction: Direction, change: impl FnOnce(&mut Setup)) -> Hop {
    Hop::start_with(direction, |_| Answer::status(200), change).await
}

/// What each hop explains, the one next to the service first.
fn explanations(reply: &Reply) -> Vec<BTreeMap<String, String>> {
    let item = |it: &str| {
        let (key, value) = it.split_once('=').unwrap_or_else(|| panic!("key=value: {it:?}"));
        (key.to_owned(), value.to_owned())
    };
    let lines = reply.headers.get_all("x-why").iter().map(|it| it.to_str().unwrap());
    lines.map(|it| it.split("; ").map(item).collect()).collect()
}

#[tokio::test]
async fn says_who_decided() {
    let hop = hop(Direction::Inbound, |it| {
        it.configure("explain", json!({ "header": "X-Why" }));
        it.configure("service", json!({ "name": "shop; north" }));
        it.configure(
            "sampling",
            json!({
                "ratio": 0,
                "rules": [{ "match": { "path": "/rule" }, "ratio": 1 }],
                "force": { "header": "x-trace-me", "value": "please" },
            }),
        );
    })
    .await;
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    let dropped = format!("00-{TRACE}-{PARENT}-00");
    let debug = format!("{TRACE}-{PARENT}-d");
    let cases: [(&str, &str, Headers<'_>, &str, Option<&str>); 9] = [
        ("the ratio", "/", &[], "in=none sampled=0 by=ratio ratio=0", None),
        ("a rule", "/rule", &[], "in=none sampled=1 by=rule:0 ratio=1", None),
        (
            "a caller that sampled",
            "/",
            &[("traceparent", &sampled)],
            "in=tracecontext sampled=1 by=caller",
            None,
        ),
        (
            "a caller that did not",
            "/rule",
            &[("traceparent", &dropped)],
            "in=tracecontext sampled=0 by=caller",
            None,
        ),
        ("debug", "/", &[("b3", &debug)], "in=b3 sampled=1 by=debug", Some("debug")),
        (
            "force, though its own caller did not sample",
            "/",
            &[("traceparent", &dropped), ("x-trace-me", "please")],
            "in=tracecontext sampled=1 by=force",
            Some("force"),
        ),
        (
            "force of a new trace",
            "/",
            &[("x-trace-me", "please")],
            "in=none sampled=1 by=force",
            Some("force"),
        ),
        ("not its value", "/", &[("x-trace-me", "1")], "in=none sampled=0 by=ratio ratio=0", None),
        (
            "a health check",
            "/rule",
            &[("user-agent", "kube-probe/1.31"), ("traceparent", &sampled)],
            "in=tracecontext sampled=0 by=health_check",
            None,
        ),
    ];
    let mut client = hop.client().await;

    let mut recorded = BTreeMap::new();
    for (index, (why, path, headers, want, reason)) in cases.into_iter().enumerate() {
        let reply = client.ask(with(request(path, headers), "x-why", "")).await;

        let [line] = &explanations(&reply)[..] else { panic!("{why}: {:?}", reply.headers) };
        let sent = hop.upstream.seen(index + 1).await[index].traceparent();
        let is_sampled = matches!(sent.flags.as_str(), "01" | "03");
        let parent = if want.contains("in=none") { "" } else { " parent=00f067aa0ba902b7" };
        let want = format!(
            "service=shop__north trust=continue trust_by=default trace={} span={}{parent} {want}",
            sent.trace_id, sent.parent_id
        );
        let mut line = line.clone();
        let queue = line.remove("queue").expect(why);
        assert!(queue.ends_with("/4096"), "{why}: {queue}");
        let want = want.split(' ').map(|it| it.split_once('=').unwrap());
        assert_eq!(line, want.map(|(key, value)| (key.into(), value.into())).collect(), "{why}");
        assert_eq!(line["sampled"], u8::from(is_sampled).to_string(), "{why}: {sent:?}");
        if is_sampled {
            recorded.insert(sent.parent_id, reason);
        }
    }
    assert_eq!(recorded.len(), 5);
    for span in hop.spans(recorded.len()).await {
        assert_eq!(span.text("hopspan.sampling.reason"), recorded[&span.span_id()], "{span:?}");
    }
    let stats = hop.proxy.stats().await;
    assert_eq!(stats.hopspan("sampling.forced"), 3, "{stats}");

    let silent = client.ask(get("/")).await;
    assert!(explanations(&silent).is_empty(), "nobody asked: {:?}", silent.headers);
}

/// From a gateway whose callers are known, to a sidecar.
#[tokio::test]
async fn each_hop_is_forced_and_explains_itself() {
    let (service, collector) =
        (Upstream::start(|_| Answer::status(200)).await, Collector::start().await);
    let proxy = async |name: &str, direction, upstream| {
        let mut setup = Setup::new(direction, upstream, collector.address());
        setup.configure("service", json!({ "name": name }));
        let force = json!({ "header": "x-trace-me", "value": "please" });
        setup.configure("sampling", json!({ "ratio": 0, "force": force }));
        setup.configure("explain", json!({ "header": "x-why" }));
        let rule = json!({ "match": { "direction": "gateway" }, "action": "continue" });
        setup.configure("trust", json!({ "rules": [rule] }));
        Proxy::start(&setup).await
    };
    let sidecar = proxy("sidecar", Direction::Inbound, service.address()).await;
    let gateway = proxy("gateway", Direction::Unspecified, sidecar.address()).await;

    let mut client = Client::http1(gateway.address()).await;
    let reply = client.ask(request("/", &[("x-trace-me", "please"), ("x-why", "")])).await;

    let [inner, outer] = &explanations(&reply)[..] else { panic!("{:?}", reply.headers) };
    let who = |it: &BTreeMap<String, String>| {
        ["service", "trust_by", "by", "sampled"].map(|key| it[key].clone())
    };
    assert_eq!(who(outer), ["gateway", "rule:0", "force", "1"]);
    assert_eq!(who(inner), ["sidecar", "default", "force", "1"]);
    assert_eq!((&inner["trace"], &inner["parent"]), (&outer["trace"], &outer["span"]));

    let spans = collector.spans(3).await;
    for span in &spans {
        assert_eq!(span.trace_id(), outer["trace"]);
        assert_eq!(span.text("hopspan.sampling.reason"), Some("force"), "{span:?}");
    }
    gateway.at_rest(2).await;
    sidecar.at_rest(1).await;
}

/// A route with settings of its own.
fn route(path: &str, settings: Value) -> Value {
    json!({
        "name": path,
        "match": { "prefix": path },
        "route": { "cluster": UPSTREAM },
        "metadata": { "filter_metadata": { "hopspan": settings } },
    })
}

#[tokio::test]
async fn routes_have_settings_of_their_own() {
    let settled = |has_metadata: bool| {
        hop(Direction::Inbound, move |it| {
            it.routes = vec![
                route("/disabled", json!({ "disabled": true })),
                route("/enabled", json!({ "disabled": false, "sampling_ratio": 1 })),
                route("/all", json!({ "sampling_ratio": 1 })),
                route("/none", json!({ "sampling_ratio": 0 })),
            ];
            it.configure("routes", json!({ "metadata": has_metadata }));
            let none_of_all = json!({ "match": { "path": "/all" }, "ratio": 0 });
            it.configure("sampling", json!({ "rules": [none_of_all] }));
        })
    };
    let (with_metadata, without) = (settled(true).await, settled(false).await);
    let paths = ["/disabled", "/enabled", "/all", "/none", "/other"];
    for (hop, sampled) in [
        (with_metadata, ["/enabled", "/all", "/other"].as_slice()),
        (without, &["/disabled", "/enabled", "/none", "/other"]),
    ] {
        let mut client = hop.client().await;
        for path in paths {
            assert_eq!(client.ask(get(path)).await.status, 200, "{path}");
        }
        let spans = hop.spans(sampled.len()).await;
        let recorded: Vec<_> = spans.iter().filter_map(|it| it.text("url.path")).collect();
        assert_eq!(recorded, sampled);
    }
}

#[tokio::test]
async fn where_tracing_is_disabled_headers_pass_as_they_came() {
    let hop = hop(Direction::Inbound, |it| {
        it.routes = vec![route("/disabled", json!({ "disabled": true }))];
        it.configure("routes", json!({ "metadata": true }));
    })
    .await;
    let mut client = hop.client().await;
    let headers = [
        ("traceparent", &*format!("00-{TRACE}-{PARENT}-01")),
        ("tracestate", "vendor=1 , other=2"),
        ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0"),
    ];

    client.ask(request("/disabled", &headers)).await;
    client.ask(get("/disabled")).await;
    client.ask(request("/", &headers)).await;

    let [passed, none, traced] = &hop.upstream.seen(3).await[..] else { panic!("three") };
    for (name, value) in headers {
        assert_eq!(passed.header(name), Some(value));
        assert_eq!(none.header(name), None, "no trace begins");
    }
    let span = hop.span().await;
    assert_eq!(span.span_id(), traced.traceparent().parent_id);
}

#[tokio::test]
async fn health_checks_of_the_mesh_are_not_recorded() {
    let probes: [(&str, Headers<'_>); 4] = [
        ("/healthz", &[("user-agent", "kube-probe/1.31")]),
        ("/healthz", &[("user-agent", "Envoy/HC")]),
        ("/", &[("user-agent", "ELB-HealthChecker/2.0")]),
        ("/grpc.health.v1.Health/Check", &[("content-type", "application/grpc")]),
    ];
    let off = |it: &mut Setup| {
        it.configure("sampling", json!({ "skip_health_checks": false }));
    };
    for (why, hop, traced) in [
        ("a sidecar", hop(Direction::Inbound, |_| ()).await, 0),
        // Anybody may call themselves what they like.
        ("a gateway", hop(Direction::Unspecified, |_| ()).await, 2 * probes.len()),
        ("a sidecar that is told not to", hop(Direction::Inbound, off).await, probes.len()),
    ] {
        let mut client = hop.client().await;
        for (path, headers) in probes {
            assert_eq!(client.ask(request(path, headers)).await.status, 200, "{why}: {path}");
        }
        assert_eq!(client.ask(get("/healthz")).await.status, 200);

        let seen = hop.upstream.seen(probes.len() + 1).await;
        let flags: Vec<_> = seen.iter().map(|it| it.traceparent().flags).collect();
        let flag = if traced == 0 { "02" } else { "03" };
        assert_eq!(flags, [flag, flag, flag, flag, "03"], "{why}");
        let other = if why == "a gateway" { 2 } else { 1 };
        hop.spans(traced + other).await;
    }
}
