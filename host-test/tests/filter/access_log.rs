//! What the proxy's access log can tell of the trace.

use crate::hopspan::{Hopspan, SAMPLED, TRACE, UNSAMPLED, sampled_get, sent};
use host_test::{Headers, Stream};

const NAMES: [&str; 3] = ["hopspan.trace_id", "hopspan.span_id", "hopspan.trace_flags"];

fn config(direction: &str, more: &str) -> String {
    format!(
        r#"{{"direction":"{direction}","trust":{{"default":"continue"}},
            "access_log":{{"filter_state":true}},"collector":{{"cluster":"otel"}}{more}}}"#
    )
}

fn left(stream: &Stream) -> [Option<String>; 3] {
    NAMES.map(|name| stream.filter_state(name).map(|it| String::from_utf8(it).unwrap()))
}

#[test]
fn the_log_shows_the_span_that_the_collector_gets() {
    for (direction, spans) in [("inbound", 1), ("outbound", 1), ("gateway", 2)] {
        let hopspan = Hopspan::start(&config(direction, ""));
        let stream = hopspan.stream();
        stream.request_headers(sampled_get(), true);
        let [trace, span, flags] = left(&stream).map(Option::unwrap);
        stream.respond(200);
        stream.finish();
        let exported = hopspan.spans();
        assert_eq!(exported.len(), spans, "{direction}");
        let caller = &SAMPLED[36..52];
        let outermost = exported.iter().find(|it| it.parent_id() == caller).unwrap();
        assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"), "{direction}");
        assert_eq!(span, outermost.span_id(), "{direction}");
    }
}

#[test]
fn a_trace_that_nobody_records_is_shown_all_the_same() {
    let hopspan = Hopspan::start(&config("inbound", ""));
    let stream = hopspan.stream();
    stream.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
    let [trace, span, flags] = left(&stream).map(Option::unwrap);
    let sent = sent(&stream);
    assert_eq!((trace, span, flags.as_str()), (sent.trace_id, sent.parent_id, "00"));
    stream.respond(200);
    stream.finish();
}

#[test]
fn a_request_that_an_earlier_filter_refused_is_shown_when_it_is_logged() {
    let hopspan = Hopspan::start(&config("inbound", ""));
    let stream = hopspan.stream();
    stream.refused(sampled_get(), [(":status", "403")]);
    let [trace, span, _] = left(&stream).map(Option::unwrap);
    let exported = hopspan.span();
    assert_eq!((trace.as_str(), span), (TRACE, exported.span_id()));
}

#[test]
fn nothing_is_left_unless_it_is_wanted() {
    let hopspan = Hopspan::start(crate::hopspan::INBOUND);
    let stream = hopspan.stream();
    stream.request_headers(sampled_get(), true);
    assert_eq!(left(&stream), [None, None, None]);
    stream.respond(200);
    stream.finish();
    assert_eq!(hopspan.hostcalls().of("proxy_set_property"), 0);
}
