//! What Envoy is told: the bootstrap document, made from a few choices of a test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The cluster that stands for the service behind the proxy.
pub(crate) const UPSTREAM: &str = "upstream";
/// The cluster that hopspan's callouts go to.
pub(crate) const COLLECTOR: &str = "otel_collector";
/// A cluster that exists and has no host.
pub(crate) const EMPTY: &str = "nobody";
/// The cluster behind [`OUTBOUND_LISTENER`].
pub(crate) const OUTBOUND: &str = "outbound";
/// The listener that every proxy has.
pub(crate) const LISTENER: &str = "listener";
/// The listener of [`Setup::bystander`].
const BYSTANDER: &str = "bystander";
/// The listener of [`Setup::outbound`].
pub(crate) const OUTBOUND_LISTENER: &str = "outbound";

/// What the listener says about itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    /// In front of a service.
    Inbound,
    /// Behind a service, towards the others.
    Outbound,
    /// Neither: a gateway, for hopspan.
    Unspecified,
}

/// The choices of a test. Everything else is the same in every test.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// What the proxy says of itself.
    pub(crate) node: Value,
    /// How it shows its stats.
    pub(crate) stats_config: Value,
    /// `traffic_direction` of the listener.
    pub(crate) direction: Direction,
    /// hopspan's configuration; `None` leaves the filter out.
    pub(crate) hopspan: Option<Value>,
    /// Another module than the one under test.
    pub(crate) module: Option<PathBuf>,
    /// Whether the filter is there and does nothing, unless a route enables it.
    pub(crate) disabled: bool,
    /// What VMs that may hand over to each other have in common.
    pub(crate) vm_id: &'static str,
    /// Configuration of the filter's VM: another one is another VM.
    pub(crate) vm_configuration: &'static str,
    /// Environment of the filter's VM.
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    /// Where the cluster [`UPSTREAM`] is.
    pub(crate) upstream: SocketAddr,
    /// Whether the upstream is spoken to in HTTP/2, and who is behind [`OUTBOUND`].
    pub(crate) upstream_http2: bool,
    /// Where the cluster [`OUTBOUND`] is. With it the proxy is a whole sidecar: it has a second
    /// listener, behind the service that the first one is in front of.
    pub(crate) outbound: Option<SocketAddr>,
    /// Further clusters.
    pub(crate) clusters: Vec<Value>,
    /// Where the cluster [`COLLECTOR`] is; `None` leaves the cluster out.
    pub(crate) collector: Option<SocketAddr>,
    /// Routes that come before the one that sends everything to [`UPSTREAM`].
    pub(crate) routes: Vec<Value>,
    /// Filter chains of the listener, by what they have beside their filters, which are the same.
    pub(crate) filter_chains: Vec<Value>,
    /// Listener filters.
    pub(crate) listener_filters: Vec<Value>,
    /// Whether the client's address is that of its connection, whatever `x-forwarded-for` says.
    pub(crate) use_remote_address: bool,
    /// HTTP filters in front of hopspan.
    pub(crate) before: Vec<Value>,
    /// HTTP filters between hopspan and the router.
    pub(crate) after: Vec<Value>,
    /// The router's configuration.
    pub(crate) router: Value,
    /// Envoy's own tracing.
    pub(crate) native_tracing: Option<Value>,
    /// What else the connection manager of the listener is told, or told otherwise.
    pub(crate) manager: serde_json::Map<String, Value>,
    /// How long listeners drain that were replaced.
    pub(crate) drain_seconds: u32,
    /// Worker threads.
    pub(crate) workers: u32,
    /// What the access log has beside what it always has.
    pub(crate) access_log: Value,
    /// Whether the listener comes from a file that may be replaced, not from the bootstrap.
    pub(crate) listener_from_file: bool,
    /// Whether another listener has a hopspan with a VM of its own, which sees no traffic and
    /// exports nothing. Envoy forgets stats when the last VM that has them is gone: this one stays.
    pub(crate) bystander: bool,
}

