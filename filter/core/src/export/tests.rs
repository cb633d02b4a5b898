use super::*;
use crate::batch::Limits;
use crate::context::SpanContext;
use crate::encode::Resource;
use crate::encode::otlp::Envelope;
use crate::encode::{Compression, Protocol};
use crate::request;
use crate::time::UnixNanos;
use proptest::prelude::*;

const RANDOM: u64 = u64::MAX;

fn at(millis: u64) -> Monotonic {
    Monotonic::default().plus(Duration::from_millis(millis))
}

fn now(millis: u64) -> Now {
    Now { wall: UnixNanos(0), mono: at(millis) }
}

fn no_deflate(_: &[u8]) -> Option<Vec<u8>> {
    None
}

fn collector() -> Collector {
    Collector {
        cluster: "otel".into(),
        naming: ClusterNaming::Envoy,
        protocol: Protocol::HttpProtobuf,
        compression: Compression::None,
        authority: "otel.example".into(),
        traces_path: "/v1/traces".into(),
        metrics_path: "/v1/metrics".into(),
        headers: vec![("authorization".into(), "Bearer secret".into())],
        timeout: Duration::from_secs(10),
    }
}

fn exporter(limits: Limits, retry: Retry) -> Exporter {
    let max_in_flight = limits.max_in_flight;
    let envelope = Envelope::new(&Resource::default(), "s", "0");
    Exporter::new(collector(), retry, max_in_flight, Queue::new(limits, envelope))
}

fn response(status: u16) -> Answer<'static> {
    Answer::Response { status, retry_after: b"", body: b"" }
}

/// created + taken over = exported + dropped{by reason} + handed over + queued + in flight
fn books_balance(stats: &Stats) -> bool {
    let sum = |list: &[Stat]| list.iter().map(|it| stats.get(*it)).sum::<i64>();
    sum(&[Stat::SpansCreated, Stat::SpansTakenOver])
        == sum(&[
            Stat::SpansExported,
            Stat::DroppedQueueFull,
            Stat::DroppedTooBig,
            Stat::DroppedNonRetryable,
            Stat::DroppedRetryExhausted,
            Stat::DroppedPartialSuccess,
            Stat::DroppedEncode,
            Stat::DroppedShutdown,
            Stat::SpansHandedOver,
            Stat::SpansQueued,
            Stat::SpansInFlight,
        ])
}

/// An exporter, its books and one full request on its way.
struct Scene {
    exporter: Exporter,
    stats: Stats,
}

impl Scene {
    fn new(retry: Retry) -> Self {
        Self { exporter: exporter(Limits::default(), retry), stats: Stats::default() }
    }

    fn push(&mut self, spans: usize) {
        for _ in 0..spans {
            let _ = self.exporter.push(Priority::Normal, &mut self.stats, |out| {
                out.push(1);
                true
            });
        }
    }

    fn send(&mut self, millis: u64) -> Option<CallId> {
        self.exporter.flush(now(millis), RANDOM, &mut self.stats);
        self.exporter.next(at(millis), &mut self.stats, &mut no_deflate).map(|it| it.id)
    }

    fn answer(&mut self, id: CallId, answer: &Answer<'_>, millis: u64) {
        self.exporter.answered(id, answer, now(millis), RANDOM, &mut self.stats);
        assert!(books_balance(&self.stats), "{:?}", self.stats);
    }
}

#[test]
fn a_span_counts_as_exported_when_the_collector_said_yes() {
    let mut it = Scene::new(Retry::default());
    it.push(3);
    let id = it.send(0).unwrap();
    assert_eq!(it.stats.get(Stat::SpansExported), 0);
    assert_eq!(it.stats.get(Stat::SpansInFlight), 3);
    it.answer(id, &response(200), 5);
    assert_eq!(it.stats.get(Stat::SpansExported), 3);
    it.answer(id, &response(200), 6);
    assert_eq!(it.stats.get(Stat::SpansExported), 3, "an answer counts once");
}

