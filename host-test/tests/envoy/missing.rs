//! Who breaks the trace: applications that do not pass on what came to them.

use std::collections::BTreeSet;

use crate::client::{Client, get};
use crate::mesh::{App, Mesh};
use crate::stats::Stats;
use crate::upstream::Answer;

/// Three requests through a mesh: what its sidecar counts on the way out, and how many traces
/// there are.
async fn three_requests(app: App) -> (Stats, usize) {
    let mesh = Mesh::start(app, |_| Answer::status(200), |_| ()).await;
    let mut client = Client::http1(mesh.gateway.address()).await;
    for _ in 0..3 {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }
    let spans = mesh.collector.spans(12).await;
    let stats = mesh.sidecar.at_rest(6).await;
    let gateways = mesh.gateway.at_rest(6).await;
    assert_eq!(of("missing", "gateway", &gateways), 0, "who begins traces breaks none");
    let traces: BTreeSet<_> = spans.iter().map(|it| it.trace_id()).collect();
    (stats, traces.len())
}

/// How often a service was without context, or had it.
fn of(what: &str, service: &str, stats: &Stats) -> i64 {
    stats.hopspan(&format!("context.{what}.service=.={service};.;"))
}

#[tokio::test]
async fn an_application_that_does_not_pass_headers_on_is_named() {
    let (stats, traces) = three_requests(App::Forgets).await;

    assert_eq!(of("missing", "shop", &stats), 3, "{stats}");
    assert_eq!(of("present", "shop", &stats), 0, "{stats}");
    assert_eq!(traces, 6, "each request is two traces");
}

#[tokio::test]
async fn an_application_that_passes_headers_on_is_not_blamed() {
    let (stats, traces) = three_requests(App::PassesOn).await;

    assert_eq!(of("missing", "shop", &stats), 0, "{stats}");
    assert_eq!(of("present", "shop", &stats), 3, "{stats}");
    assert_eq!(traces, 3);
}
