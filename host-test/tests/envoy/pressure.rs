//! What gives way first when memory is short, in a real Envoy: spans, then metrics; requests and context never.

use std::collections::HashSet;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, get};
use crate::collector::Collector;
use crate::points::{last_points, sums};
use crate::proxy::Proxy;
use crate::stats::Stats;
use crate::upstream::{Answer, Upstream};

/// Requests that are under way at once, each with a query that is kept as long as it lasts.
const REQUESTS: usize = 60;
const QUERY: usize = 1000;

/// How many workers are at each level.
fn levels(stats: &Stats) -> [i64; 3] {
    [1, 2, 3].map(|it| stats.hopspan(&format!("pressure.level=.={it};.;")))
}

fn given_up(stats: &Stats, what: &str) -> i64 {
    stats.hopspan(&format!("given_up.what=.={what};.;"))
}

#[tokio::test]
async fn requests_under_way_take_no_more_than_they_may_and_all_are_answered() {
    let (release, released) = watch::channel(false);
    let upstream = Upstream::start(move |_| {
        let mut released = released.clone();
        Answer::Later(Box::pin(async move {
            released.wait_for(|it| *it).await.unwrap();
            Answer::status(200)
        }))
    })
    .await;
    let collector = Collector::start().await;
    let mut setup = Setup::new(Direction::Inbound, upstream.address(), collector.address());
    setup.workers = 1;
    setup.configure("batch", json!({ "max_open_bytes": 32_768 }));
    setup.configure("metrics", json!({ "interval_ms": 1000 }));
    let proxy = Proxy::start(&setup).await;

    let mut open = JoinSet::new();
    for _ in 0..REQUESTS {
        let mut client = Client::http1(proxy.address()).await;
        let path = format!("/cart?{}", "a".repeat(QUERY));
        open.spawn(async move { client.ask(get(&path)).await.status });
    }
    let seen = upstream.seen(REQUESTS).await;
    let traces: HashSet<_> = seen.iter().map(|it| it.traceparent().trace_id).collect();
    assert_eq!(traces.len(), REQUESTS, "each has its context");
    let short = proxy.stats_when("no room for what is counted", |it| levels(it)[2] == 1).await;
    assert_eq!(levels(&short), [0, 0, 1]);
    let (spans, metrics) = (given_up(&short, "span"), given_up(&short, "metrics"));
    // Three quarters of the room are for what is recorded, all of it for what is counted.
    assert!((1..40).contains(&metrics) && (30..50).contains(&spans), "{short}");

    release.send(true).unwrap();
    while let Some(status) = open.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    let recorded = i64::try_from(REQUESTS).unwrap() - spans;
    let after = proxy.at_rest(recorded).await;
    assert_eq!((levels(&after), given_up(&after, "span")), ([0, 0, 0], spans));
    let want = u64::try_from(i64::try_from(REQUESTS).unwrap() - metrics).unwrap();
    let counted = |reports: &[_]| {
        let of_all = sums(last_points(reports.to_vec()), &[], |it| it.ends_with("duration"));
        of_all.into_iter().map(|(_, count)| count).sum::<u64>()
    };
    collector.metrics(|it| counted(it) == want).await;

    // With room again, nothing is given up.
    let mut client = Client::http1(proxy.address()).await;
    assert_eq!(client.ask(get("/cart")).await.status, 200);
    let last = proxy.at_rest(recorded + 1).await;
    assert_eq!((given_up(&last, "span"), given_up(&last, "metrics")), (spans, metrics));
}
