//! The proxy's own time where tries are seen, against Envoy's own clock in the same run.

use super::*;

/// The truth: how long Envoy's access log says the request took, less what its log of each try
/// says that the upstream had it.
#[tokio::test]
async fn the_proxys_time_is_exact_across_tries() {
    const REQUESTS: usize = 7;
    let answer = |seen: &Seen| Answer::Reply {
        after: Duration::from_millis(30),
        status: if seen.index % 3 < 2 { 503 } else { 200 },
        headers: Vec::new(),
        body: b"hello",
        trailers: Vec::new(),
    };
    let hop = tried(Direction::Inbound, answer, |it| {
        retry(it, json!({}));
        it.access_log = json!({ "all_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%" });
        it.router = json!({ "upstream_log": [{
            "name": "stdout",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                "log_format": { "json_format": {
                    "answered_us": "%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%",
                    "began_us": "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
                } },
            },
        }] });
    });
    let hop = hop.await;
    let mut client = Client::http1(hop.proxy.address()).await;
    for _ in 0..REQUESTS {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }

    let mut spans = hop.spans(4 * REQUESTS).await;
    spans.retain(|it| it.kind() == SpanKind::Server);
    spans.sort_by_key(|it| it.span.start_time_unix_nano);
    let lines = hop.proxy.access_log(REQUESTS).await;
    let tries: Vec<Value> = poll("a line for each try", async || {
        let log = hop.proxy.log();
        let lines = log.lines().filter_map(|it| serde_json::from_str(it).ok());
        Some(lines.collect::<Vec<_>>()).filter(|it| it.len() >= 3 * REQUESTS)
    })
    .await;
    let mut missing = Vec::new();
    for ((span, line), tries) in spans.iter().zip(&lines).zip(tries.chunks(3)) {
        assert_eq!(span.flag("hopspan.proxy_time_upper_bound"), None, "it is exact");
        let held = span.int("hopspan.proxy_time_ns").expect("a proxy time") / 1000;
        // One that is tried again is given up when its response begins.
        let had = |it: &Value| number(it, "answered_us").or_else(|| number(it, "began_us"));
        let upstream: i64 = tries.iter().map(|it| had(it).unwrap_or_else(|| panic!("{it}"))).sum();
        assert!(upstream >= 80_000, "three tries of 30 ms: {tries:?}");
        let truth = number(line, "all_us").expect("the time of all") - upstream;
        missing.push(truth - held);
    }
    missing.sort_unstable();
    let median = missing[REQUESTS / 2];
    let near = -DOUBLE_US..=OUTSIDE_US;
    assert!(near.contains(&median), "{missing:?} us between Envoy's word and ours");
}

/// The most that Envoy spends outside of the filter's first and last callback, in the median.
const OUTSIDE_US: i64 = 2_000;
/// The most that is counted twice: Envoy begins to connect before it shows a try to filters, and
/// says at its end only how long that took. So much for two tries, in the median.
const DOUBLE_US: i64 = 1_500;

fn number(line: &Value, key: &str) -> Option<i64> {
    let value = &line[key];
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
