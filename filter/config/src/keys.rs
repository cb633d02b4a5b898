//! The keys of the document.

use super::attributes::Attributes;
use super::group::group;
use super::headers::Headers;
use super::kind::{Count, Flag, Maybe, Millis, MillisOrNone, OneOf, Share, Words};
use super::list::{AutoOr, BaggageKeys, Each, ListOf};
use super::routes::Routes;
use super::rules::{Patterns, RULES, SamplingRule, TrustRule};
use super::services::PeerService;
use super::spans::Spans;
use super::text::{Anything, Authority, ClusterName, HeaderName, HeaderValue, Path, Text};
use hopspan_core::batch::Limits;
use hopspan_core::config::Role;
use hopspan_core::encode::{Compression, Protocol};
use hopspan_core::export;
use hopspan_core::metrics::histogram::Shape;
use hopspan_core::propagation::{self, Announce, Format};
use hopspan_core::request::Direction;
use hopspan_core::semconv;
use hopspan_core::span::Kinds;
use hopspan_core::trust::Action;
use std::time::Duration;

group! {
    /// hopspan's configuration. {} is valid: trace context is continued or started and passed
    /// on, and nothing is exported.
    struct Document {
        /// Refuse the document for an unknown key, instead of a warning.
        strict: Flag = false,
        /// Where this instance of the filter stands. downstream: among a listener's HTTP filters,
        /// where it sees requests. upstream: among a cluster's, where it makes one CLIENT span of
        /// each try; give it the configuration of the instance downstream, this key apart.
        role: OneOf<Role> = Role::Downstream,
        /// What the listener is. auto: a gateway where Istio's node id says so (router~... or
        /// waypoint~...), else what the listener's traffic_direction says (none is a gateway).
        /// It is asked for each request whose answer depends on it; to set the key saves that.
        direction: OneOf<Option<Direction>> = None,
        service: Service = Service::default(),
        /// Further resource attributes of all spans. Those of OTEL_RESOURCE_ATTRIBUTES are
        /// added where they are not written here.
        resource_attributes: Attributes = Vec::new(),
        collector: Collector = Collector::default(),
        batch: Batch = Batch::default(),
        retry: Retry = Retry::default(),
        propagation: Propagation = Propagation::default(),
        trust: Trust = Trust::default(),
        sampling: Sampling = Sampling::default(),
        routes: Routes = Routes::default(),
        /// What the services at the other end are called: the service.peer.name of spans.
        /// The first that fits counts.
        services: Each<PeerService, 0, RULES> = Vec::new(),
        spans: Spans = Spans::default(),
        metrics: Metrics = Metrics::default(),
        response: Response = Response::default(),
        access_log: AccessLog = AccessLog::default(),
        explain: Explain = Explain::default(),
    }
}

group! {
    /// The service beside the proxy, or the gateway itself: resource attributes service.*.
    struct Service {
        /// Falls back to OTEL_SERVICE_NAME, to service.name in OTEL_RESOURCE_ATTRIBUTES; in the
        /// metadata of the proxy's node to the annotation
        /// resource.opentelemetry.io/service.name, the labels service.istio.io/canonical-name,
        /// app.kubernetes.io/name and app, to WORKLOAD_NAME; to the node's cluster, to
        /// unknown_service:envoy.
        name: Text<Anything> = None,
        /// A group of services, in which the name is unique. Falls back to the annotation
        /// resource.opentelemetry.io/service.namespace, to NAMESPACE in Istio's node metadata.
        namespace: Text<Anything> = None,
        /// The service's version. Falls back to the annotation
        /// resource.opentelemetry.io/service.version, the labels app.kubernetes.io/version and
        /// version.
        version: Text<Anything> = None,
        /// What is different for each instance of the service. Falls back to the attributes
        /// k8s.namespace.name, k8s.pod.name and k8s.container.name, with dots between them.
        instance_id: Text<Anything> = None,
    }
}