#[test]
fn a_failed_request_is_sent_again_after_its_back_off() {
    let mut it = Scene::new(Retry::default());
    it.push(1);
    let id = it.send(0).unwrap();
    it.answer(id, &response(503), 10);
    assert_eq!(it.send(1000), None, "the highest jitter is the whole second");
    let id = it.send(1010).unwrap();
    it.answer(id, &Answer::None, 1020);
    assert_eq!(it.send(3000), None, "it doubles");
    let id = it.send(3020).unwrap();
    it.answer(id, &response(200), 3030);
    assert_eq!(it.stats.get(Stat::SpansExported), 1);
    assert_eq!(it.stats.get(Stat::ExportRetries), 2);
}

#[test]
fn retry_after_wins_over_our_own_delay() {
    let mut it = Scene::new(Retry::default());
    it.push(1);
    let id = it.send(0).unwrap();
    it.answer(id, &Answer::Response { status: 429, retry_after: b"7", body: b"" }, 0);
    assert_eq!(it.send(6999), None);
    assert!(it.send(7000).is_some());
}

#[test]
fn what_fails_for_too_long_is_given_up() {
    let retry = Retry { max_elapsed: Some(Duration::from_secs(5)), ..Retry::default() };
    let mut it = Scene::new(retry);
    it.push(2);
    let id = it.send(0).unwrap();
    it.answer(id, &response(503), 4_999);
    assert_eq!(it.stats.get(Stat::SpansQueued), 2);
    let id = it.send(60_000).unwrap();
    it.answer(id, &response(503), 60_000);
    assert_eq!(it.stats.get(Stat::DroppedRetryExhausted), 2);
}

#[test]
fn without_retry_a_failure_is_final() {
    let mut it = Scene::new(Retry { enabled: false, ..Retry::default() });
    it.push(2);
    let id = it.send(0).unwrap();
    it.answer(id, &response(503), 1);
    assert_eq!(it.stats.get(Stat::DroppedRetryExhausted), 2);
}

#[test]
fn one_request_at_a_time_asks_a_failing_collector() {
    let limits = Limits { max_export_batch_size: 1, max_in_flight: 2, ..Limits::default() };
    let mut it = Scene { exporter: exporter(limits, Retry::default()), stats: Stats::default() };
    it.push(4);
    let (first, second) = (it.send(0).unwrap(), it.send(0).unwrap());
    assert_eq!(it.send(0), None, "max_in_flight");
    it.answer(first, &response(503), 1);
    it.answer(second, &response(503), 1);
    let id = it.send(60_000).unwrap();
    assert_eq!(it.send(60_000), None);
    it.answer(id, &response(200), 60_001);
    assert!(it.send(60_001).is_some() && it.send(60_001).is_some());
}

#[test]
fn an_answer_that_never_comes_is_a_failure() {
    let mut it = Scene::new(Retry::default());
    it.push(1);
    it.send(0).unwrap();
    it.exporter.flush(now(15_001), RANDOM, &mut it.stats);
    assert_eq!(it.stats.get(Stat::RequestsFailed), 1);
    assert!(it.send(60_000).is_some());
}

#[test]
fn a_missing_cluster_is_asked_for_slowly() {
    let mut it = Scene::new(Retry::default());
    it.push(1);
    let id = it.send(0).unwrap();
    it.answer(id, &Answer::NoSuchCluster, 0);
    assert_eq!(it.send(29_999), None);
    assert!(it.send(30_000).is_some());
    assert!(it.exporter.notice().unwrap().text.contains("no cluster \"otel\""));
}

