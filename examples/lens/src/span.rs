//! One span, checked and with the name of its service.

use std::fmt;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

/// The keys of the attributes that this program reads.
pub mod key {
    /// Time that the proxy held the request, in nanoseconds.
    pub const PROXY_TIME: &str = "hopspan.proxy_time_ns";
    /// Set where the proxy time contains earlier tries and the waits between them.
    pub const PROXY_TIME_UPPER_BOUND: &str = "hopspan.proxy_time_upper_bound";
    /// Time between the first byte to the upstream and the last one from it, in nanoseconds.
    pub const UPSTREAM_TIME: &str = "hopspan.upstream_time_ns";
    /// The cluster that the request went to.
    pub const CLUSTER: &str = "hopspan.upstream.cluster";
    /// From the request's headers to its end, in nanoseconds; absent where headers were all.
    pub const REQUEST_RECEIVE: &str = "hopspan.request_receive_ns";
    /// Part of the proxy time: the wait for a connection to the upstream, in nanoseconds.
    pub const POOL_WAIT: &str = "hopspan.pool_wait_ns";
    /// The path without what differs from request to request.
    pub const ROUTE: &str = "hopspan.route";
    /// The route by its template.
    pub const HTTP_ROUTE: &str = "http.route";
    /// The path's template, as a client knows it.
    pub const URL_TEMPLATE: &str = "url.template";
    /// `package.Service/Method` of a call.
    pub const RPC_METHOD: &str = "rpc.method";
    /// How often a request had been sent before this try.
    pub const RESEND_COUNT: &str = "http.request.resend_count";
    /// The logical name of the service at the other end.
    pub const PEER_NAME: &str = "service.peer.name";
    /// The host that was asked for.
    pub const SERVER_ADDRESS: &str = "server.address";
    /// Why an operation failed; absent if it did not.
    pub const ERROR_TYPE: &str = "error.type";
    /// Number of tries, where there was more than one.
    pub const ATTEMPTS: &str = "hopspan.attempts";
    /// Why the proxy answered itself or the response broke off.
    pub const RESPONSE_FLAGS: &str = "hopspan.response_flags";
    /// Why the span is recorded, where no ratio says so.
    pub const SAMPLING_REASON: &str = "hopspan.sampling.reason";
    /// HTTP request method.
    pub const METHOD: &str = "http.request.method";
    /// HTTP response status code.
    pub const STATUS_CODE: &str = "http.response.status_code";
    /// Status of an RPC by name, for example `NOT_FOUND`.
    pub const RPC_STATUS: &str = "rpc.response.status_code";
    /// Path of the request, without the query: on SERVER spans.
    pub const PATH: &str = "url.path";
    /// The whole URL: on CLIENT spans.
    pub const URL: &str = "url.full";
    /// Name of the service that a resource stands for.
    pub const SERVICE_NAME: &str = "service.name";
}

/// A trace-id that is not all zero.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TraceId([u8; 16]);

/// A span's own id, not all zero.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SpanId([u8; 8]);

/// One operation of one service.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace that the span is part of.
    pub trace_id: TraceId,
    /// The span's own id.
    pub span_id: SpanId,
    /// The span that caused this one.
    pub parent: Option<SpanId>,
    /// Whether the parent is another process's, as far as the sender says.
    pub parent_is_remote: bool,
    /// `service.name` of the resource.
    pub service: String,
    /// What was done, in few words.
    pub name: String,
    /// Which side of a request the span describes.
    pub kind: SpanKind,
    /// Begin, in nanoseconds since 1970.
    pub start_unix_nano: u64,
    /// End, in nanoseconds since 1970; never before the begin.
    pub end_unix_nano: u64,
    /// Whether the status is `Error`.
    pub failed: bool,
    /// Everything else that is known.
    pub attributes: Vec<KeyValue>,
}

// === impl TraceId, SpanId ===

impl TraceId {
    /// Reads 32 hexadecimal digits; `None` for anything else or all zero.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let number = u128::from_str_radix(text, 16).ok()?;
        Self::from_slice(&number.to_be_bytes())
    }

    /// The bytes, as they are in OTLP.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the 16 bytes of OTLP; `None` for another length or all zero.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().filter(|id| *id != [0; 16]).map(Self)
    }
}

