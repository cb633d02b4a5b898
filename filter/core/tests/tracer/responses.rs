//! What a response tells its client of the trace.

use super::*;

const ALL: &str =
    r#""response":{"trace_id_header":"X-Trace-Id","traceresponse":true,"server_timing":true}"#;

fn telling(direction: &str, more: &str) -> Tracer {
    tracer(&format!(r#"{{"direction":"{direction}","collector":{{"cluster":"c"}},{more}}}"#))
}

/// What one response tells, and the spans of its hop.
fn response(
    tracer: &mut Tracer,
    status: &'static str,
) -> (Vec<String>, Started, Vec<otlp_types::Span>) {
    let mut host = Scripted::answered(status);
    let mut started = start(tracer, &[], &mut host);
    let mut span = started.span.take().unwrap();
    let edits = match span.wants_response() {
        true => tracer.respond(&mut span, &mut host, || ms(1)),
        false => Vec::new(),
    };
    span.response_ended(|| ms(51));
    tracer.finish(span, &mut host, || at(52));
    (told(&edits), started, exported(tracer))
}

#[test]
fn a_client_is_told_of_its_trace_in_the_forms_that_are_wanted() {
    for direction in ["inbound", "gateway"] {
        let (told, started, spans) = response(&mut telling(direction, ALL), "200");
        let (trace, _, flags) = sent(&started);
        let outermost = &spans[0].span_id;
        let child: String = outermost.iter().map(|it| format!("{it:02x}")).collect();
        let value = format!("00-{trace}-{child}-{flags}");
        let want = [
            format!("x-trace-id: {trace}"),
            format!("traceresponse: {value}"),
            format!("+server-timing: traceparent;desc=\\\"{value}\\\""),
        ];
        assert_eq!(told, want, "{direction}");
    }
}

#[test]
fn each_form_comes_alone_and_none_unless_it_is_wanted() {
    for (settings, want) in [
        ("{}", None),
        (r#"{"trace_id_header":"t"}"#, Some("t: ")),
        (r#"{"traceresponse":true}"#, Some("traceresponse: ")),
        (r#"{"server_timing":true}"#, Some("+server-timing: ")),
    ] {
        let mut tracer = telling("inbound", &format!(r#""response":{settings}"#));
        let (told, ..) = response(&mut tracer, "200");
        assert_eq!(told.len(), usize::from(want.is_some()), "{settings}: {told:?}");
        assert!(told.iter().zip(want).all(|(told, want)| told.starts_with(want)), "{told:?}");
    }
}

#[test]
fn a_client_is_told_that_its_trace_is_kept_after_all() {
    let settings =
        r#""sampling":{"ratio":0,"keep":{"errors":true}},"response":{"traceresponse":true}"#;
    for (status, want) in [("200", &["02"][..]), ("500", &["02", "01"])] {
        let (told, ..) = response(&mut telling("gateway", settings), status);
        let flags: Vec<_> = told.iter().map(|it| it.rsplit('-').next().unwrap()).collect();
        assert_eq!(flags, want, "{status}: {told:?}");
        assert!(told.iter().all(|it| it[..67] == told[0][..67]), "of the same span: {told:?}");
    }
}
