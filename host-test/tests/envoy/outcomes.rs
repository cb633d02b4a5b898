//! What happened to a request, and what its spans say: each row of the documentation's table, in
//! each place where a proxy may stand.
//!
//! The document is the expectation; Envoy's access log of the same run is the measure of both.

mod caller;
mod cases;
mod document;
mod judge;
mod places;
mod rough;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::bootstrap::Direction;
use crate::received::Received;
use crate::traceparent::Traceparent;
use caller::OTHER_TRACE;
use cases::Case;
use document::Row;
use judge::Judge;
use places::Places;
use rough::PAUSE;

#[tokio::test]
async fn in_front_of_a_service() {
    check(Direction::Inbound).await;
}

#[tokio::test]
async fn behind_a_service() {
    check(Direction::Outbound).await;
}

#[tokio::test]
async fn at_a_gateway() {
    check(Direction::Unspecified).await;
}

#[test]
fn the_document_has_every_case_and_no_other() {
    let mut documented: Vec<_> = document::rows().into_iter().map(|it| it.name).collect();
    let mut tested: Vec<_> = cases::all().iter().flat_map(Case::names).collect();
    documented.sort_unstable();
    tested.sort_unstable();
    assert_eq!(documented, tested);
}

/// Has everything happen in one proxy, and then looks at all of it.
async fn check(direction: Direction) {
    let cases = cases::all();
    let places = Places::start(direction, &cases).await;
    for (index, case) in cases.iter().enumerate() {
        let caller = case.caller.clone();
        caller.run(&format!("/{}", case.name), &traceparent(index), &places).await;
    }

    let rows = document::rows();
    let row = |name: &str| rows.iter().find(|it| it.name == name).expect(name);
    let mut seen = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let trace = traceparent(index);
        let expected: Vec<_> = case.names().map(row).filter(|it| it.is_seen).collect();
        let lines = places.lines(&trace, expected.len()).await;
        assert_eq!(lines.len(), expected.len(), "{}: {lines:#?}", case.name);
        seen.push((trace, expected, lines));
    }
    let spans = spans(direction, &places).await;

    let mut wrong = Vec::new();
    for (trace, rows, lines) in &seen {
        let trace_id = Traceparent::parse(trace.as_bytes()).trace_id;
        let of_trace = spans.iter().filter(|it| it.trace_id() == trace_id);
        let of_trace: Vec<_> = of_trace.collect();
        let mut parent = PARENT.to_owned();
        // Two passes have one trace.
        for (row, line) in rows.iter().zip(lines) {
            let of_row = |it: &&Received| rows.len() == 1 || path(it).ends_with(&row.name);
            let of_row: Vec<_> = of_trace.iter().copied().filter(of_row).collect();
            let judge = Judge::new(row, line, &parent);
            wrong.extend(judged(judge, direction, &of_row));
            wrong.extend(particulars(row, of_row.first().copied()));
            let innermost = of_row.iter().max_by_key(|it| it.kind() == SpanKind::Client);
            parent = innermost.map(|it| it.span_id()).unwrap_or_default();
        }
    }
    assert!(wrong.is_empty(), "{direction:?}:\n{}", wrong.join("\n"));

    let copies = places.rough.reached(" /mirrored ", 2).await;
    let copies = copies.iter().map(|it| it.lines().find(|it| it.starts_with("traceparent: ")));
    let copies: Vec<_> = copies.collect();
    assert!(copies[0].is_some() && copies[0] == copies[1], "a copy is a copy: {copies:?}");
}

/// Whoever is not trusted chooses its trace-id all the same.
fn traceparent(index: usize) -> String {
    format!("00-{:032x}-{PARENT}-01", index + 1)
}

/// Waits for the spans of all lines in the access log, and makes sure that there are no others.
async fn spans(direction: Direction, places: &Places) -> Vec<Received> {
    let other = &OTHER_TRACE[3..35];
    let mut count = 0;
    for line in places.proxy.access_log(0).await {
        let Some(traceparent) = line["traceparent"].as_str() else { continue };
        // A gateway does not trust those who say that they are not sampled.
        let is_recorded = direction == Direction::Unspecified || !traceparent.contains(other);
        let has_two = direction == Direction::Unspecified && line["attempts"] != 0;
        count += if is_recorded { 1 + usize::from(has_two) } else { 0 };
    }
    let spans = places.collector.spans(count).await;
    places.proxy.at_rest(i64::try_from(count).unwrap()).await;
    spans
}

fn judged(mut judge: Judge<'_>, direction: Direction, spans: &[&Received]) -> Vec<String> {
    let kind = match direction {
        Direction::Inbound => Some(SpanKind::Server),
        Direction::Outbound => Some(SpanKind::Client),
        Direction::Unspecified => None,
    };
    match (kind, spans) {
        (Some(kind), [span]) => judge.only(span, kind),
        (None, [one, other]) if one.kind() == SpanKind::Client => judge.both(other, Some(one)),
        (None, [span, rest @ ..]) if rest.len() < 2 => judge.both(span, rest.first().copied()),
        _ => judge.count(spans.len()),
    }
    judge.wrong()
}

/// What the words of some rows say beside the columns.
fn particulars(row: &Row, span: Option<&Received>) -> Option<String> {
    let span = span?;
    let is_so = match row.name.as_str() {
        "unknown-method" => {
            span.text("http.request.method") == Some("_OTHER")
                && span.text("http.request.method_original") == Some("BREW")
        }
        "long-stream" => span.duration_ns() / 1_000_000 >= 2 * PAUSE.as_millis() as i64,
        "retry-that-helps" => span.int("hopspan.attempts") == Some(2),
        "try-timeouts" => span.int("hopspan.attempts") == Some(3),
        _ => true,
    };
    (!is_so).then(|| format!("{}: {span:#?}", row.name))
}

/// Path of the request, of either kind.
fn path(span: &Received) -> &str {
    span.text("url.path").or(span.text("url.full")).unwrap_or_default()
}

/// The span that every request comes with.
const PARENT: &str = "00f067aa0ba902b7";
