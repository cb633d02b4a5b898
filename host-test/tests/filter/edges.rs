//! Who calls whom, by metrics: each request once on its edge, whoever tells of it.

use crate::hopspan::{DELAY, Hopspan, PARENT, SAMPLED, TRACE, UNSAMPLED, builder};
use crate::mesh::{forwarded, respond_through};
use crate::points;
use crate::reports::{points, sums};
use host_test::{Headers, Plugin, Stream};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(10);

fn config(direction: &str, service: &str, more: &str) -> String {
    format!(
        r#"{{"direction":"{direction}","service":{{"name":"{service}"}},"sampling":{{"ratio":0.5}},
            "collector":{{"cluster":"otel"}},"metrics":{{"to":["otlp"]}}{more}}}"#
    )
}

/// A proxy beside an application.
struct Pod {
    hopspan: Hopspan,
    outbound: Plugin,
}

impl Pod {
    fn of(service: &str) -> Self {
        let seed = service.bytes().map(u64::from).sum();
        let hopspan = Hopspan::of(builder(config("inbound", service, "")).random_seed(seed));
        let outbound = hopspan.add_plugin(config("outbound", service, "")).unwrap();
        Self { hopspan, outbound }
    }

    fn calls(&self, cluster: &str, request: Headers) -> Stream {
        let stream = self.hopspan.worker(0).stream_of(&self.outbound);
        stream.set_property("xds.cluster_name", cluster);
        stream.request_headers(request, true);
        stream
    }
}

/// The edges that some proxies tell of, and how many requests each has in which metric.
fn edges(of: &[&Hopspan]) -> Vec<String> {
    let mut all = Vec::new();
    for hopspan in of {
        hopspan.run_for(INTERVAL + DELAY);
        all.extend(points::edges(points(hopspan)));
    }
    all.sort_unstable();
    all
}

#[test]
fn each_request_counts_once_on_its_edge() {
    let edge = Hopspan::of(builder(config("gateway", "edge", "")).random_seed(1));
    let (shop, cart) = (Pod::of("shop"), Pod::of("cart"));
    let mut sampled = 0;
    for number in 0..40 {
        let at_edge = edge.stream();
        at_edge.set_property("xds.cluster_name", "shop");
        at_edge.request_headers(Headers::plain_get("/"), true);
        let to_shop = shop.hopspan.stream();
        to_shop.request_headers(forwarded(&at_edge), true);
        let of_shop = shop.calls("cart", forwarded(&to_shop));
        let to_cart = cart.hopspan.stream();
        to_cart.request_headers(forwarded(&of_shop), true);
        let state = to_cart.upstream_headers().text("tracestate").unwrap_or_default().to_owned();
        assert!(!state.contains("hopspan"), "the application sees nothing of it: {state}");
        to_cart.respond(if number % 4 == 0 { 503 } else { 200 });
        respond_through(&to_cart, &of_shop);
        to_shop.respond(200);
        respond_through(&to_shop, &at_edge);
        for stream in [to_cart, of_shop, to_shop, at_edge] {
            stream.finish();
        }
        sampled += usize::from(cart.hopspan.spans().len() > number);
    }
    assert!(sampled > 0, "some of them");
    let want = [
        "client edge shop: 40",
        "client shop cart: 40",
        "failed_total edge shop: 0",
        "failed_total external edge virtual_node: 0",
        "failed_total shop cart: 10",
        "server edge shop: 40",
        "server external edge virtual_node: 40",
        "server shop cart: 40",
        "total edge shop: 40",
        "total external edge virtual_node: 40",
        "total shop cart: 40",
    ];
    assert_eq!(edges(&[&edge, &shop.hopspan, &cart.hopspan]), want);
}

#[test]
fn a_caller_is_believed_only_by_a_bound_word_of_one_that_is_trusted() {
    let bound = format!("hopspan={PARENT}:shop,a=1");
    let listening = format!("hopspan={PARENT};shop");
    let unnamed = format!("hopspan={PARENT}:");
    let stale = "hopspan=00f067aa0ba902b7:shop".to_owned();
    let restart = r#","trust":{"default":"restart"}"#;
    for (why, direction, state, more, want, is_told) in [
        ("bound", "inbound", &bound, "", "shop cart", true),
        ("by one that listens", "inbound", &listening, "", "shop cart", true),
        ("without a name", "inbound", &unnamed, "", "unknown cart virtual_node", true),
        ("of another hop", "inbound", &stale, "", "unknown cart virtual_node", false),
        ("at the edge", "gateway", &bound, "", "external cart virtual_node", false),
        ("of a stranger", "inbound", &bound, restart, "unknown cart virtual_node", false),
    ] {
        for flags in ["00", "01"] {
            let hopspan = Hopspan::start(&config(direction, "cart", more));
            let stream = hopspan.stream();
            stream.unset_property("xds.cluster_name");
            let traceparent = format!("00-{TRACE}-{PARENT}-{flags}");
            let request = Headers::plain_get("/").with("traceparent", traceparent);
            stream.request_headers(request.with("tracestate", state), true);
            let goes_on = stream.upstream_headers();
            let goes_on = goes_on.text("tracestate").unwrap_or_default();
            assert!(!goes_on.contains("shop"), "{why}: {goes_on}");
            stream.respond(200);
            stream.finish();
            let mut wanted = vec![format!("server {want}: 1")];
            if !is_told {
                wanted.push(format!("total {want}: 1"));
                wanted.insert(0, format!("failed_total {want}: 0"));
            }
            assert_eq!(edges(&[&hopspan]), wanted, "{why}");
        }
    }
}

