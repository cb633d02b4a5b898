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

/// What a caller says about recording the trace.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Decision {
    /// Nothing: who receives this decides.
    #[default]
    Defer,
    /// It is not recorded.
    Drop,
    /// It is recorded.
    Sample,
    /// It is recorded, whatever else would keep it from that.
    Debug,
}

/// What a caller sent, in whichever format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remote<'a> {
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
    /// The span that made the request; `None` where the caller named the trace alone.
    pub span_id: Option<SpanId>,
    /// Whether it recorded that span.
    pub decision: Decision,
    /// Whether the trace-id was 64 bits long: then its first half is zero.
    pub is_short: bool,
    /// Whether the last seven bytes of the trace-id are random.
    pub is_random: bool,
    /// The other vendors' state, checked; empty if there is none.
    pub tracestate: Cow<'a, [u8]>,
}

/// What goes out, in whichever format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing<'a> {
    /// The trace, this hop's span and the decision.
    pub context: SpanContext<'a>,
    /// Whether a trusted caller wants it recorded by all means.
    pub is_debug: bool,
    /// Whether the trace came in with an id of 64 bits.
    pub is_short: bool,
    /// What hopspan's own member of `tracestate` tells the next hop, if it is told anything.
    pub announcement: Option<Vec<u8>>,
}

// === impl Decision ===

impl Decision {
    /// What two headers of one trace say together: a debug flag is never lost; otherwise the
    /// first that has a decision has it.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Defer, other) => other,
            (_, Self::Debug) => Self::Debug,
            (own, _) => own,
        }
    }

    /// As the sampled flag of most formats has it.
    pub fn of_flag(sampled: bool) -> Self {
        if sampled { Self::Sample } else { Self::Drop }
    }

    /// Whether the trace is recorded, where that is decided.
    pub fn is_sampled(self) -> Option<bool> {
        match self {
            Self::Defer => None,
            Self::Drop => Some(false),
            Self::Sample | Self::Debug => Some(true),
        }
    }
}

// === impl Remote ===

impl<'a> Remote<'a> {
    /// A context of a format that has no more than ids and a decision.
    pub fn new(trace_id: TraceId, span_id: Option<SpanId>, decision: Decision) -> Self {
        let tracestate = Cow::default();
        Self { trace_id, span_id, decision, is_short: false, is_random: false, tracestate }
    }

    /// The same, of a format whose trace-ids may have 64 bits.
    pub fn short(self, is_short: bool) -> Self {
        Self { is_short, ..self }
    }

    /// Whether both are of one trace. Who knows but 64 bits of an id knows its last ones.
    pub fn is_same_trace(&self, other: &Self) -> bool {
        if self.is_short || other.is_short {
            self.trace_id.low() == other.trace_id.low()
        } else {
            self.trace_id == other.trace_id
        }
    }

    /// Takes over what another header knows about the same trace.
    pub fn learn(&mut self, other: Self) {
        let Self { trace_id, span_id, decision, is_short, is_random, tracestate } = other;
        if self.is_short {
            self.trace_id = trace_id;
        }
        self.is_short = (self.is_short || is_short) && self.trace_id.is_narrow();
        self.span_id = self.span_id.or(span_id);
        self.decision = self.decision.and(decision);
        self.is_random |= is_random;
        if self.tracestate.is_empty() {
            self.tracestate = tracestate;
        }
    }

    /// The flags of W3C, as far as they are known.
    pub fn flags(&self) -> TraceFlags {
        let random = if self.is_random { TraceFlags::RANDOM } else { TraceFlags::default() };
        random.with_sampled(self.decision.is_sampled() == Some(true))
    }
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

    /// Whether the last seven bytes of the trace-id are said to be random.
    pub fn is_random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
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
            assert_eq!(TraceFlags::from_bits(bits).is_random(), bits & 2 != 0);
            assert_eq!(TraceFlags::from_bits(bits).with_sampled(true).bits(), bits & 2 | 1);
            assert_eq!(TraceFlags::from_bits(bits).with_sampled(false).bits(), bits & 2);
        }
    }

    #[test]
    fn headers_of_one_trace_decide_together() {
        use Decision::{Debug, Defer, Drop, Sample};
        for (first, second, want) in [
            (Defer, Defer, Defer),
            (Defer, Drop, Drop),
            (Defer, Debug, Debug),
            (Drop, Sample, Drop),
            (Sample, Drop, Sample),
            (Sample, Debug, Debug),
            (Drop, Debug, Debug),
            (Debug, Drop, Debug),
        ] {
            assert_eq!(first.and(second), want, "{first:?} and {second:?}");
        }
    }

    #[test]
    fn half_an_id_is_completed_by_a_whole_one() {
        let id = |high: u64, low: u64| TraceId::from_halves(high, low).unwrap();
        let remote = |id| Remote::new(id, None, Decision::Defer);
        for (why, first, second, same, want, short) in [
            (
                "whole, then half",
                remote(id(1, 2)),
                remote(id(0, 2)).short(true),
                true,
                id(1, 2),
                false,
            ),
            (
                "half, then whole",
                remote(id(0, 2)).short(true),
                remote(id(1, 2)),
                true,
                id(1, 2),
                false,
            ),
            (
                "two halves",
                remote(id(0, 2)).short(true),
                remote(id(0, 2)).short(true),
                true,
                id(0, 2),
                true,
            ),
            (
                "a half that was widened",
                remote(id(0, 2)),
                remote(id(0, 2)).short(true),
                true,
                id(0, 2),
                true,
            ),
            (
                "other halves",
                remote(id(1, 2)),
                remote(id(0, 3)).short(true),
                false,
                id(1, 2),
                false,
            ),
            (
                "whole ones differ in front",
                remote(id(1, 2)),
                remote(id(0, 2)),
                false,
                id(1, 2),
                false,
            ),
        ] {
            assert_eq!(first.is_same_trace(&second), same, "{why}");
            if same {
                let mut it = first;
                it.learn(second);
                assert_eq!((it.trace_id, it.is_short), (want, short), "{why}");
            }
        }
    }
}
