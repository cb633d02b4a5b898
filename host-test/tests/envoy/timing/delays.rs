//! Delays of every kind: which are the proxy's, and where the others show.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::document::check;
use super::{OUTSIDE_US, ROUNDING_US, Times, asking, measure, median};
use crate::bootstrap::{Setup, UPSTREAM, cluster, filter};
use crate::client::{Body, Client, SMALL_WINDOW, get, post, post_slowly, raw, read_until, with};
use crate::deadline::within;
use crate::upstream::{Answer, Seen};

/// The least share of the truth that lies between the filter's first and last callback, in the
/// median.
const INSIDE: f64 = 0.25;

#[tokio::test]
async fn the_time_of_the_upstream_is_not_the_proxys() {
    let times = measure(late, |_| (), asking(|| get("/"))).await;
    judge(&times, |it| it.truth);
    check("the upstream takes its time", 100_000, &times);
    for it in &times {
        let upstream = it.part("hopspan.upstream_time_ns").expect("an upstream time");
        let whole = it.span.duration_ns() / 1000;
        assert!(it.held + upstream <= whole + ROUNDING_US, "parts of the whole: {it:?}");
    }
}

#[tokio::test]
async fn a_body_that_comes_with_its_headers_changes_nothing() {
    let times = measure(late, |_| (), asking(|| post("/", "small"))).await;
    judge(&times, |it| it.truth);
}

#[tokio::test]
async fn slow_headers_are_not_the_proxys() {
    let times = measure(
        ok,
        |_| (),
        async |address, count| {
            let mut stream = raw(address, b"").await;
            for _ in 0..count {
                stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
                sleep(Duration::from_millis(100)).await;
                stream.write_all(b"host: shop.test\r\n\r\n").await.unwrap();
                assert!(read_until(&mut stream, "hello").await.starts_with("HTTP/1.1 200"));
            }
        },
    )
    .await;
    check("the client's headers come slowly", 100_000, &times);
    let missing = median(times.iter().map(|it| it.truth - it.held));
    assert!(missing >= 75_000, "for Envoy's clocks the proxy held it: {missing} us: {times:#?}");
}

#[tokio::test]
async fn a_slow_caller_is_not_the_proxy() {
    let times = measure(ok, |_| (), asking(slow)).await;
    judge(&times, |it| it.truth);
    check("the client's body comes slowly, and streams through", 100_000, &times);
}

#[tokio::test]
async fn waiting_for_a_body_to_buffer_is_the_callers_time() {
    let buffer = filter("buffer", "buffer.v3.Buffer", json!({ "max_request_bytes": 4096 }));
    let buffered = |it: &mut Setup| it.after = vec![buffer];
    let times = measure(ok, buffered, asking(slow)).await;
    // For Envoy's clocks the proxy held it all the time; it waited for the caller, though.
    judge(&times, |it| it.truth - it.logged("receive_us"));
    check("the client's body comes slowly, and a filter buffers it", 100_000, &times);
}

#[tokio::test]
async fn a_slow_reader_is_not_the_proxy() {
    const LARGE: &[u8] = &[b'x'; 4 * SMALL_WINDOW as usize];
    let large = |_: &Seen| {
        let mut answer = Answer::status(200);
        if let Answer::Reply { body, .. } = &mut answer {
            *body = LARGE;
        }
        answer
    };
    let times = measure(
        large,
        |_| (),
        async |address, count| {
            let mut client = Client::small_http2(address).await;
            for _ in 0..count {
                let reply = client.read_after(get("/"), Duration::from_millis(300)).await.unwrap();
                assert_eq!(reply.body.len(), LARGE.len());
            }
        },
    )
    .await;
    check("an HTTP/2 client reads slowly", 300_000, &times);
    let missing = median(times.iter().map(|it| it.truth - it.held));
    assert!(missing >= 225_000, "for Envoy's clocks the proxy held it: {missing} us: {times:#?}");
}

#[tokio::test]
async fn a_filter_in_front_is_not_seen() {
    let times = measure(ok, |it| it.before = vec![delay()], asking(|| get("/"))).await;
    check("a filter in front of hopspan", 100_000, &times);
    let missing = median(times.iter().map(|it| it.truth - it.held));
    assert!(missing >= 75_000, "Envoy's clocks have it: {missing} us: {times:#?}");
}

#[tokio::test]
async fn a_slow_filter_is_the_proxy() {
    let times = measure(ok, |it| it.after = vec![delay()], asking(|| get("/"))).await;
    judge(&times, |it| it.truth);
    check("a filter behind hopspan", 100_000, &times);
}