group! {
    /// Where spans go.
    struct Collector {
        /// The proxy's cluster that callouts go to. Without it nothing is exported.
        cluster: Text<ClusterName> = None,
        /// How spans are encoded: OTLP in protobuf or in JSON, or Zipkin's JSON, version 2. The
        /// default is what OTEL_EXPORTER_OTLP_PROTOCOL says, if hopspan speaks it.
        protocol: OneOf<Protocol> = Protocol::default(),
        /// How a request's body is made smaller. gzip: where the host can.
        compression: OneOf<Compression> = Compression::default(),
        /// :authority of callouts. The default is the cluster's name; of a name that Istio
        /// made (outbound|4318||collector.example) host and port.
        authority: Text<Authority> = None,
        /// :path of callouts. The default is /v1/traces, for zipkin/json /api/v2/spans.
        traces_path: Text<Path> = None,
        /// :path of callouts with metrics.
        metrics_path: Text<Path> = Some("/v1/metrics".to_owned()),
        /// Further headers of callouts, such as authorization. ${NAME} in a value is replaced
        /// from the VM's environment. Values are never logged. Those of
        /// OTEL_EXPORTER_OTLP_HEADERS are added where their names are not written here.
        headers: Headers = Vec::new(),
        /// How long to wait for an answer, in milliseconds.
        timeout_ms: Millis<1, 60_000> = Duration::from_secs(10),
    }
}

group! {
    /// How spans are gathered into requests. The queue is that of one configuration in one
    /// worker; what is in flight counts.
    struct Batch {
        /// The longest that a finished span waits, in milliseconds.
        schedule_delay_ms: Millis<10, 60_000> = Limits::default().schedule_delay,
        /// Most spans of one request.
        max_export_batch_size: Count<1, 100_000> = Limits::default().max_export_batch_size,
        /// Most bytes of one request.
        max_export_batch_bytes: Count<4_096, 67_108_864> = Limits::default().max_export_batch_bytes,
        /// Most spans in the queue. A quarter is kept free for spans of failed requests.
        max_queue_size: Count<1, 1_000_000> = Limits::default().max_queue_size,
        /// Most bytes in the queue. A quarter is kept free for spans of failed requests.
        max_queue_bytes: Count<4_096, 268_435_456> = Limits::default().max_queue_bytes,
        /// Most requests in flight.
        max_in_flight: Count<1, 100> = Limits::default().max_in_flight,
        /// Most bytes that requests under way hold. Beyond three quarters of it requests that
        /// begin are not recorded, beyond all of it they are not counted; context goes on.
        max_open_bytes: Count<4_096, 536_870_912> = Limits::default().max_open_bytes,
    }
}

group! {
    /// How a failed request is tried again: after a random part of a back-off that doubles. A
    /// collector's Retry-After wins.
    struct Retry {
        /// Whether it is tried again at all.
        enabled: Flag = export::Retry::default().enabled,
        /// Upper end of the first back-off, in milliseconds.
        initial_backoff_ms: Millis<1, 600_000> = export::Retry::default().initial_backoff,
        /// Upper end of any back-off, in milliseconds.
        max_backoff_ms: Millis<1, 600_000> = export::Retry::default().max_backoff,
        /// When a request is given up, in milliseconds since its first try. 0 is never: the
        /// queue is the limit.
        max_elapsed_ms: MillisOrNone<86_400_000> = export::Retry::default().max_elapsed,
    }
}

group! {
    /// Which formats of trace context are read from requests, and written into them. Others
    /// pass untouched.
    struct Propagation {
        /// Formats that are read. The first valid one wins; another trace in one of the others
        /// is linked, and counted as a conflict.
        extract: ListOf<Format> = propagation::Propagation::default().extract,
        /// Formats that are written. preserve: also each one of extract that came in, so that
        /// nobody behind sees two traces.
        inject: ListOf<Injected> = vec![Injected::Format(Format::TraceContext), Injected::Preserve],
        /// Formats that are removed on the way out, after they were read.
        clear: ListOf<Format> = Vec::new(),
        /// Keys of the baggage header that are copied to spans, as attributes of the same
        /// names. The header itself passes untouched.
        baggage_attributes: BaggageKeys = Vec::new(),
    }
}

