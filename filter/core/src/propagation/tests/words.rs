//! How each format is written, with what it says beside ids and a decision.

use super::*;

#[test]
fn each_format_is_written_as_its_specification_shows() {
    let write = |format, trace| {
        sample(format, trace).iter().map(|(n, v)| format!("{n}: {v}")).collect::<Vec<_>>()
    };
    let short = "8448eb211c80319c";
    for (format, trace, want) in [
        (
            Format::TraceContext,
            TRACE,
            &["traceparent: 00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"][..],
        ),
        (Format::B3, TRACE, &["b3: 0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-1"]),
        (Format::B3, short, &["b3: 8448eb211c80319c-00f067aa0ba902b7-1"]),
        (
            Format::B3Multi,
            short,
            &["x-b3-traceid: 8448eb211c80319c", "x-b3-spanid: 00f067aa0ba902b7", "x-b3-sampled: 1"],
        ),
        (Format::GrpcTraceBin, TRACE, &["grpc-trace-bin: AAAK92UZFs1D3YRI6yEcgDGcAQDwZ6oLqQK3AgE"]),
        (
            Format::Jaeger,
            TRACE,
            &["uber-trace-id: 0af7651916cd43dd8448eb211c80319c:00f067aa0ba902b7:0:01"],
        ),
        (Format::Jaeger, short, &["uber-trace-id: 8448eb211c80319c:00f067aa0ba902b7:0:01"]),
        (
            Format::XRay,
            TRACE,
            &[
                "x-amzn-trace-id: Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=00f067aa0ba902b7;Sampled=1",
            ],
        ),
        (
            Format::Datadog,
            TRACE,
            &[
                "x-datadog-trace-id: 9532127138774266268",
                "x-datadog-parent-id: 67667974448284343",
                "x-datadog-sampling-priority: 1",
                "x-datadog-tags: _dd.p.tid=0af7651916cd43dd",
            ],
        ),
        (
            Format::Datadog,
            short,
            &[
                "x-datadog-trace-id: 9532127138774266268",
                "x-datadog-parent-id: 67667974448284343",
                "x-datadog-sampling-priority: 1",
            ],
        ),
        (
            Format::Gcp,
            TRACE,
            &["x-cloud-trace-context: 0af7651916cd43dd8448eb211c80319c/67667974448284343;o=1"],
        ),
    ] {
        assert_eq!(write(format, trace), want, "{format:?}");
    }
}

/// What a hop that changes nothing but the parent-id sends on: `traceparent`, `tracestate`.
fn w3c(state: &[&str]) -> (String, Vec<String>) {
    let mut headers = vec![("traceparent", PARENT)];
    headers.extend(state.iter().map(|it| ("tracestate", *it)));
    let out = pass_on(&Propagation::default(), &headers);
    let values = |name: &str| -> Vec<String> {
        out.iter().filter(|(it, _)| it == name).map(|(_, value)| value.clone()).collect()
    };
    let [parent] = &values("traceparent")[..] else { panic!("one traceparent") };
    (parent.clone(), values("tracestate"))
}

#[test]
fn a_valid_tracestate_goes_on() {
    for (why, state, want) in [
        ("none", &[][..], None),
        ("one", &["a=1,b=2"][..], Some("a=1,b=2")),
        ("spaces stay as they are", &["a=1 , b=2"], Some("a=1 , b=2")),
        ("several are joined", &["a=1", "b=2"], Some("a=1,b=2")),
        ("an empty one beside another", &["", "b=2"], Some("b=2")),
        ("an empty one is not sent", &[""], None),
        ("nothing but commas is not sent", &[" , ,"], None),
        ("a bad one is dropped whole", &["a=1,B=2"], None),
        ("bad in one of several", &["a=1", "B=2"], None),
        ("a key twice", &["a=1", "a=2"], None),
    ] {
        let (parent, list) = w3c(state);
        assert_eq!(parent, format!("00-{TRACE}-{OURS}-01"), "{why}");
        assert_eq!(list, want.into_iter().collect::<Vec<_>>(), "{why}");
    }
}

#[test]
fn other_fields_of_amazon_pass_but_for_the_hops_own() {
    let xray = all(&[Format::XRay]);
    let root = "Root=1-0af76519-16cd43dd8448eb211c80319c";
    for (why, came, want) in [
        ("lineage", format!("{root};Lineage=1:a:0;Sampled=1"), ";Lineage=1:a:0"),
        ("several", format!("A=b;{root};C=d=e"), ";A=b;C=d=e"),
        ("the load balancer's own", format!("Self=1-67891234-12456789abcdef012345678;{root}"), ""),
        ("what has no key", format!("{root};=x"), ""),
        ("what must not be written", format!("{root};A=\u{e9};B=a b;C=c"), ";C=c"),
        ("too much", format!("{root};A={};B=b", "x".repeat(600)), ";B=b"),
    ] {
        let out = pass_on(&xray, &[("x-amzn-trace-id", &came)]);
        let value = out.iter().find(|(name, _)| name == "x-amzn-trace-id").unwrap();
        assert_eq!(value.1, format!("{root};Parent={OURS};Sampled=1{want}"), "{why}");
    }
    let unread = format!("{root};A=b;C={}", "x".repeat(7 << 10));
    let out = injected(xray::inject, TRACE, &[("x-amzn-trace-id", &unread)]);
    assert_eq!(out[0].1, format!("{root};Parent={OURS};Sampled=1"), "nothing of what is not read");
}

#[test]
fn a_users_priority_stays_where_it_says_the_same() {
    let datadog = all(&[Format::Datadog]);
    for (came, want) in [("2", "2"), (" 2", " 2"), ("1", "1"), ("0", "1"), ("-1", "1"), ("9", "1")]
    {
        let headers = [
            ("x-datadog-trace-id", "9532127138774266268"),
            ("x-datadog-parent-id", "1"),
            ("x-datadog-sampling-priority", came),
            ("x-datadog-origin", "rum"),
        ];
        let out = pass_on(&datadog, &headers);
        let value = |name: &str| out.iter().find(|(it, _)| it == name).map(|(_, it)| it.as_str());
        assert_eq!(value("x-datadog-sampling-priority"), Some(want), "{came}");
        assert_eq!(value("x-datadog-origin"), Some("rum"));
    }
}
