use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::*;
use crate::span::SpanKind::{Client, Internal, Server};
use crate::view::tree::tests::stored;

fn with(mut stored: Stored, attributes: &[(&str, Value)]) -> Stored {
    let pair = |(key, value): &(&str, Value)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(value.clone()) }),
        ..Default::default()
    };
    stored.span.attributes.extend(attributes.iter().map(pair));
    stored
}

/// Proxy time and upstream time in milliseconds.
fn held(stored: Stored, proxy: i64, upstream: i64) -> Stored {
    let ms = |ms: i64| Value::IntValue(ms * 1_000_000);
    with(stored, &[(key::PROXY_TIME, ms(proxy)), (key::UPSTREAM_TIME, ms(upstream))])
}

/// `proxy 0+2` for each part of a lone span.
#[track_caller]
fn check_parts(why: &str, stored: Stored, want: &[&str]) {
    let waterfall = waterfall(&[stored]).unwrap();
    let part = |it: &Segment| {
        let what = format!("{:?}", it.what).to_lowercase();
        format!("{what} {}+{}", it.offset_ms, it.duration_ms)
    };
    assert_eq!(waterfall.spans[0].segments.iter().map(part).collect::<Vec<_>>(), want, "{why}");
}

#[test]
fn a_proxys_time_is_drawn_apart_from_the_upstreams() {
    let span = || stored("shop", Server, (1, 0), (100, 120));
    check_parts("not a proxy's", span(), &[]);
    check_parts("a request", held(span(), 5, 15), &["proxy 0+5", "upstream 5+15"]);
    check_parts(
        "a client that was slow to send",
        with(held(span(), 5, 10), &[(key::REQUEST_RECEIVE, Value::IntValue(5_000_000))]),
        &["client 0+5", "proxy 5+5", "upstream 10+10"],
    );
    check_parts("ended late", held(span(), 5, 10), &["proxy 0+5", "upstream 5+15"]);
    check_parts(
        "answered by the proxy",
        with(span(), &[(key::PROXY_TIME, Value::IntValue(20_000_000))]),
        &["proxy 0+20"],
    );
    let pool = (key::POOL_WAIT, Value::IntValue(2_000_000));
    check_parts(
        "with a wait for a connection",
        with(held(span(), 5, 15), &[pool]),
        &["proxy 0+3", "pool 3+2", "upstream 5+15"],
    );
    check_parts("more than there is", held(span(), 50, 50), &["proxy 0+20"]);
}

#[test]
fn shares_add_up_and_say_whose_the_time_was() {
    // gateway -> shop, whose application asks a database without a proxy.
    let mut gateway_client = stored("gateway", Client, (2, 1), (2, 98));
    gateway_client.span.parent_is_remote = false;
    let spans = [
        held(stored("gateway", Server, (1, 0), (0, 100)), 2, 98),
        gateway_client,
        held(stored("shop", Server, (3, 2), (10, 90)), 5, 75),
        with(
            stored("shop", Client, (4, 3), (20, 60)),
            &[(key::SERVER_ADDRESS, Value::StringValue("db".into()))],
        ),
    ];
    let waterfall = waterfall(&spans).unwrap();
    let share = |it: &Share| format!("{:?} {}: {}", it.what, it.who, it.duration_ms);
    let got: Vec<String> = waterfall.breakdown.iter().map(share).collect();
    assert_eq!(
        got,
        [
            "Elsewhere db: 40",
            "Service shop: 35",
            "Network gateway to shop: 16",
            "Proxy shop: 5",
            "Proxy gateway: 4",
        ]
    );
}

#[test]
fn the_way_between_two_services_is_neithers_time() {
    let call = || held(stored("a", Client, (1, 0), (0, 20)), 2, 18);
    let server = |id, from_to| stored("b", Server, (id, 1), from_to);
    for (why, spans, want) in [
        ("there and back", vec![call(), server(2, (5, 17))], &[(2.0, 3.0), (17.0, 3.0)][..]),
        (
            "two tries",
            vec![call(), server(2, (5, 8)), server(3, (10, 20))],
            &[(2.0, 3.0), (8.0, 2.0)],
        ),
        ("received at once", vec![call(), server(2, (1, 20))], &[]),
        ("nobody received it", vec![call()], &[]),
        ("clocks differ", vec![call(), server(2, (5, 21))], &[]),
        ("no call", vec![stored("a", Server, (1, 0), (0, 20)), server(2, (5, 17))], &[]),
        (
            "without a proxy",
            vec![stored("a", Client, (1, 0), (0, 20)), server(2, (5, 20))],
            &[(0.0, 5.0)],
        ),
    ] {
        assert_eq!(waterfall(&spans).unwrap().spans[0].network, want, "{why}");
    }
}

#[test]
fn what_is_wrong_with_a_trace_is_said() {
    let spans = [
        stored("a", Server, (1, 0), (0, 9)),
        stored("a", Client, (2, 1), (2, 5)),
        stored("b", Server, (3, 2), (1, 6)),
        stored("c", Internal, (5, 4), (1, 2)),
        stored("d", Internal, (6, 0), (8, 9)),
    ];
    let waterfall = waterfall(&spans).unwrap();
    assert_eq!(
        waterfall.problems,
        [
            "The parent of 1 span is not here: the trace is not whole.",
            "There are 2 spans without a parent: several beginnings.",
        ]
    );
    let line = |id: &str| waterfall.spans.iter().find(|it| it.span_id.ends_with(id)).unwrap();
    assert_eq!(
        line("03").notes,
        [
            "begins before its caller by 1.00 ms: their clocks differ",
            "ends after its caller by 1.00 ms: their clocks differ",
        ]
    );
    assert!(line("05").is_orphan && !line("06").is_orphan);
}

#[test]
fn a_saved_trace_is_read_again_as_it_was() {
    let spans = [with(stored("a", Server, (1, 0), (0, 9)), &[("k", Value::BoolValue(true))])];
    let json = crate::view::stored::otlp_json(&spans);
    let read: opentelemetry_proto::tonic::trace::v1::TracesData =
        serde_json::from_str(&json).unwrap();
    assert_eq!(read.resource_spans, [spans[0].otlp()]);
}
