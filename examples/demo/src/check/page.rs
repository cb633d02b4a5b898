//! Holds what Lens shows against the requests that were made: through its API, as the page asks it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Bytes;
use hopspan_lens::span::{SpanKind, TraceId};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use crate::load::Sent;
use crate::mesh::Proxy;
use crate::ports::loopback;
use crate::scenario::Hop;
use crate::service::{HttpClient, http_client};

/// Requests that each service received, and how many of them failed.
type Requests = BTreeMap<String, (u64, u64)>;

/// Who calls whom.
type Edges = BTreeSet<(String, String)>;

/// Waits until Lens shows everything; says what that was, or what is wrong in the end.
pub(crate) async fn shown_in_time(
    port: u16,
    sent: &[Sent],
    traces: &[(TraceId, usize)],
    patience: Duration,
) -> Result<String, String> {
    let lens = Lens { http: http_client(), origin: format!("http://{}", loopback(port)) };
    lens.serves_the_page().await?;
    let (requests, edges) = wanted(sent);
    let mut last = Err("nothing was asked".to_owned());
    let complete = async {
        loop {
            last = lens.shows(&requests, &edges).await;
            if last.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let _ = tokio::time::timeout(patience, complete).await;
    last?;
    for (id, spans) in traces {
        let trace = lens.ask(&format!("/traces/{id}")).await?;
        let shown = trace["spans"].as_array().map_or(0, Vec::len);
        if shown != *spans {
            return Err(format!("trace {id} has {spans} spans, and {shown} are shown"));
        }
    }
    let all: u64 = requests.values().map(|(all, _)| all).sum();
    Ok(format!(
        "shows {all} requests to {} services, {} edges and {} traces",
        requests.len(),
        edges.len(),
        traces.len()
    ))
}

struct Lens {
    http: HttpClient,
    origin: String,
}

impl Lens {
    async fn serves_the_page(&self) -> Result<(), String> {
        let (policy, body) = self.get("/").await?;
        let is_strict = policy.is_some_and(|it| it.starts_with("default-src 'none'"));
        let is_page = body.starts_with(b"<!doctype html>");
        if is_strict && is_page { Ok(()) } else { Err("it is not served as it should".into()) }
    }

    /// Whether it counts exactly these requests, and knows these edges and no others.
    async fn shows(&self, requests: &Requests, edges: &Edges) -> Result<(), String> {
        let services = self.ask("/services").await?;
        let number = |it: &Value, key: &str| it[key].as_u64().unwrap_or_default();
        let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
        let counted =
            |it: &Value| (text(it, "name"), (number(it, "requests"), number(it, "failures")));
        let counted: Requests = services.as_array().into_iter().flatten().map(counted).collect();
        if counted != *requests {
            return Err(format!("it counts {counted:?}, and there were {requests:?}"));
        }
        let found = self.ask("/edges").await?;
        let pair = |it: &Value| (text(it, "client"), text(it, "server"));
        let is_ours = |name: &str| Proxy::ALL.iter().any(|it| it.name() == name);
        let found: Edges = found
            .as_array()
            .into_iter()
            .flatten()
            .map(pair)
            // Who calls the gateway is not one of us.
            .filter(|(client, server)| is_ours(client) && is_ours(server))
            .collect();
        if found != *edges {
            return Err(format!("its edges are {found:?}, not {edges:?}"));
        }
        Ok(())
    }

    async fn ask(&self, path: &str) -> Result<Value, String> {
        let (_, body) = self.get(&format!("/api{path}")).await?;
        serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}"))
    }

    /// The policy and the body.
    async fn get(&self, path: &str) -> Result<(Option<String>, Bytes), String> {
        let uri = format!("{}{path}", self.origin);
        let request = axum::http::Request::get(uri).body(Full::default());
        let request = request.map_err(|error| error.to_string())?;
        let response = self.http.request(request).await.map_err(|error| error.to_string())?;
        let policy = response.headers().get("content-security-policy");
        let policy = policy.and_then(|it| it.to_str().ok()).map(str::to_owned);
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((policy, body.to_bytes()))
    }
}

/// What these requests must have come to, sampled or not.
fn wanted(sent: &[Sent]) -> (Requests, Edges) {
    fn add(hop: &Hop, requests: &mut Requests, edges: &mut Edges) {
        match (hop.kind, hop.to) {
            (SpanKind::Server, _) => {
                let (all, failed) = requests.entry(hop.service.to_owned()).or_default();
                *all += 1;
                *failed += u64::from(hop.fails());
            }
            (_, Some(to)) => {
                edges.insert((hop.service.to_owned(), to.to_owned()));
            }
            (_, None) => {}
        }
        hop.below.iter().for_each(|hop| add(hop, requests, edges));
    }

    let (mut requests, mut edges) = (Requests::new(), Edges::new());
    for piece in sent.iter().flat_map(|it| it.scenario.pieces()) {
        add(&piece.whole, &mut requests, &mut edges);
    }
    (requests, edges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::Service;
    use crate::scenario::Scenario;

    #[test]
    fn an_order_and_a_flaky_cart_reach_every_service() {
        let sent =
            |scenario| Sent { scenario, number: 1, asks: false, answer: Ok(Default::default()) };
        let (requests, edges) = wanted(&[sent(Scenario::Fail), sent(Scenario::Flaky)]);
        let got: Vec<_> = requests.iter().map(|(name, it)| (&**name, it.0, it.1)).collect();
        let want = [
            ("cart", 3, 1),
            ("catalog", 1, 0),
            ("gateway", 2, 1),
            ("pay", 1, 1),
            ("shop", 2, 1),
            ("stock", 1, 0),
        ];
        assert_eq!(got, want);
        assert_eq!(edges.len(), Service::ALL.len());
    }
}
