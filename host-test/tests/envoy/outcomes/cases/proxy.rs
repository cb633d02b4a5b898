//! What the proxy itself does.

use serde_json::json;

use super::{Case, case};
use crate::bootstrap::{EMPTY, UPSTREAM};
use crate::client::{get, with};
use crate::outcomes::caller::Step::{Head, Reads, Says};
use crate::outcomes::places::{CROWDED, DROPPING};
use crate::outcomes::rough::Then;

pub(super) fn all() -> Vec<Case> {
    let direct =
        json!({ "direct_response": { "status": 418, "body": { "inline_string": "tea" } } });
    let broken = json!({ "direct_response": { "status": 503 } });
    let no_cluster = json!({ "route": { "cluster_header": "x-cluster" } });
    let lasting = json!({ "route": {
        "cluster": UPSTREAM,
        "timeout": "0s",
        "max_stream_duration": { "max_stream_duration": "0.1s" },
    } });
    let follows = json!({ "route": {
        "cluster": UPSTREAM, "internal_redirect_policy": { "max_internal_redirects": 1 },
    } });
    let mirrors = json!({ "route": {
        "cluster": UPSTREAM, "request_mirror_policies": [{ "cluster": UPSTREAM }],
    } });
    let limit =
        "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";
    let all = json!({ "default_value": { "numerator": 100 } });
    let limited = json!({
        "route": { "cluster": UPSTREAM },
        "typed_per_filter_config": { "limit": {
            "@type": limit,
            "stat_prefix": "limit",
            // The one token of the hour is another request's.
            "token_bucket": { "max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s" },
            "filter_enabled": all,
            "filter_enforced": all,
        } },
    });
    let authorized = json!({
        "route": { "cluster": UPSTREAM },
        "typed_per_filter_config": { "authorization": {
            "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
            "config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                "check_settings": {},
            },
        } },
    });
    vec![
        case("redirect").action(json!({ "redirect": { "path_redirect": "/new" } })),
        case("direct-response").action(direct),
        case("direct-response-503").action(broken),
        case("no-route").unrouted(),
        case("no-cluster").action(no_cluster).asks(|it| with(get(it), "x-cluster", "no-such")),
        case("no-healthy-host").to(EMPTY),
        case("circuit-open").to(CROWDED),
        case("load-shed").to(DROPPING),
        case("max-stream-duration").silent().action(lasting),
        case("rate-limited").action(limited).script([
            Says(
                "GET /rate-limited HTTP/1.1\r\nhost: shop.test\r\ntraceparent: {other}\r\n\r\n",
            ),
            Reads("hello"),
            Head("GET", String::new()),
            Reads("429"),
        ]),
        case("denied"),
        case("denied-before-hopspan"),
        case("unauthorized").action(authorized),
        case("fault-injected"),
        Case { then: Some("redirect-followed"), ..case("internal-redirect") }
            .upstream(
                &["HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: http://shop.test/redirect-followed\r\n\
                   content-length: 0\r\n\r\n"],
                Then::Waits,
            )
            .action(follows),
        case("mirrored").action(mirrors),
    ]
}
