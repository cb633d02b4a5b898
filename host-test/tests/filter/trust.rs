//! Whose word counts: rules of trust, and what others try in vain.

use crate::hopspan::{Hopspan, PARENT, SAMPLED, TRACE, UNSAMPLED, builder, sampled_get, sent};
use host_test::{Headers, Stream};

/// A gateway that samples nothing by itself. Its callers are strangers but for the rules.
fn gateway(rules: &str) -> String {
    format!(
        r#"{{"direction":"gateway","collector":{{"cluster":"otel"}},"trust":{{"rules":{rules}}},
        "metrics":{{"announce_caller":"never"}},
        "sampling":{{"ratio":0,"force":{{"header":"X-Force","value":"yes"}}}},
        "explain":{{"header":"x-why"}}}}"#
    )
}

/// What became of a sampled caller's words.
#[derive(Debug, PartialEq)]
enum Worth {
    Continue,
    IgnoreSampling,
    Restart,
}

fn worth(stream: &Stream) -> Worth {
    let out = sent(stream);
    match (out.trace_id == TRACE, out.flags.ends_with(['1', '3'])) {
        (true, true) => Worth::Continue,
        (true, false) => Worth::IgnoreSampling,
        (false, false) => Worth::Restart,
        (false, true) => panic!("nothing is sampled by itself: {out:?}"),
    }
}

#[test]
fn the_first_rule_that_a_caller_fits_says_what_it_is_worth() {
    type Caller = fn(&Stream);
    let source = r#"[{"match":{"source":["10.0.0.0/8","fd00::/8"]},"action":"continue"}]"#;
    let peer = r#"[{"match":{"peer":"spiffe://*/sa/cart"},"action":"continue"}]"#;
    let chain = r#"[{"match":{"filter_chain":"internal-*"},"action":"continue"}]"#;
    let header = r#"[{"match":{"header":{"X-Team":["a*","b"]}},"action":"continue"}]"#;
    let several = r#"[{"match":{"path":"/cart","method":"POST"},"action":"continue"},
        {"match":{"path":"/c*","host":"*.example.com"},"action":"restart"},
        {"match":{},"action":"continue"}]"#;
    let inbound = r#"[{"match":{"direction":"inbound"},"action":"continue"}]"#;
    let from =
        |address: &'static str| move |it: &Stream| it.set_property("source.address", address);
    let plain: Caller = |_| ();
    let certified: Caller = |it| {
        it.set_property("connection.mtls", true);
        it.set_property("connection.uri_san_peer_certificate", "spiffe://x/ns/shop/sa/cart");
    };
    let unproved: Caller = |it| {
        it.set_property("connection.uri_san_peer_certificate", "spiffe://x/ns/shop/sa/cart");
    };
    let by_dns: Caller = |it| {
        it.set_property("connection.mtls", true);
        it.set_property("connection.uri_san_peer_certificate", "spiffe://x/ns/shop/sa/other");
        it.set_property("connection.dns_san_peer_certificate", "spiffe://dns/sa/cart");
    };
    let internal: Caller = |it| it.set_property("xds.filter_chain_name", "internal-mtls");
    let external: Caller = |it| it.set_property("xds.filter_chain_name", "external-internal-");
    let nowhere: Caller = |it| it.unset_property("source.address");
    let (get, near) = (sampled_get(), sampled_get().with("x-forwarded-for", "10.0.0.1"));
    let (team, other) = (get.clone().with("x-team", "blue"), get.clone().with("x-team", "abc"));
    let both = get.clone().and("x-team", "x").and("X-TEAM", "b");
    let post = get.clone().with(":method", "POST").with(":path", "/cart?x=1");
    use Worth::{Continue, IgnoreSampling, Restart};
    for (why, rules, caller, request, want) in [
        ("no rules", "[]", &plain as &dyn Fn(&Stream), &get, IgnoreSampling),
        ("an address in the range", source, &from("10.1.2.3:40000"), &get, Continue),
        ("another", source, &from("11.1.2.3:40000"), &get, IgnoreSampling),
        ("of IPv6", source, &from("[fd00::7]:40000"), &get, Continue),
        ("of IPv4 in IPv6", source, &from("[::ffff:10.1.2.3]:40000"), &get, Continue),
        ("a header is no address", source, &plain, &near, IgnoreSampling),
        ("no address", source, &nowhere, &get, IgnoreSampling),
        ("no address at all", source, &from("/var/run/x.sock"), &get, IgnoreSampling),
        ("a certificate", peer, &certified, &get, Continue),
        ("one that nobody asked for", peer, &unproved, &get, IgnoreSampling),
        ("its DNS name", peer, &by_dns, &get, Continue),
        ("no certificate", peer, &plain, &get, IgnoreSampling),
        ("a filter chain", chain, &internal, &get, Continue),
        ("another chain", chain, &external, &get, IgnoreSampling),
        ("no chain", chain, &plain, &get, IgnoreSampling),
        ("a header's value", header, &plain, &other, Continue),
        ("another value", header, &plain, &team, IgnoreSampling),
        ("one of several values", header, &plain, &both, Continue),
        ("no header", header, &plain, &get, IgnoreSampling),
        ("the first rule", several, &plain, &post, Continue),
        ("the second", several, &plain, &get, Restart),
        ("the third", several, &plain, &get.clone().with(":path", "/other"), Continue),
        ("not the direction", inbound, &plain, &get, IgnoreSampling),
    ] {
        let hopspan = Hopspan::start(&gateway(rules));
        let stream = hopspan.stream();
        caller(&stream);
        stream.request_headers(request, true);
        assert_eq!(worth(&stream), want, "{why}");
        stream.respond(200);
        stream.finish();
        let spans = hopspan.spans().len();
        assert_eq!(spans, if want == Continue { 2 } else { 0 }, "{why}");
        assert_eq!(hopspan.untrusted("context"), i64::from(want != Continue), "{why}");
    }
}

