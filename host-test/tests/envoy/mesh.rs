//! A gateway, and behind it an application with its sidecar, which asks a service for whatever
//! it is asked.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use serde_json::json;

use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, Reply, get, grpc, with};
use crate::collector::Collector;
use crate::proxy::Proxy;
use crate::upstream::{Answer, Field, Seen, Upstream};

/// In the order in which a request meets them; it meets the sidecar again behind the application.
pub(crate) struct Mesh {
    /// `gateway`, for hopspan.
    pub(crate) gateway: Proxy,
    /// `shop`, on both of its sides.
    pub(crate) sidecar: Proxy,
    /// The application, which answers that all is well, whatever it heard from the service.
    pub(crate) app: Upstream,
    /// What the application asks.
    pub(crate) service: Upstream,
    /// Where the spans of both proxies go.
    pub(crate) collector: Collector,
}

/// What the application does with the trace context that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum App {
    /// Sends it on with its own request.
    PassesOn,
    /// Forgets it.
    Forgets,
}

impl Mesh {
    /// A mesh whose service answers as it is told, with setups that are changed before use.
    pub(crate) async fn start(
        app: App,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
        change: impl Fn(&mut Setup),
    ) -> Self {
        let collector = Collector::start().await;
        let service = Upstream::start(answer).await;
        // The sidecar is told where the application is, so it is the later of the two.
        let outbound = Arc::new(OnceLock::new());
        let way_out = outbound.clone();
        let app = Upstream::start(move |seen| {
            let outbound = *way_out.get().expect("a sidecar");
            let seen = seen.clone();
            Answer::Later(Box::pin(async move { hide(ask(outbound, &seen, app).await) }))
        })
        .await;
        let proxy = async |name: &str, direction, upstream, service| {
            let mut setup = Setup::new(direction, upstream, collector.address());
            setup.configure("service", json!({ "name": name }));
            setup.outbound = service;
            change(&mut setup);
            Proxy::start(&setup).await
        };
        let behind = Some(service.address());
        let sidecar = proxy("shop", Direction::Inbound, app.address(), behind).await;
        outbound.set(sidecar.outbound_address().await).expect("one sidecar");
        let gateway = proxy("gateway", Direction::Unspecified, sidecar.address(), None).await;
        Self { gateway, sidecar, app, service, collector }
    }
}

/// The application's own request: the same, as far as it is asked.
async fn ask(outbound: SocketAddr, seen: &Seen, app: App) -> Result<Reply, hyper::Error> {
    let is_grpc = seen.header("content-type") == Some("application/grpc");
    let (mut client, mut request) = if is_grpc {
        (Client::http2(outbound).await, grpc(seen.path.trim_start_matches('/')))
    } else {
        (Client::http1(outbound).await, get(&seen.path))
    };
    if app == App::PassesOn {
        for name in ["traceparent", "tracestate"] {
            request = seen.header(name).iter().fold(request, |it, value| with(it, name, value));
        }
    }
    client.send(request).await
}

/// All is well; but a test may look at the response for what the application met.
fn hide(reply: Result<Reply, hyper::Error>) -> Answer {
    let mut met: Vec<Field> = Vec::new();
    match reply {
        Ok(reply) => {
            met.push((MET_STATUS, reply.status.to_string()));
            let told = reply.headers.get("traceresponse").map(|it| it.to_str().unwrap());
            met.extend(told.map(|it| (MET_TRACERESPONSE, it.to_owned())));
        }
        Err(error) => met.push((MET_STATUS, error.to_string())),
    }
    let mut answer = Answer::status(200);
    if let Answer::Reply { headers, .. } = &mut answer {
        *headers = met;
    }
    answer
}

/// The response header in which the application says what it was answered.
pub(crate) const MET_STATUS: &str = "x-met-status";
/// And which `traceresponse` it saw.
pub(crate) const MET_TRACERESPONSE: &str = "x-met-traceresponse";
