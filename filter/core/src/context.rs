//! The context of a trace: what one hop tells the next.

use crate::id::{SpanId, TraceId};
use std::borrow::Cow;

/// The flags of a trace, of which two are defined; all others are cleared.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#trace-flags>
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TraceFlags(u8);

/// What a caller sent: its trace, its span, and whether it recorded that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpanContext<'a> {
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
    /// The span that made the request.
    pub span_id: SpanId,
    /// Whether that span was sampled, and the trace-id is random.
    pub flags: TraceFlags,
    /// The other vendors' state, checked; empty if there is none.
    pub tracestate: Cow<'a, [u8]>,
}

impl TraceFlags {
    /// The caller may have recorded the trace.
    pub const SAMPLED: Self = Self(0b01);
    /// The last seven bytes of the trace-id are random.
    pub const RANDOM: Self = Self(0b10);

    /// Keeps the flags that the specification defines and clears the rest.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & (Self::SAMPLED.0 | Self::RANDOM.0))
    }

    /// The byte of the `traceparent` header.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether the sampled flag is set.
    pub fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// The same flags with the sampled flag as given.
    pub fn with_sampled(self, sampled: bool) -> Self {
        Self(self.0 & Self::RANDOM.0 | u8::from(sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_defined_flags_survive() {
        for bits in 0..=u8::MAX {
            assert_eq!(TraceFlags::from_bits(bits).bits(), bits & 3);
            assert_eq!(TraceFlags::from_bits(bits).is_sampled(), bits % 2 == 1);
            assert_eq!(TraceFlags::from_bits(bits).with_sampled(true).bits(), bits & 2 | 1);
            assert_eq!(TraceFlags::from_bits(bits).with_sampled(false).bits(), bits & 2);
        }
    }
}
