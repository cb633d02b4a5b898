//! OpenTelemetry's semantic conventions: names as constants, and what a proxy's facts
//! mean by them.
//!
//! Spec: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>

pub mod flags;
pub mod grpc;
pub mod http;

macro_rules! names {
    ($list:ident: $($(#[$doc:meta])* $constant:ident = $name:literal;)*) => {
        $($(#[$doc])* pub const $constant: &str = $name;)*
        const $list: &[&str] = &[$($name),*];
    };
}

// Of the registry: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>
names! { STANDARD:
    /// Address of the client behind all trusted proxies.
    CLIENT_ADDRESS = "client.address";
    /// Port of the client.
    CLIENT_PORT = "client.port";
    /// Class of the error the operation ended with; absent where it did not fail.
    ERROR_TYPE = "error.type";
    /// Method, or `_OTHER` for one that the conventions do not know.
    HTTP_REQUEST_METHOD = "http.request.method";
    /// The method as sent, where the other says `_OTHER`.
    HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original";
    /// Status of the response, an integer.
    HTTP_RESPONSE_STATUS_CODE = "http.response.status_code";
    /// Address of the other end of the network connection.
    NETWORK_PEER_ADDRESS = "network.peer.address";
    /// Port of the other end of the network connection.
    NETWORK_PEER_PORT = "network.peer.port";
    /// `1.1`, `2`, ...
    NETWORK_PROTOCOL_VERSION = "network.protocol.version";
    /// Full name of the called method.
    RPC_METHOD = "rpc.method";
    /// Status of the call, as text.
    RPC_RESPONSE_STATUS_CODE = "rpc.response.status_code";
    /// `grpc`.
    RPC_SYSTEM_NAME = "rpc.system.name";
    /// Host that the client asked for.
    SERVER_ADDRESS = "server.address";
    /// Port that the client asked for.
    SERVER_PORT = "server.port";
    /// The logical name of the service.
    SERVICE_NAME = "service.name";
    /// Which of the service's instances.
    SERVICE_INSTANCE_ID = "service.instance.id";
    /// What the service's name is unique in.
    SERVICE_NAMESPACE = "service.namespace";
    /// Version of the service.
    SERVICE_VERSION = "service.version";
    /// Language of the SDK: `rust`.
    TELEMETRY_SDK_LANGUAGE = "telemetry.sdk.language";
    /// Name of the SDK: `hopspan`.
    TELEMETRY_SDK_NAME = "telemetry.sdk.name";
    /// Version of the SDK.
    TELEMETRY_SDK_VERSION = "telemetry.sdk.version";
    /// The whole URL, values of the query masked.
    URL_FULL = "url.full";
    /// Path of the URL.
    URL_PATH = "url.path";
    /// Query of the URL, values masked.
    URL_QUERY = "url.query";
    /// `http` or `https`.
    URL_SCHEME = "url.scheme";
    /// The `User-Agent` header.
    USER_AGENT_ORIGINAL = "user_agent.original";
}

// hopspan's own: the proxy's view of the hop.
names! { OWN:
    /// Time that this proxy held the request, nanoseconds.
    PROXY_TIME = "hopspan.proxy_time_ns";
    /// True where the proxy time may be too much: several attempts, or a request that an
    /// earlier filter answered.
    PROXY_TIME_UPPER_BOUND = "hopspan.proxy_time_upper_bound";
    /// Time that the upstream took, of the last attempt, nanoseconds.
    UPSTREAM_TIME = "hopspan.upstream_time_ns";
    /// Cluster that the request was routed to.
    UPSTREAM_CLUSTER = "hopspan.upstream.cluster";
    /// Address and port of the upstream host of the last attempt.
    UPSTREAM_ADDRESS = "hopspan.upstream.address";
    /// Attempts, where it was not one.
    ATTEMPTS = "hopspan.attempts";
    /// The proxy's response flags by their short names, of a request that went wrong.
    RESPONSE_FLAGS = "hopspan.response_flags";
    /// The proxy's reason for the response, of a request that went wrong.
    RESPONSE_CODE_DETAILS = "hopspan.response_code_details";
    /// Why the trace is recorded, where no ratio says so: `debug`.
    SAMPLING_REASON = "hopspan.sampling.reason";
}

/// Attributes that spans or resources have of themselves.
pub fn taken() -> impl Iterator<Item = &'static str> {
    STANDARD.iter().chain(OWN).copied()
}

/// Which side of a call a span describes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A request was received.
    Server,
    /// A request was sent.
    Client,
}

/// Where attributes are written to, one by one.
pub trait Attributes {
    /// A string; bytes that are not UTF-8 become replacement characters.
    fn text(&mut self, key: &str, value: &[u8]);
    /// A 64-bit integer.
    fn integer(&mut self, key: &str, value: i64);
    /// A boolean.
    fn flag(&mut self, key: &str, value: bool);
}

/// Whether a span's operation failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome<'a> {
    /// It did not, as far as this side of the hop is concerned: status Unset.
    Fine,
    /// It did: status Error, with this `error.type`.
    Failed(std::borrow::Cow<'a, str>),
}
