//! The `traceresponse` header of W3C's draft, by which a callee tells its caller what became
//! of the trace.
//!
//! ```text
//! value          = version "-" version-format
//! version        = 2HEXDIGLC  ; 00. Version ff is forbidden
//! version-format = trace-id "-" child-id "-" trace-flags
//! trace-id       = 32HEXDIGLC ; all zeroes forbidden
//! child-id       = 16HEXDIGLC ; all zeroes forbidden
//! trace-flags    = 2HEXDIGLC  ; sampled: the callee may have recorded
//! HEXDIGLC       = DIGIT / "a" / "b" / "c" / "d" / "e" / "f"
//! ```
//! Spec: <https://github.com/w3c/trace-context/blob/main/spec/21-http_response_header_format.md>
//!
//! That is the form of `traceparent`, and is read by the same reader: the draft does not
//! say how later versions are to be read.

use crate::context::TraceFlags;
use crate::id::{SpanId, TraceId};
use crate::propagation::invalid::Invalid;
use crate::propagation::traceparent::Traceparent;

/// The header's name.
pub const NAME: &str = "traceresponse";

/// What the callee says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Traceresponse {
    /// The trace that it recorded its part in: not always the one that it was given.
    pub trace_id: TraceId,
    /// Its own span.
    pub child_id: SpanId,
    /// Whether it may have recorded it.
    pub flags: TraceFlags,
}

impl Traceresponse {
    /// Reads one header value.
    ///
    /// # Errors
    ///
    /// Any error means the header is to be ignored. What it calls parent-id is the child-id.
    pub fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let Traceparent { trace_id, parent_id, flags } = Traceparent::parse(value)?;
        Ok(Self { trace_id, child_id: parent_id, flags })
    }

    /// The header value, in version 00.
    pub fn to_bytes(self) -> Vec<u8> {
        let Self { trace_id, child_id, flags } = self;
        Traceparent { trace_id, parent_id: child_id, flags }.to_bytes()
    }

    /// Whether the callee says that it keeps its part of this very trace.
    pub fn keeps(&self, trace_id: TraceId) -> bool {
        self.trace_id == trace_id && self.flags.is_sampled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const CHILD: &str = "b7ad6b7169203331";

    fn id(digits: &str) -> TraceId {
        crate::id::hex(digits.as_bytes()).and_then(TraceId::from_bytes).unwrap()
    }

    #[test]
    fn reads_and_writes_what_the_grammar_allows() {
        let value = format!("00-{TRACE}-{CHILD}-01");
        let it = Traceresponse::parse(value.as_bytes()).unwrap();
        assert_eq!(
            (it.trace_id.to_string(), it.child_id.to_string()),
            (TRACE.into(), CHILD.into())
        );
        assert_eq!(it.to_bytes(), value.as_bytes());
        for (why, value) in [
            ("a trace-id that was left out", format!("00--{CHILD}-01")),
            ("a child-id that was left out", format!("00-{TRACE}--01")),
            ("a zero child-id", format!("00-{TRACE}-{}-01", "0".repeat(16))),
            ("version ff", format!("ff-{TRACE}-{CHILD}-01")),
            ("two values in one", format!("00-{TRACE}-{CHILD}-01,00-{TRACE}-{CHILD}-01")),
            ("upper case", format!("00-{TRACE}-{}-01", CHILD.to_uppercase())),
        ] {
            assert!(Traceresponse::parse(value.as_bytes()).is_err(), "{why}: {value}");
        }
    }

    #[test]
    fn a_callee_keeps_what_it_sampled_of_the_same_trace() {
        for (why, trace, flags, want) in [
            ("sampled", TRACE, "01", true),
            ("and random", TRACE, "03", true),
            ("random alone", TRACE, "02", false),
            ("not sampled", TRACE, "00", false),
            ("another trace, which it started", "1af7651916cd43dd8448eb211c80319c", "01", false),
        ] {
            let value = format!("00-{trace}-{CHILD}-{flags}");
            let it = Traceresponse::parse(value.as_bytes()).unwrap();
            assert_eq!(it.keeps(id(TRACE)), want, "{why}");
        }
    }

    /// A second reader, of version 00.
    fn naive(value: &str) -> Option<(u128, u64, u8)> {
        let parts: Vec<&str> = value.split('-').collect();
        let ["00", trace, child, flags] = parts[..] else { return None };
        let digits =
            |it: &str, n| it.len() == n && it.chars().all(|c| "0123456789abcdef".contains(c));
        if !(digits(trace, 32) && digits(child, 16) && digits(flags, 2)) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok()?;
        let child = u64::from_str_radix(child, 16).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()? & 3;
        (trace != 0 && child != 0).then_some((trace, child, flags))
    }

    fn numbers(it: Traceresponse) -> (u128, u64, u8) {
        let Traceresponse { trace_id, child_id, flags } = it;
        let (trace, child) = (*trace_id.as_bytes(), *child_id.as_bytes());
        (u128::from_be_bytes(trace), u64::from_be_bytes(child), flags.bits())
    }

    proptest! {
        #[test]
        fn agrees_with_a_second_reader(
            value in "00-(0{32}|[0-9a-f]{32}|[0-9a-fA-F-]{30,33})-(0{16}|[0-9a-f]{16}|[0-9a-g]{15,17})-[0-9a-fx]{1,3}-?"
        ) {
            let read = Traceresponse::parse(value.as_bytes()).ok().map(numbers);
            prop_assert_eq!(read, naive(&value));
        }

        #[test]
        fn what_is_written_is_read_back(trace: [u8; 16], child: [u8; 8], flags: u8) {
            let ids = TraceId::from_bytes(trace).zip(SpanId::from_bytes(child));
            let Some((trace_id, child_id)) = ids else { return Ok(()) };
            let it = Traceresponse { trace_id, child_id, flags: TraceFlags::from_bits(flags) };
            let bytes = it.to_bytes();
            prop_assert_eq!(Traceresponse::parse(&bytes), Ok(it));
            prop_assert_eq!(naive(std::str::from_utf8(&bytes).unwrap()), Some(numbers(it)));
        }
    }
}
