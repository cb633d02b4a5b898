//! Reading the trace context that came in, writing the one that goes out.
//!
//! Each format is a file of its own that knows nothing but its grammar. Which of them are
//! read and written, and what happens when they disagree, is decided here.

pub mod invalid;
mod value;
pub mod traceparent;
pub mod tracestate;
pub mod announcement;
pub mod tracecontext;
pub mod b3;
pub mod b3multi;
pub mod grpc_trace_bin;
pub mod jaeger;
pub mod xray;
pub mod datadog;
pub mod gcp;
pub mod baggage;

use crate::context::{Decision, Outgoing, Remote, SpanContext};
use crate::id::{SpanId, TraceId};
use crate::request::Headers;
use crate::request::fields::{Field, RequestFields};
use crate::request::trace_fields::{TraceFields, TraceHeader, TraceHeaders};
use invalid::Invalids;
use std::rc::Rc;
use traceparent::Traceparent;
use value::trim_ows;

/// A format of trace context.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Format {
    /// W3C: `traceparent`, `tracestate`
    TraceContext,
    /// `b3`
    B3,
    /// `x-b3-*`
    B3Multi,
    /// `grpc-trace-bin`
    GrpcTraceBin,
    /// `uber-trace-id`
    Jaeger,
    /// `x-amzn-trace-id`
    XRay,
    /// `x-datadog-*`
    Datadog,
    /// `x-cloud-trace-context`
    Gcp,
}

/// Some formats.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Formats(u8);

/// Which formats are read, written and removed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Propagation {
    /// Read, in this order: the first valid one wins.
    pub extract: Vec<Format>,
    /// Always written.
    pub inject: Formats,
    /// Whether what is read is also written if it came in.
    pub preserve: bool,
    /// Removed on the way out.
    pub clear: Formats,
}

/// When the next hop is told who calls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Announce {
    /// Where it needs to know.
    #[default]
    Auto,
    /// Wherever there may be a next hop in the mesh.
    Always,
    /// Nowhere.
    Never,
}

/// What one format's headers say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said<'a> {
    /// A context.
    Context(Remote<'a>),
    /// No ids, but what is to become of the trace that begins here. Never [`Decision::Defer`].
    Decision(Decision),
}

/// What the request's headers say of its trace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extracted<'a> {
    /// The first valid context, with what others know of the same trace.
    pub context: Option<Remote<'a>>,
    /// The format that it came in.
    pub format: Option<Format>,
    /// What the caller decided, with ids or without.
    pub decision: Decision,
    /// Contexts of other traces, which came in formats of a lower rank.
    pub conflicts: Vec<Remote<'a>>,
    /// What was wrong with the formats that are read.
    pub invalid: Invalids,
}

