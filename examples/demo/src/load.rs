//! Clients: they know nothing of traces either, but some ask why they are traced.

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

/// The header with which a request asks why it is traced, and that of the answer.
pub(crate) const EXPLAIN: &str = "x-hopspan-explain";

/// One request that was made.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) scenario: Scenario,
    pub(crate) number: u64,
    /// Whether it asked why it is traced.
    pub(crate) asks: bool,
    /// What came back, or why nothing did.
    pub(crate) answer: Result<Answer, String>,
}

/// What a client sees.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Why the request is traced.
    pub(crate) explanation: Option<String>,
    /// What proxies tell each other by this header is not for clients.
    pub(crate) traceresponse: Option<String>,
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

    /// Makes requests of these kinds `rounds` times, those of one round at once. Every fifth
    /// asks why it is traced.
    pub(crate) async fn rounds(&self, rounds: usize, round: &[Scenario]) -> Vec<Sent> {
        let mut all = Vec::new();
        for _ in 0..rounds {
            let mut open = JoinSet::new();
            for scenario in round {
                let asks = self.next.load(Ordering::Relaxed).is_multiple_of(5);
                open.spawn(self.request(*scenario, asks));
            }
            all.extend(open.join_all().await);
        }
        all
    }

    /// Makes requests as long as it is let, most of them of the ordinary kinds.
    pub(crate) async fn forever(&self, per_second: u16) {
        use Scenario::{Fail, Flaky, Forgetful, Hidden, Order, Product, Slow};
        const MIX: [Scenario; 10] =
            [Product, Order, Product, Flaky, Product, Fail, Order, Slow, Hidden, Forgetful];
        // More than this hang only when nothing answers any more.
        const AT_ONCE: usize = 100;

        let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::from(per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = JoinSet::new();
        for scenario in MIX.into_iter().cycle() {
            ticks.tick().await;
            while open.try_join_next().is_some() {}
            if open.len() < AT_ONCE {
                open.spawn(self.request(scenario, false));
            }
        }
    }

    /// Whether we made the request with this number.
    pub(crate) fn made(&self, number: u64) -> bool {
        (FIRST_NUMBER..self.next.load(Ordering::Relaxed)).contains(&number)
    }

    fn request(&self, scenario: Scenario, asks: bool) -> impl Future<Output = Sent> + use<> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let uri = format!("http://{}{}", loopback(self.gateway), scenario.path(number));
        let http = self.http.clone();
        async move {
            let answer = send(&http, scenario.method(), &uri, asks).await;
            Sent { scenario, number, asks, answer }
        }
    }
}

async fn send(http: &HttpClient, method: Method, uri: &str, asks: bool) -> Result<Answer, String> {
    let body = if method == Method::POST { r#"{"items":2}"# } else { "" };
    let mut request = Request::builder().method(method).uri(uri);
    if asks {
        request = request.header(EXPLAIN, "1");
    }
    let request = request.body(Full::from(Bytes::from(body)));
    let response = http.request(request.map_err(|error| error.to_string())?).await;
    let response = response.map_err(|error| error.to_string())?;
    let text = |name| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let answer = Answer {
        status: response.status().as_u16(),
        explanation: text(EXPLAIN),
        traceresponse: text("traceresponse"),
    };
    // To the end: a client that hangs up early leaves another kind of trace.
    response.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok(answer)
}