/// Listeners of one configuration may differ.
#[test]
fn a_rule_may_be_for_one_kind_of_listener() {
    let config = r#"{"collector":{"cluster":"otel"},"sampling":{"ratio":0},"trust":{"default":"restart",
        "rules":[{"match":{"direction":"inbound"},"action":"continue"},
            {"match":{"direction":"outbound"},"action":"ignore_sampling"}]}}"#;
    use Worth::{Continue, IgnoreSampling, Restart};
    for (direction, want) in [(1, Continue), (2, IgnoreSampling), (0, Restart)] {
        let hopspan = Hopspan::of(builder(config).property("xds.listener_direction", direction));
        let stream = hopspan.stream();
        stream.request_headers(sampled_get(), true);
        assert_eq!(worth(&stream), want, "{direction}");
        stream.finish();
    }
}

/// Everything by which a caller may steer, from one that may not: it is counted and removed,
/// and makes no other difference.
#[test]
fn what_strangers_try_is_counted_and_removed() {
    let b3 = format!("{TRACE}-{PARENT}-d");
    let member = format!("a=1,hopspan={PARENT};evil,b=2");
    let get = || Headers::plain_get("/cart");
    let traced = || get().with("traceparent", UNSAMPLED);
    let dice = "a=1,ot=th:8;rv:ffffffffffffff;x:1";
    for (why, request, counted, upstream_without) in [
        ("nothing", get(), &[][..], &[][..]),
        ("to sample", get().with("traceparent", SAMPLED), &["context"], &[]),
        ("debug", get().with("b3", &b3), &["context", "debug"], &[]),
        ("debug alone", get().with("b3", "d"), &["context", "debug"], &[]),
        ("debug's flag", get().with("x-b3-flags", "1"), &["context", "debug"], &["x-b3-flags"]),
        ("force", get().with("x-force", "yes"), &["force"], &["x-force"]),
        ("force, traced", traced().with("x-force", "yes"), &["context", "force"], &["x-force"]),
        ("another value of it", get().with("x-force", "no"), &[], &["x-force"]),
        ("and with a trace", traced().with("x-force", "no"), &["context"], &["x-force"]),
        ("explain", get().with("x-why", "1"), &["explain"], &["x-why"]),
        ("who calls", traced().with("tracestate", &member), &["context", "member"], &[]),
        ("dice", traced().with("tracestate", dice), &["context"], &[]),
        (
            "all of it",
            get().with("b3", &b3).with("x-force", "yes").with("x-why", ""),
            &["context", "debug", "force", "explain"],
            &["x-force", "x-why"],
        ),
    ] {
        let hopspan = Hopspan::start(&gateway("[]"));
        let stream = hopspan.stream();
        stream.request_headers(&request, true);
        let sent_on = stream.upstream_headers();
        for name in upstream_without {
            assert_eq!(sent_on.value(name), None, "{why}: {name} goes no further");
        }
        assert!(!sent(&stream).flags.ends_with(['1', '3']), "{why}: nothing is sampled");
        let b3 = sent_on.text("b3").unwrap_or_default();
        assert!(!b3.ends_with(['d', '1']), "{why}: {b3}");
        let state = sent_on.text("tracestate").unwrap_or_default();
        for word in ["hopspan=", "th:", "rv:"] {
            assert!(!state.contains(word), "{why}: {state}");
        }
        assert_eq!(state.contains("a=1"), request.value("tracestate").is_some(), "{why}: the rest");
        stream.respond(500);
        stream.finish();
        assert_eq!(stream.downstream_headers().len(), 3, "{why}: no answer");
        assert_eq!(hopspan.spans().len(), 0, "{why}");
        for what in ["context", "debug", "force", "explain", "member"] {
            let want = i64::from(counted.contains(&what));
            assert_eq!(hopspan.untrusted(what), want, "{why}: {what}");
        }
        assert_eq!(hopspan.stat("sampling.forced"), 0, "{why}");
    }
}

/// The same from one that may.
#[test]
fn what_trusted_callers_say_counts_and_goes_on() {
    let config = gateway(r#"[{"match":{},"action":"continue"}]"#);
    let b3 = format!("{TRACE}-{PARENT}-d");
    for (why, name, value, reason) in
        [("debug", "b3", b3.as_str(), "debug"), ("force", "x-force", "yes", "force")]
    {
        let hopspan = Hopspan::start(&config);
        let stream = hopspan.stream();
        stream.request_headers(Headers::plain_get("/").with(name, value), true);
        assert!(sent(&stream).flags.ends_with(['1', '3']), "{why}");
        let sent_on = stream.upstream_headers().text(name).unwrap_or_default().to_owned();
        assert!(sent_on.ends_with(if name == "b3" { "-d" } else { "yes" }), "{why}: {sent_on}");
        stream.respond(200);
        stream.finish();
        let spans = hopspan.spans();
        let told: Vec<_> = spans.iter().map(|it| it.text("hopspan.sampling.reason")).collect();
        assert_eq!(told, [Some(reason); 2], "{why}");
        assert_eq!((hopspan.stat("sampling.forced"), hopspan.untrusted(why)), (1, 0), "{why}");
    }
}
