//! Hops that nobody sampled, and that are kept all the same.

use super::*;
use hopspan_core::span::active::ActiveSpan;

fn keeping(direction: &str) -> Tracer {
    tracer(&format!(
        r#"{{"service":{{"name":"{direction}"}},"direction":"{direction}","collector":{{"cluster":"c"}},
            "trust":{{"default":"continue"}},
            "sampling":{{"ratio":0,"keep":{{"errors":true,"slower_than_ms":1000}}}}}}"#
    ))
}

/// A request that one proxy passes on: what it sends, and what it holds until the response.
struct Hop {
    tracer: Tracer,
    span: ActiveSpan,
    host: Scripted,
}

/// The headers of a request that set context, after a hop's edits.
fn passed_on(headers: &[(&'static str, String)], started: &Started) -> Vec<(&'static str, String)> {
    let mut out = headers.to_vec();
    for edit in &started.edits {
        match edit {
            Edit::Replace(name, value) => {
                out.retain(|(it, _)| it != name);
                out.push((name, String::from_utf8(value.clone()).unwrap()));
            }
            Edit::Remove(name) => out.retain(|(it, _)| it != name),
            other => panic!("{other:?}"),
        }
    }
    out
}

impl Hop {
    /// A request comes; returns what goes on.
    fn begin(
        direction: &str,
        headers: &[(&'static str, String)],
        seed: u8,
    ) -> (Self, Vec<(&'static str, String)>) {
        let mut tracer = keeping(direction);
        let borrowed: Vec<_> = headers.iter().map(|(name, it)| (*name, &it[..])).collect();
        let bytes = encode_headers(&[&GET, &borrowed[..]].concat());
        let head = RequestHead { headers: Headers::new(&bytes), end_of_stream: true, now: ms(0) };
        let mut host = Scripted::answered("200");
        let mut started = tracer.start(&head, &mut host, &mut Generator::new([seed; 32]));
        let span = started.span.take().unwrap();
        let on = passed_on(headers, &started);
        (Self { tracer, span, host }, on)
    }

    /// The response comes, with these headers; returns what of them goes back.
    fn respond(
        &mut self,
        headers: Vec<(&'static str, &'static str)>,
        elapsed: u64,
    ) -> Vec<(&'static str, &'static str)> {
        self.host.response = Some(headers.clone());
        let edits = self.tracer.respond(&mut self.span, &mut self.host, || ms(elapsed));
        let mut out = headers;
        for edit in edits {
            match edit {
                Edit::Replace(name, value) => {
                    out.retain(|(it, _)| *it != name);
                    out.push((name, String::from_utf8(value).unwrap().leak()));
                }
                Edit::Remove(name) => out.retain(|(it, _)| *it != name),
                other => panic!("{other:?}"),
            }
        }
        out
    }

    /// It is over; returns the exported spans.
    fn end(mut self, elapsed: u64, complete: bool) -> Vec<otlp_types::Span> {
        if complete {
            self.span.response_ended(|| ms(elapsed));
        }
        self.host.request = Some(GET.to_vec());
        self.tracer.finish(self.span, &mut self.host, || at(elapsed));
        exported(&mut self.tracer)
    }
}

fn reason(spans: &[otlp_types::Span]) -> Option<String> {
    let of = |it: &otlp_types::Span| {
        let all = attributes(it).into_iter();
        all.filter_map(|it| it.strip_prefix("hopspan.sampling.reason=").map(str::to_owned)).next()
    };
    spans.iter().find_map(of)
}

/// client -> gateway -> [in A out] -> [in B], where B fails and A's application hides it.
#[test]
fn an_error_is_kept_on_every_hop_above_it_past_an_application_that_hides_it() {
    let (mut gateway, request) = Hop::begin("gateway", &[], 1);
    let value = |headers: &[(&str, String)], name: &str| {
        headers.iter().find_map(|(it, value)| (*it == name).then(|| value.clone()))
    };
    let announced = value(&request, "tracestate").unwrap();
    assert!(announced.starts_with("hopspan=") && announced.ends_with(";gateway"), "{announced}");
    let (mut a_in, request) = Hop::begin("inbound", &request, 2);
    assert_eq!(value(&request, "tracestate"), None, "not shown to the application");
    let (mut a_out, request) = Hop::begin("outbound", &request, 3);
    assert!(value(&request, "tracestate").unwrap().ends_with(";outbound"));
    let (mut b_in, _) = Hop::begin("inbound", &request, 4);

    let back = b_in.respond(vec![(":status", "500")], 5);
    assert_eq!(back.len(), 2, "{back:?}: who asked is told");
    let back = a_out.respond(back, 6);
    assert_eq!(back, [(":status", "500")], "the application is not");
    a_in.host.shared = a_out.host.shared.clone();
    let back = a_in.respond(vec![(":status", "200")], 7);
    assert_eq!(back.len(), 2, "{back:?}: the proxy remembers");
    let back = gateway.respond(back, 8);
    assert_eq!(back, [(":status", "200")], "the client is not told");

    let kept = [b_in, a_out, a_in, gateway].map(|it| it.end(9, true));
    let reasons = kept.each_ref().map(|it| reason(it));
    assert_eq!(
        reasons.each_ref().map(Option::as_deref),
        [Some("error"), Some("below"), Some("below"), Some("below")]
    );
    let spans = kept.concat();
    assert_eq!(spans.len(), 5, "the gateway has two");
    for span in &spans {
        assert_eq!(span.trace_id, spans[0].trace_id);
        assert_eq!(span.trace_state, "", "no threshold, and nothing of ours");
        let parent = |it: &&otlp_types::Span| it.span_id == span.parent_span_id;
        assert_eq!(
            spans.iter().filter(parent).count(),
            usize::from(!span.parent_span_id.is_empty())
        );
    }
    assert_eq!(spans.iter().filter(|it| it.parent_span_id.is_empty()).count(), 1, "one root");
}

#[test]
fn a_call_that_fails_without_a_message_is_told_of() {
    for (why, status, want) in [("unavailable", "14", 3), ("not found", "5", 2)] {
        let grpc = [("content-type", "application/grpc".to_owned())];
        let (_, request) = Hop::begin("outbound", &grpc, 1);
        let (mut below, _) = Hop::begin("inbound", &request, 2);
        let back = below.respond(vec![(":status", "200"), ("grpc-status", status)], 5);
        assert_eq!(back.len(), want, "{why}: {back:?}");
    }
}

#[test]
fn what_goes_well_is_forgotten_without_a_trace() {
    let (mut hop, request) = Hop::begin("outbound", &[], 1);
    let (mut below, _) = Hop::begin("inbound", &request, 2);
    let back = below.respond(vec![(":status", "404")], 5);
    assert_eq!(hop.respond(back, 6), [(":status", "404")], "what the client did wrong");
    assert!(hop.host.shared.is_empty());
    assert_eq!(below.end(7, true), []);
    assert_eq!(hop.end(8, true), []);
}

#[test]
fn what_is_slow_is_kept_and_told_as_soon_as_it_is() {
    let (mut hop, request) = Hop::begin("outbound", &[], 1);
    let (mut below, _) = Hop::begin("inbound", &request, 2);
    let back = below.respond(vec![(":status", "200")], 1_500);
    assert_eq!(hop.respond(back, 1_501), [(":status", "200")]);
    assert_eq!(reason(&below.end(1_502, true)).as_deref(), Some("slow"));
    assert_eq!(reason(&hop.end(1_503, true)).as_deref(), Some("below"));
    let (mut late, _) = Hop::begin("inbound", &request, 2);
    assert_eq!(late.respond(vec![(":status", "200")], 10).len(), 1);
    assert_eq!(reason(&late.end(1_500, true)).as_deref(), Some("slow"), "its body was");
}

#[test]
fn an_error_that_shows_only_at_the_end_is_kept_by_its_own_hop() {
    let (mut reset, _) = Hop::begin("inbound", &[], 1);
    reset.respond(vec![(":status", "200")], 5);
    reset.host = reset.host.with(Fact::CodeDetails, b"upstream_reset_after_response_started");
    assert_eq!(reason(&reset.end(6, false)).as_deref(), Some("error"));
    let (mut gone, _) = Hop::begin("inbound", &[], 1);
    gone.respond(vec![(":status", "200")], 5);
    gone.host = gone.host.number(Fact::ResponseFlags, 1 << 14);
    assert_eq!(gone.end(6, false), [], "the client went away");
    for (why, status, want) in [("unavailable", "14", Some("error")), ("fine", "0", None)] {
        let grpc = [("content-type", "application/grpc".to_owned())];
        let (mut call, _) = Hop::begin("inbound", &grpc, 1);
        call.respond(vec![(":status", "200")], 5);
        call.host.trailers = [("grpc-status", status)].into();
        call.host.request = Some(vec![("content-type", "application/grpc")]);
        call.span.response_ended(|| ms(6));
        let Hop { mut tracer, span, mut host } = call;
        tracer.finish(span, &mut host, || at(6));
        assert_eq!(reason(&exported(&mut tracer)).as_deref(), want, "{why}");
    }
}

#[test]
fn a_stranger_is_told_nothing_and_believed_nothing() {
    let parent = format!("00-{TRACE}-{PARENT}-00");
    let headers = |state: &str| [("traceparent", parent.clone()), ("tracestate", state.to_owned())];
    let stale = headers("hopspan=0123456789abcdef;shop,a=1");
    let (mut hop, request) = Hop::begin("inbound", &stale, 1);
    assert!(request.contains(&("tracestate", "a=1".to_owned())), "{request:?}");
    assert_eq!(hop.respond(vec![(":status", "500")], 5).len(), 1, "that was another hop's");
    let bound = headers(&format!("hopspan={PARENT};shop"));
    let (mut hop, _) = Hop::begin("inbound", &bound, 1);
    hop.tracer = keeping("inbound");
    assert_eq!(hop.respond(vec![(":status", "500")], 5).len(), 2, "this one asked");

    let (mut hop, _) = Hop::begin("outbound", &[], 1);
    let foreign = format!("00-{TRACE}-{PARENT}-01").leak();
    let back = hop.respond(vec![(":status", "200"), ("traceresponse", foreign)], 5);
    assert_eq!(back.len(), 2, "another trace's is not ours to take away");
    assert_eq!(hop.end(6, true), [], "nor to believe");
}

#[test]
fn the_path_of_a_kept_request_is_the_one_that_came() {
    let (mut hop, _) = Hop::begin("inbound", &[], 1);
    hop.respond(vec![(":status", "500")], 5);
    hop.span.response_ended(|| ms(6));
    let rewritten =
        [(":method", "GET"), (":path", "/v2/cart"), ("x-envoy-original-path", "/cart?a=b")];
    hop.host.request = Some(rewritten.to_vec());
    let Hop { mut tracer, span, mut host } = hop;
    tracer.finish(span, &mut host, || at(6));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    assert!(attributes(span).contains(&"url.path=/cart".to_owned()));
    assert_eq!(tracer.stats.get(Stat::SamplingKept), 1);
}
