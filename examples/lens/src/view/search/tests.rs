use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;
use tempfile::TempDir;

use super::*;
use crate::archive::{Archive, Batch, Limits, NewSpan};
use crate::span::Span;

const SECOND: u64 = 1_000_000_000;
const BEGIN: u64 = 1_700_000_000 * SECOND;

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

fn text(key: &str, text: &str) -> KeyValue {
    pair(key, Value::StringValue(text.to_owned()))
}

/// The span of trace `number`, which began so many seconds after [`BEGIN`].
fn span(number: u16, second: u64, millis: u64, service: &str, status: i64) -> NewSpan {
    let mut trace_id = vec![0; 14];
    trace_id.extend(number.to_be_bytes());
    let start = BEGIN + second * SECOND;
    let failed = otlp::Status { code: if status >= 500 { 2 } else { 0 }, ..Default::default() };
    let span = otlp::Span {
        trace_id,
        span_id: vec![1; 8],
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + millis * 1_000_000,
        attributes: vec![
            text("http.request.method", "GET"),
            text("http.route", "/items/[id]"),
            text("user", &format!("u{}", number % 10)),
            pair("http.response.status_code", Value::IntValue(status)),
        ],
        status: Some(failed),
        ..Default::default()
    };
    let resource = Resource { attributes: vec![text("zone", service)], ..Default::default() };
    let source = otlp::ResourceSpans { resource: Some(resource), ..Default::default() };
    NewSpan {
        body: span.encode_to_vec(),
        span: Span::try_new(service, span).unwrap(),
        source: Arc::new(source.encode_to_vec()),
        by_proxy: false,
    }
}

async fn archive(spans: Vec<NewSpan>) -> (Archive, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::open(directory.path(), Limits::default()).unwrap();
    archive.write(Batch { spans, samples: Vec::new() }).await.unwrap();
    (archive, directory)
}

fn all() -> Search {
    Search { from: 0, to: i64::MAX, limit: 100, wanted: Wanted::default() }
}

fn numbers(found: &Found) -> Vec<u16> {
    let number = |it: &Summary| u16::from_str_radix(&it.trace_id[28..], 16).unwrap();
    found.traces.iter().map(number).collect()
}

#[tokio::test]
async fn finds_what_fits_and_nothing_else_the_newest_first() {
    let spans = vec![
        span(1, 0, 5, "shop", 200),
        span(2, 10, 50, "shop", 503),
        span(3, 100_000, 500, "cart", 404),
    ];
    let (archive, _directory) = archive(spans).await;
    let some = |text: &str| Some(text.to_owned());
    let attribute = |key: &str, value: &str| Wanted {
        attribute: Some((key.to_owned(), value.to_owned())),
        ..Wanted::default()
    };
    let wanted = Wanted::default;
    let ms = |ms: i64| Some(ms * 1_000_000);
    for (why, wanted, want) in [
        ("everything", wanted(), &[3, 2, 1][..]),
        ("a service", Wanted { service: some("shop"), ..wanted() }, &[2, 1]),
        ("no such service", Wanted { service: some("pay"), ..wanted() }, &[]),
        (
            "a part of the route, with a character that patterns know",
            Wanted { route: some("s/[id]"), ..wanted() },
            &[3, 2, 1],
        ),
        ("a pattern is no pattern", Wanted { route: some("*"), ..wanted() }, &[]),
        ("a status", Wanted { status: some("404"), ..wanted() }, &[3]),
        ("a class of statuses", Wanted { status: some("5XX"), ..wanted() }, &[2]),
        ("half a status", Wanted { status: some("40"), ..wanted() }, &[]),
        ("failed", Wanted { failed: true, ..wanted() }, &[2]),
        (
            "failed, of another service",
            Wanted { failed: true, service: some("cart"), ..wanted() },
            &[],
        ),
        ("at least", Wanted { min_nanos: ms(50), ..wanted() }, &[3, 2]),
        ("at most", Wanted { max_nanos: ms(50), ..wanted() }, &[2, 1]),
        ("an attribute", attribute("user", "u2"), &[2]),
        ("a number", attribute("http.response.status_code", "200"), &[1]),
        ("another key with the value", attribute("name", "u2"), &[]),
        ("of the resource", attribute("zone", "cart"), &[3]),
    ] {
        let search = Search { wanted, ..all() };
        let found = archive.read(|connection| search.run(connection)).unwrap();
        assert_eq!((&*numbers(&found), found.has_more), (want, false), "{why}");
    }
}

#[tokio::test]
async fn goes_on_where_it_stopped_and_finds_everything_once() {
    // Three at each moment: a page must not end in the middle of one.
    let spans = (0..60).map(|it| span(it + 1, u64::from(it / 3), 1, "shop", 200)).collect();
    let (archive, _directory) = archive(spans).await;
    let all_at_once = Duration::from_secs(60);
    for (why, limit, budget) in [
        ("by number", 7, all_at_once),
        ("by time", 1_000, Duration::ZERO),
        ("both", 2, Duration::ZERO),
    ] {
        let mut search = Search { limit, ..all() };
        let mut seen = Vec::new();
        loop {
            let found = archive.read(|it| search.run_within(it, budget)).unwrap();
            seen.extend(numbers(&found));
            if !found.has_more {
                break;
            }
            let next = found.searched_to.parse().unwrap();
            assert!(next < search.to, "{why}: it gets on");
            search.to = next;
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!((once.len(), seen.len()), (60, 60), "{why}: {seen:?}");
    }
}

#[test]
fn bars_grow_by_ones_twos_and_fives() {
    let got: Vec<f64> = [0.0005, 0.9, 1.0, 1.1, 2.5, 99.0, 450.0, 3e9]
        .into_iter()
        .map(|ms| bound(step(ms)))
        .collect();
    assert_eq!(got, [0.001, 1.0, 1.0, 2.0, 5.0, 100.0, 500.0, 1e6]);
}
