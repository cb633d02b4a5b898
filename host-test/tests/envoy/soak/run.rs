//! One proxy, one service and one collector under traffic for minutes.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use super::fault::TIMEOUT;
use super::tally::{Came, Tally};
use super::traffic::{self, Numbers, Traffic};
use crate::bootstrap::{COLLECTOR, Direction, Setup};
use crate::collector::Collector;
use crate::proxy::Proxy;
use crate::stats::Stats;

/// All of them.
pub(super) struct Run {
    /// Envoy with hopspan.
    pub(super) proxy: Proxy,
    /// Where the spans go. It keeps none.
    pub(super) collector: Collector,
    tally: Arc<Tally>,
    numbers: Numbers,
    _service: JoinSet<()>,
}

/// A moment at which nothing was under way.
#[derive(Clone, Debug)]
pub(super) struct Quiet {
    /// The stats at that moment.
    pub(super) stats: Stats,
    /// The requests so far: each made a span.
    pub(super) made: i64,
    /// What came of them.
    pub(super) came: Came,
    /// Resident memory of Envoy, in KiB.
    pub(super) resident: u64,
}

impl Run {
    /// Starts, with hopspan's configuration as it is unless something is changed.
    pub(super) async fn start(change: impl FnOnce(&mut Setup)) -> Self {
        let (service, _service) = traffic::service().await;
        let tally = Arc::<Tally>::default();
        let collector = Collector::start_into({
            let tally = tally.clone();
            move |request| tally.note(&request)
        })
        .await;
        let mut setup = Setup::new(Direction::Inbound, service, collector.address());
        setup.configure("batch", json!({}));
        change(&mut setup);
        let proxy = Proxy::start(&setup).await;
        Self { proxy, collector, tally, numbers: Numbers::default(), _service }
    }

    /// Starts, with short times: faults end soon, and what they leave shall be over soon too.
    pub(super) async fn quick() -> Self {
        Self::start(|it| {
            let timeout_ms = u64::try_from(TIMEOUT.as_millis()).unwrap();
            it.configure("collector", json!({ "cluster": COLLECTOR, "timeout_ms": timeout_ms }));
            it.configure("retry", json!({ "initial_backoff_ms": 100, "max_backoff_ms": 1000 }));
            it.configure("batch", json!({ "schedule_delay_ms": 100 }));
        })
        .await
    }

    /// Begins traffic: so many requests a second, or as many as go through.
    pub(super) fn traffic(&self, rate: Option<f64>) -> Traffic {
        Traffic::start(self.address(), &self.numbers, rate)
    }

    /// Waits until nothing is under way, when there is no traffic and the collector takes
    /// everything, and compares what was made with what came.
    ///
    /// # Panics
    ///
    /// When a span is neither with the collector nor counted as dropped, or the other way round.
    pub(super) async fn quiet(&self) -> Quiet {
        let requests = self.numbers.used();
        let made = i64::try_from(requests).unwrap();
        let stats = self.proxy.at_rest(made).await;
        self.collector.assert_content();
        let came = self.tally.came(requests);
        let exported = stats.hopspan("spans.exported");
        assert_eq!(came.different, exported, "what came is what was exported:\n{stats}");
        let dropped = stats.hopspan_sum("spans.dropped.");
        assert_eq!(made - came.different, dropped, "what did not come was dropped:\n{stats}");
        Quiet { stats, made, came, resident: self.proxy.resident() }
    }

    fn address(&self) -> SocketAddr {
        self.proxy.address()
    }
}
