//! A proxy with hopspan in it, and the collector that it sends to.

use crate::collector::Collector;
use crate::received::Received;
use crate::traceparent::Traceparent;
use host_test::{
    Action, Builder, Headers, HostcallCounts, LogLine, Module, Proxy, Refused, Stream,
};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

/// A sidecar's listener to its service.
pub(crate) const INBOUND: &str = r#"{"direction":"inbound","collector":{"cluster":"otel"}}"#;
/// A sidecar's listener to other services.
pub(crate) const OUTBOUND: &str = r#"{"direction":"outbound","collector":{"cluster":"otel"}}"#;
/// A gateway's listener, whose callers are trusted so that tests choose their trace.
pub(crate) const GATEWAY: &str = r#"{"direction":"gateway","trust":{"default":"continue"},
    "collector":{"cluster":"otel"}}"#;

/// The same three without metrics: for what is about spans alone.
pub(crate) const UNCOUNTED_INBOUND: &str =
    r#"{"direction":"inbound","collector":{"cluster":"otel"},"metrics":{"to":[]}}"#;
pub(crate) const UNCOUNTED_OUTBOUND: &str =
    r#"{"direction":"outbound","collector":{"cluster":"otel"},"metrics":{"to":[]}}"#;
pub(crate) const UNCOUNTED_GATEWAY: &str = r#"{"direction":"gateway","trust":{"default":"continue"},
    "collector":{"cluster":"otel"},"metrics":{"to":[]}}"#;
/// What a caller sends in most tests.
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const PARENT: &str = "b7ad6b7169203331";
pub(crate) const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
pub(crate) const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// The default of `batch.schedule_delay_ms`, which is how often hopspan ticks.
pub(crate) const DELAY: Duration = Duration::from_secs(1);

/// The module, compiled once for all tests.
pub(crate) fn module() -> &'static Module {
    static MODULE: LazyLock<Module> = LazyLock::new(|| {
        let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/hopspan.wasm");
        let path = std::env::var_os("HOPSPAN_WASM").map_or_else(built, PathBuf::from);
        Module::from_file(path)
            .unwrap_or_else(|error| panic!("{error}; ./build.sh wasm makes the module"))
    });
    &MODULE
}

/// A proxy to be, with this plugin configuration.
pub(crate) fn builder(config: impl AsRef<[u8]>) -> Builder {
    Proxy::builder(module()).vm_id("hopspan").plugin_config(config)
}

/// Why a proxy does not start with this configuration.
#[track_caller]
pub(crate) fn refused(builder: Builder) -> Refused {
    match builder.start() {
        Ok(_) => panic!("the configuration is refused"),
        Err(refused) => refused,
    }
}

/// The proxy. At its end it checks that nothing trapped and that the counters add up.
pub(crate) struct Hopspan {
    proxy: Proxy,
    /// Where its spans go.
    pub(crate) collector: Collector,
}

impl Deref for Hopspan {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.proxy
    }
}

impl Hopspan {
    /// One worker, with this configuration.
    #[track_caller]
    pub(crate) fn start(config: &str) -> Self {
        Self::of(builder(config))
    }

    /// What the builder makes.
    #[track_caller]
    pub(crate) fn of(builder: Builder) -> Self {
        let proxy = builder.start().unwrap_or_else(|refused| panic!("it starts: {refused}"));
        let collector = Collector::default();
        let server = collector.clone();
        proxy.serve(move |request| server.serve(request));
        Self { proxy, collector }
    }

    /// A new stream on the first worker.
    pub(crate) fn stream(&self) -> Stream {
        self.worker(0).stream()
    }

    /// Time passes, and nothing else happens.
    pub(crate) fn pass(&self, microseconds: u64) {
        self.clock().advance(Duration::from_micros(microseconds));
    }

    /// Whole requests, on the first worker.
    pub(crate) fn requests(&self, count: usize) {
        self.requests_on(0, count);
    }

    /// Whole requests, on one worker.
    pub(crate) fn requests_on(&self, worker: usize, count: usize) {
        for _ in 0..count {
            let stream = self.worker(worker).stream();
            assert_eq!(stream.request_headers(sampled_get(), true), Action::Continue);
            stream.respond(200);
            stream.finish();
        }
    }

    /// All spans that the collector takes within the longest delay.
    pub(crate) fn spans(&self) -> Vec<Received> {
        self.run_for(DELAY);
        self.collector.taken()
    }

    /// The one span that the collector takes within the longest delay.
    #[track_caller]
    pub(crate) fn span(&self) -> Received {
        let spans = self.spans();
        let [span] = spans.as_slice() else { panic!("one span: {spans:#?}") };
        span.clone()
    }

    /// Where one of hopspan's own stats stands; 0 if it does not exist.
    pub(crate) fn stat(&self, name: &str) -> i64 {
        self.metric(&format!("hopspan.{name}")).unwrap_or_default()
    }

    /// How many spans were dropped for this reason.
    pub(crate) fn dropped(&self, reason: &str) -> i64 {
        self.stat(&format!("spans.dropped.reason=.={reason};.;"))
    }

