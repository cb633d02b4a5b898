//! hopspan, in all ways that cost something else.

use serde_json::{Value, json};

use super::{NO, ONE, Spans, Tracing, UNSAMPLED, Variant};
use crate::bootstrap::{COLLECTOR, COLLECTOR_DOWN};

/// All of them.
pub(super) fn all() -> Vec<Variant> {
    let ratio = |ratio: f64| json!({ "sampling": { "ratio": ratio } });
    let minimal = json!({ "spans": { "detail": "minimal" } });
    let keep = json!({ "sampling": { "keep": { "errors": true } } });
    let down = json!({ "collector": { "cluster": COLLECTOR_DOWN } });
    let routes = json!({ "routes": { "max": ROUTES } });
    let full = json!({
        "collector": { "cluster": COLLECTOR_DOWN },
        "batch": { "max_queue_size": 512 },
    });
    // What `auto` finds out, by asking for each request.
    let auto = || json!({ "direction": "auto" });
    let metrics = || json!({ "metrics": { "to": ["otlp"] } });
    let usual = || json!({});
    vec![
        of("server", "hopspan, SERVER span", INBOUND, usual(), "", ONE),
        of(
            "server-auto",
            "hopspan, SERVER span, direction asked of the proxy",
            INBOUND,
            auto(),
            "",
            ONE,
        ),
        of("minimal", "hopspan, SERVER span, what headers tell alone", INBOUND, minimal, "", ONE),
        of("client", "hopspan, CLIENT span", OUTBOUND, usual(), "", ONE),
        of("both", "hopspan, SERVER and CLIENT span", GATEWAY, usual(), "", TWO),
        of("b3", "hopspan, a caller with B3", INBOUND, usual(), B3, ONE),
        Variant {
            // The last one is that of the request itself.
            learned: ROUTES - 1,
            ..of("routes", "hopspan, 10,000 learned routes", INBOUND, routes, "", ONE)
        },
        of("unsampled", "hopspan, not sampled by the caller", INBOUND, usual(), UNSAMPLED, NO),
        of(
            "unsampled-auto",
            "hopspan, not sampled, direction asked of the proxy",
            INBOUND,
            auto(),
            UNSAMPLED,
            NO,
        ),
        of("ratio-0", "hopspan, new traces, 0 %", INBOUND, ratio(0.0), "", NO),
        of("ratio-1", "hopspan, new traces, 1 %", INBOUND, ratio(0.01), "", Spans::Share(0.01)),
        of("keep", "hopspan, 0 %, errors kept", INBOUND, keep, UNSAMPLED, NO),
        of("down", "hopspan, collector down", INBOUND, down, "", NO),
        of("full", "hopspan, queue full", INBOUND, full, "", NO),
        of("metrics", "hopspan, not sampled, metrics", INBOUND, metrics(), UNSAMPLED, NO),
        of("server-metrics", "hopspan, SERVER span, metrics", INBOUND, metrics(), "", ONE),
        of("everything", "hopspan, SERVER and CLIENT span, metrics", GATEWAY, metrics(), "", TWO),
    ]
}

/// A listener, which the configuration names as the documentation recommends, unless `more` says
/// otherwise.
fn of(
    name: &'static str,
    about: &'static str,
    direction: Direction,
    more: Value,
    headers: &str,
    spans: Spans,
) -> Variant {
    let mut configuration = json!({
        "collector": { "cluster": COLLECTOR },
        "direction": direction.configured,
        "metrics": { "to": [] },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        configuration[key] = value.clone();
    }
    let tracing = Tracing::Hopspan { direction: direction.of_listener, configuration };
    Variant { name, about, tracing, headers: headers.to_owned(), body: None, spans, learned: 0 }
}

/// Where requests come from.
#[derive(Clone, Copy, Debug)]
struct Direction {
    /// As Envoy calls it: the listener's `traffic_direction`.
    of_listener: &'static str,
    /// As hopspan does.
    configured: &'static str,
}

const INBOUND: Direction = Direction { of_listener: "INBOUND", configured: "inbound" };
const OUTBOUND: Direction = Direction { of_listener: "OUTBOUND", configured: "outbound" };
const GATEWAY: Direction = Direction { of_listener: "UNSPECIFIED", configured: "gateway" };

const ROUTES: u64 = 10_000;
const TWO: Spans = Spans::Each(2);
const B3: &str = "b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1\r\n";

#[test]
fn only_those_that_say_so_ask_the_proxy_for_its_direction() {
    for variant in all() {
        let Tracing::Hopspan { configuration, .. } = variant.tracing else { continue };
        let asks = configuration["direction"] == "auto";
        assert_eq!(asks, variant.name.ends_with("-auto"), "{}", variant.name);
    }
}
