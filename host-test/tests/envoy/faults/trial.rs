//! Traffic through one proxy while its collector fails, and the account of it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::bootstrap::{Direction, Setup};
use crate::collector::Collector;
use crate::hop::Hop;
use crate::load::{Latencies, Load};
use crate::proxy::Proxy;
use crate::stats::Stats;
use crate::upstream::{Answer, Upstream};

/// A hop under traffic. Every request is sampled, and makes one span.
pub(crate) struct Trial {
    /// The proxy, its service and its collector.
    pub(crate) hop: Hop,
    setup: Setup,
    load: Load,
    /// The traffic before anything failed.
    calm: Latencies,
}

/// A hop after the traffic.
pub(crate) struct Quiet {
    /// The proxy, its service and its collector.
    pub(crate) hop: Hop,
    sent: usize,
}

/// The end of a [`Trial`]: every span that was made has arrived, or is counted as dropped.
pub(crate) struct Outcome {
    /// The proxy, at rest.
    pub(crate) proxy: Proxy,
    /// Its stats.
    pub(crate) stats: Stats,
    /// How many spans were made.
    pub(crate) made: i64,
    /// How many of them the collector never took.
    pub(crate) lost: i64,
    /// How many spans came that had come before.
    pub(crate) repeated: i64,
}

impl Trial {
    /// Starts with a collector that takes everything. Failed exports are tried again soon.
    pub(crate) async fn start(change: impl FnOnce(&mut Setup)) -> Self {
        Self::start_at(Duration::from_millis(1), change).await
    }

    /// The same, with another pause between the requests of a connection.
    pub(crate) async fn start_at(pause: Duration, change: impl FnOnce(&mut Setup)) -> Self {
        let upstream = Upstream::start(|_| Answer::status(200)).await;
        let collector = Collector::start().await;
        let mut setup = Setup::new(Direction::Inbound, upstream.address(), collector.address());
        setup.configure("retry", json!({ "initial_backoff_ms": 50, "max_backoff_ms": 100 }));
        change(&mut setup);
        let proxy = Proxy::start(&setup).await;
        let hop = Hop { proxy, upstream, collector };
        let mut load = Load::start(hop.proxy.address(), 2, pause);
        // The first requests find everything cold.
        load.more(50).await;
        hop.collector.spans(1).await;
        load.lap();
        load.more(100).await;
        let calm = load.lap();
        Self { hop, setup, load, calm }
    }

    /// Waits until the stats are as they should be, and for some more traffic after that.
    pub(crate) async fn until(&mut self, what: &str, matches: impl Fn(&Stats) -> bool) -> Stats {
        let stats = self.hop.proxy.stats_when(what, matches).await;
        self.traffic().await;
        stats
    }

    /// Waits for some traffic.
    pub(crate) async fn traffic(&mut self) {
        self.load.more(50).await;
    }

    /// Replaces the listener under the traffic, and waits until it has been, and for some traffic
    /// through the new one.
    pub(crate) async fn update(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        let updates = |it: &Stats| it.envoy("listener_manager.lds.update_success");
        let before = updates(&self.hop.proxy.stats().await);
        self.hop.proxy.update(&self.setup);
        self.until("an update", |it| updates(it) > before).await;
    }

    /// Waits until nothing is left of the listeners that were replaced or removed.
    pub(crate) async fn drained(&mut self) {
        let drained = |it: &Stats| {
            it.envoy("listener_manager.total_filter_chains_draining") == 0
                && it.envoy("listener_manager.total_listeners_draining") == 0
        };
        self.hop.proxy.stats_when("the old listeners gone", drained).await;
    }

    /// Ends the traffic, waits until nothing is queued or in flight, and compares what was made
    /// with what came.
    ///
    /// # Panics
    ///
    /// When a request failed, or a span is neither with the collector nor counted as dropped.
    pub(crate) async fn end(self) -> Outcome {
        self.quiet().await.end().await
    }

    /// Ends the traffic. Spans may still be under way.
    ///
    /// # Panics
    ///
    /// When a request failed.
    pub(crate) async fn quiet(self) -> Quiet {
        let Self { hop, load, calm, .. } = self;
        let hurt = load.lap();
        let sent = load.stop().await;
        println!("before the fault: {calm}\nwith the fault:   {hurt}");
        // What a worker that waits for a collector would exceed, and a busy machine does not:
        // the latter has single requests wait, the former most.
        for (percent, slack) in [(50, 50), (99, 500)] {
            let bound = calm.percentile(percent) * 10 + Duration::from_millis(slack);
            assert!(hurt.percentile(percent) <= bound, "before: {calm}; with the fault: {hurt}");
        }
        Quiet { hop, sent }
    }
}

impl Quiet {
    /// How many requests there were.
    pub(crate) fn requests(&self) -> i64 {
        i64::try_from(self.sent).unwrap()
    }

    /// Waits until nothing is queued or in flight, and compares what was made with what came.
    ///
    /// # Panics
    ///
    /// When a span is neither with the collector nor counted as dropped.
    pub(crate) async fn end(self) -> Outcome {
        let stats = self.hop.proxy.at_rest(self.requests()).await;
        self.compare(stats).await
    }

    /// Compares what was made with what came, when nothing more can come.
    ///
    /// # Panics
    ///
    /// When a span is neither with the collector nor counted as dropped.
    pub(crate) async fn compare(self, stats: Stats) -> Outcome {
        let Self { hop, sent } = self;
        assert_eq!(stats.unaccounted_spans(), 0, "{stats}");
        let seen = hop.upstream.seen(sent).await;
        assert_eq!(seen.len(), sent);
        let made: BTreeSet<_> = seen.iter().map(|it| it.traceparent().parent_id).collect();
        assert_eq!(made.len(), sent, "each request has a span of its own");
        let mut arrived = BTreeMap::new();
        for span in hop.collector.spans_now() {
            *arrived.entry(span.span_id()).or_insert(0) += 1_i64;
        }
        let invented: Vec<_> = arrived.keys().filter(|it| !made.contains(*it)).collect();
        assert!(invented.is_empty(), "spans that no request made: {invented:?}");

        let count = |it| i64::try_from(it).unwrap();
        let (made, came) = (count(made.len()), count(arrived.len()));
        assert_eq!(stats.hopspan("spans.created"), made, "{stats}");
        let exported = stats.hopspan("spans.exported");
        assert!(exported <= came, "{came} came, {exported} are said to have come:\n{stats}");
        let repeated = arrived.values().map(|it| it - 1).sum();
        println!("{made} made, {} lost, {repeated} repeated", made - came);
        Outcome { proxy: hop.proxy, stats, made, lost: made - came, repeated }
    }
}

impl Outcome {
    /// Each span came, and was counted as exported.
    #[track_caller]
    pub(crate) fn assert_nothing_lost(&self) {
        let Self { stats, made, .. } = self;
        assert_eq!(self.lost, 0, "{stats}");
        assert_eq!(stats.hopspan("spans.exported"), *made, "{stats}");
        assert_eq!(stats.hopspan_sum("spans.dropped."), 0, "{stats}");
    }

    /// Each span that came, came once.
    #[track_caller]
    pub(crate) fn assert_nothing_repeated(&self) {
        assert_eq!(self.repeated, 0, "{}", self.stats);
    }
}
