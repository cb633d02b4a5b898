//! Room that gets short: spans give way, then metrics; context and requests never.

use crate::hopspan::{DELAY, Hopspan, PARENT, SAMPLED, TRACE, builder, sent};
use crate::reports::counts;
use host_test::{Action, Answer, Headers, Stream};

/// An inbound listener that records and counts, with these `batch` settings.
fn config(batch: &str) -> String {
    format!(r#"{{"direction":"inbound","collector":{{"cluster":"otel"}},"batch":{{{batch}}}}}"#)
}

/// How many workers are at each level.
fn levels(hopspan: &Hopspan) -> [i64; 3] {
    [1, 2, 3].map(|it| hopspan.stat(&format!("pressure.level=.={it};.;")))
}

/// How many requests were not recorded, and not counted, for want of memory.
fn given_up(hopspan: &Hopspan) -> [i64; 2] {
    ["span", "metrics"].map(|it| hopspan.stat(&format!("given_up.what=.={it};.;")))
}

fn sampled(path: &str) -> Headers {
    Headers::plain_get(path).with("traceparent", SAMPLED)
}

/// A request that passes whatever is short: with context, and nothing held up.
#[track_caller]
fn begin(stream: &Stream) {
    assert_eq!(stream.request_headers(sampled("/cart"), true), Action::Continue);
    assert_eq!(sent(stream).trace_id, TRACE);
}

fn end(stream: &Stream, status: u16) {
    assert_eq!(stream.respond(status), Action::Continue);
    stream.finish();
}

fn requests(hopspan: &Hopspan, count: usize, status: u16) {
    for _ in 0..count {
        let stream = hopspan.stream();
        begin(&stream);
        end(&stream, status);
    }
}

/// How many requests the reports of metrics told.
fn counted(hopspan: &Hopspan) -> u64 {
    counts(hopspan, &[]).into_iter().map(|(_, count)| count).sum()
}

/// A collector that is down: up through all that a queue can give up, and down again.
#[test]
fn a_full_queue_gives_up_spans_and_no_metrics() {
    let hopspan = Hopspan::start(&config(
        r#""max_queue_size":16,"max_export_batch_size":4,"max_in_flight":1"#,
    ))
    .watched();
    hopspan.collector.fail(Answer::status(503));
    let mut total = 0;
    let mut seen = vec![levels(&hopspan)];
    for (why, count, status, level) in [
        ("three quarters, and none refused", 12, 200, [1, 0, 0]),
        ("those that went well", 8, 200, [1, 0, 0]),
        ("the last quarter is for failures", 4, 500, [0, 1, 0]),
        ("and then they are refused as well", 6, 500, [0, 1, 0]),
        ("with all others", 5, 200, [0, 1, 0]),
    ] {
        requests(&hopspan, count, status);
        total += count;
        hopspan.run_for(DELAY);
        assert_eq!(levels(&hopspan), level, "{why}");
        seen.push(levels(&hopspan));
    }
    assert_eq!((hopspan.accounts()[0], hopspan.dropped("queue_full")), (35, 8 + 6 + 5));
    seen.dedup();
    assert_eq!(seen, [[0, 0, 0], [1, 0, 0], [0, 1, 0]], "one after the other");

    hopspan.collector.recover();
    // Longer than any back-off.
    hopspan.run_for(DELAY * 40);
    assert_eq!(levels(&hopspan), [0, 0, 0], "nothing is short any more");
    requests(&hopspan, 5, 200);
    total += 5;
    hopspan.run_for(DELAY * 12);
    assert_eq!((levels(&hopspan), hopspan.collector.taken().len()), ([0, 0, 0], 16 + 5));
    assert_eq!(counted(&hopspan), u64::try_from(total).unwrap(), "whatever became of its span");
    assert_eq!(given_up(&hopspan), [0, 0], "memory was not short");
}

/// Requests that stay open, more and more of them: up through all that memory can ask for, and
/// down again when they end.
#[test]
fn open_requests_give_up_spans_then_metrics_and_never_context() {
    const BOUND: usize = 64 << 10;
    let hopspan = Hopspan::start(&config(&format!(r#""max_open_bytes":{BOUND}"#)));
    let mut open = Vec::new();
    let mut seen = Vec::new();
    let mut counts = Vec::new();
    for _ in 0..40 {
        for _ in 0..10 {
            let stream = hopspan.stream();
            begin(&stream);
            open.push(stream);
        }
        hopspan.run_for(DELAY);
        if seen.last() != Some(&levels(&hopspan)) {
            seen.push(levels(&hopspan));
            counts.push(open.len());
        }
    }
    println!("new levels at {counts:?} open requests");
    assert_eq!(seen, [[0, 0, 0], [0, 1, 0], [0, 0, 1]]);
    let [unrecorded, uncounted] = given_up(&hopspan);
    assert!(uncounted > 0 && unrecorded > uncounted, "{unrecorded} {uncounted}");

    open.iter().for_each(|it| end(it, 200));
    hopspan.run_for(DELAY * 12);
    assert_eq!(levels(&hopspan), [0, 0, 0]);
    let spans = i64::try_from(hopspan.collector.taken().len()).unwrap();
    assert_eq!(spans, 400 - unrecorded, "what was begun is finished");
    assert_eq!(i64::try_from(counted(&hopspan)).unwrap(), 400 - uncounted);

    // All of it comes back.
    requests(&hopspan, 10, 200);
    hopspan.run_for(DELAY * 12);
    assert_eq!(given_up(&hopspan), [unrecorded, uncounted]);
    assert_eq!(hopspan.collector.taken().len(), 10);
    assert_eq!(i64::try_from(counted(&hopspan)).unwrap(), 410 - uncounted);
}

/// Whoever makes no span names the one that there is.
#[test]
fn a_trace_stays_whole_past_a_hop_that_has_no_memory_for_it() {
    let hopspan = Hopspan::start(&config(r#""max_open_bytes":4096"#));
    let open: Vec<_> = (0..20).map(|_| hopspan.stream()).collect();
    open.iter().for_each(begin);
    let first = sent(&open[0]);
    assert_ne!(first.parent_id, PARENT, "a span of its own");
    let last = open[19].upstream_headers();
    assert_eq!(last.text("traceparent"), Some(SAMPLED));
    open.iter().for_each(|it| end(it, 200));
}

/// How much more memory the module has with so many requests open.
fn grown(config: &str, limit: usize, open: usize, request: &Headers) -> (usize, [i64; 2]) {
    let hopspan = Hopspan::of(builder(config).memory_limit(limit));
    let worker = hopspan.worker(0);
    requests(&hopspan, 10, 200);
    hopspan.run_for(DELAY);
    let before = worker.memory_bytes();
    let open: Vec<_> = (0..open).map(|_| worker.stream()).collect();
    for stream in &open {
        assert_eq!(stream.request_headers(request, true), Action::Continue);
    }
    let grown = worker.memory_bytes() - before;
    hopspan.run_for(DELAY);
    let given_up = given_up(&hopspan);
    open.iter().for_each(|it| end(it, 200));
    (grown, given_up)
}

/// As many open requests as it takes, with paths as long as they get: beyond the table of streams
/// the module's memory stays within its bound, and a host that has little more never sees it fail.
#[test]
fn memory_is_bounded_however_many_requests_are_open() {
    const BOUND: usize = 4 << 20;
    const OPEN: usize = 20_000;
    let long = sampled(&format!("/{}?q={}", "x".repeat(900), "y".repeat(900)));
    let (table, _) = grown(r#"{"direction":"inbound"}"#, 1 << 30, OPEN, &long);
    let (free, given_up) = grown(&config(r#""max_open_bytes":536870912"#), 1 << 30, OPEN, &long);
    assert_eq!(given_up, [0, 0], "enough for all");
    let (bounded, [unrecorded, uncounted]) =
        grown(&config(&format!(r#""max_open_bytes":{BOUND}"#)), 20 << 20, OPEN, &long);
    println!(
        "{OPEN} open requests: {table} bytes for themselves, {free} without a bound, {bounded} with one of \
         {BOUND}; {unrecorded} not recorded, {uncounted} not counted"
    );
    assert!(uncounted > 0 && unrecorded > uncounted);
    assert!(free > table + 8 * BOUND, "{free} bytes: the bound is worth it");
    assert!(bounded < table + 2 * BOUND, "{bounded} bytes");
}

/// What docs/operations.md says of it.
#[test]
fn what_an_open_request_holds_is_what_the_guide_says() {
    const OPEN: usize = 14_000; // nearly all of a power of two
    let unsampled = Headers::plain_get("/cart");
    let [recorded, counted, passed] = [
        (config(""), sampled("/cart")),
        (config("").replace("}}", r#"},"sampling":{"ratio":0}}"#), unsampled.clone()),
        (r#"{"direction":"inbound"}"#.to_owned(), unsampled),
    ]
    .map(|(config, request)| grown(&config, 1 << 30, OPEN, &request).0 / OPEN);
    println!(
        "bytes of an open request: {recorded} recorded, {counted} counted, {passed} otherwise"
    );
    assert!(recorded < 1500 && counted < recorded && passed < counted);
}

/// Two streams that are one to the host, a second look at the headers: nothing is held for good.
#[test]
fn what_a_host_forgets_to_end_is_given_back() {
    let hopspan = Hopspan::start(&config(r#""max_open_bytes":4096"#));
    let stream = hopspan.stream();
    for _ in 0..100 {
        stream.request_headers(sampled("/cart"), true);
    }
    assert_eq!(given_up(&hopspan), [0, 0]);
    end(&stream, 200);
    requests(&hopspan, 10, 200);
    hopspan.run_for(DELAY);
    assert_eq!((levels(&hopspan), given_up(&hopspan)), ([0, 0, 0], [0, 0]));
}

#[test]
fn each_worker_has_a_level_and_an_end_takes_it_back() {
    let settings = config(r#""max_queue_size":4,"max_export_batch_size":4"#);
    let hopspan = Hopspan::of(builder(&settings).workers(3));
    hopspan.collector.fail(Answer::silence());
    for (worker, count) in [(0, 1), (1, 5), (2, 6)] {
        hopspan.requests_on(worker, count);
    }
    hopspan.run_for(DELAY);
    assert_eq!(levels(&hopspan), [2, 0, 0]);
    hopspan.reconfigure(settings.replace("inbound", "outbound")).unwrap();
    hopspan.drained();
    hopspan.run_for(DELAY * 7);
    assert_eq!(levels(&hopspan), [0, 0, 0]);
}
