//! One hop as a span: what is kept while it lasts, and what it is at its end.

pub mod active;
pub mod exchange;
pub mod hop;

use crate::context::{SpanContext, TraceFlags};
use crate::id::{SpanId, TraceId};
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