#[test]
fn partial_success_counts_both_parts() {
    let mut it = Scene::new(Retry::default());
    it.push(5);
    let id = it.send(0).unwrap();
    // partial_success { rejected_spans: 2 }
    it.answer(
        id,
        &Answer::Response { status: 200, retry_after: b"", body: &[0x0a, 2, 0x08, 2] },
        1,
    );
    assert_eq!(it.stats.get(Stat::SpansExported), 3);
    assert_eq!(it.stats.get(Stat::DroppedPartialSuccess), 2);
}

#[test]
fn draining_sends_everything_once_more_and_nothing_twice() {
    let mut it = Scene::new(Retry::default());
    it.push(1);
    let id = it.send(0).unwrap();
    it.answer(id, &response(503), 0);
    it.push(1);
    it.exporter.drain(at(1));
    let (one, other) = (it.send(1).unwrap(), it.send(1).unwrap());
    it.answer(one, &response(503), 2);
    assert!(!it.exporter.is_drained(), "in flight");
    it.answer(other, &response(200), 2);
    assert!(it.exporter.is_drained());
    it.exporter.hand_over(&mut it.stats, &mut |_| false);
    assert_eq!(it.stats.get(Stat::DroppedShutdown), 1);
    assert_eq!(it.stats.get(Stat::SpansExported), 1);
}

#[test]
fn a_request_says_where_it_goes_and_that_it_is_not_traced() {
    let mut it = Scene::new(Retry::default());
    it.push(1);
    it.exporter.flush(now(0), RANDOM, &mut it.stats);
    let call = it.exporter.next(at(0), &mut it.stats, &mut no_deflate).unwrap();
    let context = SpanContext {
        trace_id: crate::id::TraceId::from_bytes([1; 16]).unwrap(),
        span_id: crate::id::SpanId::from_bytes([2; 8]).unwrap(),
        flags: crate::context::TraceFlags::default(),
        tracestate: std::borrow::Cow::default(),
    };
    let headers = call.headers(&context);
    let got: Vec<_> = request::Headers::new(&headers)
        .into_iter()
        .map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()))
        .collect();
    assert_eq!(
        got,
        [
            ":method: POST",
            ":path: /v1/traces",
            ":authority: otel.example",
            "content-type: application/x-protobuf",
            &format!("user-agent: OTel-OTLP-Exporter-hopspan/{}", env!("CARGO_PKG_VERSION")),
            "authorization: Bearer secret",
            "traceparent: 00-01010101010101010101010101010101-0202020202020202-00",
            "b3: 01010101010101010101010101010101-0202020202020202-0",
            "x-b3-traceid: 01010101010101010101010101010101",
            "x-b3-spanid: 0202020202020202",
            "x-b3-sampled: 0",
            "grpc-trace-bin: AAABAQEBAQEBAQEBAQEBAQEBAQICAgICAgICAgA",
            "uber-trace-id: 01010101010101010101010101010101:0202020202020202:0:00",
            "x-amzn-trace-id: Root=1-01010101-010101010101010101010101;Parent=0202020202020202;Sampled=0",
            "x-datadog-trace-id: 72340172838076673",
            "x-datadog-parent-id: 144680345676153346",
            "x-datadog-sampling-priority: 0",
            "x-datadog-tags: _dd.p.tid=0101010101010101",
            "x-cloud-trace-context: 01010101010101010101010101010101/144680345676153346;o=0",
        ]
    );
}

/// A collector whose limit is 3 spans.
#[test]
fn what_is_too_large_is_sent_in_halves() {
    let mut it = Scene::new(Retry::default());
    it.push(8);
    it.send(0).unwrap();
    let mut taken = 0;
    let mut waiting: Vec<_> = it.exporter.flying.iter().map(|it| it.id).collect();
    while let Some(id) = waiting.pop() {
        let spans = it.exporter.flying.iter().find(|it| it.id == id).unwrap().request.batch.spans();
        taken += if spans <= 3 { spans } else { 0 };
        it.answer(id, &response(if spans <= 3 { 200 } else { 413 }), 1);
        while let Some(id) = it.send(1) {
            waiting.push(id);
        }
    }
    assert_eq!(taken, 8);
    assert_eq!(it.stats.get(Stat::SpansExported), 8);
    assert_eq!(it.stats.get(Stat::RequestsTooLarge), 3, "8, 4 and 4");
    assert_eq!(it.stats.get(Stat::ExportRetries), 0, "they are new requests");
}