group! {
    /// What the trace context of a caller is worth.
    struct Trust {
        /// continue: its sampled flag decides. ignore_sampling: its trace goes on, but whether
        /// it is sampled is decided here. restart: a new trace begins, linked to the old one.
        /// auto: ignore_sampling on gateways (but Istio's waypoints), continue elsewhere.
        default: OneOf<Option<Action>> = None,
        /// What the context of some callers is worth: the first rule whose match holds wins over
        /// the default.
        rules: Each<TrustRule, 0, RULES> = Vec::new(),
        strip_on_egress: Egress = Egress::default(),
    }
}

group! {
    /// Third parties, to which no trace header of any known format goes, and no baggage.
    struct Egress {
        /// Clusters, by name.
        clusters: Patterns = Vec::new(),
        /// Hosts that requests name. A pattern with a colon is tried with the port, too.
        hosts: Patterns = Vec::new(),
    }
}

group! {
    /// Which traces are recorded.
    struct Sampling {
        /// The share of new traces that is kept: 0.01 is one in a hundred.
        ratio: Share = 1.0,
        /// The share of some new traces: the first rule whose match holds wins over ratio.
        rules: Each<SamplingRule, 0, RULES> = Vec::new(),
        /// The most new traces that are kept in a second, by all workers of the proxy together.
        max_per_second: Maybe<Count<1, 1_000_000>> = None,
        /// So many new traces of each of the proxy's routes are kept in a minute, whatever the ratio
        /// and max_per_second say, by all workers together.
        min_per_minute: Maybe<Count<1, 60_000>> = None,
        force: Force = Force::default(),
        keep: Keep = Keep::default(),
        /// Whether health checks that trusted callers make are left out. They are known by their
        /// user agent or by the path of gRPC's health service.
        skip_health_checks: Flag = true,
    }
}

group! {
    /// A header by which a trusted caller has one trace kept, whatever the ratio says.
    struct Force {
        /// Its name. Without it there is no such header.
        header: Text<HeaderName> = None,
        /// Its value; any where none is written.
        value: Text<HeaderValue> = None,
    }
}

group! {
    /// Requests that are kept afterwards although they were not sampled. Hops above that run
    /// hopspan with this setting keep them, too.
    struct Keep {
        /// Those that end in an error: status 5xx, a gRPC status that is the server's fault, no
        /// complete response.
        errors: Flag = false,
        /// Those that take longer than this, in milliseconds.
        slower_than_ms: Maybe<Millis<1, 3_600_000>> = None,
    }
}

group! {
    /// What clients are told of their trace, in headers of the response.
    struct Response {
        /// The name of a header that has the trace-id. None where there is no name.
        trace_id_header: Text<HeaderName> = None,
        /// Whether there is a traceresponse, as W3C's draft has it.
        traceresponse: Flag = false,
        /// Whether there is a Server-Timing with a metric called traceparent, which scripts in
        /// browsers can read. Those of the application stay.
        server_timing: Flag = false,
    }
}

group! {
    /// What the proxy's own access log can tell of the trace.
    struct AccessLog {
        /// Whether the trace context is in the stream's filter state, as wasm.hopspan.trace_id,
        /// wasm.hopspan.span_id and wasm.hopspan.trace_flags: three host calls a request. The
        /// span is the outermost one that hopspan makes of the request.
        filter_state: Flag = false,
    }
}

group! {
    /// Finding out why a request was traced or not.
    struct Explain {
        /// A header by which a trusted caller asks. The response then has a header of the same
        /// name that says it.
        header: Text<HeaderName> = None,
    }
}

group! {
    /// Counting requests, recorded or not.
    struct Metrics {
        /// Where metrics go. otlp: to the collector, unless collector.protocol is zipkin/json. host:
        /// into the proxy's own stats. auto: otlp, if there is such a collector; without an item
        /// nothing is counted.
        to: AutoOr<ListOf<Destination>> = None,
        /// How often metrics are sent, in milliseconds.
        interval_ms: Millis<10, 60_000> = Duration::from_secs(10),
        /// Most series of one worker. Some of them are for what finds no room, and counts as
        /// _other.
        max_series: Count<20, 10_000> = 500,
        /// The buckets of durations that are sent. explicit: from 5 ms to 10 s, as OpenTelemetry's
        /// conventions have them. exponential: ends grow by a factor, so that all are alike exact.
        histogram: OneOf<Shape> = Shape::Explicit,
        /// Most histograms in the proxy's own stats. Some of them are for what finds no room.
        max_host_histograms: Count<10, 1_000> = 100,
        /// Whether the next hop is told who calls, in the tracestate: it removes that again.
        /// auto: on outbound listeners and gateways, where sampling.keep or metrics need it. Never
        /// towards clusters that are not part of an Istio mesh, nor those of trust.strip_on_egress.
        announce_caller: OneOf<Announce> = Announce::Auto,
        /// Whether histograms of durations show the trace of a request that was sampled.
        exemplars: Flag = true,
        /// Whether the time that the proxy itself took of each request is a histogram, too.
        proxy_time: Flag = false,
    }
}

