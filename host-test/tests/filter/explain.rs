//! `explain.header`: a trusted caller learns why, in a form that can be relied on.

use crate::hopspan::{Hopspan, PARENT, SAMPLED, TRACE, UNSAMPLED, builder, sent};
use host_test::{Headers, Stream};
use std::collections::BTreeMap;

fn config(more: &str) -> String {
    format!(
        r#"{{"direction":"inbound","service":{{"name":"cart"}},"collector":{{"cluster":"otel"}},
        {more}"explain":{{"header":"X-Why"}}}}"#
    )
}

fn asks() -> Headers {
    Headers::plain_get("/cart").with("x-why", "1")
}

/// The items of the one answer, checked by the grammar that the documentation has.
///
/// ```text
/// explanation = item *( "; " item )
/// item        = key "=" value
/// key         = 1*( %x61-7A / "_" )
/// value       = 1*( %x21-3A / %x3C-7E )
/// ```
#[track_caller]
fn items(value: &[u8]) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(value).expect("visible characters");
    let mut items = BTreeMap::new();
    for item in text.split("; ") {
        let (key, value) = item.split_once('=').expect("an item");
        assert!(!key.is_empty() && key.bytes().all(|it| it == b'_' || it.is_ascii_lowercase()));
        let visible = |it: u8| (0x21..=0x7e).contains(&it) && it != b';';
        assert!(!value.is_empty() && value.bytes().all(visible), "{text:?}");
        assert_eq!(items.insert(key.to_owned(), value.to_owned()), None, "{key} twice: {text:?}");
    }
    items
}

/// What is answered to a request, with the ids that went on checked and left out.
#[track_caller]
fn answered(stream: &Stream) -> BTreeMap<String, String> {
    let headers = stream.downstream_headers();
    let values = headers.values("x-why");
    let [value] = values.as_slice() else { panic!("one answer: {headers:?}") };
    let mut items = items(value);
    let out = sent(stream);
    assert_eq!(items.remove("trace"), Some(out.trace_id));
    assert_eq!(items.remove("span"), Some(out.parent_id));
    assert_eq!(items.remove("sampled").as_deref() == Some("1"), out.flags.ends_with(['1', '3']));
    items
}

/// `key=value` of all, in order of the keys.
fn line(items: &BTreeMap<String, String>) -> String {
    items.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_answer_names_who_decided_and_by_what() {
    let force = r#""sampling":{"force":{"header":"x-force"}},"#;
    let rules = r#""sampling":{"ratio":0.25,"rules":[{"match":{"path":"/other"},"ratio":0},
        {"match":{"path":"/cart"},"ratio":1}]},"#;
    let limit = r#""sampling":{"max_per_second":1},"#;
    let floor = r#""sampling":{"ratio":0,"min_per_minute":9},"#;
    let trust = r#""trust":{"rules":[{"match":{"path":"/x"},"action":"restart"},
        {"match":{},"action":"continue"}]},"#;
    let tiny = r#""sampling":{"ratio":0.000000001},"#;
    let b3 = format!("{TRACE}-{PARENT}-d");
    let other = "1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1";
    let new = "in=none queue=0/4096 ratio=1 service=cart trust=continue trust_by=default";
    let caller = "queue=0/4096 service=cart trust=continue trust_by=default";
    let parent = format!("parent={PARENT}");
    for (why, more, request, want) in [
        ("a new trace", "", asks(), format!("by=ratio {new}")),
        ("a rule", rules, asks(), format!("by=rule:1 {new}")),
        ("a limit", limit, asks(), format!("by=ratio {new}")),
        (
            "a floor",
            floor,
            asks(),
            format!("by=min_per_minute {}", new.replace("ratio=1", "ratio=0")),
        ),
        (
            "hardly any",
            tiny,
            asks(),
            format!("by=ratio {}", new.replace("ratio=1", "ratio=0.000000001")),
        ),
        (
            "a caller's yes",
            "",
            asks().with("traceparent", SAMPLED),
            format!("by=caller in=tracecontext {parent} {caller}"),
        ),
        (
            "a caller's no",
            "",
            asks().with("traceparent", UNSAMPLED),
            format!("by=caller in=tracecontext {parent} {caller}"),
        ),
        (
            "in another format, with another trace beside it",
            "",
            asks().with("traceparent", SAMPLED).with("b3", other),
            format!("by=caller conflicts=1 in=tracecontext {parent} {caller}"),
        ),
        ("debug", "", asks().with("b3", &b3), format!("by=debug in=b3 {parent} {caller}")),
        ("force", force, asks().with("x-force", ""), format!("by=force in=none {caller}")),
        (
            "a health check",
            "",
            asks().with("user-agent", "kube-probe/1.31"),
            format!("by=health_check in=none {caller}"),
        ),
        (
            "a rule of trust",
            trust,
            asks(),
            format!("by=ratio {}", new.replace("default", "rule:1")),
        ),
    ] {
        let hopspan = Hopspan::start(&config(more));
        let stream = hopspan.stream();
        stream.request_headers(&request, true);
        assert_eq!(stream.upstream_headers().text("x-why"), Some("1"), "{why}: it goes on");
        stream.respond(200);
        assert_eq!(line(&answered(&stream)), want, "{why}");
        stream.finish();
    }
}

