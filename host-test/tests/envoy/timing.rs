//! How long the proxy held a request, against Envoy's own clock in the same run.
//!
//! Envoy's access log gives the truth: the time from the caller's first byte to the first byte
//! to the upstream, and from the upstream's last byte to the last byte to the caller. hopspan's
//! first and last callback lie inside of these, and both leave out the same upstream time. So,
//! for every single request:
//!
//! - hopspan's time is never more than the truth, but for rounding to microseconds;
//! - it is less by what Envoy does before the first callback and after the last one. That was
//!   measured as 140 us of 270, and both are more on a busy machine. A thread that the kernel
//!   suspends there makes it much more, so the median of several requests is judged.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bootstrap::{Direction, Setup, filter};
use crate::client::{Body, Client, get, post, post_slowly};
use crate::hop::Hop;
use crate::upstream::Answer;

/// Enough for a median that single delays do not move.
const REQUESTS: usize = 7;
/// Two durations of whole microseconds each, and hopspan's own, which has the same grain.
const ROUNDING_US: i64 = 5;
/// The most that Envoy spends outside of the filter's first and last callback, in the median.
const OUTSIDE_US: i64 = 1_000;
/// The least share of the truth that lies between the two callbacks, in the median.
const INSIDE: f64 = 0.25;

const HOLD: Duration = Duration::from_millis(50);

#[tokio::test]
async fn the_time_of_the_upstream_is_not_the_proxys() {
    let times = measure(|_| (), || get("/")).await;
    judge(&times, |it| it.truth);
    for it in &times {
        assert!(it.upstream >= 50_000, "the service held it: {it:?}");
        assert!(it.held + it.upstream <= it.span + ROUNDING_US, "parts of the whole: {it:?}");
    }
}

#[tokio::test]
async fn a_body_that_comes_with_its_headers_changes_nothing() {
    let times = measure(|_| (), || post("/", "small")).await;
    judge(&times, |it| it.truth);
}

#[tokio::test]
async fn a_slow_caller_is_not_the_proxy() {
    let times = measure(|_| (), || post_slowly("/", Duration::from_millis(100))).await;
    judge(&times, |it| it.truth);
    for it in &times {
        assert!(it.receive >= 90_000, "the body was slow: {it:?}");
    }
}

#[tokio::test]
async fn waiting_for_a_body_to_buffer_is_the_callers_time() {
    let buffer = filter("buffer", "buffer.v3.Buffer", json!({ "max_request_bytes": 4096 }));
    let buffered = |it: &mut Setup| it.after = vec![buffer];
    let times = measure(buffered, || post_slowly("/", Duration::from_millis(100))).await;
    // For Envoy's clocks the proxy held it all the time; it waited for the caller, though.
    judge(&times, |it| it.truth - it.receive);
    for it in &times {
        assert!(it.receive >= 90_000 && it.truth >= it.receive, "{it:?}");
    }
}

#[tokio::test]
async fn a_slow_filter_is_the_proxy() {
    let delay = filter(
        "fault",
        "fault.v3.HTTPFault",
        json!({ "delay": { "fixed_delay": "0.03s", "percentage": { "numerator": 100 } } }),
    );
    let times = measure(|it| it.after = vec![delay], || get("/")).await;
    judge(&times, |it| it.truth);
    for it in &times {
        // Envoy's timers count from when their loop last looked at the clock, so they may fire
        // some milliseconds early.
        assert!(it.held >= 20_000, "{it:?}");
    }
}

/// Holds every request against its truth, and the lot against what Envoy does around the filter.
#[track_caller]
fn judge(times: &[Times], truth: impl Fn(&Times) -> i64) {
    for it in times {
        assert!(it.held <= truth(it) + ROUNDING_US, "more than the truth: {it:?}");
    }
    let missing = median(times.iter().map(|it| truth(it) - it.held));
    assert!(missing <= OUTSIDE_US, "{missing} us are missing: {times:#?}");
    let (held, all) = (median(times.iter().map(|it| it.held)), median(times.iter().map(truth)));
    assert!(held as f64 >= all as f64 * INSIDE, "{held} of {all} us: {times:#?}");
}

/// One request, all in microseconds.
#[derive(Debug)]
struct Times {
    /// hopspan's proxy time.
    held: i64,
    /// hopspan's upstream time.
    upstream: i64,
    /// The whole span.
    span: i64,
    /// Envoy's proxy time.
    truth: i64,
    /// How long the caller took to send the request.
    receive: i64,
}

async fn measure(
    change: impl FnOnce(&mut Setup),
    request: fn() -> hyper::Request<Body>,
) -> Vec<Times> {
    let hop = Hop::start_with(Direction::Inbound, |_| Answer::after(HOLD), change).await;
    let mut client = Client::http1(hop.proxy.address()).await;
    // The first one opens the connection to the upstream.
    for _ in 0..=REQUESTS {
        assert_eq!(client.ask(request()).await.status, 200);
    }

    // One after the other on one connection: both lists are in the order of the requests.
    let mut spans = hop.spans(REQUESTS + 1).await;
    spans.sort_by_key(|it| it.span.start_time_unix_nano);
    let lines = hop.proxy.access_log(REQUESTS + 1).await;
    spans
        .iter()
        .zip(&lines)
        .skip(1)
        .map(|(span, line)| {
            assert_eq!(span.flag("hopspan.proxy_time_upper_bound"), None, "one attempt: exact");
            let times = Times {
                held: span.int("hopspan.proxy_time_ns").expect("a proxy time") / 1000,
                upstream: span.int("hopspan.upstream_time_ns").expect("an upstream time") / 1000,
                span: span.duration_ns() / 1000,
                truth: microseconds(line, "before_us") + microseconds(line, "after_us"),
                receive: microseconds(line, "receive_us"),
            };
            assert!(0 < times.held && times.held < times.span, "{times:?}");
            times
        })
        .collect()
}

/// Envoy writes numbers, or text of digits, as the version likes.
fn microseconds(line: &Value, key: &str) -> i64 {
    let value = &line[key];
    value
        .as_i64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or_else(|| panic!("{key}: {line}"))
}

fn median(values: impl Iterator<Item = i64>) -> i64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}