#[test]
fn who_is_called_has_a_name_by_cluster_or_configuration() {
    let services = r#","services":[{"cluster":"cart_v2","name":"cart"},
        {"host":"pay.example","name":"pay"},{"peer":"*/sa/stock","name":"stock"}]"#;
    let kubernetes = "outbound|80|v1|reviews.shop.svc.cluster.local";
    let (ours, stranger) = ("spiffe://x/sa/stock", "spiffe://x/sa/web");
    for (why, cluster, host, san, want) in [
        ("by the cluster's name", Some("books"), "books.example", None, "books"),
        ("as mapped", Some("cart_v2"), "cart", None, "cart"),
        ("by its host", Some("any"), "pay.example", None, "pay"),
        ("by its certificate", Some("any"), "x", Some(ours), "stock"),
        ("by another", Some("any"), "x", Some(stranger), "any"),
        ("by Istio's name", Some(kubernetes), "reviews", None, "reviews"),
        (
            "outside of Istio's mesh",
            Some("outbound|443||api.stripe.com"),
            "x",
            None,
            "api.stripe.com virtual_node",
        ),
        ("anywhere", Some("PassthroughCluster"), "x", None, "external virtual_node"),
        ("nowhere", None, "x", None, "unknown virtual_node"),
    ] {
        for traceparent in [SAMPLED, UNSAMPLED] {
            let hopspan = Hopspan::start(&config("outbound", "shop", services));
            let stream = hopspan.stream();
            match cluster {
                Some(cluster) => stream.set_property("xds.cluster_name", cluster),
                None => stream.unset_property("xds.cluster_name"),
            }
            if let Some(san) = san {
                stream.set_property("upstream.tls_version", "TLSv1.3");
                stream.set_property("upstream.uri_san_peer_certificate", san);
            }
            let request = Headers::plain_get("/").with(":authority", host);
            stream.request_headers(request.with("traceparent", traceparent), true);
            stream.respond(200);
            stream.finish();
            let wanted = ["client", "failed_total", "total"].map(|metric| {
                let count = u8::from(metric != "failed_total");
                format!("{metric} shop {want}: {count}")
            });
            assert_eq!(edges(&[&hopspan]), wanted, "{why}");
            let secured = sums(&hopspan, &[], |name| name.ends_with("secured"));
            assert_eq!(secured[0].1, u64::from(san.is_some()), "{why}");
        }
    }
}

#[test]
fn what_was_sent_nowhere_has_an_edge_only_where_somebody_meant_it() {
    // A gateway without a route for it, and one whose upstream could not be reached.
    let hopspan = Hopspan::start(&config("gateway", "edge", ""));
    let nowhere = hopspan.stream();
    nowhere.unset_property("xds.cluster_name");
    let refused = hopspan.stream();
    for (stream, status) in [(nowhere, 404), (refused, 503)] {
        stream.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
        stream.respond(status);
        stream.finish();
    }
    let probe = hopspan.stream();
    let agent = Headers::plain_get("/live").with("user-agent", "kube-probe/1.31");
    probe.request_headers(agent.with("traceparent", UNSAMPLED), true);
    probe.respond(200);
    probe.finish();
    let want = [
        "client edge upstream: 1",
        "failed_total edge upstream: 1",
        "failed_total external edge virtual_node: 1",
        "server external edge virtual_node: 2",
        "total edge upstream: 1",
        "total external edge virtual_node: 2",
    ];
    assert_eq!(edges(&[&hopspan]), want);
}

#[test]
fn a_flood_of_callers_fills_no_more_than_the_bound_and_no_route() {
    let more = r#","metrics":{"to":["otlp"],"max_series":20}"#;
    let config = config("inbound", "cart", "").replace(r#","metrics":{"to":["otlp"]}"#, more);
    let hopspan = Hopspan::start(&config);
    for number in 0..300 {
        let state = format!("hopspan={PARENT}:caller-{number}");
        let stream = hopspan.stream();
        let request = Headers::plain_get("/cart").with("traceparent", UNSAMPLED);
        stream.request_headers(request.with("tracestate", state), true);
        stream.respond(200);
        stream.finish();
    }
    let all = edges(&[&hopspan]);
    assert_eq!(all.len(), 19, "{all:?}");
    assert_eq!(all[0], "server _other cart: 282");
    assert_eq!(hopspan.stat("metrics.overflow"), 282);
    assert_eq!(hopspan.stat("metrics.series"), 1 + 19);
}