impl SpanId {
    /// The bytes, as they are in OTLP.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// Reads the 8 bytes of OTLP; `None` for another length or all zero.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().filter(|id| *id != [0; 8]).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

// === impl Span ===

impl Span {
    /// Checks a span as it came over the wire.
    ///
    /// # Errors
    ///
    /// The part that breaks what OTLP demands of every span.
    pub fn try_new(service: &str, span: otlp::Span) -> Result<Self, SpanError> {
        let parent = match span.parent_span_id.as_slice() {
            [] | [0, 0, 0, 0, 0, 0, 0, 0] => None,
            id => Some(SpanId::from_slice(id).ok_or(SpanError::ParentId)?),
        };
        if span.end_time_unix_nano < span.start_time_unix_nano {
            return Err(SpanError::Time);
        }
        Ok(Self {
            trace_id: TraceId::from_slice(&span.trace_id).ok_or(SpanError::TraceId)?,
            span_id: SpanId::from_slice(&span.span_id).ok_or(SpanError::SpanId)?,
            parent,
            // Who does not say is taken for remote: nothing may be concluded then.
            parent_is_remote: span.flags & REMOTE_MASK != KNOWN_LOCAL,
            service: service.to_owned(),
            kind: span.kind(),
            name: span.name,
            start_unix_nano: span.start_time_unix_nano,
            end_unix_nano: span.end_time_unix_nano,
            failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
            attributes: span.attributes,
        })
    }

    /// Time from begin to end.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.end_unix_nano.saturating_sub(self.start_unix_nano))
    }

    /// Time that the proxy held the request; `None` where it is not known.
    #[must_use]
    pub fn proxy_time(&self) -> Option<Duration> {
        self.nanos(key::PROXY_TIME)
    }

    /// Time that the upstream took; `None` where it is not known.
    #[must_use]
    pub fn upstream_time(&self) -> Option<Duration> {
        self.nanos(key::UPSTREAM_TIME)
    }

    /// Whether the proxy time contains more than the proxy's own time.
    #[must_use]
    pub fn proxy_time_is_upper_bound(&self) -> bool {
        matches!(self.value(key::PROXY_TIME_UPPER_BOUND), Some(Value::BoolValue(true)))
    }

    /// A string attribute.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }

    /// An integer attribute.
    #[must_use]
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.value(key)? {
            Value::IntValue(number) => Some(*number),
            _ => None,
        }
    }

    /// The path of the request, without the query.
    ///
    /// A server says it outright, a client as part of the whole URL.
    ///
    /// Source: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        let of_client = || {
            let (_, rest) = self.text(key::URL)?.split_once("://")?;
            let path = rest.get(rest.find('/')?..)?;
            path.split(['?', '#']).next()
        };
        self.text(key::PATH).or_else(of_client)
    }

    /// What requests of this kind have in common: `GET /products/{number}`, or a call's method.
    ///
    /// The span's name where no attribute tells: it is meant to take few values, too.
    #[must_use]
    pub fn route(&self) -> String {
        if let Some(method) = self.text(key::RPC_METHOD) {
            return method.to_owned();
        }
        let route = [key::ROUTE, key::HTTP_ROUTE, key::URL_TEMPLATE].into_iter();
        match (self.text(key::METHOD), route.filter_map(|key| self.text(key)).next()) {
            (Some(method), Some(route)) => format!("{method} {route}"),
            _ => self.name.clone(),
        }
    }

    /// Status of the answer: a call's by name, else HTTP's as digits; empty if there was none.
    #[must_use]
    pub fn status(&self) -> String {
        let code = || self.integer(key::STATUS_CODE).map(|code| code.to_string());
        self.text(key::RPC_STATUS).map(str::to_owned).or_else(code).unwrap_or_default()
    }

    fn nanos(&self, key: &str) -> Option<Duration> {
        self.integer(key)?.try_into().ok().map(Duration::from_nanos)
    }

    /// An attribute of any type.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        value(&self.attributes, key)
    }
}

/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
///
/// Source: <https://github.com/open-telemetry/opentelemetry-proto> `trace.proto`, `SpanFlags`
const REMOTE_MASK: u32 = 0x300;
/// Of those two bits: it is said, and it is not so.
const KNOWN_LOCAL: u32 = 0x100;