#[test]
fn what_stays_too_large_is_given_up() {
    for (spans, requests) in [(1, 1), (2, 3), (4, 7), (512, 63)] {
        let mut it = Scene::new(Retry::default());
        it.push(spans);
        it.exporter.flush(now(0), RANDOM, &mut it.stats);
        let mut sent = 0;
        while let Some(id) = it.send(0) {
            sent += 1;
            it.answer(id, &response(413), 0);
        }
        assert_eq!(sent, requests, "{spans}");
        assert_eq!(it.stats.get(Stat::DroppedTooBig), i64::try_from(spans).unwrap());
        assert!(it.exporter.is_empty());
    }
}

proptest! {
    /// Whatever happens, in whatever order, no span is lost without a count.
    #[test]
    fn the_books_balance_after_every_event(
        events in prop::collection::vec((0_u8..12, any::<u8>(), any::<u64>()), 0..200),
        size in 1_usize..5, queue in 1_usize..30, flying in 1_usize..4, retry: bool,
    ) {
        let limits = Limits {
            max_export_batch_size: size,
            max_queue_size: queue,
            max_in_flight: flying,
            max_export_batch_bytes: 200,
            ..Limits::default()
        };
        let retry = Retry { enabled: retry, ..Retry::default() };
        let mut exporter = exporter(limits, retry);
        let mut stats = Stats::default();
        let mut clock = 1_000_000_u64;
        let mut calls = Vec::new();
        let mut left = Vec::new();
        for (event, detail, random) in events {
            let now = now(clock);
            match event {
                0..=3 => {
                    let priority = if detail % 4 == 0 { Priority::High } else { Priority::Normal };
                    let _ = exporter.push(priority, &mut stats, |out| {
                        out.resize(out.len() + usize::from(detail), 7);
                        detail % 50 != 0
                    });
                }
                4 => exporter.flush(now, random, &mut stats),
                5 => while let Some(call) = exporter.next(now.mono, &mut stats, &mut no_deflate) { calls.push(call.id) },
                6 => if !calls.is_empty() {
                    let id = calls.swap_remove(usize::from(detail) % calls.len());
                    let body = [0x0a, 2, 0x08, detail & 0x7f];
                    let answer = match random % 7 {
                        0 => response(503),
                        1 => response(400),
                        2 => Answer::None,
                        3 => Answer::Unsent,
                        5 => response(413),
                        4 => Answer::Response { status: 200, retry_after: b"", body: &body },
                        _ => response(200),
                    };
                    exporter.answered(id, &answer, now, random, &mut stats);
                },
                7 => clock += random % 60_000,
                8 => clock -= random % 1_000, // clocks may go back
                _ => match detail {
                    0..=2 => exporter.drain(now.mono),
                    3..=5 => {
                        exporter.hand_over(&mut stats, &mut |bytes| {
                            left.push(bytes.to_vec());
                            random % 2 == 0
                        });
                        prop_assert!(exporter.is_empty());
                    }
                    6..=20 => if let Some(bytes) = left.pop() {
                        prop_assert!(exporter.take_over(&bytes, &mut stats));
                    },
                    _ => exporter.answered(CallId::Spans(random), &response(200), now, random, &mut stats),
                },
            }
            prop_assert!(books_balance(&stats), "{:?}", stats);
            let held = stats.get(Stat::SpansQueued) + stats.get(Stat::SpansInFlight);
            prop_assert!(held >= 0 && held <= i64::try_from(queue).unwrap());
            prop_assert_eq!(held == 0, exporter.is_empty());
        }
    }
}
