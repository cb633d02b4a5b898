//! Traffic that goes on while something else happens, and what it felt of that.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::{Client, get};
use crate::deadline::poll;

/// Requests one after the other on each of some connections, until they are stopped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    connections: JoinSet<()>,
}

/// How long answers took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicUsize,
    /// Of the requests since the last lap.
    took: Mutex<Vec<Duration>>,
}

impl Load {
    /// Begins. `pause` is between the requests of a connection; without one they go as fast as
    /// they are answered.
    pub(crate) fn start(address: SocketAddr, connections: usize, pause: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let connections = (0..connections).map(|_| ask(address, pause, shared.clone())).collect();
        Self { shared, connections }
    }

    /// Waits for so many more requests.
    ///
    /// # Panics
    ///
    /// When a request failed.
    pub(crate) async fn more(&mut self, count: usize) {
        let until = self.sent() + count;
        poll(&format!("{count} more requests"), async || {
            if let Some(ended) = self.connections.try_join_next() {
                ended.expect("no request fails");
            }
            (self.sent() >= until).then_some(())
        })
        .await;
    }

    /// How long the requests since the last lap took.
    pub(crate) fn lap(&self) -> Latencies {
        std::mem::take(&mut *self.shared.took.lock().unwrap()).into()
    }

    /// Ends with the requests under way. Returns how many there were in all.
    ///
    /// # Panics
    ///
    /// When a request failed.
    pub(crate) async fn stop(mut self) -> usize {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.connections.join_next().await {
            ended.expect("no request fails");
        }
        self.sent()
    }

    fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

async fn ask(address: SocketAddr, pause: Duration, shared: Arc<Shared>) {
    let mut client = Client::http1(address).await;
    while !shared.stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let reply = client.ask(get("/")).await;
        assert_eq!(reply.status, 200);
        shared.took.lock().unwrap().push(asked.elapsed());
        shared.sent.fetch_add(1, Ordering::Relaxed);
        if reply.headers.get("connection").is_some_and(|it| it == "close") {
            // A listener that is drained says so; the next one is at the same address.
            client = Client::http1(address).await;
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

impl Latencies {
    /// How many answers there were.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// What so many percent of the requests did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }

    /// Adds those of the same under the same conditions.
    pub(crate) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

impl From<Vec<Duration>> for Latencies {
    fn from(took: Vec<Duration>) -> Self {
        Self(took)
    }
}

impl Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = [50, 99].map(|it| self.percentile(it).as_secs_f64() * 1e3);
        write!(f, "{} requests, p50 {p50:.2} ms, p99 {p99:.2} ms", self.0.len())
    }
}
