//! Traffic through one proxy while its collector fails, and the account of it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, get};
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
    setup: Setup,
    sent: usize,
}

/// What came of all spans that were made.
pub(crate) struct Arrived {
    /// How many spans were made.
    pub(crate) made: i64,
    /// How many of them the collector never took.
    pub(crate) lost: i64,
    /// How many spans came that had come before.
    pub(crate) repeated: i64,
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
        update(&self.hop, &mut self.setup, change).await;
        self.traffic().await;
    }

    /// Waits until nothing is left of the listeners that were replaced or removed.
    pub(crate) async fn drained(&mut self) {
        drained(&self.hop).await;
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
        let Self { hop, setup, load, calm } = self;
        let hurt = load.lap();
        let sent = load.stop().await;
        println!("before the fault: {calm}\nwith the fault:   {hurt}");
        // What a worker that waits for a collector would exceed, and a busy machine does not:
        // the latter has single requests wait, the former most.
        for (percent, slack) in [(50, 50), (99, 500)] {
            let bound = calm.percentile(percent) * 10 + Duration::from_millis(slack);
            assert!(hurt.percentile(percent) <= bound, "before: {calm}; with the fault: {hurt}");
        }
        Quiet { hop, setup, sent }
    }
}

impl Quiet {
    /// How many requests there were.
    pub(crate) fn requests(&self) -> i64 {
        i64::try_from(self.sent).unwrap()
    }

    /// Sends some requests, one after the other.
    pub(crate) async fn ask(&mut self, count: usize) {
        let mut client = Client::http1(self.hop.proxy.address()).await;
        for _ in 0..count {
            assert_eq!(client.ask(get("/")).await.status, 200);
        }
        self.sent += count;
    }

    /// Waits until all but [`WAITING`] spans were exported.
    pub(crate) async fn exported(&self) {
        let whole = self.requests() - WAITING;
        let exported = |it: &Stats| it.hopspan("spans.exported") == whole;
        self.hop.proxy.stats_when("whole batches exported", exported).await;
    }

    /// Replaces the listener, and waits until it has been.
    pub(crate) async fn update(&mut self, change: impl FnOnce(&mut Setup)) {
        update(&self.hop, &mut self.setup, change).await;
    }

    /// Has the control plane say what Envoy rejects.
    pub(crate) async fn update_in_vain(&self, change: impl FnOnce(&mut Setup)) {
        let mut setup = self.setup.clone();
        change(&mut setup);
        let rejected = |it: &Stats| it.envoy("listener_manager.lds.update_rejected");
        let before = rejected(&self.hop.proxy.stats().await);
        self.hop.proxy.update(&setup);
        self.hop.proxy.stats_when("a rejected update", |it| rejected(it) > before).await;
    }

    /// Waits until nothing is left of the listeners that were replaced or removed.
    pub(crate) async fn drained(&self) {
        drained(&self.hop).await;
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
        assert_eq!(stats.unaccounted_spans(), 0, "{stats}");
        let Arrived { made, lost, repeated } = self.arrived().await;
        assert_eq!(stats.hopspan("spans.created"), made, "{stats}");
        let (exported, came) = (stats.hopspan("spans.exported"), made - lost);
        assert!(exported <= came, "{came} came, {exported} are said to have come:\n{stats}");
        Outcome { proxy: self.hop.proxy, stats, made, lost, repeated }
    }

    /// Compares what was made with what has come so far.
    pub(crate) async fn arrived(&self) -> Arrived {
        let Self { hop, sent, .. } = self;
        let seen = hop.upstream.seen(*sent).await;
        assert_eq!(seen.len(), *sent);
        let made: BTreeSet<_> = seen.iter().map(|it| it.traceparent().parent_id).collect();
        assert_eq!(made.len(), *sent, "each request has a span of its own");
        let mut arrived = BTreeMap::new();
        for span in hop.collector.spans_now() {
            *arrived.entry(span.span_id()).or_insert(0) += 1_i64;
        }
        let invented: Vec<_> = arrived.keys().filter(|it| !made.contains(*it)).collect();
        assert!(invented.is_empty(), "spans that no request made: {invented:?}");

        let count = |it| i64::try_from(it).unwrap();
        let (made, came) = (count(made.len()), count(arrived.len()));
        let repeated = arrived.values().map(|it| it - 1).sum();
        println!("{made} made, {} lost, {repeated} repeated", made - came);
        Arrived { made, lost: made - came, repeated }
    }
}

/// Spans that wait after [`gathered`]: less than a batch.
pub(crate) const WAITING: i64 = 7;

const BATCH: usize = 20;

/// The one worker of a proxy has just [`WAITING`] spans, which nothing but an end will send, and a
/// connection to the collector that is open. All other spans were exported.
pub(crate) async fn gathered(change: impl FnOnce(&mut Setup)) -> Quiet {
    let trial = Trial::start(|it| {
        let batch = json!({ "schedule_delay_ms": 60_000, "max_export_batch_size": BATCH });
        it.configure("batch", batch);
        // Reports would take connections that spans are to find.
        it.configure("metrics", json!({ "to": [] }));
        change(it);
    });
    let mut quiet = trial.await.quiet().await;
    // A worker's first request leaves with whatever there is, all others with a whole batch.
    let size = i64::try_from(BATCH).unwrap();
    let requests = quiet.requests();
    let left = |it: &Stats| requests - it.hopspan("spans.exported");
    let stats = quiet.hop.proxy.stats_when("less than a batch left", |it| left(it) < size).await;
    let missing = (WAITING - left(&stats)).rem_euclid(size);
    quiet.ask(usize::try_from(missing).unwrap()).await;
    quiet.exported().await;
    quiet
}

async fn update(hop: &Hop, setup: &mut Setup, change: impl FnOnce(&mut Setup)) {
    change(setup);
    let updates = |it: &Stats| it.envoy("listener_manager.lds.update_success");
    let before = updates(&hop.proxy.stats().await);
    hop.proxy.update(setup);
    hop.proxy.stats_when("an update", |it| updates(it) > before).await;
}

async fn drained(hop: &Hop) {
    let drained = |it: &Stats| {
        it.envoy("listener_manager.total_filter_chains_draining") == 0
            && it.envoy("listener_manager.total_listeners_draining") == 0
    };
    hop.proxy.stats_when("the old listeners gone", drained).await;
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

    /// So many spans were left at the end, and count as lost even if they came after all. All
    /// others were exported, and nothing was left to anybody.
    #[track_caller]
    pub(crate) fn assert_only_shutdown(&self, waited: i64) {
        let Self { stats, made, lost, .. } = self;
        assert_eq!(stats.dropped("shutdown"), waited, "{stats}");
        assert_eq!(stats.hopspan("spans.exported"), made - waited, "{stats}");
        assert_eq!(stats.hopspan("spans.handed_over"), 0, "{stats}");
        assert!(*lost <= waited, "{lost} lost:\n{stats}");
        self.assert_nothing_repeated();
    }

    /// Nothing is left between one that ended and the next.
    #[track_caller]
    pub(crate) fn assert_all_taken_over(&self) {
        let [given, taken] =
            ["handed_over", "taken_over"].map(|it| self.stats.hopspan(&format!("spans.{it}")));
        assert!(given > 0, "{}", self.stats);
        assert_eq!(given, taken, "{}", self.stats);
    }

    /// Each span that came, came once.
    #[track_caller]
    pub(crate) fn assert_nothing_repeated(&self) {
        assert_eq!(self.repeated, 0, "{}", self.stats);
    }
}
