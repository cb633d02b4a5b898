//! Tries that are not a downstream instance's: copies, callouts, those of others, none at all.

use super::*;

/// Envoy's mirrored requests have tries as well, and no client: to ask for its address crashes
/// Envoy 1.40. They end when they like.
#[tokio::test]
async fn a_mirrored_request_is_a_call_of_its_own() {
    let answer = |seen: &Seen| match seen.header("host") {
        Some(host) if host.contains("-shadow") => Answer::after(Duration::from_millis(50)),
        _ => Answer::status(200),
    };
    let hop = tried(Direction::Unspecified, answer, |it| {
        it.routes[0]["route"]["request_mirror_policies"] = json!([{ "cluster": TRIED }]);
        it.configure(
            "trust",
            json!({ "default": "continue", "rules": [
                { "match": { "source": ["192.0.2.0/24"] }, "action": "restart" },
            ] }),
        );
    });
    let hop = hop.await;
    let request = with(post("/", "body"), "traceparent", SAMPLED);
    assert_eq!(hop.client().await.ask(request).await.status, 200);

    let spans = hop.spans(3).await;
    let server = spans.iter().find(|it| it.kind() == SpanKind::Server).unwrap();
    let calls = tries(&spans);
    assert_eq!(calls.len(), 2, "{spans:#?}");
    for call in &calls {
        assert_eq!(call.parent_id(), server.span_id(), "{spans:#?}");
        assert_eq!(call.int("http.response.status_code"), Some(200));
        assert_eq!(call.int("http.request.resend_count"), None);
    }
    let seen = hop.upstream.seen(2).await;
    let mut ids = [calls[0].span_id(), calls[1].span_id()];
    let mut sent = [&seen[0], &seen[1]].map(|it| it.traceparent().parent_id);
    ids.sort();
    sent.sort();
    assert_eq!(ids, sent);
    let mirrored = |it: &&&Received| it.text("server.address").unwrap().contains("-shadow");
    let mirrored = calls.iter().find(mirrored).expect("Envoy marks it by its host");
    assert!(mirrored.duration_ns() >= 40_000_000, "it ends when it ends: {spans:#?}");
}

/// The collector's own cluster is the one that must not have the filter: what comes of it all
/// the same is nothing.
#[tokio::test]
async fn on_the_collectors_cluster_nothing_traps_and_nothing_is_told() {
    let hop = tried(Direction::Inbound, ok, |it| {
        let collector = it.collector.take().unwrap();
        let mut cluster = cluster(crate::bootstrap::COLLECTOR, Some(collector), false);
        see_tries(it, &mut cluster);
        it.clusters.push(cluster);
    });
    let hop = hop.await;
    for _ in 0..20 {
        assert_eq!(hop.client().await.ask(get("/")).await.status, 200);
    }
    hop.spans(40).await;
}

#[tokio::test]
async fn what_is_not_sampled_passes_untouched() {
    let hop = tried(Direction::Unspecified, third_time_lucky, |it| {
        it.configure("sampling", json!({ "ratio": 0 }));
        retry(it, json!({}));
    });
    let hop = hop.await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);
    let seen = hop.upstream.seen(3).await;
    let sent: Vec<_> = seen.iter().map(Seen::traceparent).collect();
    assert!(sent.iter().all(|it| *it == sent[0] && it.flags == "02"), "{sent:?}");
    assert_eq!(hop.proxy.stats().await.hopspan("spans.created"), 0);
}

/// Without an instance downstream, tries are still siblings, and children of who called.
#[tokio::test]
async fn alone_the_upstream_instance_is_a_hop_of_the_clients_side() {
    let hop = tried(Direction::Inbound, third_time_lucky, |it| {
        retry(it, json!({}));
        it.hopspan = None;
    });
    let hop = hop.await;
    let request = with(get("/"), "traceparent", SAMPLED);
    assert_eq!(hop.client().await.ask(request).await.status, 200);

    let spans = hop.spans(3).await;
    let tries = tries(&spans);
    let seen = hop.upstream.seen(3).await;
    for (number, (span, seen)) in tries.iter().zip(&seen).enumerate() {
        assert_eq!(
            (span.trace_id(), span.parent_id()),
            (TRACE.into(), PARENT.into()),
            "{spans:#?}"
        );
        assert_eq!(seen.traceparent().parent_id, span.span_id());
        let number = i64::try_from(number).unwrap();
        assert_eq!(span.int("http.request.resend_count"), Some(number).filter(|it| *it > 0));
        let status = if number < 2 { 503 } else { 200 };
        assert_eq!(span.int("http.response.status_code"), Some(status), "{spans:#?}");
    }
}

/// The cluster of `docs/tries.md`, as it stands.
#[tokio::test]
async fn the_documented_cluster_works_as_it_stands() {
    let document = include_str!("../../../../docs/tries.md");
    let (_, rest) = document.split_once("```yaml\n").expect("a block of YAML");
    let (yaml, _) = rest.split_once("```").expect("its end");
    let clusters: Vec<Value> = serde_yaml_ng::from_str(yaml).expect("a list of clusters");
    let [mut cluster] = <[Value; 1]>::try_from(clusters).expect("one cluster");
    let hop = Hop::start_with(Direction::Inbound, ok, |it| {
        // All but the places that are the reader's.
        let at = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        cluster.pointer_mut(at).unwrap()["port_value"] = json!(it.upstream.port());
        cluster["name"] = json!(TRIED);
        let options = "/typed_extension_protocol_options/\
                       envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let filter = format!("{options}/http_filters/0/typed_config/config");
        let filter = cluster.pointer_mut(&filter).unwrap();
        let code = &mut filter["vm_config"]["code"]["local"]["filename"];
        assert_eq!(*code, json!("/etc/envoy/hopspan.wasm"));
        *code = json!(wasm());
        it.clusters.push(cluster);
        it.routes = vec![json!({ "match": { "prefix": "/" }, "route": { "cluster": TRIED } })];
    });
    let hop = hop.await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    let spans = hop.spans(2).await;
    let server = spans.iter().find(|it| it.kind() == SpanKind::Server).expect("the request");
    let tries = tries(&spans);
    assert_eq!(tries.len(), 1, "{spans:#?}");
    assert_eq!(tries[0].parent_id(), server.span_id(), "they know of each other");
}
