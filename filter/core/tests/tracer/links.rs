//! What a span says of the traces that its request came from.

use super::*;

#[test]
fn a_restarted_trace_is_linked_to_the_old_one() {
    let mut tracer = tracer(
        r#"{"direction":"gateway","trust":{"default":"restart"},"collector":{"cluster":"c"}}"#,
    );
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", &traceparent[..]), ("tracestate", "a=1")];
    let started = exchange(&mut tracer, &headers, Scripted::answered("200"));
    assert!(started.edits.contains(&Edit::Remove("tracestate")), "a stranger's state ends here");
    let [server, client] = &exported(&mut tracer)[..] else { panic!("two spans") };
    let [link] = &server.links[..] else { panic!("{:?}", server.links) };
    assert_eq!(hopspan_core::id::hex::<16>(TRACE.as_bytes()).unwrap(), &link.trace_id[..]);
    assert_eq!(link.trace_state, "a=1");
    assert_eq!(client.links, []);
    assert_eq!(tracer.stats.get(Stat::UntrustedContext), 1);
}

#[test]
fn a_trace_that_loses_is_linked_and_counted() {
    let mut tracer = inbound();
    let other = "80f198ee56343ba864fe8b2a57d3eff7";
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", &traceparent[..]), ("b3", &format!("{other}-{PARENT}-0"))];
    let started = exchange(&mut tracer, &headers, Scripted::answered("200"));
    let (trace, span, _) = sent(&started);
    assert_eq!(trace, TRACE);
    assert_eq!(written(&started)[1], format!("b3: {TRACE}-{span}-1"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    let [link] = &span.links[..] else { panic!("{:?}", span.links) };
    assert_eq!(hopspan_core::id::hex::<16>(other.as_bytes()).unwrap(), &link.trace_id[..]);
    assert_eq!(tracer.stats.get(Stat::ContextConflicts), 1);
    assert_eq!(tracer.stats.get(Stat::InvalidSyntax), 0);
}

#[test]
fn of_a_restarted_trace_all_is_linked() {
    let mut tracer = tracer(
        r#"{"direction":"inbound","trust":{"default":"restart"},"collector":{"cluster":"c"}}"#,
    );
    let other = "80f198ee56343ba864fe8b2a57d3eff7";
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", &traceparent[..]), ("b3", &format!("{other}-{PARENT}-0"))];
    exchange(&mut tracer, &headers, Scripted::answered("200"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    let links: Vec<_> = span.links.iter().map(|it| it.trace_id.clone()).collect();
    assert_eq!(
        links,
        [TRACE, other].map(|it| hopspan_core::id::hex::<16>(it.as_bytes()).unwrap().to_vec())
    );
}

#[test]
fn a_trace_without_a_span_goes_on_without_a_parent() {
    let mut tracer = tracer(
        r#"{"direction":"inbound","collector":{"cluster":"c"},"propagation":{"extract":["xray"]}}"#,
    );
    let root = "Root=1-67891233-abcdef012345678912345678";
    exchange(&mut tracer, &[("x-amzn-trace-id", root)], Scripted::answered("200"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!(
        hopspan_core::id::hex::<16>(b"67891233abcdef012345678912345678").unwrap(),
        &span.trace_id[..]
    );
    assert!(span.parent_span_id.is_empty());
    assert_eq!(tracer.stats.get(Stat::ContextContinued), 1);
}

#[test]
fn allowed_baggage_becomes_attributes() {
    for (why, trust, want) in [
        ("trusted", "continue", &["tenant=a b"][..]),
        ("a stranger's trace", "ignore_sampling", &["tenant=a b"]),
        ("a new trace does not read it", "restart", &[]),
    ] {
        let mut tracer = tracer(&format!(
            r#"{{"direction":"inbound","collector":{{"cluster":"c"}},"trust":{{"default":"{trust}"}},
                "propagation":{{"baggage_attributes":["tenant"]}}}}"#
        ));
        let headers = [
            ("traceparent", &format!("00-{TRACE}-{PARENT}-01")[..]),
            ("baggage", "tenant=a%20b,user=x"),
        ];
        let started = exchange(&mut tracer, &headers, Scripted::answered("200"));
        assert!(!written(&started).iter().any(|it| it.contains("baggage")), "{why}: it passes");
        let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
        let told: Vec<_> = attributes(span)
            .into_iter()
            .filter(|it| it.starts_with("tenant") || it.starts_with("user="))
            .collect();
        assert_eq!(told, want, "{why}");
    }
}
