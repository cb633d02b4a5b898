//! The headers that hopspan looks at, found in one pass over the map.

use super::Headers;

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
    /// `traceparent`
    pub traceparent: Field<'a>,
    /// `tracestate`
    pub tracestate: Field<'a>,
}

/// A header that may come several times, which means something for each of these.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Field<'a> {
    /// Not there.
    #[default]
    Absent,
    /// There once.
    Once(&'a [u8]),
    /// There several times.
    Repeated,
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
                b"traceparent" => it.traceparent.add(value),
                b"tracestate" => it.tracestate.add(value),
                _ => {}
            }
        }
        it
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

    fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::Once(value),
            Self::Once(_) | Self::Repeated => Self::Repeated,
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
        assert_eq!(it.traceparent, Field::Once(b"1"));
        assert_eq!(it.tracestate, Field::Repeated);
        assert_eq!(it.path_and_query(), (&b"/a"[..], Some(&b"b=c?d"[..])));
    }
}