impl Setup {
    /// The smallest useful configuration, exporting as soon as it may.
    pub(crate) fn new(direction: Direction, upstream: SocketAddr, collector: SocketAddr) -> Self {
        Self {
            node: json!({ "id": "node", "cluster": "tests" }),
            stats_config: json!({}),
            direction,
            hopspan: Some(json!({
                "collector": { "cluster": COLLECTOR },
                "batch": { "schedule_delay_ms": 20 },
            })),
            module: None,
            disabled: false,
            vm_id: "hopspan",
            vm_configuration: "",
            environment: Vec::new(),
            upstream,
            upstream_http2: false,
            outbound: None,
            clusters: Vec::new(),
            collector: Some(collector),
            routes: Vec::new(),
            filter_chains: vec![json!({})],
            listener_filters: Vec::new(),
            use_remote_address: false,
            before: Vec::new(),
            after: Vec::new(),
            router: json!({}),
            native_tracing: None,
            manager: serde_json::Map::new(),
            drain_seconds: 1,
            workers: 1,
            access_log: json!({}),
            listener_from_file: false,
            bystander: false,
        }
    }

    /// Sets a top-level key of hopspan's configuration.
    pub(crate) fn configure(&mut self, key: &str, value: Value) {
        if let Some(hopspan) = &mut self.hopspan {
            hopspan[key] = value;
        }
    }

    /// The bootstrap document, for a proxy whose files are in `directory`.
    pub(crate) fn bootstrap(&self, wasm: &Path, directory: &Path) -> Value {
        let mut listeners = match self.listener_from_file {
            true => Vec::new(),
            false => self.listeners(wasm, directory),
        };
        listeners.extend(self.bystander.then(|| self.bystander(wasm, directory)));
        let mut clusters = vec![
            cluster(UPSTREAM, Some(self.upstream), self.upstream_http2),
            cluster(EMPTY, None, false),
        ];
        clusters.extend(self.outbound.map(|it| cluster(OUTBOUND, Some(it), self.upstream_http2)));
        clusters.extend(self.collector.map(|it| cluster(COLLECTOR, Some(it), false)));
        clusters.extend(self.clusters.clone());
        let mut bootstrap = json!({
            "node": self.node,
            "admin": { "address": loopback(0) },
            "stats_config": self.stats_config,
            "static_resources": { "listeners": listeners, "clusters": clusters },
        });
        if self.listener_from_file {
            bootstrap["dynamic_resources"] = json!({
                "lds_config": {
                    "resource_api_version": "V3",
                    "path_config_source": { "path": directory.join(LISTENERS_FILE) },
                },
            });
        }
        bootstrap
    }

    /// The document of a file that Envoy takes its listeners from.
    pub(crate) fn listeners_file(&self, wasm: &Path, directory: &Path) -> Value {
        let mut listeners = self.listeners(wasm, directory);
        for listener in &mut listeners {
            listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        }
        json!({ "resources": listeners })
    }

    fn listeners(&self, wasm: &Path, directory: &Path) -> Vec<Value> {
        let manager = |routes| self.connection_manager(routes, wasm, directory);
        let mut routes = self.routes.clone();
        routes.push(everything_to(UPSTREAM));
        let chains = self.filter_chains.iter().cloned().map(|mut chain| {
            chain["filters"] = json!([manager(routes.clone())]);
            chain
        });
        let mut listener = listener(LISTENER, self.direction, chains.collect());
        listener["listener_filters"] = json!(self.listener_filters);
        let mut listeners = vec![listener];
        if self.outbound.is_some() {
            let chain = json!({ "filters": [manager(vec![everything_to(OUTBOUND)])] });
            listeners.push(self::listener(OUTBOUND_LISTENER, Direction::Outbound, vec![chain]));
        }
        listeners
    }

    fn bystander(&self, wasm: &Path, directory: &Path) -> Value {
        let alone = Self { hopspan: Some(json!({})), vm_id: BYSTANDER, ..self.clone() };
        let manager = alone.connection_manager(vec![everything_to(UPSTREAM)], wasm, directory);
        listener(BYSTANDER, self.direction, vec![json!({ "filters": [manager] })])
    }

