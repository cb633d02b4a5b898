//! Collectors that fail: what is tried again and when, what is given up, what is said.

use crate::collector::spans;
use crate::hopspan::{DELAY, Hopspan, INBOUND, UNCOUNTED_INBOUND, builder};
use host_test::{Answer, Level};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// How long a back-off of at most `limit` can take with the tick that notices its end.
fn within(limit: Duration) -> Duration {
    limit + DELAY * 2
}

#[test]
fn what_can_succeed_later_is_sent_again_as_it_was() {
    for (why, answer, outcome) in [
        ("429", Answer::status(429), "retryable"),
        ("502", Answer::status(502), "retryable"),
        ("503", Answer::status(503), "retryable"),
        ("504", Answer::status(504), "retryable"),
        ("refused", Answer::refused_connection(), "retryable"),
        ("timed out", Answer::timed_out(), "retryable"),
        ("reset", Answer::reset(), "failed"),
        (
            "a body that is no protobuf",
            Answer::new(503, [("retry-after", "x")], b"<html>"),
            "retryable",
        ),
    ] {
        let hopspan = Hopspan::start(INBOUND);
        hopspan.collector.next([answer]);
        hopspan.requests(3);
        hopspan.run_for(DELAY);
        assert_eq!(hopspan.accounts(), [3, 0, 0, 3, 0], "{why}");
        hopspan.run_for(within(SECOND));
        assert_eq!(hopspan.accounts(), [3, 3, 0, 0, 0], "{why}");
        let requests = hopspan.collector.requests();
        assert_eq!(requests.len(), 2, "{why}");
        assert_eq!(requests[0].body, requests[1].body, "{why}");
        assert_eq!((hopspan.outcome(outcome), hopspan.outcome("ok")), (1, 1), "{why}");
        assert_eq!(hopspan.stat("export.retries"), 1, "{why}");
        let said = [hopspan.said("export fails").len(), hopspan.said("export works again").len()];
        assert_eq!(said, [1, 1], "{why}: {:#?}", hopspan.log());
    }
}

#[test]
fn retry_after_wins() {
    // The first answer comes at 2026-01-01T00:00:01Z.
    for (status, header, least) in [
        (503, "7", 7),
        (429, "30", 30),
        (502, "1", 1),
        (429, "Thu, 01 Jan 2026 00:00:31 GMT", 30),
        (504, "Thursday, 01-Jan-26 00:02:01 GMT", 120),
        (503, "Thu Jan  1 00:00:08 2026", 7),
    ] {
        let hopspan = Hopspan::start(UNCOUNTED_INBOUND);
        hopspan.collector.next([Answer::new(status, [("retry-after", header)], b"")]);
        hopspan.requests(1);
        hopspan.run_for(DELAY);
        hopspan.run_for(Duration::from_secs(least) - Duration::from_millis(1));
        assert_eq!(hopspan.collector.requests().len(), 1, "not before {least} s");
        hopspan.run_for(within(Duration::ZERO));
        assert_eq!(hopspan.accounts(), [1, 1, 0, 0, 0], "soon after {least} s");
    }
}

/// "At once" from a collector that is down must not become a loop, nor a clock that is wrong.
#[test]
fn a_retry_after_of_nothing_is_not_taken_at_its_word() {
    for header in ["0", "Thu, 01 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        let hopspan = Hopspan::start(INBOUND);
        let at_once = Answer::new(503, [("retry-after", header)], b"");
        hopspan.collector.fail(at_once.after(Duration::from_millis(1)));
        hopspan.requests(1);
        hopspan.run_for(SECOND * 10);
        let tries = hopspan.collector.requests().len();
        assert!((2..=100).contains(&tries), "{header}: {tries} tries in 10 s");
    }
}

/// Full jitter: anywhere between nothing and a limit that doubles.
#[test]
fn the_back_off_grows_and_one_request_asks_at_a_time() {
    let hopspan = Hopspan::of(builder(INBOUND).workers(1));
    hopspan.collector.fail(Answer::status(503));
    for _ in 0..100 {
        hopspan.requests(5);
        hopspan.run_for(SECOND);
        assert!(hopspan.callouts().len() <= 1);
    }
    let tries = hopspan.collector.requests().len();
    // At best 1 + 2 + 4 + ... + 30 + 30, on average half of that; a try a second would be 100.
    assert!((4..=30).contains(&tries), "{tries} tries in 100 s");
    assert_eq!(hopspan.said("export fails").len(), 2, "once, and once a minute");
    hopspan.collector.recover();
    hopspan.run_for(within(Duration::from_secs(30)) + SECOND * 5);
    let [created, exported, dropped, queued, in_flight] = hopspan.accounts();
    assert_eq!((created, exported + dropped, queued, in_flight), (500, 500, 0, 0));
    assert_eq!(hopspan.dropped("retry_exhausted"), dropped, "nothing else was lost");
    assert_eq!(hopspan.said("export works again").len(), 1);
}

