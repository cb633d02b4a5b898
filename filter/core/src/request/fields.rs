//! The headers that hopspan looks at, found in one pass over the map.

use super::Headers;
use super::trace_fields::{TraceFields, TraceHeader};

/// Each header of interest, `None` or empty where the request has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestFields<'a> {
    /// `:method`
    pub method: &'a [u8],
    /// `:scheme`
    pub scheme: &'a [u8],
    /// `:authority`, or `host`
    pub authority: &'a [u8],
    /// `:path`, query included
    pub path: &'a [u8],
    /// `user-agent`
    pub user_agent: &'a [u8],
    /// `content-type`
    pub content_type: &'a [u8],
    /// `x-request-id`
    pub request_id: &'a [u8],
    /// `x-forwarded-host`
    pub forwarded_host: &'a [u8],
    /// `x-forwarded-proto`
    pub forwarded_proto: &'a [u8],
    /// `connect-protocol-version`
    pub connect_protocol_version: &'a [u8],
    /// `connect-timeout-ms`
    pub connect_timeout_ms: &'a [u8],
    /// `grpc-timeout`
    pub grpc_timeout: &'a [u8],
    /// `baggage`
    pub baggage: Field<'a>,
    /// The headers of all trace formats.
    pub trace: TraceFields<'a>,
}

/// A header that may come several times, which means something for each of these.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Field<'a> {
    /// Not there.
    #[default]
    Absent,
    /// There once.
    Once(&'a [u8]),
    /// There several times; this is the first.
    Repeated(&'a [u8]),
}

impl<'a> RequestFields<'a> {
    /// Goes through all headers once.
    pub fn of(headers: Headers<'a>) -> Self {
        let mut it = Self::default();
        for (name, value) in headers {
            match name {
                b":method" => it.method = value,
                b":scheme" => it.scheme = value,
                b":authority" | b"host" => it.authority = value,
                b":path" => it.path = value,
                b"user-agent" => it.user_agent = value,
                b"content-type" => it.content_type = value,
                b"x-request-id" => it.request_id = value,
                b"x-forwarded-host" => it.forwarded_host = value,
                b"x-forwarded-proto" => it.forwarded_proto = value,
                b"connect-protocol-version" => it.connect_protocol_version = value,
                b"connect-timeout-ms" => it.connect_timeout_ms = value,
                b"grpc-timeout" => it.grpc_timeout = value,
                b"baggage" => it.baggage.add(value),
                _ => {
                    if let Some(header) = TraceHeader::named(name) {
                        it.trace.add(header, value);
                    }
                }
            }
        }
        it
    }

    /// Whether a proxy says that something else was asked for than what stands here.
    pub fn is_forwarded(&self) -> bool {
        !self.forwarded_host.is_empty()
            || !self.forwarded_proto.is_empty() && self.forwarded_proto != self.scheme
    }

    /// `:path` without its query, and the query if there is one.
    pub fn path_and_query(&self) -> (&'a [u8], Option<&'a [u8]>) {
        let mut parts = self.path.splitn(2, |&b| b == b'?');
        (parts.next().unwrap_or_default(), parts.next())
    }
}

impl<'a> Field<'a> {
    /// Whether the header is there at all.
    pub fn is_present(&self) -> bool {
        *self != Self::Absent
    }

    /// The value of a header that may come once.
    pub fn once(self) -> Option<&'a [u8]> {
        match self {
            Self::Once(value) => Some(value),
            Self::Absent | Self::Repeated(_) => None,
        }
    }

    /// The first value, for a header of which the first one counts.
    pub fn first(self) -> Option<&'a [u8]> {
        match self {
            Self::Once(value) | Self::Repeated(value) => Some(value),
            Self::Absent => None,
        }
    }

    pub(super) fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::Once(value),
            Self::Once(first) | Self::Repeated(first) => Self::Repeated(first),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode_headers;
    use super::*;

    #[test]
    fn finds_each_header_and_notices_repetition() {
        let bytes = encode_headers(&[
            (":method", "GET"),
            (":path", "/a?b=c?d"),
            ("host", "shop"),
            ("traceparent", "1"),
            ("tracestate", "2"),
            ("x-other", "3"),
            ("tracestate", "4"),
        ]);
        let it = RequestFields::of(Headers::new(&bytes));
        assert_eq!((it.method, it.authority, it.user_agent), (&b"GET"[..], &b"shop"[..], &b""[..]));
        assert_eq!(it.trace.get(TraceHeader::Traceparent), Field::Once(b"1"));
        assert_eq!(it.trace.get(TraceHeader::Tracestate), Field::Repeated(b"2"));
        assert_eq!(it.trace.get(TraceHeader::B3), Field::Absent);
        assert_eq!(it.path_and_query(), (&b"/a"[..], Some(&b"b=c?d"[..])));
    }
}