    /// How many requests to the collector ended so.
    pub(crate) fn outcome(&self, outcome: &str) -> i64 {
        self.stat(&format!("export.requests.outcome=.={outcome};.;"))
    }

    /// How many requests had a trace header that is wrong in this way.
    pub(crate) fn invalid(&self, reason: &str) -> i64 {
        self.stat(&format!("context.invalid.reason=.={reason};.;"))
    }

    /// How many requests of callers that are not trusted tried this.
    pub(crate) fn untrusted(&self, what: &str) -> i64 {
        self.stat(&format!("context.untrusted.what=.={what};.;"))
    }

    /// Spans by what became of them: created, exported, dropped, queued, in flight.
    pub(crate) fn accounts(&self) -> [i64; 5] {
        accounts(&self.metrics())
    }

    /// Spans that moved between configurations: handed over, taken over.
    pub(crate) fn moved(&self) -> [i64; 2] {
        moved(&self.metrics())
    }

    /// Checks from now on after each callback that the counters add up.
    pub(crate) fn watched(self) -> Self {
        self.after_each_callback(assert_adds_up);
        self
    }

    /// The lines of the log that say this.
    pub(crate) fn said(&self, text: &str) -> Vec<LogLine> {
        self.log().into_iter().filter(|line| line.text.contains(text)).collect()
    }
}

impl Drop for Hopspan {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(self.traps(), [], "nothing traps");
        assert_adds_up(&self.metrics());
    }
}

/// Spans by what became of them: created, exported, dropped, queued, in flight.
pub(crate) fn accounts(stats: &BTreeMap<String, i64>) -> [i64; 5] {
    let get = |name: &str| stats.get(name).copied().unwrap_or_default();
    let dropped = stats.iter().filter(|(name, _)| name.starts_with("hopspan.spans.dropped."));
    [
        get("hopspan.spans.created"),
        get("hopspan.spans.exported"),
        dropped.map(|(_, count)| count).sum(),
        get("hopspan.spans.queued"),
        get("hopspan.spans.in_flight"),
    ]
}

/// Spans that moved between configurations: handed over, taken over.
pub(crate) fn moved(stats: &BTreeMap<String, i64>) -> [i64; 2] {
    let get = |name: &str| stats.get(name).copied().unwrap_or_default();
    [get("hopspan.spans.handed_over"), get("hopspan.spans.taken_over")]
}

/// Every span that was created or taken over is somewhere.
#[track_caller]
pub(crate) fn assert_adds_up(stats: &BTreeMap<String, i64>) {
    let [created, exported, dropped, queued, in_flight] = accounts(stats);
    assert!(
        [created, exported, dropped, queued, in_flight].iter().all(|it| *it >= 0),
        "{stats:#?}"
    );
    let [handed_over, taken_over] = moved(stats);
    assert!(taken_over <= handed_over, "{stats:#?}");
    let accounted = exported + dropped + handed_over + queued + in_flight;
    assert_eq!(
        created + taken_over,
        accounted,
        "created + taken over = exported + dropped + handed over + queued + in flight: {stats:#?}"
    );
}

/// A GET whose caller sampled it.
pub(crate) fn sampled_get() -> Headers {
    Headers::plain_get("/cart").with("traceparent", SAMPLED)
}

/// The one `traceparent` that the service gets.
#[track_caller]
pub(crate) fn sent(stream: &Stream) -> Traceparent {
    let headers = stream.upstream_headers();
    let values = headers.values("traceparent");
    let [value] = values.as_slice() else { panic!("one traceparent goes out: {headers:?}") };
    Traceparent::parse(value)
}

/// What a span has besides those attributes that all requests have alike: `key=value`,
/// sorted.
pub(crate) fn attributes(span: &Received) -> Vec<String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let text = |value: &Value| match value {
        Value::ArrayValue(list) => format!("{} in a list", list.values.len()),
        Value::StringValue(text) => format!("{text:?}"),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(truth) => truth.to_string(),
        other => panic!("text, a number or a truth value: {other:?}"),
    };
    let mut all: Vec<String> = (span.span.attributes.iter())
        .map(|it| {
            let value = it.value.as_ref().and_then(|it| it.value.as_ref());
            format!("{}={}", it.key, text(value.expect("a value")))
        })
        .collect();
    all.sort();
    all
}

/// Finished requests of each worker that are looked at for another tracer.
pub(crate) const LOOKS: usize = 16;

/// The calls of one request's life, after those in which native tracing is looked for.
pub(crate) fn life(config: &str, request: &Headers, respond: impl Fn(&Stream)) -> HostcallCounts {
    life_on(builder(config), request, respond)
}

/// The same on a host of one's own.
pub(crate) fn life_on(
    host: Builder,
    request: &Headers,
    respond: impl Fn(&Stream),
) -> HostcallCounts {
    let hopspan = Hopspan::of(host.property("xds.listener_direction", 1));
    let live = || {
        let stream = hopspan.stream();
        stream.request_headers(request, true);
        respond(&stream);
        stream.finish();
    };
    (0..LOOKS).for_each(|_| live());
    let before = hopspan.hostcalls();
    live();
    hopspan.hostcalls().since(&before)
}
