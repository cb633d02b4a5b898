//! The numbers of the proxy-wasm ABI 0.2.1.
//!
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>

use std::fmt;

/// What a hostcall returns. Any number can be injected, so this is no enum.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Status(pub u32);

impl Status {
    /// The call did what it says.
    pub const OK: Self = Self(0);
    /// The thing asked for does not exist (now).
    pub const NOT_FOUND: Self = Self(1);
    /// An argument is wrong, or a header map is not available in this callback.
    pub const BAD_ARGUMENT: Self = Self(2);
    /// The value exists but cannot be put into bytes.
    pub const SERIALIZATION_FAILURE: Self = Self(3);
    /// The bytes handed in cannot be read.
    pub const PARSE_FAILURE: Self = Self(4);
    /// The pointer and length are outside of the module's memory.
    pub const INVALID_MEMORY_ACCESS: Self = Self(6);
    /// The queue is empty.
    pub const EMPTY: Self = Self(7);
    /// Somebody else has set the shared data since it was read.
    pub const CAS_MISMATCH: Self = Self(8);
    /// The host could not do it.
    pub const INTERNAL_FAILURE: Self = Self(10);
    /// The connection of a callout broke.
    pub const BROKEN_CONNECTION: Self = Self(11);
    /// This host does not do that.
    pub const UNIMPLEMENTED: Self = Self(12);
}

/// What became of a stream callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The filter lets the stream go on, or does not export the callback.
    Continue,
    /// The filter holds the stream.
    Pause,
    /// The VM is dead. Envoy answers such a request with 503, or, only with the
    /// deprecated `fail_open: true`, lets it pass without the filter.
    Failed,
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// 0
    Trace,
    /// 1
    Debug,
    /// 2; also what a module writes to standard output.
    Info,
    /// 3
    Warn,
    /// 4; also what a module writes to standard error.
    Error,
    /// 5
    Critical,
}

impl Level {
    const ALL: [Self; 6] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical];

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        })
    }
}

/// The header maps that belong to a stream; their numbers index its state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MapType {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
    CallResponseHeaders,
    CallResponseTrailers,
    /// Initial and trailing metadata of gRPC calls, which never exist here.
    Grpc,
}

impl MapType {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::RequestHeaders,
            1 => Self::RequestTrailers,
            2 => Self::ResponseHeaders,
            3 => Self::ResponseTrailers,
            4 | 5 => Self::Grpc,
            6 => Self::CallResponseHeaders,
            7 => Self::CallResponseTrailers,
            _ => return None,
        })
    }

    /// The name under which calls are counted.
    pub(crate) fn name(number: u32) -> String {
        match Self::from_number(number) {
            Some(Self::RequestHeaders) => "request_headers".into(),
            Some(Self::RequestTrailers) => "request_trailers".into(),
            Some(Self::ResponseHeaders) => "response_headers".into(),
            Some(Self::ResponseTrailers) => "response_trailers".into(),
            Some(Self::CallResponseHeaders) => "call_response_headers".into(),
            Some(Self::CallResponseTrailers) => "call_response_trailers".into(),
            Some(Self::Grpc) | None => format!("map_{number}"),
        }
    }
}
