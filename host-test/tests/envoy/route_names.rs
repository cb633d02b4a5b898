//! Routes of spans, and the names of services at the other end.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::bootstrap::{Direction, Setup, UPSTREAM, cluster};
use crate::client::{Client, get, grpc};
use crate::hop::Hop;
use crate::mutual_tls::Authority;
use crate::proxy::Proxy;
use crate::received::Received;
use crate::upstream::{Answer, Seen};

/// The name of a span, its `http.route`, `url.template` and `hopspan.route`.
fn said(span: &Received) -> [Option<&str>; 4] {
    let [route, template, own] =
        ["http.route", "url.template", "hopspan.route"].map(|it| span.text(it));
    [Some(span.span.name.as_str()), route, template, own]
}

/// Nothing is there but users, a cart and calls.
fn shop(seen: &Seen) -> Answer {
    match seen.path.as_str() {
        "/shop.Cart/Add" => Answer::grpc(0),
        it if it.starts_with("/users/") || it == "/cart" => Answer::status(200),
        _ => Answer::status(404),
    }
}

/// The span of each of these requests, one after the other.
async fn ask(hop: &Hop, paths: &[&str]) -> Vec<Received> {
    let mut client = hop.client().await;
    for path in paths {
        client.ask(get(path)).await;
    }
    hop.spans(paths.len()).await
}

#[tokio::test]
async fn what_was_found_is_learned_and_what_a_scanner_tries_is_not() {
    let hop = Hop::start_with(Direction::Inbound, shop, |it| {
        it.configure("routes", json!({ "max": 2 }));
        let direct = json!({ "status": 200, "body": { "inline_string": "ok" } });
        it.routes = vec![json!({ "match": { "prefix": "/direct" }, "direct_response": direct })];
    });
    let hop = hop.await;
    let tried: Vec<_> = (b'a'..=b'z').map(|it| format!("/{}/.env", char::from(it))).collect();
    let mut paths: Vec<_> = tried.iter().map(String::as_str).collect();
    paths.extend(["/direct", "/users/7?x=1", "/users/ann@example.com/", "/cart", "/users/8"]);

    let spans = ask(&hop, &paths).await;

    let unknown = [Some("GET"), None, None, None];
    let (nothing, rest) = spans.split_at(tried.len() + 1);
    assert!(nothing.iter().all(|it| said(it) == unknown), "{nothing:#?}");
    let learned = |name, shape| [Some(name), None, Some(shape), Some(shape)];
    assert_eq!(
        rest.iter().map(said).collect::<Vec<_>>(),
        [
            learned("GET /users/{number}", "/users/{number}"),
            learned("GET /users/{email}/", "/users/{email}/"),
            [Some("GET _other"), None, None, Some("_other")],
            learned("GET /users/{number}", "/users/{number}"),
        ]
    );
}

#[tokio::test]
async fn a_gateway_tells_a_configured_route_and_a_call_its_method() {
    let hop = Hop::start_with(Direction::Unspecified, shop, |it| {
        it.upstream_http2 = true;
        it.configure("routes", json!({ "patterns": ["GET /users/{id}", "/*"] }));
    });
    let hop = hop.await;

    let mut client = Client::http2(hop.proxy.address()).await;
    assert_eq!(client.ask(get("/users/7")).await.status, 200);
    client.ask(grpc("shop.Cart/Add")).await;

    let mut spans = hop.spans(4).await;
    spans.sort_by_key(|it| (it.span.start_time_unix_nano, it.kind() == SpanKind::Client));
    let (users, all) = (Some("/users/{id}"), Some("/*"));
    assert_eq!(
        spans.iter().map(said).collect::<Vec<_>>(),
        [
            [Some("GET /users/{id}"), users, None, users],
            [Some("GET /users/{id}"), None, users, users],
            [Some("shop.Cart/Add"), all, None, all],
            [Some("shop.Cart/Add"), None, all, all],
        ]
    );
}

#[tokio::test]
async fn envoys_routes_say_what_they_are() {
    let route = |path: &str, settings: Value| {
        json!({
            "match": { "prefix": path },
            "route": { "cluster": UPSTREAM },
            "metadata": { "filter_metadata": { "hopspan": settings } },
        })
    };
    let hop = Hop::start_with(Direction::Inbound, shop, |it| {
        it.configure("routes", json!({ "metadata": true }));
        it.routes = vec![
            route("/users/me", json!({ "route": "/users/me", "span_name": "who am I" })),
            route("/users", json!({ "route": "/users/{id}" })),
            route("/cart", json!({ "span_name": 7, "route": true })),
        ];
    });
    let hop = hop.await;

    let spans = ask(&hop, &["/users/me", "/users/7", "/cart"]).await;

    let (me, id, cart) = (Some("/users/me"), Some("/users/{id}"), Some("/cart"));
    assert_eq!(
        spans.iter().map(said).collect::<Vec<_>>(),
        [
            [Some("who am I"), me, None, me],
            [Some("GET /users/{id}"), id, None, id],
            [Some("GET /cart"), None, cart, cart],
        ]
    );
}

#[tokio::test]
async fn both_ends_are_named_by_their_certificates() {
    let mesh = Authority::new();
    let services = json!([
        { "name": "shop", "peer": "spiffe://mesh.test/server" },
        { "name": "cart", "peer": "spiffe://mesh.test/ns/*/cart" },
    ]);
    let shop = Hop::start_with(Direction::Inbound, shop, |it| {
        it.configure("services", services.clone());
        it.filter_chains = vec![json!({ "transport_socket": mesh.downstream() })];
    });
    let shop = shop.await;
    let address = shop.proxy.address();
    let mut setup = Setup::new(Direction::Outbound, address, shop.collector.address());
    setup.configure("services", services);
    let mut secure = cluster("secure", Some(address), false);
    secure["transport_socket"] = mesh.upstream(Some("spiffe://mesh.test/ns/shop/cart"));
    setup.clusters = vec![secure];
    setup.routes = vec![json!({ "match": { "prefix": "/" }, "route": { "cluster": "secure" } })];
    let cart = Proxy::start(&setup).await;

    assert_eq!(Client::http1(cart.address()).await.ask(get("/cart")).await.status, 200);

    let mut named: Vec<_> = (shop.collector.spans(2).await.iter())
        .map(|it| (it.kind() as i32, it.text("service.peer.name").map(str::to_owned)))
        .collect();
    named.sort();
    let (server, client) = (SpanKind::Server as i32, SpanKind::Client as i32);
    let is = |name: &str| Some(name.to_owned());
    assert_eq!(named, [(server, is("cart")), (client, is("shop"))]);
    cart.at_rest(1).await;
    shop.proxy.at_rest(1).await;
}