    fn connection_manager(&self, routes: Vec<Value>, wasm: &Path, directory: &Path) -> Value {
        let mut filters = self.before.clone();
        filters.extend(self.hopspan.as_ref().map(|it| self.wasm_filter(it, wasm)));
        filters.extend(self.after.clone());
        filters.push(filter("router", "router.v3.Router", self.router.clone()));
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network\
                      .http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "tests",
            "route_config": {
                "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }],
            },
            "http_filters": filters,
            "use_remote_address": self.use_remote_address,
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            "access_log": [{
                "name": "file",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": directory.join(ACCESS_LOG),
                    "log_format": { "json_format": self.access_log_format() },
                },
            }],
        });
        if let Some(tracing) = &self.native_tracing {
            manager["tracing"] = tracing.clone();
        }
        for (key, value) in &self.manager {
            manager[key] = value.clone();
        }
        json!({ "name": "http", "typed_config": manager })
    }

    /// The filter with this configuration.
    pub(crate) fn wasm_filter(&self, configuration: &Value, wasm: &Path) -> Value {
        let environment: serde_json::Map<_, _> =
            self.environment.iter().map(|&(key, value)| (key.to_owned(), json!(value))).collect();
        let wasm = self.module.as_deref().unwrap_or(wasm);
        let mut filter = filter(
            "hopspan",
            "wasm.v3.Wasm",
            json!({
                "config": {
                    "name": "hopspan",
                    "root_id": "hopspan",
                    "fail_open": true,
                    "vm_config": {
                        "vm_id": self.vm_id,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": wasm } },
                        "configuration": text(&self.vm_configuration),
                        "environment_variables": { "key_values": environment },
                    },
                    "configuration": text(configuration),
                },
            }),
        );
        if self.disabled {
            filter["disabled"] = json!(true);
        }
        filter
    }

    /// Envoy's own view of a request, which spans are held against. The first two durations are
    /// the time in which the proxy held it; the third is how long the client took to send it. Then
    /// come the time until the upstream answered, that of its response until the client had it all,
    /// and how long there was no connection to the upstream.
    fn access_log_format(&self) -> Value {
        let mut format = json!({
            "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
            "traceparent": "%REQ(TRACEPARENT)%",
            "code": "%RESPONSE_CODE%",
            "flags": "%RESPONSE_FLAGS%",
            "flags_long": "%RESPONSE_FLAGS_LONG%",
            "details": "%RESPONSE_CODE_DETAILS%",
            "route": "%ROUTE_NAME%",
            "cluster": "%UPSTREAM_CLUSTER%",
            "host": "%UPSTREAM_HOST%",
            "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
            "upstream_tls": "%UPSTREAM_TLS_VERSION%",
            "upstream_peer": "%UPSTREAM_PEER_URI_SAN%",
            "downstream_tls": "%DOWNSTREAM_TLS_VERSION%",
            "downstream_peer": "%DOWNSTREAM_PEER_URI_SAN%",
            "transport_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
            "before_us": "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)%",
            "after_us": "%COMMON_DURATION(US_RX_END:DS_TX_END:us)%",
            "receive_us": "%COMMON_DURATION(DS_RX_BEG:DS_RX_END:us)%",
            "first_byte_us": "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%",
            "send_us": "%COMMON_DURATION(US_RX_BEG:DS_TX_END:us)%",
            "pool_ms": "%UPSTREAM_CONNECTION_POOL_READY_DURATION%",
        });
        for (key, value) in self.access_log.as_object().into_iter().flatten() {
            format[key] = value.clone();
        }
        format
    }
}

/// An HTTP filter; `kind` is what follows `envoy.extensions.filters.http.` in its type.
pub(crate) fn filter(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
    json!({ "name": name, "typed_config": config })
}

/// A cluster of one host, or of none.
pub(crate) fn cluster(name: &str, address: Option<SocketAddr>, http2: bool) -> Value {
    let hosts: Vec<Value> = address
        .iter()
        .map(|it| json!({ "endpoint": { "address": loopback(it.port()) } }))
        .collect();
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": hosts }] },
    });
    if http2 {
        cluster["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} },
            },
        });
    }
    cluster
}

fn listener(name: &str, direction: Direction, filter_chains: Vec<Value>) -> Value {
    let direction = match direction {
        Direction::Inbound => "INBOUND",
        Direction::Outbound => "OUTBOUND",
        Direction::Unspecified => "UNSPECIFIED",
    };
    json!({
        "name": name,
        "address": loopback(0),
        "traffic_direction": direction,
        "filter_chains": filter_chains,
    })
}

fn everything_to(cluster: &str) -> Value {
    json!({ "match": { "prefix": "/" }, "route": { "cluster": cluster, "timeout": "30s" } })
}

fn text(value: &impl ToString) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": value.to_string() })
}

fn loopback(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

/// The file of [`Setup::listeners_file`], in the proxy's directory.
pub(crate) const LISTENERS_FILE: &str = "listeners.json";
/// The access log, in the proxy's directory.
pub(crate) const ACCESS_LOG: &str = "access.log";
