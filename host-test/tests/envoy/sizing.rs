//! The figures of docs/operations.md, "Sizing", in a real Envoy: printed, and held to what stands there.

use std::time::Duration;

use prost::Message;
use serde_json::json;

use crate::bootstrap::{Direction, Setup};
use crate::collector::Collector;
use crate::load::Load;
use crate::proxy::Proxy;
use crate::stats::Stats;
use crate::upstream::{Answer, Upstream};

/// A proxy, and what it had in memory before and after traffic, in KiB.
struct Measured {
    idle: i64,
    busy: i64,
    stats: Stats,
    /// Bytes of the last report of metrics.
    report: usize,
}

/// So many requests, on four connections for each worker.
const REQUESTS: usize = 4000;

async fn measured(with_hopspan: bool, direction: Direction, workers: u32) -> Measured {
    let upstream = Upstream::start(|_| Answer::status(200)).await;
    let collector = Collector::start().await;
    let mut setup = Setup::new(direction, upstream.address(), collector.address());
    setup.workers = workers;
    setup.configure("batch", json!({}));
    setup.configure("metrics", json!({ "interval_ms": 1000 }));
    if !with_hopspan {
        setup.hopspan = None;
    }
    let proxy = Proxy::start(&setup).await;
    let resident = || i64::try_from(proxy.resident()).unwrap();
    let idle = resident();
    let mut load = Load::start(proxy.address(), 4 * workers as usize, Duration::ZERO);
    for _ in 0..REQUESTS / 500 {
        load.more(500).await;
    }
    let sent = load.stop().await;
    let mut report = 0;
    if with_hopspan {
        let spans = if direction == Direction::Unspecified { 2 * sent } else { sent };
        proxy.at_rest(i64::try_from(spans).unwrap()).await;
        let reports = collector.metrics(|it| it.len() > workers as usize).await;
        report = reports.last().map_or(0, Message::encoded_len);
    }
    Measured { idle, busy: resident(), stats: proxy.stats().await, report }
}

fn mib(kib: i64) -> f64 {
    kib as f64 / 1024.0
}

#[tokio::test]
async fn memory_is_what_the_guide_says() {
    let mut all = Vec::new();
    for workers in [1, 4] {
        let without = measured(false, Direction::Inbound, workers).await;
        let with = measured(true, Direction::Inbound, workers).await;
        println!(
            "{workers} workers: {:.1} MiB without hopspan, {:.1} with it; after {REQUESTS} requests {:.1} and {:.1}",
            mib(without.idle),
            mib(with.idle),
            mib(without.busy),
            mib(with.busy)
        );
        all.push([mib(with.idle - without.idle), mib(with.busy - without.busy)]);
    }
    let [[one, one_busy], [four, four_busy]] = all[..] else { panic!("two rows") };
    let each = [(four - one) / 3.0, (four_busy - one_busy) / 3.0];
    println!(
        "hopspan takes {one:.1} MiB, {one_busy:.1} under load; each further worker {each:.1?}"
    );
    assert!((20.0..90.0).contains(&one) && (20.0..90.0).contains(&one_busy));
    assert!(each.iter().all(|it| *it < 6.0));
}

#[tokio::test]
async fn what_is_sent_and_counted_is_what_the_guide_says() {
    for (direction, most) in [(Direction::Inbound, 1100), (Direction::Unspecified, 900)] {
        let Measured { stats, report, .. } = measured(true, direction, 1).await;
        let exported = stats.hopspan("spans.exported");
        let span = stats.hopspan("export.bytes") / exported;
        println!(
            "{direction:?}: {span} bytes a span, {report} bytes a report of {} series, {} stats",
            stats.hopspan("metrics.series"),
            stats.count_of_hopspan()
        );
        assert!((400..most).contains(&span), "{span} bytes a span");
        assert!((500..20_000).contains(&report), "{report} bytes a report");
        assert!((55..75).contains(&stats.count_of_hopspan()), "{stats}");
    }
}
