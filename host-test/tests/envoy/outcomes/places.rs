//! One proxy with every way to fail in its configuration, and what stands around it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::cases::{Case, OK};
use super::rough::Rough;
use crate::bootstrap::{Direction, Setup, cluster, filter};
use crate::collector::Collector;
use crate::deadline::poll;
use crate::mutual_tls::Authority;
use crate::proxy::Proxy;
use crate::upstream::{Answer, Refusing, Upstream};

/// A proxy, two upstreams, a collector.
pub(super) struct Places {
    /// Envoy with hopspan.
    pub(super) proxy: Proxy,
    /// The upstream that does what a case says.
    pub(super) rough: Rough,
    /// Where the spans go.
    pub(super) collector: Collector,
    _decent: Upstream,
    _refusing: Refusing,
    _full: Full,
}

/// The cluster of an upstream that speaks HTTP/2.
pub(super) const HTTP2: &str = "http2";
/// The cluster where connections are refused.
pub(super) const REFUSING: &str = "refusing";
/// The cluster where connections are never made.
pub(super) const FULL: &str = "full";
/// The cluster that is spoken to in TLS, and speaks none.
pub(super) const TLS: &str = "tls";
/// The cluster that may have no request at all.
pub(super) const CROWDED: &str = "crowded";
/// The cluster whose requests are all dropped.
pub(super) const DROPPING: &str = "dropping";
/// The cluster whose requests may not last.
pub(super) const HURRIED: &str = "hurried";

impl Places {
    /// Starts all of them.
    pub(super) async fn start(direction: Direction, cases: &[Case]) -> Self {
        let plays: Vec<_> =
            cases.iter().map(|it| (format!(" /{} ", it.name), it.upstream, it.again)).collect();
        let rough = Rough::start(move |line, earlier| {
            let play = plays.iter().find(|it| line.contains(&it.0));
            play.map_or(OK, |it| if earlier == 0 { it.1 } else { it.2 })
        })
        .await;
        let decent = Upstream::start(|seen| match seen.path.as_str() {
            "/http2-stream-reset-by-the-upstream" => Answer::Close,
            "/http2-stream-reset-in-mid-response" => Answer::Cut,
            _ => Answer::status(403),
        })
        .await;
        let (collector, refusing, full) =
            (Collector::start().await, Refusing::anywhere(), Full::start().await);

        let mut setup = Setup::new(direction, rough.address(), collector.address());
        setup.clusters = clusters(&rough, &decent, &refusing, &full);
        setup.before = before();
        setup.after = after();
        let routes: Vec<_> = cases.iter().flat_map(Case::routes).collect();
        setup.manager = json!({
            "route_config": {
                "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }],
            },
            "upgrade_configs": [{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }],
            "http2_protocol_options": { "allow_connect": true },
            // Nothing is still on its way to the caller for a whole second.
            "delayed_close_timeout": "0.02s",
        })
        .as_object()
        .unwrap()
        .clone();
        let proxy = Proxy::start(&setup).await;
        Self { proxy, rough, collector, _decent: decent, _refusing: refusing, _full: full }
    }

    /// Waits for the access log's first line of the request with this trace context.
    pub(super) async fn line(&self, traceparent: &str) -> Value {
        self.lines(traceparent, 1).await.remove(0)
    }

    /// Waits for so many lines of the access log that have this trace-id.
    pub(super) async fn lines(&self, traceparent: &str, count: usize) -> Vec<Value> {
        let trace = &traceparent[3..35];
        poll(&format!("{count} lines of {trace} in Envoy's access log"), async || {
            let mut lines = self.proxy.access_log(0).await;
            lines.retain(|it| it["traceparent"].as_str().is_some_and(|it| it.contains(trace)));
            (lines.len() >= count).then_some(lines)
        })
        .await
    }
}

fn clusters(rough: &Rough, decent: &Upstream, refusing: &Refusing, full: &Full) -> Vec<Value> {
    let with = |name, address, key: &str, value: Value| {
        let mut cluster = cluster(name, Some(address), false);
        cluster[key] = value;
        cluster
    };
    let rough = rough.address();
    let mut dropping = cluster(DROPPING, Some(rough), false);
    dropping["load_assignment"]["policy"] = json!({ "drop_overloads": [
        { "category": "everything", "drop_percentage": { "numerator": 100 } },
    ] });
    let nothing = json!({ "thresholds": [{ "max_requests": 0, "max_pending_requests": 0 }] });
    let hurry = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": { "max_stream_duration": "0.1s" },
        "explicit_http_config": { "http_protocol_options": {} },
    } });
    vec![
        cluster(HTTP2, Some(decent.address()), true),
        cluster(REFUSING, Some(refusing.address()), false),
        with(FULL, full.address, "connect_timeout", json!("0.1s")),
        with(TLS, decent.address(), "transport_socket", Authority::new().upstream(None)),
        with(CROWDED, rough, "circuit_breakers", nothing),
        dropping,
        with(HURRIED, rough, "typed_extension_protocol_options", hurry),
    ]
}

/// Filters that answer before hopspan sees a request.
fn before() -> Vec<Value> {
    vec![rbac("/denied-before-hopspan")]
}

/// Filters that answer behind hopspan.
fn after() -> Vec<Value> {
    let path = |it: &str| json!([{ "name": ":path", "string_match": { "exact": it } }]);
    let always = json!({ "numerator": 100 });
    let abort = json!({ "http_status": 500, "percentage": always });
    let unauthorized = json!({
        "transport_api_version": "V3",
        "http_service": {
            "server_uri": { "uri": "http://authorization.test", "cluster": HTTP2, "timeout": "5s" },
        },
    });
    // Off, but for the route that turns it on.
    let mut authorization = filter("authorization", "ext_authz.v3.ExtAuthz", unauthorized);
    authorization["disabled"] = json!(true);
    vec![
        rbac("/denied"),
        filter(
            "fault",
            "fault.v3.HTTPFault",
            json!({ "abort": abort, "headers": path("/fault-injected") }),
        ),
        filter("limit", "local_ratelimit.v3.LocalRateLimit", json!({ "stat_prefix": "limit" })),
        authorization,
    ]
}

fn rbac(path: &str) -> Value {
    let path = json!({ "url_path": { "path": { "exact": path } } });
    let policy = json!({ "permissions": [path], "principals": [{ "any": true }] });
    let rules = json!({ "action": "DENY", "policies": { "forbidden": policy } });
    filter("rbac", "rbac.v3.RBAC", json!({ "rules": rules }))
}

/// A listener that nobody accepts from and whose backlog is full: the kernel answers no more.
struct Full {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // A connection of this machine with itself is there at once, or never.
        while let Ok(stream) =
            timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            waiting.push(stream.unwrap());
        }
        Self { address, _listener: listener, _waiting: waiting }
    }
}
