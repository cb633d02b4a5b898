//! The headers that carry trace context, of all formats that hopspan knows.

use super::fields::Field;

macro_rules! trace_headers {
    ($($header:ident $name:literal)*) => {
        /// A header that carries trace context, or a part of it.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[repr(usize)]
        pub enum TraceHeader {
            $(#[doc = concat!("`", $name, "`")] $header),*
        }

        impl TraceHeader {
            /// All of them, each at the place that its discriminant names.
            pub const ALL: [Self; COUNT] = [$(Self::$header),*];

            /// The header's name, in lower case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$header => $name),* }
            }
        }

        const COUNT: usize = [$(TraceHeader::$header),*].len();
    };
}

trace_headers! {
    Traceparent "traceparent"
    Tracestate "tracestate"
    B3 "b3"
    B3TraceId "x-b3-traceid"
    B3SpanId "x-b3-spanid"
    B3ParentSpanId "x-b3-parentspanid"
    B3Sampled "x-b3-sampled"
    B3Flags "x-b3-flags"
    GrpcTraceBin "grpc-trace-bin"
    UberTraceId "uber-trace-id"
    AmznTraceId "x-amzn-trace-id"
    DatadogTraceId "x-datadog-trace-id"
    DatadogParentId "x-datadog-parent-id"
    DatadogSamplingPriority "x-datadog-sampling-priority"
    DatadogTags "x-datadog-tags"
    DatadogOrigin "x-datadog-origin"
    CloudTraceContext "x-cloud-trace-context"
}

/// What a request has of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceFields<'a> {
    values: [Field<'a>; COUNT],
    present: TraceHeaders,
}

/// Some of these headers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TraceHeaders(u32);

impl TraceHeaders {
    /// The set of those in a list.
    pub const fn of(list: &[TraceHeader]) -> Self {
        match list {
            [] => Self(0),
            [first, rest @ ..] => Self(1 << (*first as usize) | Self::of(rest).0),
        }
    }
}

impl TraceHeader {
    /// The header of this name. Most headers have none of these names: their first byte or
    /// their length says so.
    pub fn named(name: &[u8]) -> Option<Self> {
        let it = match (name, name.len()) {
            ([b't', ..], 11) => Self::Traceparent,
            ([b't', ..], 10) => Self::Tracestate,
            ([b'b', ..], 2) => Self::B3,
            ([b'g', ..], 14) => Self::GrpcTraceBin,
            ([b'u', ..], 13) => Self::UberTraceId,
            ([b'x', b'-', b'b', ..], 12) => match name {
                [.., b'i', b'd'] => Self::B3TraceId,
                _ => Self::B3Sampled,
            },
            ([b'x', b'-', b'b', ..], 11) => Self::B3SpanId,
            ([b'x', b'-', b'b', ..], 17) => Self::B3ParentSpanId,
            ([b'x', b'-', b'b', ..], 10) => Self::B3Flags,
            ([b'x', b'-', b'a', ..], 15) => Self::AmznTraceId,
            ([b'x', b'-', b'd', ..], 18) => Self::DatadogTraceId,
            ([b'x', b'-', b'd', ..], 19) => Self::DatadogParentId,
            ([b'x', b'-', b'd', ..], 27) => Self::DatadogSamplingPriority,
            ([b'x', b'-', b'd', ..], 14) => Self::DatadogTags,
            ([b'x', b'-', b'd', ..], 16) => Self::DatadogOrigin,
            ([b'x', b'-', b'c', ..], 21) => Self::CloudTraceContext,
            _ => return None,
        };
        (name == it.name().as_bytes()).then_some(it)
    }
}

impl<'a> TraceFields<'a> {
    /// What there is under one name.
    pub fn get(&self, header: TraceHeader) -> Field<'a> {
        self.values.get(header as usize).copied().unwrap_or_default()
    }

    /// Whether any of these headers is there.
    pub fn has_any(&self, headers: TraceHeaders) -> bool {
        self.present.0 & headers.0 != 0
    }

    pub(super) fn add(&mut self, header: TraceHeader, value: &'a [u8]) {
        if let Some(field) = self.values.get_mut(header as usize) {
            field.add(value);
            self.present.0 |= TraceHeaders::of(&[header]).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_by_its_whole_name_and_no_other() {
        for (place, header) in TraceHeader::ALL.into_iter().enumerate() {
            assert_eq!(header as usize, place);
            let name = header.name().as_bytes();
            assert_eq!(TraceHeader::named(name), Some(header), "{}", header.name());
            for at in 0..name.len() {
                let mut other = name.to_vec();
                other[at] ^= 1;
                assert_eq!(TraceHeader::named(&other), None, "{}", other.escape_ascii());
                assert_eq!(TraceHeader::named(&name[..at]), None, "{}", header.name());
            }
        }
    }
}
