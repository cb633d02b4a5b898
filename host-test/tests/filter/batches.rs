//! The queue: when a request to the collector leaves, how big it is, what finds no room.

use crate::collector::spans;
use crate::hopspan::{DELAY, Hopspan, INBOUND, SAMPLED, builder, sampled_get};
use host_test::{Answer, Headers};
use std::collections::BTreeSet;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// An inbound listener with these `batch` settings.
fn config(batch: &str) -> String {
    format!(r#"{{"direction":"inbound","collector":{{"cluster":"otel"}},"batch":{{{batch}}}}}"#)
}

#[test]
fn a_finished_span_waits_for_the_delay_and_no_longer() {
    for (delay, batch) in [
        (1000, String::new()),
        (10, r#""schedule_delay_ms":10"#.into()),
        (5000, r#""schedule_delay_ms":5000"#.into()),
    ] {
        let hopspan = Hopspan::start(&config(&batch));
        let delay = Duration::from_millis(delay);
        hopspan.requests(3);
        hopspan.run_for(delay - MS);
        assert_eq!(hopspan.callouts_made().len(), 0, "{delay:?}");
        hopspan.run_for(MS);
        assert_eq!(hopspan.callouts_made().len(), 1, "{delay:?}: all in one request");
        assert_eq!(hopspan.collector.taken().len(), 3);
        assert_eq!(hopspan.accounts(), [3, 3, 0, 0, 0]);
    }
}

/// Callouts are for root contexts: the timer is told to come at once.
#[test]
fn a_whole_request_does_not_wait() {
    let hopspan = Hopspan::start(&config(r#""max_export_batch_size":4"#));
    let worker = hopspan.worker(0);
    hopspan.requests(3);
    assert_eq!(worker.tick_period(), Some(DELAY));
    hopspan.requests(1);
    assert_eq!(worker.tick_period(), Some(MS));
    assert_eq!(hopspan.callouts_made().len(), 0, "never from a stream");
    hopspan.run_for(MS);
    assert_eq!(hopspan.callouts_made().len(), 1);
    assert_eq!(hopspan.collector.taken().len(), 4);
    assert!(worker.tick_period() > Some(MS), "and the timer is slow again");
    hopspan.run_for(DELAY * 10);
    assert!(worker.tick_period() <= Some(DELAY));
    let ticks = worker.callbacks().iter().filter(|it| it.name == "proxy_on_tick").count();
    assert!(ticks <= 13, "{ticks} ticks in 10 s");
}

/// Four leave at once; the fifth does not wait for more, nor a second time.
#[test]
fn no_span_waits_longer_than_the_delay_however_many_came_before() {
    let hopspan = Hopspan::start(&config(r#""max_export_batch_size":4"#));
    for _ in 0..7 {
        hopspan.requests(5);
        hopspan.run_for(DELAY + MS);
        assert_eq!(hopspan.collector.taken().len(), 5);
        hopspan.run_for(MS * 137);
    }
}

#[test]
fn a_request_has_at_most_its_size_in_spans_and_in_bytes() {
    let limits = r#""max_export_batch_size":50,"max_export_batch_bytes":9000,"max_in_flight":100"#;
    let hopspan = Hopspan::start(&config(limits));
    let mut sent = BTreeSet::new();
    for number in 0..400 {
        let stream = hopspan.stream();
        let path = format!("/{number}/{}", "x".repeat(number % 700));
        stream.request_headers(Headers::plain_get(&path).with("traceparent", SAMPLED), true);
        sent.insert(crate::hopspan::sent(&stream).parent_id);
        stream.respond(200);
        stream.finish();
    }
    hopspan.run_for(DELAY * 2);
    let requests = hopspan.collector.requests();
    for request in &requests {
        assert!(request.body.len() <= 9000, "{} bytes", request.body.len());
        assert!((1..=50).contains(&spans(request).len()));
    }
    assert!(requests.len() >= 8);
    let received: BTreeSet<_> = hopspan.collector.taken().iter().map(|it| it.span_id()).collect();
    assert_eq!(received, sent, "each span once, none twice");
    assert_eq!(hopspan.accounts(), [400, 400, 0, 0, 0]);
}

/// Lengths in a big message take more bytes than in a small one.
#[test]
fn big_requests_decode() {
    let limits = r#""max_export_batch_size":10000,"max_queue_size":20000,
        "max_export_batch_bytes":4194304,"max_queue_bytes":16777216"#;
    let hopspan = Hopspan::start(&config(limits));
    hopspan.requests(9000);
    assert_eq!(hopspan.spans().len(), 9000);
    let largest = hopspan.collector.requests().iter().map(|it| it.body.len()).max();
    assert!(largest > Some(2 << 20), "{largest:?} bytes");
}

#[test]
fn no_more_requests_are_in_flight_than_allowed() {
    for most in [1, 2, 5] {
        let hopspan = Hopspan::start(&config(&format!(
            r#""max_export_batch_size":2,"max_in_flight":{most}"#
        )));
        hopspan.collector.fail(Answer::silence());
        hopspan.requests(16);
        hopspan.run_for(DELAY * 3);
        assert_eq!(hopspan.callouts().len(), most);
        let flying = i64::try_from(2 * most).unwrap();
        assert_eq!(hopspan.accounts(), [16, 0, 0, 16 - flying, flying]);
        // The next one leaves with the answer, without a tick.
        hopspan.callouts()[0].answer(Answer::status(200));
        assert_eq!(hopspan.callouts().len(), most);
        assert_eq!(hopspan.accounts(), [16, 2, 0, 14 - flying, flying]);
    }
}

#[test]
fn a_full_queue_drops_what_went_well_first_and_counts() {
    let hopspan = Hopspan::start(&config(r#""max_queue_size":8,"max_export_batch_size":8"#));
    hopspan.collector.fail(Answer::silence());
    let request = |status| {
        let stream = hopspan.stream();
        stream.request_headers(sampled_get(), true);
        stream.respond(status);
        stream.finish();
    };
    (0..10).for_each(|_| request(200));
    (0..10).for_each(|_| request(500));
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.accounts(), [20, 0, 12, 0, 8]);
    assert_eq!(hopspan.dropped("queue_full"), 12);
    // What is in flight counts: there is no room yet.
    request(500);
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.dropped("queue_full"), 13);
    let [callout] = hopspan.callouts().try_into().unwrap();
    let errors = spans(callout.request());
    let errors = errors.iter().filter(|it| it.text("error.type") == Some("500")).count();
    assert_eq!(errors, 2, "a quarter is for what failed");
    callout.answer(Answer::status(200));
    request(200);
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.dropped("queue_full"), 13, "there is room again");
}

/// However a request ends, its spans no longer count.
#[test]
fn what_has_left_the_queue_makes_room() {
    for answer in [Answer::status(200), Answer::status(400), Answer::status(503)] {
        let hopspan = Hopspan::start(
            r#"{"direction":"inbound","collector":{"cluster":"otel"},
            "batch":{"max_queue_size":8},"retry":{"enabled":false}}"#,
        );
        hopspan.collector.fail(answer);
        for _ in 0..10 {
            hopspan.requests(6);
            // Longer than any back-off.
            hopspan.run_for(DELAY * 32);
        }
        assert_eq!((hopspan.accounts()[0], hopspan.dropped("queue_full")), (60, 0));
        hopspan.collector.recover();
        hopspan.requests(6);
        hopspan.run_for(DELAY * 32);
        assert_eq!(hopspan.collector.taken().len(), 6);
    }
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let hopspan =
        Hopspan::start(&config(r#""max_queue_bytes":8192,"max_export_batch_bytes":4096"#));
    hopspan.collector.fail(Answer::silence());
    hopspan.requests(100);
    hopspan.run_for(DELAY);
    let held: usize = hopspan.callouts().iter().map(|it| it.request().body.len()).sum();
    let [created, _, dropped, queued, in_flight] = hopspan.accounts();
    assert!(held <= 8192 && queued + in_flight < 30, "{held} bytes in flight, {queued} spans wait");
    assert_eq!((created, dropped), (100, hopspan.dropped("queue_full")));
}

#[test]
fn a_span_that_no_request_could_hold_is_dropped_alone() {
    let hopspan = Hopspan::start(&config(r#""max_export_batch_bytes":4096"#));
    let long = "x".repeat(2000);
    let stream = hopspan.stream();
    let request = Headers::plain_get(&format!("/{long}?{long}"))
        .with(":authority", format!("{long}.example"))
        .with("user-agent", &long)
        .with("traceparent", SAMPLED)
        .with("tracestate", format!("a={}", "t".repeat(250)));
    stream.request_headers(request, true);
    stream.respond(200);
    stream.finish();
    hopspan.requests(2);
    assert_eq!(hopspan.spans().len(), 2);
    assert_eq!(hopspan.dropped("too_big"), 1);
}

#[test]
fn each_worker_has_a_queue_and_the_counters_are_the_process() {
    let hopspan = Hopspan::of(builder(INBOUND).workers(4));
    for worker in 0..4 {
        hopspan.requests_on(worker, worker + 1);
    }
    hopspan.collector.delay(DELAY / 2);
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.accounts(), [10, 0, 0, 0, 10]);
    assert_eq!(hopspan.callouts().len(), 4);
    hopspan.run_for(DELAY / 2);
    assert_eq!(hopspan.accounts(), [10, 10, 0, 0, 0]);
    assert_eq!((hopspan.outcome("ok"), hopspan.stat("export.retries")), (4, 0));
    let bytes: usize = hopspan.collector.requests().iter().map(|it| it.body.len()).sum();
    assert_eq!(hopspan.stat("export.bytes"), i64::try_from(bytes).unwrap());
}
