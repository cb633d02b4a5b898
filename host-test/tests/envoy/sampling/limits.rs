//! Limits for the whole process, whatever the number of its workers.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::hop;
use crate::bootstrap::{Direction, UPSTREAM};
use crate::client::{Client, get};
use crate::hop::Hop;
use crate::stats::Stats;

const WORKERS: u32 = 4;

/// How many workers got a connection.
fn workers_with_connections(stats: &Stats) -> usize {
    let connections = |worker: &u32| {
        stats.envoy(&format!("listener.127.0.0.1_0.worker_{worker}.downstream_cx_total"))
    };
    (0..WORKERS).filter(|it| connections(it) > 0).count()
}

/// Connections enough for every worker to get some.
async fn clients(hop: &Hop, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(hop.client().await);
    }
    clients
}

#[tokio::test]
async fn all_workers_together_keep_to_the_limit() {
    let limit: u16 = 40;
    let hop = hop(Direction::Inbound, |it| {
        it.workers = WORKERS;
        it.configure("sampling", json!({ "max_per_second": limit }));
    })
    .await;

    // About ten times as much as may be kept, evenly.
    let lasting = Duration::from_secs(4);
    let began = Instant::now();
    let mut load = JoinSet::new();
    for mut client in clients(&hop, 24).await {
        load.spawn(async move {
            let mut pace = interval(Duration::from_millis(60));
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut sent = 0;
            while began.elapsed() < lasting {
                pace.tick().await;
                assert_eq!(client.ask(get("/")).await.status, 200);
                sent += 1;
            }
            sent
        });
    }
    let sent: i64 = load.join_all().await.into_iter().sum();
    let lasted = began.elapsed().as_secs_f64();

    let decided =
        |it: &Stats| it.hopspan("sampling.sampled") + it.hopspan("sampling.dropped") == sent;
    let stats = hop.proxy.stats_when("all decisions", decided).await;
    let kept = stats.hopspan("sampling.sampled");
    let spans = hop.spans(usize::try_from(kept).unwrap()).await;
    assert!(workers_with_connections(&stats) > 1, "one worker has all of the load");
    assert_eq!(stats.hopspan("sampling.limited"), sent - kept, "{stats}");

    // Any second sees a quarter more and one at most.
    let mut starts: Vec<_> = spans.iter().map(|it| it.span.start_time_unix_nano).collect();
    starts.sort_unstable();
    let in_a_second = |start: &u64| {
        starts.iter().filter(|it| (*start..*start + 1_000_000_000).contains(it)).count()
    };
    let most = starts.iter().map(in_a_second).max().unwrap();
    assert!(most <= usize::from(limit) * 5 / 4 + 1, "{most} in one second");
    // Of the tokens one in seventeen may be lost, and those of moments in which a busy
    // machine stood still; of four limits that divide it there would be a quarter.
    let all = f64::from(limit) * lasted;
    assert!(kept as f64 > all * 0.6, "{kept} of {all} in {lasted} s");

    for span in &spans {
        assert_eq!(span.text("hopspan.sampling.reason"), Some("max_per_second"));
        assert_eq!(span.span.trace_state, "", "no probability describes it");
    }
}

/// Minutes of the clock that Envoy goes by.
fn minute() -> i64 {
    clock_gettime(ClockId::Monotonic).tv_sec / 60
}

#[tokio::test]
async fn each_route_has_its_traces_however_many_workers_there_are() {
    let (floor, routes) = (3, ["cart", "checkout"]);
    let hop = hop(Direction::Inbound, |it| {
        it.workers = WORKERS;
        it.routes.extend(routes.map(|route| {
            json!({
                "name": route,
                "match": { "prefix": format!("/{route}") },
                "route": { "cluster": UPSTREAM },
            })
        }));
        it.configure("sampling", json!({ "ratio": 0, "min_per_minute": floor }));
    })
    .await;

    let first = minute();
    let mut clients = clients(&hop, 16).await;
    for client in &mut clients {
        for route in routes {
            // It is the route that counts, not the path.
            for item in [1, 2] {
                assert_eq!(client.ask(get(&format!("/{route}/{item}"))).await.status, 200);
            }
        }
    }
    let minutes = minute() - first + 1;

    let decided =
        |it: &Stats| it.hopspan("sampling.sampled") + it.hopspan("sampling.dropped") == 16 * 4;
    let stats = hop.proxy.stats_when("all decisions", decided).await;
    assert!(workers_with_connections(&stats) > 1, "one worker has all of the load");
    let kept = usize::try_from(stats.hopspan("sampling.sampled")).unwrap();
    let spans = hop.spans(kept).await;
    for route in routes {
        let path = format!("/{route}/");
        let of_route =
            |it: &&_| crate::received::Received::text(it, "url.path").unwrap().starts_with(&path);
        let kept = i64::try_from(spans.iter().filter(of_route).count()).unwrap();
        assert!((floor..=floor * minutes).contains(&kept), "{route}: {kept} in {minutes}");
    }
    for span in &spans {
        assert_eq!(span.text("hopspan.sampling.reason"), Some("min_per_minute"));
    }
}