impl Words for Option<Direction> {
    const ALL: &'static [(&'static str, Self)] = &[
        ("auto", None),
        ("inbound", Some(Direction::Inbound)),
        ("outbound", Some(Direction::Outbound)),
        ("gateway", Some(Direction::Gateway)),
    ];
}

impl Words for Role {
    const ALL: &'static [(&'static str, Self)] =
        &[("downstream", Self::Downstream), ("upstream", Self::Upstream)];
}

impl Words for Direction {
    const ALL: &'static [(&'static str, Self)] =
        &[("inbound", Self::Inbound), ("outbound", Self::Outbound), ("gateway", Self::Gateway)];
}

impl Words for Announce {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

impl Words for Format {
    const ALL: &'static [(&'static str, Self)] = &[
        ("tracecontext", Self::TraceContext),
        ("b3", Self::B3),
        ("b3multi", Self::B3Multi),
        ("grpc-trace-bin", Self::GrpcTraceBin),
        ("jaeger", Self::Jaeger),
        ("xray", Self::XRay),
        ("datadog", Self::Datadog),
        ("gcp", Self::Gcp),
    ];
}

/// What may be injected.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Injected {
    Format(Format),
    Preserve,
}

impl Words for Injected {
    const ALL: &'static [(&'static str, Self)] = &[
        ("tracecontext", Self::Format(Format::TraceContext)),
        ("b3", Self::Format(Format::B3)),
        ("b3multi", Self::Format(Format::B3Multi)),
        ("grpc-trace-bin", Self::Format(Format::GrpcTraceBin)),
        ("jaeger", Self::Format(Format::Jaeger)),
        ("xray", Self::Format(Format::XRay)),
        ("datadog", Self::Format(Format::Datadog)),
        ("gcp", Self::Format(Format::Gcp)),
        ("preserve", Self::Preserve),
    ];
}

impl Words for Action {
    const ALL: &'static [(&'static str, Self)] = &[
        ("continue", Self::Continue),
        ("restart", Self::Restart),
        ("ignore_sampling", Self::IgnoreSampling),
    ];
}

impl Words for Option<Action> {
    const ALL: &'static [(&'static str, Self)] = &[
        ("auto", None),
        ("continue", Some(Action::Continue)),
        ("restart", Some(Action::Restart)),
        ("ignore_sampling", Some(Action::IgnoreSampling)),
    ];
}

impl Words for Option<Kinds> {
    const ALL: &'static [(&'static str, Self)] = &[
        ("auto", None),
        ("server", Some(Kinds::One(semconv::Kind::Server))),
        ("client", Some(Kinds::One(semconv::Kind::Client))),
        ("both", Some(Kinds::Both)),
    ];
}

impl Words for Protocol {
    const ALL: &'static [(&'static str, Self)] = &[
        ("http/protobuf", Self::HttpProtobuf),
        ("http/json", Self::HttpJson),
        ("zipkin/json", Self::ZipkinJson),
    ];
}

impl Words for Compression {
    const ALL: &'static [(&'static str, Self)] = &[("none", Self::None), ("gzip", Self::Gzip)];
}

impl Words for Shape {
    const ALL: &'static [(&'static str, Self)] =
        &[("explicit", Self::Explicit), ("exponential", Self::Exponential)];
}

/// Where metrics go.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Destination {
    Otlp,
    Host,
}

impl Words for Destination {
    const ALL: &'static [(&'static str, Self)] = &[("otlp", Self::Otlp), ("host", Self::Host)];
}