/// One change to a header map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Edit {
    /// Let exactly one header of this name be there, with this value.
    Replace(&'static str, Vec<u8>),
    /// Let no header of this name be there.
    Remove(&'static str),
    /// Let one more header of this name be there.
    Add(&'static str, Vec<u8>),
    /// Let one more header of this name, which the configuration chose, be there.
    AddChosen(Rc<str>, Vec<u8>),
    /// Let exactly one header of this name, which the configuration chose, be there.
    ReplaceChosen(Rc<str>, Vec<u8>),
    /// Let no header of this name, which the configuration chose, be there.
    RemoveChosen(Rc<str>),
}

/// The changes to a request's headers: none that would change nothing.
#[derive(Debug)]
pub struct Edits<'a> {
    /// What came in.
    pub fields: &'a TraceFields<'a>,
    list: Vec<Edit>,
}

// === impl Format ===

impl Format {
    /// All formats, in the order in which they are written.
    pub const ALL: [Self; 8] = [
        Self::TraceContext,
        Self::B3,
        Self::B3Multi,
        Self::GrpcTraceBin,
        Self::Jaeger,
        Self::XRay,
        Self::Datadog,
        Self::Gcp,
    ];

    /// As OpenTelemetry's `OTEL_PROPAGATORS` has it, or like it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TraceContext => "tracecontext",
            Self::B3 => "b3",
            Self::B3Multi => "b3multi",
            Self::GrpcTraceBin => "grpc-trace-bin",
            Self::Jaeger => "jaeger",
            Self::XRay => "xray",
            Self::Datadog => "datadog",
            Self::Gcp => "gcp",
        }
    }

    /// The headers that belong to the format.
    pub fn headers(self) -> &'static [TraceHeader] {
        match self {
            Self::TraceContext => tracecontext::HEADERS,
            Self::B3 => b3::HEADERS,
            Self::B3Multi => b3multi::HEADERS,
            Self::GrpcTraceBin => grpc_trace_bin::HEADERS,
            Self::Jaeger => jaeger::HEADERS,
            Self::XRay => xray::HEADERS,
            Self::Datadog => datadog::HEADERS,
            Self::Gcp => gcp::HEADERS,
        }
    }

    /// Those of its headers that show that a request has it.
    fn marks(self) -> TraceHeaders {
        match self {
            Self::TraceContext => const { TraceHeaders::of(tracecontext::MARKS) },
            Self::B3 => const { TraceHeaders::of(b3::HEADERS) },
            Self::B3Multi => const { TraceHeaders::of(b3multi::HEADERS) },
            Self::GrpcTraceBin => const { TraceHeaders::of(grpc_trace_bin::HEADERS) },
            Self::Jaeger => const { TraceHeaders::of(jaeger::HEADERS) },
            Self::XRay => const { TraceHeaders::of(xray::HEADERS) },
            Self::Datadog => const { TraceHeaders::of(datadog::MARKS) },
            Self::Gcp => const { TraceHeaders::of(gcp::HEADERS) },
        }
    }

    /// Whether a request has this format, well-formed or not.
    pub fn came_in(self, fields: &TraceFields<'_>) -> bool {
        fields.has_any(self.marks())
    }

    /// Reads this format; `None` if nothing it says can be used. What is wrong is noted, even
    /// where the rest of it can.
    pub fn extract<'a>(
        self,
        fields: &TraceFields<'a>,
        headers: Headers<'a>,
        invalid: &mut Invalids,
    ) -> Option<Said<'a>> {
        let said = match self {
            Self::TraceContext => tracecontext::extract(fields, headers, invalid),
            Self::B3 => b3::extract(fields, invalid),
            Self::B3Multi => b3multi::extract(fields, invalid),
            Self::GrpcTraceBin => grpc_trace_bin::extract(fields),
            Self::Jaeger => jaeger::extract(fields),
            Self::XRay => xray::extract(fields),
            Self::Datadog => datadog::extract(fields, invalid),
            Self::Gcp => gcp::extract(fields),
        };
        said.inspect_err(|reason| invalid.add(*reason)).ok()
    }

    /// Writes this format.
    pub fn inject(self, outgoing: &Outgoing<'_>, edits: &mut Edits<'_>) {
        match self {
            Self::TraceContext => tracecontext::inject(outgoing, edits),
            Self::B3 => b3::inject(outgoing, edits),
            Self::B3Multi => b3multi::inject(outgoing, edits),
            Self::GrpcTraceBin => grpc_trace_bin::inject(outgoing, edits),
            Self::Jaeger => jaeger::inject(outgoing, edits),
            Self::XRay => xray::inject(outgoing, edits),
            Self::Datadog => datadog::inject(outgoing, edits),
            Self::Gcp => gcp::inject(outgoing, edits),
        }
    }
}

// === impl Formats ===

impl Formats {
    /// Whether this is one of them.
    pub fn has(self, format: Format) -> bool {
        self.0 & Self::of(format).0 != 0
    }

    /// Those that are in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn of(format: Format) -> Self {
        Self(1 << (format as u8))
    }
}

impl FromIterator<Format> for Formats {
    fn from_iter<T: IntoIterator<Item = Format>>(formats: T) -> Self {
        formats.into_iter().fold(Self::default(), |it, format| Self(it.0 | Self::of(format).0))
    }
}

// === impl Propagation ===

impl Default for Propagation {
    fn default() -> Self {
        Self {
            extract: vec![Format::TraceContext, Format::B3, Format::B3Multi, Format::GrpcTraceBin],
            inject: Formats::of(Format::TraceContext),
            preserve: true,
            clear: Formats::default(),
        }
    }
}

impl Propagation {
    /// Reads the context out of a request's headers.
    ///
    /// The first valid format wins. Others of the same trace add what they know: a debug flag,
    /// a decision where the winner has none, the other half of an id. Those of another trace
    /// are conflicts.
    pub fn extract<'a>(&self, fields: &TraceFields<'a>, headers: Headers<'a>) -> Extracted<'a> {
        let mut it = Extracted::default();
        for format in self.extract.iter().filter(|it| it.came_in(fields)) {
            match (format.extract(fields, headers, &mut it.invalid), &mut it.context) {
                (None, _) => {}
                (Some(Said::Decision(decision)), _) => it.decision = it.decision.and(decision),
                (Some(Said::Context(remote)), None) => {
                    it.decision = it.decision.and(remote.decision);
                    it.context = Some(remote);
                    it.format = Some(*format);
                }
                (Some(Said::Context(remote)), Some(winner)) if winner.is_same_trace(&remote) => {
                    it.decision = it.decision.and(remote.decision);
                    winner.learn(remote);
                }
                (Some(Said::Context(remote)), Some(_)) => it.conflicts.push(remote),
            }
        }
        it
    }