/// The value of one attribute in a list.
pub(crate) fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find_map(|pair| match &pair.value {
        Some(AnyValue { value: Some(value) }) if pair.key == key => Some(value),
        _ => None,
    })
}

/// The part of a span that broke OTLP's rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpanError {
    /// Not 16 bytes, or all zero.
    TraceId,
    /// Not 8 bytes, or all zero.
    SpanId,
    /// Neither absent nor 8 bytes.
    ParentId,
    /// The end is before the begin.
    Time,
}

impl fmt::Display for SpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TraceId => "the trace_id is not 16 bytes with one that is not zero",
            Self::SpanId => "the span_id is not 8 bytes with one that is not zero",
            Self::ParentId => "the parent_span_id is neither absent nor 8 bytes",
            Self::Time => "the span ends before it begins",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> otlp::Span {
        otlp::Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            start_time_unix_nano: 1_000,
            end_time_unix_nano: 3_500,
            ..Default::default()
        }
    }

    #[test]
    fn takes_only_spans_that_otlp_allows() {
        use SpanError as E;
        type Change = fn(&mut otlp::Span);
        type Parent = Result<Option<SpanId>, E>;
        let cases: [(&str, Change, Parent); 9] = [
            ("a root", |_| (), Ok(None)),
            ("a child", |it| it.parent_span_id = vec![3; 8], Ok(Some(SpanId([3; 8])))),
            ("zeros stand for no parent", |it| it.parent_span_id = vec![0; 8], Ok(None)),
            ("a short trace-id", |it| it.trace_id = vec![1; 8], Err(E::TraceId)),
            ("a trace-id of zeros", |it| it.trace_id = vec![0; 16], Err(E::TraceId)),
            ("no span-id", |it| it.span_id = vec![], Err(E::SpanId)),
            ("a span-id of zeros", |it| it.span_id = vec![0; 8], Err(E::SpanId)),
            ("a long parent", |it| it.parent_span_id = vec![3; 16], Err(E::ParentId)),
            ("an end before the begin", |it| it.end_time_unix_nano = 1, Err(E::Time)),
        ];
        for (why, change, want) in cases {
            let mut span = span();
            change(&mut span);
            assert_eq!(Span::try_new("shop", span).map(|it| it.parent), want, "{why}");
        }
    }

    #[test]
    fn a_parent_is_local_only_where_the_sender_says_so() {
        for (flags, want) in [(0, true), (0x01, true), (0x101, false), (0x301, true)] {
            let span = otlp::Span { flags, ..span() };
            assert_eq!(Span::try_new("shop", span).unwrap().parent_is_remote, want, "{flags:#x}");
        }
    }

    #[test]
    fn times_are_read_as_nanoseconds_and_never_negative() {
        let mut span = span();
        let pair = |key: &str, value| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..Default::default()
        };
        span.attributes = vec![
            pair(key::PROXY_TIME, Value::IntValue(1_500)),
            pair(key::UPSTREAM_TIME, Value::IntValue(-1)),
        ];
        let span = Span::try_new("shop", span).unwrap();
        assert_eq!(span.duration(), Duration::from_nanos(2_500));
        assert_eq!(span.proxy_time(), Some(Duration::from_nanos(1_500)));
        assert_eq!(span.upstream_time(), None);
        assert!(!span.proxy_time_is_upper_bound());
    }

    #[test]
    fn a_client_names_the_path_as_part_of_its_url() {
        let url = |text: &str| (key::URL, text.to_owned());
        for (why, attributes, want) in [
            ("a server", vec![(key::PATH, "/a".to_owned())], Some("/a")),
            ("a client", vec![url("http://stock/a/b?q=1#top")], Some("/a/b")),
            ("both", vec![url("http://stock/b"), (key::PATH, "/a".to_owned())], Some("/a")),
            ("no path", vec![url("http://stock")], None),
            ("no URL", vec![url("/a")], None),
            ("neither", vec![], None),
        ] {
            let mut span = Span::try_new("shop", span()).unwrap();
            let text = |text| Some(AnyValue { value: Some(Value::StringValue(text)) });
            let pair = |(key, value): (&str, String)| KeyValue {
                key: key.to_owned(),
                value: text(value),
                ..Default::default()
            };
            span.attributes = attributes.into_iter().map(pair).collect();
            assert_eq!(span.path(), want, "{why}");
        }
    }
}
