//! Routes, and the names of services.

use super::*;
use hopspan_core::matching::hosts::Hosts;
use hopspan_core::peer::Service;
use hopspan_core::route::template::Template;

#[test]
fn routes_reach_their_settings() {
    let document = json!({"routes": {
        "patterns": ["GET /users/{id}", "/files/*"], "max": 7, "metadata": true
    }});
    let config = Proxy::default().read(document.to_string()).unwrap();
    let patterns = ["/files/*", "GET /users/{id}"].map(|it| it.parse::<Template>().unwrap());
    let want = route::Settings {
        patterns: patterns.into_iter().collect(),
        max_learned: 7,
        metadata: true,
    };
    assert_eq!(config.routes, want);
    assert!(config.sampling.of_routes);
    let written = Proxy::default().effective(&document.to_string(), "/routes");
    let want = json!({
        "patterns": ["GET /users/{id}", "/files/*"], "learn": true, "max": 7, "metadata": true
    });
    assert_eq!(written, want);
    let off = Proxy::default().read(r#"{"routes": {"learn": false, "max": 7}}"#).unwrap();
    assert_eq!(off.routes.max_learned, 0);
}

#[test]
fn services_reach_their_settings() {
    let document = json!({"services": [
        {"name": "cart", "cluster": ["a", "b*"], "peer": "spiffe://*/cart"},
        {"host": "*.Stripe.com", "name": "stripe"}
    ]});
    let config = Proxy::default().read(document.to_string()).unwrap();
    let cart = Service {
        name: "cart".into(),
        cluster: ["a", "b*"].iter().collect(),
        host: Hosts::default(),
        peer: ["spiffe://*/cart"].iter().collect(),
    };
    let stripe = Service {
        name: "stripe".into(),
        cluster: Default::default(),
        host: ["*.stripe.com"].iter().collect(),
        peer: Default::default(),
    };
    assert_eq!(config.services, [cart, stripe].into_iter().collect());
    let written = Proxy::default().effective(&document.to_string(), "/services");
    assert_eq!(written, document["services"]);
}

#[test]
fn what_is_wrong_with_a_route_or_service_is_said() {
    for (document, want) in [
        (
            json!({"routes": {"patterns": "/a"}}),
            r#"routes.patterns: must be a list of 1000 templates at most, not "/a""#,
        ),
        (
            json!({"routes": {"patterns": ["/a", "users/{id}"]}}),
            r#"routes.patterns[1]: must be a template like "GET /users/{id}" (the path must begin with /), not "users/{id}""#,
        ),
        (
            json!({"routes": {"patterns": ["get /a"]}}),
            r#"routes.patterns[0]: must be a template like "GET /users/{id}" (a method is written in capitals, with one space behind it), not "get /a""#,
        ),
        (
            json!({"routes": {"patterns": ["/{id}.json"]}}),
            r#"routes.patterns[0]: must be a template like "GET /users/{id}" (braces are around a whole segment and have a name between them), not "/{id}.json""#,
        ),
        (
            json!({"routes": {"patterns": [7]}}),
            r#"routes.patterns[0]: must be a template like "GET /users/{id}" (256 bytes at most), not 7"#,
        ),
        (
            json!({"routes": {"patterns": ["/users/{id}", "/a", "/users/{name}"]}}),
            r#"routes.patterns[2]: is for the same requests as "/users/{id}""#,
        ),
        (json!({"routes": {"max": 0}}), "routes.max: must be 1 to 10000, not 0"),
        (json!({"services": {"cart": "x"}}), "services: must be a list of 0 to 100, not an object"),
        (json!({"services": [{"cluster": "x"}]}), "services[0]: must have name"),
        (json!({"services": [{"name": "cart"}]}), "services[0]: must have cluster, host or peer"),
    ] {
        let got = Proxy::default().read(document.to_string()).map(|it| it.effective);
        assert_eq!(got, Err(want.to_owned()), "{document}");
    }
}
