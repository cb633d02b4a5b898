//! Golden metrics in Envoy: as many as there were requests, whatever is sampled.

use serde_json::json;

use crate::bootstrap::Direction;
use crate::client::{Client, get, with};
use crate::hop::Hop;
use crate::mesh::{App, Mesh};
use crate::points::{edges, last_points, sums};
use crate::upstream::Answer;

#[tokio::test]
async fn as_many_are_counted_as_were_made() {
    for (direction, name) in [
        (Direction::Inbound, "http.server.request.duration"),
        (Direction::Outbound, "http.client.request.duration"),
    ] {
        let hop = Hop::start_with(
            direction,
            |seen| Answer::status(if seen.path.starts_with("/gone") { 404 } else { 200 }),
            |it| {
                it.configure("metrics", json!({ "to": ["otlp"], "interval_ms": 200 }));
                it.configure("sampling", json!({ "ratio": 0.3 }));
            },
        )
        .await;
        let mut client = hop.client().await;
        for at in 0..90 {
            client.ask(get(if at % 3 == 0 { "/gone" } else { "/cart" })).await;
        }
        let by_status = |reports: &[_]| {
            let by = ["http.response.status_code"];
            sums(last_points(reports.to_vec()), &by, |it| it.ends_with("duration"))
        };
        let want = [("200", 60), ("404", 30)].map(|(it, count)| (format!("{name} {it}"), count));
        let reports = hop.collector.metrics(|it| by_status(it) == want).await;
        let stats = hop.proxy.stats().await;
        assert_eq!(stats.hopspan("metrics.overflow"), 0, "{stats}");
        assert_eq!(stats.unaccounted_spans(), 0, "{stats}");
        // One more interval changes nothing.
        let more = reports.len() + 1;
        let reports = hop.collector.metrics(|it| it.len() > more).await;
        assert_eq!(by_status(&reports), want);
    }
}

/// With tracing off, each request counts once on each of its edges, whichever side tells of it.
#[tokio::test]
async fn a_mesh_shows_who_calls_whom() {
    let answer = |seen: &_| Answer::status(if is_gone(seen) { 503 } else { 200 });
    let mesh = Mesh::start(App::PassesOn, answer, |it| {
        it.configure("metrics", json!({ "to": ["otlp"], "interval_ms": 200 }));
        it.configure("sampling", json!({ "ratio": 0 }));
        let next = if it.direction == Direction::Unspecified { "shop" } else { "stock" };
        it.configure("services", json!([{ "cluster": "*", "name": next }]));
        it.workers = 4;
    })
    .await;
    let forged = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for at in 0..40 {
        let mut client = Client::http1(mesh.gateway.address()).await;
        let request = get(if at % 4 == 0 { "/gone" } else { "/cart" });
        // Whoever is outside may say what it likes.
        let request = with(request, "traceparent", forged);
        let request = with(request, "tracestate", "hopspan=b7ad6b7169203331:admin");
        assert_eq!(client.ask(request).await.status, 200);
    }
    let want = [
        "client gateway shop: 40",
        "client shop stock: 40",
        "failed_total external gateway virtual_node: 0",
        "failed_total gateway shop: 0",
        "failed_total shop stock: 10",
        "server external gateway virtual_node: 40",
        "server gateway shop: 40",
        "total external gateway virtual_node: 40",
        "total gateway shop: 40",
        "total shop stock: 40",
    ];
    let want = want.map(str::to_owned).to_vec();
    mesh.collector.metrics(|it| edges(last_points(it.to_vec())) == want).await;
    assert_eq!(mesh.collector.spans(0).await.len(), 0);
    for seen in mesh.service.seen(40).await {
        // What the last proxy says to a service without one is bound to what it says to it.
        assert!(seen.header("tracestate").is_some_and(|it| it.starts_with("hopspan=")));
    }
    for seen in mesh.app.seen(40).await {
        assert_eq!(seen.header("tracestate"), None, "nor does an application see it");
    }
}

fn is_gone(seen: &crate::upstream::Seen) -> bool {
    seen.path.starts_with("/gone")
}
