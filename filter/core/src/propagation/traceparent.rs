//! The W3C `traceparent` header.
//!
//! ```text
//! HEXDIGLC       = DIGIT / "a" / "b" / "c" / "d" / "e" / "f"
//! value          = version "-" version-format
//! version        = 2HEXDIGLC   ; ff is forbidden
//! version-format = trace-id "-" parent-id "-" trace-flags   ; of version 00
//! trace-id       = 32HEXDIGLC  ; all zeroes forbidden
//! parent-id      = 16HEXDIGLC  ; all zeroes forbidden
//! trace-flags    = 2HEXDIGLC
//! ```
//! Spec: <https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values>

use super::invalid::Invalid;
use super::value::{span_id, trace_id, trim_ows};
use crate::context::TraceFlags;
use crate::id::{self, SpanId, TraceId};
use crate::request::trace_fields::TraceHeader;

/// The header's name.
pub const NAME: &str = TraceHeader::Traceparent.name();

/// The length of a version 00 value, and the least of any.
const LEN: usize = 55;

/// The three fields of a valid `traceparent`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Traceparent {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub parent_id: SpanId,
    /// Sampled and random; the rest is cleared.
    pub flags: TraceFlags,
}

// === impl Traceparent ===

impl Traceparent {
    /// Parses one header value; white space around it does not count.
    ///
    /// Versions `01` to `fe` are read by the rules of `00`, and may carry more
    /// fields after another `-`.
    ///
    /// # Errors
    ///
    /// Any error means that the caller starts a new trace, and must then ignore
    /// `tracestate` as well.
    ///
    /// Spec: <https://www.w3.org/TR/trace-context-2/#versioning-of-traceparent>
    pub fn parse(value: &[u8]) -> Result<Self, Invalid> {
        use Invalid as E;

        let ([version, trace, parent, flags], rest) = fields(trim_ows(value)).ok_or(E::Syntax)?;
        let [version] = id::hex(version).ok_or(E::Syntax)?;
        match (version, rest) {
            (0xff, _) => return Err(E::Version),
            (_, []) | (0x01.., [b'-', ..]) => {}
            (0x00, _) => return Err(E::TooLong),
            (0x01.., _) => return Err(E::Syntax),
        }
        let trace_id = trace_id(id::hex(trace))?;
        let parent_id = span_id(id::hex(parent))?;
        let [flags] = id::hex(flags).ok_or(E::Syntax)?;
        Ok(Self { trace_id, parent_id, flags: TraceFlags::from_bits(flags) })
    }

    /// Whether a header's value is [`Self::to_bytes`]; that one need not be made to know it.
    pub fn is(self, value: &[u8]) -> bool {
        let Self { trace_id, parent_id, flags } = self;
        // In this order, what differs is told apart by two digits, or by the id that changes.
        matches!(fields(value), Some(([b"00", trace, parent, last], []))
            if id::is_hex_of(last, &[flags.bits()])
                && id::is_hex_of(parent, parent_id.as_bytes())
                && id::is_hex_of(trace, trace_id.as_bytes()))
    }

    /// The header value, in version 00, which is the highest that we know.
    pub fn to_bytes(self) -> Vec<u8> {
        let Self { trace_id, parent_id, flags } = self;
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(b"00-");
        id::write_hex(trace_id.as_bytes(), &mut out);
        out.push(b'-');
        id::write_hex(parent_id.as_bytes(), &mut out);
        out.push(b'-');
        id::write_hex(&[flags.bits()], &mut out);
        out
    }
}