    /// The edits that let a request go on with this context and no other.
    ///
    /// A format that is read, came in and is neither written nor removed stays as it is, unless
    /// it then contradicts what is written: of another trace, with another decision or with
    /// something wrong in it, it is written all the same, and removed where it cannot be read.
    pub fn inject<'a>(
        &self,
        outgoing: &Outgoing<'_>,
        fields: &'a TraceFields<'a>,
        headers: Headers<'a>,
    ) -> Vec<Edit> {
        let mut edits = Edits { fields, list: Vec::new() };
        for format in Format::ALL {
            let came_in = || format.came_in(fields) && self.extract.contains(&format);
            if self.clear.has(format) {
                edits.remove_all(format);
            } else if self.inject.has(format) || self.preserve && came_in() {
                format.inject(outgoing, &mut edits);
            } else if came_in() {
                let mut invalid = Invalids::default();
                match format.extract(fields, headers, &mut invalid) {
                    Some(said) if outgoing.agrees(&said) && invalid.is_empty() => {}
                    Some(_) => format.inject(outgoing, &mut edits),
                    None => edits.remove_all(format),
                }
            }
        }
        edits.list
    }
}

impl Outgoing<'_> {
    /// Whether a header may go on beside those with this context.
    fn agrees(&self, said: &Said<'_>) -> bool {
        let Said::Context(remote) = said else { return false };
        let SpanContext { trace_id, flags, .. } = self.context;
        let decision = match (self.is_debug, flags.is_sampled()) {
            (true, _) => Decision::Debug,
            (false, sampled) => Decision::of_flag(sampled),
        };
        remote.trace_id == trace_id && remote.decision == decision
    }
}

// === impl Edits ===

impl Edits<'_> {
    /// Whether exactly this header is there already.
    pub fn has(&self, header: TraceHeader, value: &[u8]) -> bool {
        self.fields.get(header) == Field::Once(value)
    }

    /// Lets exactly one header of this name go out.
    pub fn set(&mut self, header: TraceHeader, value: Vec<u8>) {
        if !self.has(header, &value) {
            self.list.push(Edit::Replace(header.name(), value));
        }
    }

    /// Lets no header of this name go out.
    pub fn remove(&mut self, header: TraceHeader) {
        if self.fields.get(header).is_present() {
            self.list.push(Edit::Remove(header.name()));
        }
    }

    fn remove_all(&mut self, format: Format) {
        for header in format.headers() {
            self.remove(*header);
        }
    }
}

/// The edits that let a request go on without a word of its trace: no header of any format,
/// listed or not, and no baggage, which tells strangers even more.
pub fn strip(fields: &RequestFields<'_>) -> Vec<Edit> {
    let mut edits = Edits { fields: &fields.trace, list: Vec::new() };
    for header in TraceHeader::ALL {
        edits.remove(header);
    }
    if fields.baggage.is_present() {
        edits.list.push(Edit::Remove(baggage::NAME));
    }
    edits.list
}

/// The headers that tell a context in every format there is, for a request of hopspan's own:
/// whoever is on its way understands one of them.
pub fn in_every_format(context: &SpanContext<'_>) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let context = context.clone();
    let outgoing = Outgoing { context, is_debug: false, is_short: false, announcement: None };
    let fields = TraceFields::default();
    let mut edits = Edits { fields: &fields, list: Vec::new() };
    Format::ALL.into_iter().for_each(|it| it.inject(&outgoing, &mut edits));
    edits.list.into_iter().filter_map(|it| match it {
        Edit::Replace(name, value) => Some((name, value)),
        _ => None,
    })
}

/// Whether a `traceparent` value still is the one that [`Propagation::inject`] wrote.
pub fn is_ours(value: &[u8], trace_id: TraceId, span_id: SpanId) -> bool {
    Traceparent::parse(value).is_ok_and(|it| it.trace_id == trace_id && it.parent_id == span_id)
}

#[cfg(test)]
mod tests;
