//! One hop as a span: what is kept while it lasts, and what it is at its end.

pub mod name;
pub mod custom;
pub mod request_text;
pub mod held;
pub mod active;
pub mod exchange;
pub mod about;
pub mod hop;

use crate::context::{SpanContext, TraceFlags};
use crate::id::{SpanId, TraceId};
use crate::redact::Policy;
use crate::semconv::{Attributes, Kind, Outcome};
use crate::time::UnixNanos;

/// Which spans a hop makes; of both, the client's is a child of the server's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kinds {
    /// One span.
    One(Kind),
    /// A SERVER span with a CLIENT child; without the child if no attempt was made.
    Both,
}

/// What spans look like.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How much the host is asked for.
    pub detail: Detail,
    /// What they are called.
    pub name: name::Template,
    /// What they do not tell.
    pub redact: Policy,
    /// What they tell besides what they tell of themselves.
    pub custom: Vec<custom::Chosen>,
    /// How much they tell.
    pub limits: Limits,
}

/// How much the host is asked for at the end of a request: that is most of what a span costs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Detail {
    /// All that it knows.
    #[default]
    Full,
    /// Of a request that went well, its status alone.
    Minimal,
}

/// How much a span tells, by OpenTelemetry's names.
///
/// Spec: <https://opentelemetry.io/docs/specs/otel/common/#attribute-limits>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most attributes.
    pub attribute_count: usize,
    /// Most characters of a text.
    pub attribute_value_length: usize,
}

/// A finished span, borrowed from whoever writes it out.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// This span.
    pub span_id: SpanId,
    /// The span that called; `None` at the root of a trace.
    pub parent: Option<Parent>,
    /// Flags that went on to the next hop.
    pub flags: TraceFlags,
    /// `tracestate` that went on to the next hop; may be empty.
    pub tracestate: &'a [u8],
    /// Low-cardinality name.
    pub name: &'a [u8],
    /// Side of the call.
    pub kind: Kind,
    /// When it began.
    pub start: UnixNanos,
    /// When it ended; never before `start`.
    pub end: UnixNanos,
    /// Whether it failed.
    pub outcome: Outcome<'a>,
    /// Contexts that came with the request and do not go on.
    pub links: &'a [SpanContext<'static>],
}

/// The parent of a span.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parent {
    /// Its id.
    pub span_id: SpanId,
    /// Whether it was made by someone else.
    pub is_remote: bool,
}

/// Something that knows its attributes.
pub trait Describe {
    /// Writes each attribute once.
    fn describe(&self, out: &mut impl Attributes);
}

// === impl Limits ===

impl Limits {
    /// None.
    pub const NONE: Self = Self { attribute_count: usize::MAX, attribute_value_length: usize::MAX };

    /// As much of a text as is told. What is not UTF-8 is counted by bytes, so that it has an
    /// end as well.
    pub fn cut<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        if text.len() <= self.attribute_value_length { text } else { self.cut_long(text) }
    }

    #[inline(never)]
    fn cut_long<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let most = self.attribute_value_length;
        let begins = |(_, byte): &(usize, &u8)| **byte & 0xc0 != 0x80;
        let end = text.iter().enumerate().filter(begins).nth(most).map(|(at, _)| at);
        let longest = most.saturating_mul(4);
        text.get(..end.unwrap_or(longest).min(longest)).unwrap_or(text)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { attribute_count: 128, attribute_value_length: 1024 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let limits = Limits { attribute_value_length: 3, ..Limits::default() };
        for (why, text, want) in [
            ("short", &b"abc"[..], &b"abc"[..]),
            ("long", b"abcd", b"abc"),
            ("long in bytes alone", "ü€😀".as_bytes(), "ü€😀".as_bytes()),
            ("long in both", "ü€😀x".as_bytes(), "ü€😀".as_bytes()),
            ("latin-1", b"\xfc\xfc\xfc\xfc", b"\xfc\xfc\xfc"),
            ("nothing but ends of characters", &[0x80; 99], &[0x80; 12]),
        ] {
            assert_eq!(limits.cut(text), want, "{why}");
        }
    }
}