/// The four fields by their places, dashes between them, and what follows.
fn fields(value: &[u8]) -> Option<([&[u8]; 4], &[u8])> {
    let (fixed, rest) = value.split_at_checked(LEN)?;
    let (version, fixed) = fixed.split_at_checked(2)?;
    let (trace, fixed) = fixed.strip_prefix(b"-")?.split_at_checked(32)?;
    let (parent, fixed) = fixed.strip_prefix(b"-")?.split_at_checked(16)?;
    Some(([version, trace, parent, fixed.strip_prefix(b"-")?], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    /// The one place that knows how `parse` is called.
    #[track_caller]
    fn check(why: &str, value: &str, want: Result<&str, Invalid>) {
        let got = Traceparent::parse(value.as_bytes())
            .map(|it| String::from_utf8(it.to_bytes()).unwrap());
        assert_eq!(got, want.map(str::to_owned), "{why}: {value:?}");
    }

    #[test]
    fn reads_only_what_the_grammar_allows() {
        use Invalid as E;
        let same = format!("00-{TRACE}-{PARENT}-01");
        let zero_trace = "0".repeat(32);
        let zero_parent = "0".repeat(16);
        let upper = TRACE.to_uppercase();
        for (why, value, want) in [
            ("sampled", same.clone(), Ok(same.as_str())),
            ("white space around it", format!("\t {same} "), Ok(&same)),
            ("a later version is read as 00", format!("cc-{TRACE}-{PARENT}-01"), Ok(&same)),
            ("a later version may add fields", format!("01-{TRACE}-{PARENT}-01-x"), Ok(&same)),
            ("even empty ones", format!("01-{TRACE}-{PARENT}-01-"), Ok(&same)),
            ("but only after a dash", format!("01-{TRACE}-{PARENT}-01.x"), Err(E::Syntax)),
            ("unknown flags are cleared", format!("00-{TRACE}-{PARENT}-fd"), Ok(&same)),
            ("00 may not add fields", format!("00-{TRACE}-{PARENT}-01-"), Err(E::TooLong)),
            ("nor digits", format!("00-{TRACE}-{PARENT}-010"), Err(E::TooLong)),
            ("flags are required", format!("00-{TRACE}-{PARENT}-"), Err(E::Syntax)),
            ("one digit of flags", format!("00-{TRACE}-{PARENT}-1"), Err(E::Syntax)),
            ("flags in hex", format!("00-{TRACE}-{PARENT}-0x"), Err(E::Syntax)),
            ("version ff", format!("ff-{TRACE}-{PARENT}-01"), Err(E::Version)),
            ("version in upper case", format!("CC-{TRACE}-{PARENT}-01"), Err(E::Syntax)),
            ("no version", format!("-0-{TRACE}-{PARENT}-01"), Err(E::Syntax)),
            ("a sign is no digit", format!("00-+{}-{PARENT}-01", &TRACE[1..]), Err(E::Syntax)),
            ("upper case", format!("00-{upper}-{PARENT}-01"), Err(E::Syntax)),
            ("zero trace-id", format!("00-{zero_trace}-{PARENT}-01"), Err(E::ZeroId)),
            ("zero parent-id", format!("00-{TRACE}-{zero_parent}-01"), Err(E::ZeroId)),
            ("a dash moved", format!("00-{TRACE}{PARENT}--01"), Err(E::Syntax)),
            ("nothing", String::new(), Err(E::Syntax)),
        ] {
            check(why, &value, want);
        }
        let random = format!("00-{TRACE}-{PARENT}-03");
        check("the random flag is kept", &random, Ok(&random));
    }

    /// Every one-byte change to a valid value, judged by a second, naive reader.
    #[test]
    fn parse_agrees_with_the_grammar() {
        fn naive(value: &[u8]) -> bool {
            let text = String::from_utf8_lossy(value);
            let parts: Vec<&str> = text.split('-').collect();
            let digits =
                |it: &str, n| it.len() == n && it.chars().all(|c| "0123456789abcdef".contains(c));
            let zero = |it: &str| it.chars().all(|c| c == '0');
            let [version, trace, parent, flags, more @ ..] = &parts[..] else { return false };
            digits(version, 2)
                && *version != "ff"
                && (more.is_empty() || *version != "00")
                && digits(trace, 32)
                && !zero(trace)
                && digits(parent, 16)
                && !zero(parent)
                && digits(flags, 2)
        }
        for seed in [
            format!("00-{TRACE}-{PARENT}-01"),
            format!("01-{TRACE}-{PARENT}-01-more"),
            format!("fe-{}1-{}1-00", "0".repeat(31), "0".repeat(15)),
        ] {
            for at in 0..seed.len() {
                for byte in 0..=u8::MAX {
                    let mut value = seed.clone().into_bytes();
                    value[at] = byte;
                    if trim_ows(&value) != value {
                        continue; // white space around a value is not the grammar's matter
                    }
                    let got = Traceparent::parse(&value);
                    assert_eq!(got.is_ok(), naive(&value), "{}", value.escape_ascii());
                    // What it would write is compared without being written.
                    for it in got.into_iter().chain(Traceparent::parse(seed.as_bytes())) {
                        let is = it.to_bytes() == value;
                        assert_eq!(it.is(&value), is, "{}", value.escape_ascii());
                    }
                }
            }
        }
    }
}
