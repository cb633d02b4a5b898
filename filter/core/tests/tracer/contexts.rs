//! What a hop passes on, and whether it is recorded.

use super::*;

#[test]
fn a_request_without_context_begins_a_trace() {
    let mut tracer = inbound();
    let started = exchange(&mut tracer, &[], Scripted::answered("200"));
    let (trace_id, parent_id, flags) = sent(&started);
    assert_eq!(flags, "03", "sampled and random");
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert_eq!(hopspan_core::id::hex::<16>(trace_id.as_bytes()).unwrap(), &span.trace_id[..]);
    assert_eq!(hopspan_core::id::hex::<8>(parent_id.as_bytes()).unwrap(), &span.span_id[..]);
    assert!(span.parent_span_id.is_empty());
    assert_eq!(tracer.stats.get(Stat::ContextStarted), 1);
}

#[test]
fn a_context_goes_on_as_far_as_it_is_trusted() {
    let from = |flags: &str| format!("00-{TRACE}-{PARENT}-{flags}");
    let (inbound, gateway) = (r#""direction":"inbound""#, r#""direction":"gateway""#);
    let (none, all) = (r#""sampling":{"ratio":0}"#, r#""sampling":{"ratio":1}"#);
    let restart = r#""trust":{"default":"restart"}"#;
    let fresh = "another trace";
    // Whom the upstream is told to be called by.
    let (hop, caller) = (false, true);
    for (why, settings, traceparent, want_trace, want_parent, want_flags) in [
        ("a sampled caller", [inbound, none], from("01"), TRACE, hop, "01"),
        ("its random flag", [inbound, none], from("03"), TRACE, hop, "03"),
        ("an unsampled caller", [inbound, all], from("00"), TRACE, caller, "00"),
        ("flags that nobody knows", [inbound, all], from("fc"), TRACE, caller, "00"),
        ("a stranger cannot sample", [gateway, none], from("03"), TRACE, hop, "02"),
        ("nor keep us from it", [gateway, all], from("00"), TRACE, hop, "01"),
        ("a stranger who did not, as we", [gateway, none], from("00"), TRACE, caller, "00"),
        ("no context", [inbound, none], String::new(), fresh, hop, "02"),
        ("a broken one", [inbound, all], from("0g"), fresh, hop, "03"),
        ("restart", [restart, all], from("00"), fresh, hop, "03"),
    ] {
        let mut tracer =
            tracer(&format!(r#"{{{},"collector":{{"cluster":"c"}}}}"#, settings.join(",")));
        let headers = [("traceparent", &traceparent[..])];
        let headers = if traceparent.is_empty() { &[][..] } else { &headers };
        let started = exchange(&mut tracer, headers, Scripted::answered("200"));
        let (trace, parent, flags) = sent_on(&traceparent, &started);
        assert_eq!(trace == TRACE, want_trace == TRACE, "{why}: {trace}");
        assert_eq!(parent == PARENT, want_parent, "{why}: {parent}");
        assert_eq!(flags, want_flags, "{why}");
        let recorded = !exported(&mut tracer).is_empty();
        assert_eq!(recorded, flags.ends_with(['1', '3']), "{why}");
    }
}

#[test]
fn who_makes_no_span_names_none() {
    let caller = format!("00-{TRACE}-{PARENT}-01");
    for (why, settings, want) in [
        ("nothing is exported", "", true),
        ("the response tells of this hop", r#","response":{"traceresponse":true}"#, false),
        ("the access log does", r#","access_log":{"filter_state":true}"#, false),
    ] {
        let mut tracer = tracer(&format!(r#"{{"direction":"inbound"{settings}}}"#));
        let headers = [("traceparent", &caller[..])];
        let started = exchange(&mut tracer, &headers, Scripted::answered("200"));
        assert_eq!(started.edits.is_empty(), want, "{why}: {:?}", started.edits);
    }
}

#[test]
fn a_decision_counts_as_far_as_its_caller_is_trusted() {
    let (trusted, stranger) = (r#""direction":"inbound""#, r#""direction":"gateway""#);
    let b3 = |state: &str| format!("{TRACE}-{PARENT}{state}");
    for (why, direction, ratio, b3, trace, state, recorded) in [
        ("accept", trusted, 0, b3("-1"), TRACE, "1", true),
        ("deny", trusted, 1, b3("-0"), TRACE, "0", false),
        ("debug", trusted, 0, b3("-d"), TRACE, "d", true),
        ("defer, we keep", trusted, 1, b3(""), TRACE, "1", true),
        ("defer, we drop", trusted, 0, b3(""), TRACE, "0", false),
        ("accept alone", trusted, 0, "1".into(), "new", "1", true),
        ("deny alone", trusted, 1, "0".into(), "new", "0", false),
        ("debug alone", trusted, 0, "d".into(), "new", "d", true),
        ("a stranger's accept", stranger, 0, b3("-1"), TRACE, "0", false),
        ("a stranger's deny", stranger, 1, b3("-0"), TRACE, "1", true),
        ("a stranger's debug", stranger, 0, b3("-d"), TRACE, "0", false),
        ("a stranger's debug, that we keep", stranger, 1, b3("-d"), TRACE, "1", true),
        ("a stranger's debug alone", stranger, 0, "d".into(), "new", "0", false),
        ("a stranger's deny alone", stranger, 1, "0".into(), "new", "1", true),
    ] {
        let mut tracer = tracer(&format!(
            r#"{{{direction},"sampling":{{"ratio":{ratio}}},"collector":{{"cluster":"c"}}}}"#
        ));
        let started = exchange(&mut tracer, &[("b3", &b3)], Scripted::answered("200"));
        let edits = written(&started);
        let value = match &edits[..] {
            [_, value] => value.strip_prefix("b3: ").unwrap(),
            // W3C's header is added, and theirs stands.
            [_] if why == "deny" => &b3,
            _ => panic!("{why}: {edits:?}"),
        };
        let parts: Vec<_> = value.split('-').collect();
        assert_eq!((parts[0] == TRACE, parts[2]), (trace == TRACE, state), "{why}");
        let spans = exported(&mut tracer);
        assert_eq!(!spans.is_empty(), recorded, "{why}");
        let debug = "hopspan.sampling.reason=debug".to_owned();
        let told = spans.first().is_some_and(|it| attributes(it).contains(&debug));
        assert_eq!(told, state == "d", "{why}");
        let untrusted = i64::from(direction == stranger);
        assert_eq!(tracer.stats.get(Stat::UntrustedContext), untrusted, "{why}");
        let continued = i64::from(trace == TRACE);
        assert_eq!(tracer.stats.get(Stat::ContextContinued), continued, "{why}");
        assert_eq!(tracer.stats.get(Stat::ContextStarted), 1 - continued, "{why}");
    }
}

#[test]
fn a_caller_that_names_no_decision_is_decided_alike_everywhere() {
    let deferred = |seed: u8| {
        let bytes = encode_headers(&[("b3", &format!("{TRACE}-{PARENT}"))]);
        let head = RequestHead { headers: Headers::new(&bytes), end_of_stream: true, now: ms(0) };
        let mut tracer = tracer(r#"{"direction":"inbound","sampling":{"ratio":0.5}}"#);
        let mut ids = Generator::new([seed; 32]);
        tracer.start(&head, &mut Scripted::default(), &mut ids).span.unwrap().flags.is_sampled()
    };
    let first = deferred(0);
    assert!((1..50).all(|seed| deferred(seed) == first), "the trace-id decides");
}

#[test]
fn a_disabled_filter_leaves_requests_alone() {
    let around = Surroundings {
        node_id: "",
        node_cluster: "",
        metadata: &|_| None,
        env: &|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()),
    };
    let mut tracer =
        Tracer::new(config::read(br#"{"collector":{"cluster":"c"}}"#, &around).unwrap());
    let started = start(&mut tracer, &[], &mut Scripted::default());
    assert!(started.span.is_none() && started.edits.is_empty());
}
