//! Clients: they know nothing of traces either.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request};
use http_body_util::{BodyExt, Full};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::ports::loopback;
use crate::scenario::Scenario;
use crate::service::{HttpClient, http_client};

/// Requests have numbers from here on, so that those that people make stand out.
pub(crate) const FIRST_NUMBER: u64 = 1_000;

/// One request that was made.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) scenario: Scenario,
    pub(crate) number: u64,
    /// The status code, or why there is none.
    pub(crate) answer: Result<u16, String>,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scenario.method(), self.scenario.path(self.number))
    }
}

/// Makes requests to the gateway.
#[derive(Debug)]
pub(crate) struct Load {
    http: HttpClient,
    gateway: u16,
    next: AtomicU64,
}

impl Load {
    pub(crate) fn new(gateway: u16) -> Self {
        Self { http: http_client(), gateway, next: AtomicU64::new(FIRST_NUMBER) }
    }

    /// Makes every kind of request `rounds` times, those of one round at once.
    pub(crate) async fn rounds(&self, rounds: usize) -> Vec<Sent> {
        let mut all = Vec::new();
        for _ in 0..rounds {
            let mut round = JoinSet::new();
            for scenario in Scenario::ALL {
                round.spawn(self.request(scenario));
            }
            all.extend(round.join_all().await);
        }
        all
    }

    /// Makes requests as long as it is let, most of them of the ordinary kinds.
    pub(crate) async fn forever(&self, per_second: u16) {
        use Scenario::{Fail, Flaky, Order, Product, Slow};
        const MIX: [Scenario; 8] = [Product, Order, Product, Flaky, Product, Order, Slow, Fail];
        // More than this hang only when nothing answers any more.
        const AT_ONCE: usize = 100;

        let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::from(per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = JoinSet::new();
        for scenario in MIX.into_iter().cycle() {
            ticks.tick().await;
            while open.try_join_next().is_some() {}
            if open.len() < AT_ONCE {
                open.spawn(self.request(scenario));
            }
        }
    }

    /// Whether we made the request with this number.
    pub(crate) fn made(&self, number: u64) -> bool {
        (FIRST_NUMBER..self.next.load(Ordering::Relaxed)).contains(&number)
    }

    fn request(&self, scenario: Scenario) -> impl Future<Output = Sent> + use<> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let uri = format!("http://{}{}", loopback(self.gateway), scenario.path(number));
        let http = self.http.clone();
        async move { Sent { scenario, number, answer: send(&http, scenario.method(), &uri).await } }
    }
}

async fn send(http: &HttpClient, method: Method, uri: &str) -> Result<u16, String> {
    let body = if method == Method::POST { r#"{"items":2}"# } else { "" };
    let request = Request::builder().method(method).uri(uri).body(Full::from(Bytes::from(body)));
    let response = http.request(request.map_err(|error| error.to_string())?).await;
    let response = response.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    // To the end: a client that hangs up early leaves another kind of trace.
    response.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok(status)
}
