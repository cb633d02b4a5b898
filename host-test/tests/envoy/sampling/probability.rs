//! Consistent probability sampling: what the next hop and the collector are told.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>

use serde_json::json;

use super::{PARENT, TRACE, hop, request};
use crate::bootstrap::Direction;
use crate::client::get;
use crate::received::Received;

/// 2 to the power of 56: how many values a threshold, and the randomness of a trace-id, have.
const WHOLE: u64 = 1 << 56;

/// The threshold of a list of which it is the only member.
fn threshold(list: &str) -> u64 {
    let digits = list.strip_prefix("ot=th:").unwrap_or_else(|| panic!("a threshold: {list:?}"));
    assert!((1..=14).contains(&digits.len()) && !digits.ends_with('0'), "{digits}");
    u64::from_str_radix(&format!("{digits:0<14}"), 16).unwrap()
}

/// The last 56 bits.
fn randomness(trace_id: &str) -> u64 {
    u64::from_str_radix(&trace_id[18..], 16).unwrap()
}

#[tokio::test]
async fn a_ratio_of_a_half_is_told_to_whom_it_concerns() {
    let hop = hop(Direction::Inbound, |it| it.configure("sampling", json!({ "ratio": 0.5 }))).await;
    let mut client = hop.client().await;
    let requests = 40;
    for _ in 0..requests {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }

    let (mut sampled, mut dropped) = (0, 0);
    for seen in hop.upstream.seen(requests).await {
        let sent = seen.traceparent();
        if randomness(&sent.trace_id) >= WHOLE / 2 {
            assert_eq!((sent.flags.as_str(), seen.header("tracestate")), ("03", Some("ot=th:8")));
            sampled += 1;
        } else {
            assert_eq!((sent.flags.as_str(), seen.header("tracestate")), ("02", None));
            dropped += 1;
        }
    }
    // One in 2^39 runs is without one or the other.
    assert!(sampled > 0 && dropped > 0, "{sampled} and {dropped}");
    for span in hop.spans(sampled).await {
        assert_eq!(span.span.trace_state, "ot=th:8");
    }
}

#[tokio::test]
async fn a_callers_probability_passes_untouched() {
    let hop = hop(Direction::Inbound, |it| it.configure("sampling", json!({ "ratio": 0.5 }))).await;
    let sampled = format!("00-{TRACE}-{PARENT}-03");
    let list = "vendor=1,ot=rv:ffffffffffff00;th:c";
    let headers = [("traceparent", &*sampled), ("tracestate", list)];

    assert_eq!(hop.client().await.ask(request("/", &headers)).await.status, 200);

    assert_eq!(hop.upstream.seen(1).await[0].header("tracestate"), Some(list));
    assert_eq!(hop.span().await.span.trace_state, list);
}

/// How many requests a span stands for.
fn adjusted_count(span: &Received) -> f64 {
    let kept = WHOLE - threshold(&span.span.trace_state);
    WHOLE as f64 / kept as f64
}

#[tokio::test]
async fn counts_from_spans_match_the_requests_that_were_made() {
    let ratios = [("/often", 0.5), ("/seldom", 0.125), ("/oddly", 0.3)];
    let hop = hop(Direction::Inbound, |it| {
        let rule = |(path, ratio)| json!({ "match": { "path": path }, "ratio": ratio });
        it.configure("sampling", json!({ "rules": ratios.map(rule) }));
    })
    .await;
    let mut client = hop.client().await;
    let requests = 300;
    for (path, _) in ratios {
        for _ in 0..requests {
            assert_eq!(client.ask(get(path)).await.status, 200);
        }
    }

    let seen = hop.upstream.seen(requests * ratios.len()).await;
    let is_sampled = |flags: &str| flags == "03";
    let sampled = seen.iter().filter(|it| is_sampled(&it.traceparent().flags)).count();
    let spans = hop.spans(sampled).await;
    for (path, ratio) in ratios {
        let of_path: Vec<_> = spans.iter().filter(|it| it.text("url.path") == Some(path)).collect();
        let count: f64 = of_path.iter().copied().map(adjusted_count).sum();
        let true_count = requests as f64;
        // The variance of an estimate from so many that are kept independently.
        let error = (true_count * (1.0 - ratio) / ratio).sqrt();
        let off = (count - true_count) / error;
        assert!(off.abs() < 5.0, "{path}: {count} is {off} standard errors off {true_count}");

        // And exactly those are kept that should be: who decides on the same trace decides alike.
        let kept_at = ((1.0 - ratio) * WHOLE as f64) as u64;
        for seen in seen.iter().filter(|it| it.path == path) {
            let sent = seen.traceparent();
            // A threshold may be rounded: to three digits, one in four thousand.
            if randomness(&sent.trace_id).abs_diff(kept_at) > WHOLE / 2048 {
                let want = randomness(&sent.trace_id) > kept_at;
                assert_eq!(is_sampled(&sent.flags), want, "{path}: {sent:?}");
            }
        }
    }
}