/// However a request ends that has a response at all.
#[test]
fn every_kind_of_response_has_the_answer() {
    type Respond = fn(&Stream);
    let responses: [(&str, Respond); 4] = [
        ("an upstream's", |it| {
            it.respond(200);
        }),
        ("the proxy's own", |it| {
            it.local_reply(503, 2, "no_healthy_upstream");
        }),
        ("headers alone", |it| {
            it.response_headers([(":status", "204")], true);
        }),
        ("one without a status", |it| {
            it.response_headers([("server", "x")], true);
        }),
    ];
    for (why, respond) in responses {
        for (request, sampled) in [
            (asks().with("traceparent", SAMPLED), true),
            (asks().with("traceparent", UNSAMPLED), false),
        ] {
            let hopspan = Hopspan::start(&config(""));
            let stream = hopspan.stream();
            stream.request_headers(request, true);
            respond(&stream);
            assert_eq!(answered(&stream)["by"], "caller", "{why}");
            stream.finish();
            assert_eq!(hopspan.spans().len(), usize::from(sampled), "{why}");
        }
    }
}

#[test]
fn nobody_else_gets_an_answer() {
    let restart = r#""trust":{"default":"restart"},"#;
    for (why, config, request, counted) in [
        ("who does not ask", config(""), asks().without("x-why"), 0),
        ("a stranger", config(restart), asks(), 1),
        ("a stranger with a trace", config(restart), asks().with("traceparent", SAMPLED), 1),
        ("no header is configured", config("").replace("X-Why", "x-other"), asks(), 0),
    ] {
        let hopspan = Hopspan::start(&config);
        let stream = hopspan.stream();
        stream.request_headers(request, true);
        stream.respond(200);
        assert_eq!(stream.downstream_headers().value("x-why"), None, "{why}");
        if counted > 0 {
            assert_eq!(stream.upstream_headers().value("x-why"), None, "{why}: nor who is below");
        }
        stream.finish();
        hopspan.run_for(crate::hopspan::DELAY);
        assert_eq!(hopspan.untrusted("explain"), counted, "{why}");
    }
}

/// One header for each hop, so that who asked sees the whole path.
#[test]
fn each_hop_of_a_path_adds_its_own() {
    let outer = config(r#""trust":{"default":"continue"},"#).replace("inbound", "gateway");
    let (edge, cart) = (Hopspan::of(builder(outer).random_seed(9)), Hopspan::start(&config("")));
    let above = edge.stream();
    above.request_headers(asks(), true);
    let below = cart.stream();
    below.request_headers(above.upstream_headers(), true);
    below.respond(200);
    above.response_headers(below.downstream_headers(), true);
    let headers = above.downstream_headers();
    let lines: Vec<_> = headers.values("x-why").into_iter().map(items).collect();
    let [first, second] = lines.as_slice() else { panic!("{headers:?}") };
    assert_eq!((first["service"].as_str(), first["in"].as_str()), ("cart", "tracecontext"));
    assert_eq!(
        (first["parent"].as_str(), first["by"].as_str()),
        (second["span"].as_str(), "caller")
    );
    assert_eq!((second["in"].as_str(), second["by"].as_str()), ("none", "ratio"));
    [&below, &above].into_iter().for_each(Stream::finish);
}

/// Names are people's, so they may have anything in them.
#[test]
fn a_name_cannot_break_out_of_its_item() {
    for (name, want) in [
        ("a; by=force; x=y", "a__by=force__x=y"),
        ("a\r\nset-cookie: x", "a__set-cookie:_x"),
        ("caf\u{e9} \u{7f}", "caf___"),
        (&"x".repeat(999), &"x".repeat(100)),
    ] {
        let config = r#"{"direction":"inbound","explain":{"header":"x-why"}}"#;
        let hopspan = Hopspan::of(builder(config).env("OTEL_SERVICE_NAME", name));
        let stream = hopspan.stream();
        stream.request_headers(asks(), true);
        stream.respond(200);
        let items = answered(&stream);
        assert_eq!((items["service"].as_str(), items["queue"].as_str()), (want, "none"));
        stream.finish();
    }
}

/// What waits is what somebody who misses a span must know.
#[test]
fn the_queues_fill_is_told() {
    let hopspan = Hopspan::start(&config(r#""batch":{"max_queue_size":50},"#));
    hopspan.requests(7);
    let stream = hopspan.stream();
    stream.request_headers(asks(), true);
    stream.respond(200);
    assert_eq!(answered(&stream)["queue"], "7/50");
    stream.finish();
}
