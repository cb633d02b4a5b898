use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;

use super::*;
use crate::metrics::counter::Total;
use crate::metrics::latency::fine_bounds;
use crate::metrics::{Kind, Measure, Subject};
use crate::view::counts::{Counts, Window};

/// So many spans from this number on, of half a kilobyte each.
fn spans(from: u64, count: u64) -> Batch {
    let source = Arc::new(Vec::new());
    let one = |number: u64| {
        let filler = AnyValue { value: Some(Value::StringValue("x".repeat(500))) };
        let span = otlp::Span {
            trace_id: u128::from(number).to_be_bytes().to_vec(),
            span_id: 1_u64.to_be_bytes().to_vec(),
            start_time_unix_nano: number,
            end_time_unix_nano: number + 1,
            attributes: vec![KeyValue {
                key: "filler".into(),
                value: Some(filler),
                ..Default::default()
            }],
            ..Default::default()
        };
        let body = span.encode_to_vec();
        let span = Span::try_new("shop", span).unwrap();
        NewSpan { span, body, source: Arc::clone(&source), by_proxy: false }
    };
    Batch { spans: (from..from + count).map(one).collect(), samples: Vec::new() }
}

fn numbers(archive: &Archive) -> (i64, i64, i64) {
    let sql = "SELECT count(*), min(start), max(start) FROM span";
    let read = |connection: &Connection| {
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    };
    archive.read(read).unwrap()
}

#[tokio::test]
async fn there_is_never_more_on_disk_than_told_and_the_oldest_go_first() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: Limits::LEAST_BYTES, ..Limits::default() };
    let archive = Archive::open(directory.path(), limits).unwrap();
    // Five times as much as there is room for.
    let (batch, batches) = (500, 160);
    for number in 0..batches {
        archive.write(spans(1 + number * batch, batch)).await.unwrap();
        let bytes = archive.disk_bytes();
        assert!(bytes <= limits.bytes, "{bytes} bytes after {number} batches");
    }
    let (count, oldest, newest) = numbers(&archive);
    assert_eq!(newest as u64, batches * batch);
    assert_eq!(count, newest - oldest + 1, "the newest, without a gap");
    assert!(count > 1_500, "{count} spans of half a kilobyte");
}

#[tokio::test]
async fn a_batch_that_cannot_be_stored_leaves_nothing_and_what_comes_next_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: Limits::LEAST_BYTES, ..Limits::default() };
    let archive = Archive::open(directory.path(), limits).unwrap();
    archive.write(spans(1, 100)).await.unwrap();
    // More than there is room for at all.
    assert_eq!(archive.write(spans(1_000, 9_999)).await, Err(WriteError::Full));
    archive.write(spans(101, 100)).await.unwrap();
    let (_, _, newest) = numbers(&archive);
    assert_eq!(newest, 200);
}

#[tokio::test]
async fn what_is_older_than_told_goes() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { age: Duration::from_secs(3_600), ..Limits::default() };
    let archive = Archive::open(directory.path(), limits).unwrap();
    archive.write(spans(1, 10)).await.unwrap();
    // Two hours pass.
    let file = Connection::open(directory.path().join(FILE)).unwrap();
    file.execute("UPDATE span SET arrived = arrived - 7200", []).unwrap();
    archive.write(spans(11, 10)).await.unwrap();
    assert_eq!(numbers(&archive), (10, 11, 20));
}

/// What a worker says: so many requests in all.
fn report(count: u64, time: u64) -> Batch {
    let subject = Subject {
        kind: Kind::Server,
        service: "shop".into(),
        peer: String::new(),
        route: "GET /a".into(),
        status: "200".into(),
    };
    let bounds = fine_bounds();
    let mut buckets = vec![0; bounds.len() + 1];
    buckets[0] = count;
    // It began long ago.
    let total = Total { start: 1, time, count, sum: 0.0, buckets };
    let measure =
        Measure::Durations { bounds, is_delta: false, total, failed: false, counts: true };
    let sample = Sample { subject, worker: 1, identity: b"a".to_vec(), measure };
    Batch { spans: Vec::new(), samples: vec![(Arc::new(b"\x0a\x00".to_vec()), sample)] }
}

fn requests(archive: &Archive) -> u64 {
    let window = Window::last(300, now_seconds());
    let counts = archive.read(|connection| Counts::load(connection, window)).unwrap();
    counts.rows.iter().map(|row| row.step.requests).sum()
}

#[tokio::test]
async fn counting_goes_on_after_a_new_start() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Archive::open(directory.path(), Limits::default()).unwrap();
    let archive = open();
    archive.write(report(1_000, 10)).await.unwrap();
    assert_eq!(requests(&archive), 0, "what an old sender counted before us is not of now");
    archive.write(report(1_007, 20)).await.unwrap();
    assert_eq!(requests(&archive), 7);
    drop(archive);
    let archive = open();
    archive.write(report(1_010, 30)).await.unwrap();
    assert_eq!(requests(&archive), 10);
}
