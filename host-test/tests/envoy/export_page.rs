//! What docs/export.md gives to copy, and what it says of stats.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::bootstrap::{Direction, Setup, cluster};
use crate::client::{Client, get};
use crate::deadline::poll;
use crate::hop::Hop;
use crate::mutual_tls::Authority;
use crate::proxy::Proxy;
use crate::upstream::{Answer, Upstream};

const PAGE: &str = include_str!("../../../docs/export.md");
const STATS: &str = include_str!("../../../docs/stats.md");

#[tokio::test]
async fn the_vendor_gets_spans_over_tls_with_its_key() {
    let vendor = Upstream::start(|_| Answer::status(200)).await;
    // In front of it is a proxy without hopspan, for TLS.
    let authority = Authority::new();
    let nowhere = vendor.address();
    let mut front = Setup::new(Direction::Unspecified, vendor.address(), nowhere);
    front.hopspan = None;
    let chain = json!({ "transport_socket": authority.downstream_of("otlp.example.com") });
    front.filter_chains = vec![chain];
    let front = Proxy::start(&front).await;

    let upstream = Upstream::start(|_| Answer::status(200)).await;
    let mut setup = Setup::new(Direction::Inbound, upstream.address(), nowhere);
    setup.hopspan = Some(configuration("otlp.example.com"));
    setup.configure("batch", json!({ "schedule_delay_ms": 20 }));
    setup.environment = vec![("VENDOR_TOKEN", "s3cret")];
    // All but its place and its authority, which are the reader's.
    let mut cluster = block("yaml", "- name: vendor");
    let cluster = cluster.get_mut(0).expect("a cluster");
    let host = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    let host = cluster.pointer_mut(host).unwrap();
    *host = json!({ "address": "127.0.0.1", "port_value": front.address().port() });
    let trusted = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca";
    *cluster.pointer_mut(trusted).unwrap() = json!({ "inline_string": authority.pem() });
    setup.clusters.push(cluster.clone());
    let proxy = Proxy::start(&setup).await;

    assert_eq!(Client::http1(proxy.address()).await.ask(get("/")).await.status, 200);

    let export = &vendor.seen(1).await[0];
    assert_eq!(export.path, "/otlp/v1/traces");
    for (name, value) in [
        ("host", "otlp.example.com"),
        ("authorization", "Bearer s3cret"),
        ("x-tenant", "shop"),
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "gzip"),
    ] {
        assert_eq!(export.header(name), Some(value));
    }
    let exported = proxy.stats_when("a span there", |it| it.hopspan("spans.exported") == 1);
    exported.await;
    assert!(!proxy.log().contains("s3cret"), "{}", proxy.log());
}

#[tokio::test]
async fn zipkin_gets_spans() {
    let zipkin = Upstream::start(|_| Answer::status(202)).await;
    let upstream = Upstream::start(|_| Answer::status(200)).await;
    let mut setup = Setup::new(Direction::Inbound, upstream.address(), zipkin.address());
    setup.hopspan = Some(configuration("zipkin"));
    setup.configure("batch", json!({ "schedule_delay_ms": 20 }));
    setup.clusters.push(cluster("zipkin", Some(zipkin.address()), false));
    let proxy = Proxy::start(&setup).await;

    assert_eq!(Client::http1(proxy.address()).await.ask(get("/")).await.status, 200);

    let export = &zipkin.seen(1).await[0];
    assert_eq!(export.path, "/api/v2/spans");
    assert_eq!(export.header("content-type"), Some("application/json"));
    proxy.stats_when("a span there", |it| it.hopspan("spans.exported") == 1).await;
}

/// New requests come until nobody is let in, as they do while load balancers still look elsewhere.
#[tokio::test]
async fn the_hook_before_sigterm_leaves_nothing_behind() {
    let Hop { proxy, upstream, collector } = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| it.configure("batch", json!({ "schedule_delay_ms": 500 })),
    )
    .await;

    let pod = block("yaml", "terminationGracePeriodSeconds");
    let grace = pod["terminationGracePeriodSeconds"].as_i64().expect("seconds");
    let container = &pod["containers"][0];
    let command: Vec<String> =
        serde_json::from_value(container["lifecycle"]["preStop"]["exec"]["command"].clone())
            .unwrap();
    let args: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let drain: i64 = args.last().expect("--drain-time-s").parse().expect("seconds");
    let pause = drain + 5;
    assert!(pause < grace, "the hook fits");
    // Tests have no 20 seconds: this proxy's --drain-time-s is 1.
    let [bash, c, script] = <[String; 3]>::try_from(command).expect("a script for bash");
    let mut quicker = script.clone();
    for (from, to) in [
        ("tcp/127.0.0.1/9901", format!("tcp/127.0.0.1/{}", proxy.admin().port())),
        (&format!("sleep {pause}"), "sleep 3".to_owned()),
    ] {
        assert!(quicker.contains(from), "{from}: {quicker}");
        quicker = quicker.replace(from, &to);
    }
    let mut hook = Command::new(bash);
    let hook = hook.args([c, quicker]).stdout(Stdio::null()).spawn();
    let mut hook = hook.expect("bash");

    poll("nobody to be let in", async || match Client::try_http1(proxy.address()).await {
        Ok(mut client) => {
            let _ = client.send(get("/")).await;
            None
        }
        Err(_) => Some(()),
    })
    .await;
    let status = poll("the hook to end", async || hook.try_wait().expect("its status")).await;
    assert!(status.success(), "{status}");
    // SIGTERM.
    drop(proxy);

    let requests = upstream.seen(1).await.len();
    let spans = collector.spans(requests).await;
    let mut ids: Vec<_> = spans.iter().map(|it| it.span_id()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((spans.len(), ids.len()), (requests, requests));
}

#[test]
fn the_page_explains_where_each_span_may_be() {
    let of_spans = STATS.lines().filter_map(|it| it.strip_prefix("| `hopspan.spans."));
    let mut rows = 0;
    for row in of_spans {
        let words: Vec<_> = row.split('`').collect();
        let (name, reason) = (words[0], words.get(4).filter(|_| words[2] == "reason"));
        let explained = PAGE.lines().filter(|it| it.starts_with("| `")).any(|it| {
            let cell = it.split('|').nth(1).unwrap_or_default();
            let named = |name: &str| cell.contains(&format!("`{name}`"));
            named(name) && reason.is_none_or(|it| named(it))
        });
        assert!(explained, "docs/export.md has no row for {name} {reason:?}");
        rows += 1;
    }
    assert!(rows > 10, "docs/stats.md was read: {rows}");
}

/// The configuration of the page for a collector whose cluster or authority is `of`.
fn configuration(of: &str) -> Value {
    block("json", &format!("\"{of}\""))
}

/// The only block of the page in this language that has this text.
fn block(language: &str, has: &str) -> Value {
    let fence = format!("```{language}\n");
    let blocks = PAGE.split(&fence).skip(1).filter_map(|it| Some(it.split_once("```")?.0));
    let found: Vec<_> = blocks.filter(|it| it.contains(has)).collect();
    let [block] = found[..] else { panic!("one block has {has}: {found:?}") };
    serde_yaml_ng::from_str(block).expect("YAML, or JSON, which is YAML")
}
