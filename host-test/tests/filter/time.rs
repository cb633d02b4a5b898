//! Time: the proxy's own by the formula, and clocks that lie.

use crate::hopspan::{Hopspan, INBOUND, sampled_get};
use crate::received::Received;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;

/// A request whose head comes at 0, whose body ends at `request`, whose response ends at
/// `response`, all in µs, with Envoy's latency of the last attempt.
fn request(request: u64, response: u64, attempts: u64, latency: Option<u64>) -> Received {
    let hopspan = Hopspan::start(INBOUND);
    let stream = hopspan.stream();
    stream.request_headers(sampled_get(), request == 0);
    if request > 0 {
        stream.request_body(b"a", false);
        hopspan.pass(request);
        stream.request_body(b"", true);
    }
    hopspan.pass(response - request);
    stream.set_property("upstream.request_attempt_count", attempts);
    match latency {
        Some(latency) => {
            stream.set_property("response.backend_latency", Duration::from_micros(latency));
        }
        None => stream.unset_property("response.backend_latency"),
    }
    stream.respond(200);
    // Waiting for a slow client to read is nobody's time.
    hopspan.pass(1_000_000);
    stream.finish();
    let span = hopspan.span();
    let whole = i64::try_from(response).unwrap() * 1000 + SECOND;
    assert_eq!(span.duration_ns(), whole, "the span goes on to the end of the stream");
    span
}

/// The measured rows of HOST.md, section 2: F2 = (tRe - tQ) - B, less the wait for a body
/// that was buffered.
#[test]
fn proxy_time_follows_the_formula() {
    for (why, body, response, attempts, latency, proxy, bound) in [
        ("upstream of 50 ms", 0, 50_136, 1, Some(50_000), Some(136), false),
        ("slow body, streamed", 200_000, 200_246, 1, Some(200_100), Some(146), false),
        ("slow body, buffered", 200_375, 250_600, 1, Some(50_000), Some(225), false),
        ("a filter behind held it", 0, 80_543, 1, Some(50_000), Some(30_543), false),
        ("no attempt", 0, 271, 0, None, Some(271), false),
        ("a retry", 0, 56_883, 2, Some(20_000), Some(36_883), true),
        ("an attempt, its latency unknown", 0, 50_000, 1, None, None, false),
        ("a latency that cannot be", 0, 1_000, 1, Some(2_000), Some(0), false),
    ] {
        let span = request(body, response, attempts, latency);
        let found = span.int("hopspan.proxy_time_ns").map(|it| it / 1000);
        assert_eq!(found, proxy, "{why}");
        assert_eq!(span.flag("hopspan.proxy_time_upper_bound"), bound.then_some(true), "{why}");
        let upstream = span.int("hopspan.upstream_time_ns").map(|it| it / 1000);
        let latency = latency.filter(|_| attempts > 0).map(|it| i64::try_from(it).unwrap());
        assert_eq!(upstream, latency, "{why}");
    }
}

#[test]
fn a_wall_clock_that_jumps_changes_no_duration() {
    for jump in [3600 * SECOND, -3600 * SECOND, -100 * 365 * 86400 * SECOND] {
        let hopspan = Hopspan::start(INBOUND);
        let stream = hopspan.stream();
        stream.request_headers(sampled_get(), true);
        hopspan.pass(20_000);
        hopspan.clock().jump_wall(jump);
        hopspan.pass(20_000);
        stream.set_property("response.backend_latency", Duration::from_millis(30));
        stream.respond(200);
        let end = hopspan.clock().wall_nanos();
        stream.finish();
        let span = hopspan.span();
        assert_eq!(span.duration_ns(), 40_000_000, "{jump}");
        assert_eq!(span.int("hopspan.proxy_time_ns"), Some(10_000_000), "{jump}");
        // One look at the calendar, at the end.
        assert_eq!(span.span.end_time_unix_nano, end.max(40_000_000), "{jump}");
    }
}

/// No host should, but none may kill a worker with it.
#[test]
fn a_monotonic_clock_that_goes_back_makes_nothing_negative() {
    for (first, second) in [(0, 5), (10_000_000_000, 1), (u64::MAX, 7), (7, u64::MAX)] {
        let hopspan = Hopspan::start(INBOUND);
        let before = hopspan.clock().monotonic_nanos();
        let stream = hopspan.stream();
        hopspan.clock().set_monotonic_nanos(first);
        stream.request_headers(sampled_get(), false);
        hopspan.clock().set_monotonic_nanos(second);
        stream.request_body(b"", true);
        stream.respond(200);
        hopspan.clock().set_monotonic_nanos(0);
        stream.finish();
        hopspan.clock().set_monotonic_nanos(before);
        let span = hopspan.span();
        assert!(span.int("hopspan.proxy_time_ns").is_none_or(|it| it >= 0));
        assert!(span.span.start_time_unix_nano <= span.span.end_time_unix_nano);
    }
}

/// A queue must not wait for a time that will not come again.
#[test]
fn export_goes_on_after_the_monotonic_clock_went_back() {
    let hopspan = Hopspan::start(INBOUND);
    hopspan.requests(1);
    hopspan.run_for(Duration::from_secs(5));
    assert_eq!(hopspan.collector.taken().len(), 1);
    hopspan.clock().set_monotonic_nanos(1_000_000);
    hopspan.requests(1);
    // Ticks are the host's, whose timers know the new time.
    for _ in 0..5 {
        hopspan.tick();
        hopspan.pass(1_000_000);
    }
    hopspan.run_for(Duration::ZERO);
    assert_eq!(hopspan.collector.taken().len(), 1);
}
