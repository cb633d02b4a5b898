//! How long the proxy itself held a request, against Envoy's own clock in the same run.
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
//!
//! What is the proxy's own time, and which part shows a delay that is not, is what the
//! documentation's table says; each of its rows is a delay that one of the tests makes.

mod delays;
mod document;

use std::net::SocketAddr;

use hyper::Request;
use serde_json::Value;

use crate::bootstrap::{Direction, Setup};
use crate::client::{Body, Client};
use crate::deadline::poll;
use crate::hop::Hop;
use crate::received::Received;
use crate::upstream::{Answer, Seen};

/// Enough for a median that single delays do not move.
const REQUESTS: usize = 7;
/// Two durations of whole microseconds each, and hopspan's own, which has the same grain.
const ROUNDING_US: i64 = 5;
/// The most that Envoy spends outside of the filter's first and last callback, in the median.
const OUTSIDE_US: i64 = 2_000;

/// One request, all in microseconds.
#[derive(Debug)]
struct Times {
    /// hopspan's proxy time.
    held: i64,
    /// Envoy's proxy time.
    truth: i64,
    /// What hopspan says.
    span: Received,
    /// What Envoy says.
    line: Value,
}

impl Times {
    /// A part that hopspan has found, if it has.
    fn part(&self, key: &str) -> Option<i64> {
        self.span.int(key).map(|it| it / 1000)
    }

    /// A part that Envoy has found, which writes numbers or text of digits, as the version likes.
    fn logged(&self, key: &str) -> i64 {
        number(&self.line, key)
    }
}

fn number(line: &Value, key: &str) -> i64 {
    let value = &line[key];
    value
        .as_i64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or_else(|| panic!("{key}: {line}"))
}

/// Makes requests with a whole response each, one after the other, and times all but the first:
/// that one opens the connection to the upstream. `ask` is told where, and how often.
async fn measure(
    answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    change: impl FnOnce(&mut Setup),
    ask: impl AsyncFnOnce(SocketAddr, usize),
) -> Vec<Times> {
    let hop = Hop::start_with(Direction::Inbound, answer, change).await;
    ask(hop.proxy.address(), REQUESTS + 1).await;

    // One after the other: both lists are in the order of the requests.
    let mut spans = hop.spans(REQUESTS + 1).await;
    spans.sort_by_key(|it| it.span.start_time_unix_nano);
    // Others than these are there to be in the way.
    let lines = poll("all requests in Envoy's access log", async || {
        let mut lines = hop.proxy.access_log(0).await;
        lines.retain(|it| it["path"] == "/");
        (lines.len() > REQUESTS).then_some(lines)
    });
    let lines = lines.await;
    let times = spans.into_iter().zip(lines).skip(1).map(|(span, line)| {
        let held = span.int("hopspan.proxy_time_ns").expect("a proxy time") / 1000;
        assert!(0 < held && held < span.duration_ns() / 1000, "{held} of {span:?}");
        let truth = number(&line, "before_us") + number(&line, "after_us");
        Times { held, truth, span, line }
    });
    times.collect()
}

/// The same request again and again, on one connection.
fn asking(request: fn() -> Request<Body>) -> impl AsyncFnOnce(SocketAddr, usize) {
    async move |address, count| {
        let mut client = Client::http1(address).await;
        for _ in 0..count {
            assert_eq!(client.ask(request()).await.status, 200);
        }
    }
}

fn median(values: impl Iterator<Item = i64>) -> i64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}
