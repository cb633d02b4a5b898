//! What a collector answers, and what that means for the spans.

use crate::hopspan::{DELAY, Hopspan, INBOUND};
use host_test::Answer;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;

#[test]
fn what_cannot_succeed_is_dropped_at_once() {
    for status in [300, 400, 401, 403, 404, 413, 500, 501] {
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