#[tokio::test]
async fn waiting_for_a_connection_is_the_proxys() {
    let narrow = |it: &mut Setup| {
        let mut narrow = cluster("narrow", Some(it.upstream), false);
        narrow["circuit_breakers"] = json!({ "thresholds": [{ "max_connections": 1 }] });
        it.clusters = vec![narrow];
        it.routes = vec![to("narrow", json!({}))];
    };
    // A request that is not traced has the only connection.
    let has_it = Arc::new(Notify::new());
    let said = has_it.clone();
    let answer = move |seen: &Seen| {
        if seen.path == "/" {
            return Answer::status(200);
        }
        said.notify_one();
        Answer::after(Duration::from_millis(120))
    };
    let times = measure(answer, narrow, async |address, count| {
        for _ in 0..count {
            let first = tokio::spawn(async move {
                let untraced = with(get("/first"), "traceparent", UNSAMPLED);
                Client::http1(address).await.ask(untraced).await
            });
            within("a request that has the connection", has_it.notified()).await;
            assert_eq!(Client::http1(address).await.ask(get("/")).await.status, 200);
            assert_eq!(first.await.unwrap().status, 200);
        }
    })
    .await;
    judge(&times, |it| it.truth);
    check("waiting for a connection to the upstream", 100_000, &times);
    for it in &times {
        let wait = it.part("hopspan.pool_wait_ns").expect("a wait");
        assert_eq!(wait / 1000, it.logged("pool_ms"), "{it:?}");
        assert!(wait <= it.held + ROUNDING_US, "a part of it: {it:?}");
    }
}

#[tokio::test]
async fn an_earlier_attempt_is_in_the_upper_bound() {
    let second_time_lucky = |seen: &Seen| {
        let mut answer = Answer::after(Duration::from_millis(100));
        if let Answer::Reply { after, status, .. } = &mut answer {
            (*after, *status) =
                if seen.index.is_multiple_of(2) { (*after, 503) } else { (*after / 100, 200) };
        }
        answer
    };
    let back_off = json!({ "base_interval": "0.001s", "max_interval": "0.002s" });
    let policy = json!({ "retry_on": "5xx", "retry_back_off": back_off });
    let retries =
        |it: &mut Setup| it.routes = vec![to(UPSTREAM, json!({ "retry_policy": policy }))];
    let times = measure(second_time_lucky, retries, asking(|| get("/"))).await;
    for it in &times {
        assert!(it.held <= it.truth + ROUNDING_US, "more than the truth: {it:?}");
        assert_eq!(it.span.flag("hopspan.proxy_time_upper_bound"), Some(true), "{it:?}");
    }
    check("an attempt that failed", 100_000, &times);
}

/// Holds every request against its truth, and the lot against what Envoy does around the filter.
#[track_caller]
fn judge(times: &[Times], truth: impl Fn(&Times) -> i64) {
    for it in times {
        assert!(it.held <= truth(it) + ROUNDING_US, "more than the truth: {it:?}");
        assert_eq!(it.span.flag("hopspan.proxy_time_upper_bound"), None, "exact: {it:?}");
    }
    let missing = median(times.iter().map(|it| truth(it) - it.held));
    assert!(missing <= OUTSIDE_US, "{missing} us are missing: {times:#?}");
    let (held, all) = (median(times.iter().map(|it| it.held)), median(times.iter().map(truth)));
    assert!(held as f64 >= all as f64 * INSIDE, "{held} of {all} us: {times:#?}");
    for (part, logged) in [
        ("hopspan.first_byte_ns", "first_byte_us"),
        ("hopspan.request_receive_ns", "receive_us"),
        ("hopspan.response_send_ns", "send_us"),
    ] {
        let found = times.iter().filter_map(|it| Some(it.part(part)? - it.logged(logged)));
        let differences: Vec<_> = found.collect();
        // A request that is all headers has nothing to receive.
        if !differences.is_empty() || part != "hopspan.request_receive_ns" {
            let difference = median(differences.into_iter());
            assert!(difference.abs() <= OUTSIDE_US, "{part}: {difference} us: {times:#?}");
        }
    }
}

fn ok(_: &Seen) -> Answer {
    Answer::status(200)
}

fn late(_: &Seen) -> Answer {
    Answer::after(Duration::from_millis(100))
}

fn slow() -> Request<Body> {
    post_slowly("/", Duration::from_millis(100))
}

/// A filter that holds every request.
fn delay() -> Value {
    let delay = json!({ "fixed_delay": "0.1s", "percentage": { "numerator": 100 } });
    filter("fault", "fault.v3.HTTPFault", json!({ "delay": delay }))
}

/// A route for everything, with more in its action.
fn to(cluster: &str, mut action: Value) -> Value {
    action["cluster"] = json!(cluster);
    json!({ "match": { "prefix": "/" }, "route": action })
}

const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
