//! What a collector answers, and what that means for the spans.

use crate::collector::spans;
use crate::hopspan::{DELAY, Hopspan, INBOUND, builder};
use host_test::Answer;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;

#[test]
fn what_cannot_succeed_is_dropped_at_once() {
    for status in [300, 400, 401, 403, 404, 408, 500, 501] {
        let hopspan = Hopspan::start(INBOUND);
        hopspan.collector.fail(Answer::status(status));
        hopspan.requests(2);
        hopspan.run_for(DELAY * 5);
        assert_eq!(hopspan.collector.requests().len(), 1, "{status}");
        assert_eq!(hopspan.accounts(), [2, 0, 2, 0, 0], "{status}");
        assert_eq!((hopspan.dropped("non_retryable"), hopspan.outcome("rejected")), (2, 1));
        assert_eq!(hopspan.said(&format!("answered {status}")).len(), 1, "{:#?}", hopspan.log());
    }
}

/// Spec: <https://opentelemetry.io/docs/specs/otlp/#partial-success>
#[test]
fn a_partial_success_counts_what_was_rejected() {
    for (why, rejected, message, exported, dropped, outcome) in [
        ("some", 2, "bad spans", 3, 2, "partial_success"),
        ("all", 5, "", 0, 5, "partial_success"),
        ("a warning only", 0, "slow down", 5, 0, "ok"),
        ("more than were sent", 99, "", 0, 5, "partial_success"),
        ("nonsense", -1, "", 5, 0, "ok"),
    ] {
        let hopspan = Hopspan::start(INBOUND);
        let partial_success =
            ExportTracePartialSuccess { rejected_spans: rejected, error_message: message.into() };
        let body = ExportTraceServiceResponse { partial_success: Some(partial_success) };
        hopspan.collector.next([Answer::new(
            200,
            [("content-type", "application/x-protobuf")],
            body.encode_to_vec(),
        )]);
        hopspan.requests(5);
        hopspan.run_for(DELAY);
        assert_eq!(hopspan.accounts(), [5, exported, dropped, 0, 0], "{why}");
        assert_eq!(hopspan.dropped("partial_success"), dropped, "{why}");
        assert_eq!(hopspan.outcome(outcome), 1, "{why}");
        hopspan.run_for(DELAY * 5);
        assert_eq!(hopspan.collector.requests().len(), 1, "{why}: not sent again");
    }
}

/// A collector's words are for the log, once for all workers, whichever of them hear them; what it
/// repeats of our secrets is not.
#[test]
fn what_a_collector_says_of_spans_that_it_rejects_is_logged_once() {
    let says = |rejected_spans, message: &str| {
        let partial_success =
            Some(ExportTracePartialSuccess { rejected_spans, error_message: message.into() });
        Answer::new(
            200,
            [("a", "b")],
            ExportTraceServiceResponse { partial_success }.encode_to_vec(),
        )
    };
    let config = r#"{"direction":"inbound","collector":{"cluster":"otel",
        "headers":{"authorization":"Bearer s3cr3t-t0ken"}}}"#;
    let hopspan = Hopspan::of(builder(config).workers(2));
    let long = "y".repeat(5_000);
    for (rejected, message) in [
        (0, "\x1b[31mspans of s3cr3t-t0ken\nare old"),
        (0, "and older"),
        (1, &*format!("no room {long}")),
        (2, "nor now"),
    ] {
        for worker in [0, 1] {
            hopspan.collector.next([says(rejected, message)]);
            hopspan.requests_on(worker, 2);
            hopspan.run_for(DELAY);
        }
        hopspan.run_for(DELAY * 100);
    }
    let [warns, rejects] = &hopspan.said("collector.cluster \"otel\"")[..] else {
        panic!("two lines: {:#?}", hopspan.log())
    };
    assert!(warns.text.contains(r#"warns: "[31mspans of *** are old""#), "{warns}");
    assert!(rejects.text.contains("rejects spans") && rejects.text.contains(": \"no room yyy"));
    assert!(rejects.text.len() < 400, "{rejects}");
    assert_eq!(hopspan.accounts(), [16, 10, 6, 0, 0]);
}

/// Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>: the same request must not
/// be sent again after a 413; smaller ones may.
#[test]
fn what_is_too_large_arrives_in_halves() {
    let hopspan = Hopspan::start(INBOUND);
    hopspan.collector.next([Answer::status(413), Answer::status(413)]);
    hopspan.requests(8);
    hopspan.run_for(DELAY * 2);
    assert_eq!(hopspan.accounts(), [8, 8, 0, 0, 0]);
    let sizes: Vec<_> = hopspan.collector.requests().iter().map(|it| spans(it).len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 8 + 4 + 8, "{sizes:?}");
    assert_eq!((hopspan.outcome("too_large"), hopspan.outcome("ok")), (2, 3));
    assert_eq!(hopspan.stat("export.retries"), 0, "they are other requests");
    let said = hopspan.said("answered 413");
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].text.contains("batch.max_export_batch_bytes"), "{}", said[0]);
    assert_eq!(hopspan.said("export fails").len() + hopspan.said("works again").len(), 0);

    hopspan.collector.fail(Answer::status(413));
    hopspan.requests(2);
    hopspan.run_for(DELAY * 60);
    assert_eq!(hopspan.accounts(), [10, 8, 2, 0, 0]);
    assert_eq!(hopspan.dropped("too_big"), 2, "a span alone cannot be halved");
}

#[test]
fn answers_that_nobody_understands_are_no_harm() {
    for (why, answer) in [
        ("a status that is none", Answer::new(200, [(":status", "x")], b"")),
        ("200 with a huge body", Answer::new(200, [("a", "b")], vec![0xff; 1 << 20])),
        ("200 with half a message", Answer::new(200, [("a", "b")], [0x0a, 0xff, 0xff])),
        ("headers not UTF-8", Answer::new(503, [(&b"retry-after"[..], &b"\xff"[..])], b"")),
        ("a wait without end", Answer::new(503, [("retry-after", "99999999999999999999999")], b"")),
        ("trailers", Answer::status(200).with_trailers([("x", "1")])),
    ] {
        let hopspan = Hopspan::start(INBOUND);
        hopspan.collector.next([answer]);
        hopspan.requests(1);
        hopspan.run_for(DELAY * 700);
        assert_eq!(hopspan.accounts(), [1, 1, 0, 0, 0], "{why}");
    }
}
