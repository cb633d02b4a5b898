//! What the proxy's access log can tell of the trace.

use super::*;

fn logging(direction: &str, more: &str) -> Tracer {
    tracer(&format!(
        r#"{{"direction":"{direction}","access_log":{{"filter_state":true}},
            "collector":{{"cluster":"c"}}{more}}}"#
    ))
}

/// The ids that were left: of the trace, of the span, and its flags.
fn left(host: &Scripted) -> [&str; 3] {
    let names = ["hopspan.trace_id", "hopspan.span_id", "hopspan.trace_flags"];
    assert_eq!(host.left.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    [0, 1, 2].map(|it| host.left[it].1.as_str())
}

#[test]
fn the_log_is_told_of_the_outermost_span() {
    for direction in ["inbound", "outbound", "gateway"] {
        let mut tracer = logging(direction, "");
        let mut host = Scripted::answered("200");
        let started = start(&mut tracer, &[], &mut host);
        let (trace, parent, flags) = sent(&started);
        tracer.finish(started.span.unwrap(), &mut host, || at(52));
        let outermost = exported(&mut tracer).remove(0).span_id;
        let outermost: String = outermost.iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(left(&host), [&trace, &outermost, &flags], "{direction}");
        assert_eq!(outermost == parent, direction != "gateway", "{direction}");
    }
}

#[test]
fn a_trace_that_is_not_sampled_is_told_as_well() {
    let mut host = Scripted::default();
    let started = start(&mut logging("inbound", r#","sampling":{"ratio":0}"#), &[], &mut host);
    let (trace, parent, flags) = sent(&started);
    assert_eq!(left(&host), [&trace, &parent, &flags]);
    assert_eq!(flags, "02");
}

#[test]
fn a_request_that_an_earlier_filter_answered_is_told_at_its_end() {
    let mut tracer = logging("inbound", "");
    let mut host = Scripted::answered("403");
    let bytes = encode_headers(&GET);
    tracer.refused(Headers::new(&bytes), &mut host, &mut ids(), at(3));
    let span = exported(&mut tracer).remove(0).span_id;
    let span: String = span.iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!(left(&host)[1], span);
}

#[test]
fn nothing_is_told_unless_it_is_wanted_and_there_is_a_trace() {
    let off = r#"{"direction":"inbound","collector":{"cluster":"c"}}"#;
    let disabled = || Scripted::default().with(Fact::RouteDisabled, &[1]);
    for (why, mut tracer, mut host) in [
        ("not wanted", tracer(off), Scripted::default()),
        ("no trace", logging("inbound", r#","routes":{"metadata":true}"#), disabled()),
    ] {
        start(&mut tracer, &[], &mut host);
        assert_eq!(host.left, [], "{why}");
    }
}

#[test]
fn a_host_that_takes_nothing_is_counted() {
    let mut tracer = logging("inbound", "");
    start(&mut tracer, &[], &mut Scripted { leaves_nothing: true, ..Scripted::default() });
    assert_eq!(tracer.stats.get(Stat::Degraded), 1);
}