#[test]
fn a_request_is_given_up_after_max_elapsed() {
    let config = |retry: &str| {
        format!(r#"{{"direction":"inbound","collector":{{"cluster":"otel"}},"retry":{{{retry}}}}}"#)
    };
    for (why, retry, seconds, lost) in [
        ("in time", r#""max_elapsed_ms":60000"#, 20, false),
        ("too late", r#""max_elapsed_ms":60000"#, 120, true),
        ("never", r#""max_elapsed_ms":0"#, 3600, false),
        ("no second try", r#""enabled":false"#, 2, true),
    ] {
        let hopspan = Hopspan::start(&config(retry));
        hopspan.collector.fail(Answer::status(503));
        hopspan.requests(1);
        hopspan.run_for(Duration::from_secs(seconds));
        assert_eq!(hopspan.dropped("retry_exhausted"), i64::from(lost), "{why}");
        hopspan.collector.recover();
        hopspan.run_for(within(Duration::from_secs(30)));
        assert_eq!(hopspan.accounts(), [1, i64::from(!lost), i64::from(lost), 0, 0], "{why}");
    }
}

#[test]
fn a_cluster_that_does_not_exist_is_named_in_the_form_of_this_host() {
    for (why, node, form) in [
        ("plain Envoy", "test-node", "static_resources.clusters"),
        (
            "Istio's sidecar",
            "sidecar~10.0.0.1~cart-0.shop~shop.svc.cluster.local",
            "outbound|4318||",
        ),
        ("Istio's gateway", "router~10.0.0.1~gw-0.shop~shop.svc.cluster.local", "outbound|4318||"),
    ] {
        let hopspan = Hopspan::of(builder(INBOUND).node_id(node));
        hopspan.clusters().only(["something_else"]);
        hopspan.requests(3);
        hopspan.run_for(DELAY * 20);
        let said = hopspan.said(r#"no cluster "otel""#);
        assert_eq!(said.len(), 1, "{why}: once: {:#?}", hopspan.log());
        assert!(said[0].text.contains(form) && said[0].level == Level::Warn, "{why}: {}", said[0]);
        assert_eq!(hopspan.accounts(), [3, 0, 0, 3, 0], "{why}");
        // It may come by CDS.
        hopspan.clusters().all();
        hopspan.run_for(within(Duration::from_secs(30)));
        assert_eq!(hopspan.accounts(), [3, 3, 0, 0, 0], "{why}");
    }
}

#[test]
fn a_cluster_without_a_healthy_host_is_tried_again() {
    let hopspan = Hopspan::start(INBOUND);
    hopspan.clusters().take_down("otel");
    hopspan.requests(2);
    hopspan.run_for(DELAY * 2);
    assert_eq!(hopspan.accounts(), [2, 0, 0, 2, 0]);
    assert_eq!(hopspan.said("no healthy host").len(), 1);
    assert!(hopspan.outcome("failed") >= 1);
    hopspan.clusters().bring_up("otel");
    hopspan.run_for(within(Duration::from_secs(8)));
    assert_eq!(hopspan.accounts(), [2, 2, 0, 0, 0]);
}

#[test]
fn a_collector_that_says_nothing_costs_its_time_out() {
    let config = r#"{"direction":"inbound","collector":{"cluster":"otel","timeout_ms":3000}}"#;
    let hopspan = Hopspan::start(config);
    hopspan.collector.next([Answer::silence()]);
    hopspan.requests(1);
    hopspan.run_for(DELAY);
    let [callout] = hopspan.callouts().try_into().unwrap();
    assert_eq!(callout.request().timeout, Some(SECOND * 3), "never 0, which is for ever");
    hopspan.run_for(SECOND * 3 - Duration::from_millis(1));
    assert!(callout.waits());
    hopspan.run_for(within(SECOND));
    assert_eq!(hopspan.accounts(), [1, 1, 0, 0, 0]);
}

/// Hosts promise an answer; one that forgets must not hold spans for ever.
#[test]
fn an_answer_that_never_comes_is_a_failure_in_the_end() {
    let hopspan = Hopspan::start(INBOUND);
    hopspan.collector.fail(Answer::silence());
    hopspan.requests(1);
    hopspan.run_for(DELAY);
    hopspan.collector.recover();
    // Only ticks: the host's own time-out does not come.
    for _ in 0..40 {
        hopspan.pass(1_000_000);
        hopspan.worker(0).tick();
    }
    assert!(hopspan.collector.requests().len() >= 2, "it was sent again");
    let late = hopspan.callouts()[0].clone();
    hopspan.run_for(Duration::ZERO);
    assert!(!late.answer(Answer::status(200)), "the host's end came as well, and did no harm");
    assert_eq!(hopspan.accounts(), [1, 1, 0, 0, 0]);
}

#[test]
fn spans_that_come_while_the_collector_is_down_are_not_forgotten() {
    let hopspan = Hopspan::start(UNCOUNTED_INBOUND);
    hopspan.collector.fail(Answer::refused_connection());
    for _ in 0..20 {
        hopspan.requests(3);
        hopspan.run_for(SECOND);
    }
    hopspan.collector.recover();
    hopspan.run_for(within(Duration::from_secs(30)));
    assert_eq!(hopspan.accounts(), [60, 60, 0, 0, 0]);
    let taken = hopspan.collector.taken();
    let ids: std::collections::BTreeSet<_> = taken.iter().map(|it| it.span_id()).collect();
    assert_eq!((taken.len(), ids.len()), (60, 60), "each once");
    assert!(hopspan.collector.requests().iter().all(|it| !spans(it).is_empty()));
}
