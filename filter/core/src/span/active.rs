//! What a stream keeps from its request's headers to its end.

use super::Settings;
use super::custom::Attribute;
use super::held::Share;
use super::request_text::RequestText;
use crate::context::{SpanContext, TraceFlags};
use crate::id::{SpanId, TraceId};
use crate::metrics::open::Place;
use crate::propagation::Edit;
use crate::request::fields::RequestFields;
use crate::request::{Direction, Headers};
use crate::route::{Routes, Sought};
use crate::sampling::Reason;
use crate::semconv::piece::{Piece, Wanted};
use crate::semconv::rpc::Protocol;
use crate::time::Monotonic;
use crate::timing::Marks;

/// The hop that a stream is in the middle of, sampled or not.
#[derive(Debug)]
pub struct ActiveSpan {
    /// The trace, new or continued.
    pub trace_id: TraceId,
    /// The innermost span of the hop, which the upstream knows as its parent.
    pub span_id: SpanId,
    /// What goes on to the next hop.
    pub flags: TraceFlags,
    /// Whether the request went on with this context: neither with none nor with its caller's.
    pub is_ours: bool,
    /// Whether the next hop was told that we are one, and may answer that.
    pub announced: bool,
    /// What the response is to tell, as far as that is known when the request comes.
    pub told: Box<[Edit]>,
    /// Whether it is written out at its end.
    pub state: State,
    /// What metrics need of it where it is not recorded; `None` where it is not counted.
    pub counted: Option<Box<Counted>>,
    /// Its part of what all open requests hold, if it is recorded or counted.
    pub share: Option<Share>,
}

/// What a hop needs that is counted, but not recorded.
#[derive(Debug)]
pub struct Counted {
    /// Monotonic moments.
    pub marks: Marks,
    /// Whether the marks come from the filter's own callbacks.
    pub measured: bool,
    /// Whether the end of the request is of interest: for the proxy's own time.
    pub is_timed: bool,
    /// The listener's direction, where it is known already.
    pub direction: Option<Direction>,
    /// What its path says of its route.
    pub route: Sought,
    /// What the request said of itself, as far as it is counted by that.
    pub request: RequestText,
    /// The piece of the response's body where a call has its status.
    pub piece: Piece,
    /// Whether it only asks whether the service is alive.
    pub is_probe: bool,
    /// The service that calls, by the word of a hopspan that is trusted.
    pub caller: Option<Box<str>>,
    /// Where it counts as open, until it ends.
    pub open: Option<Place>,
}

/// Whether a hop is written out at its end.
#[derive(Debug)]
pub enum State {
    /// It is not.
    Passing,
    /// It is not, unless it ends in an error or takes too long.
    Waiting(Waiting),
    /// It is.
    Recording(Box<Recording>),
}

/// What a hop needs that may be kept although it was not sampled: it is all that waits for
/// each open request, so it is small.
#[derive(Debug)]
pub struct Waiting {
    /// The outer span, where the hop makes two.
    pub outer_id: SpanId,
    /// The caller's span, if its trace is continued.
    pub parent: Option<SpanId>,
    /// Monotonic moments.
    pub marks: Marks,
    /// The listener's direction, where it is known already.
    pub direction: Option<Direction>,
    /// The protocol of a request that is a call.
    pub rpc: Option<Protocol>,
    /// Whether the status of the call is still to come, in the trailers.
    pub ends_in_trailers: bool,
    /// Whether the caller is another hopspan, which wants to know.
    pub caller_asks: bool,
    /// Whether the response's headers told of no failure.
    pub went_well: bool,
    /// Why it is kept, once that is known.
    pub reason: Option<Reason>,
}

/// What only a hop needs that will be written out.
#[derive(Debug)]
pub struct Recording {
    /// The outer span, where the hop makes two.
    pub outer_id: SpanId,
    /// The caller's span, if its trace is continued.
    pub parent: Option<SpanId>,
    /// Contexts that came with the request and do not go on.
    pub links: Vec<SpanContext<'static>>,
    /// Why it is recorded, where no ratio says so.
    pub reason: Option<Reason>,
    /// What spans tell of the request because somebody wants it.
    pub custom: Vec<Attribute>,
    /// Monotonic moments.
    pub marks: Marks,
    /// Whether the marks come from the filter's own callbacks: not so for a request that
    /// was answered before the filter saw it.
    pub measured: bool,
    /// The listener's direction, where it is known already.
    pub direction: Option<Direction>,
    /// Whether the caller sent context, where that is still to be counted by direction.
    pub carries: Option<bool>,
    /// What its path says of its route.
    pub route: Sought,
    /// What the request said of itself.
    pub request: RequestText,
    /// The piece of the response's body where a call has its status.
    pub piece: Piece,
    /// The service that calls, by the word of a hopspan that is trusted, where it is counted.
    pub caller: Option<Box<str>>,
    /// Where it counts as open, until it ends.
    pub open: Option<Place>,
}

impl State {
    /// What a stream in this state keeps for its end, with what is `counted` of it, in bytes.
    pub fn size(&self, counted: Option<&Counted>) -> usize {
        let (own, text) = match (self, counted) {
            (Self::Recording(it), _) => (size_of::<Recording>(), it.request.size()),
            (_, Some(it)) => (size_of::<Counted>(), it.request.size()),
            (_, None) => (0, 0),
        };
        text.saturating_add(own)
    }
}

impl ActiveSpan {
    /// Notes that the request has arrived completely.
    pub fn request_ended(&mut self, now: impl FnOnce() -> Monotonic) {
        let is_timed = self.counted.as_ref().is_some_and(|it| it.is_timed);
        let marks = if is_timed { self.all_marks() } else { self.marks() };
        if let Some(marks) = marks {
            marks.request_end.get_or_insert_with(now);
        }
    }

    /// Notes that a part of the request's body passed.
    pub fn request_body(&mut self, bytes: usize) {
        if let Some(marks) = self.all_marks() {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            marks.request_bytes = marks.request_bytes.saturating_add(bytes);
        }
    }

    /// Notes that the response has begun.
    pub fn response_began(&mut self, now: impl FnOnce() -> Monotonic) {
        if let Some(marks) = self.marks() {
            marks.response_start.get_or_insert_with(now);
        }
    }

    /// Notes that a part of the response's body passed.
    pub fn response_body(&mut self, bytes: usize) {
        if let Some(marks) = self.all_marks() {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            marks.response_bytes = marks.response_bytes.saturating_add(bytes);
        }
    }

    /// Which bytes of the part of the response's body that is passing are to be read.
    pub fn wants_body(&self, size: usize) -> Option<Wanted> {
        match &self.state {
            State::Recording(it) => it.piece.wants(it.request.rpc, size),
            State::Passing | State::Waiting(_) => {
                let it = self.counted.as_ref()?;
                it.piece.wants(it.request.rpc, size)
            }
        }
    }

    /// Takes the bytes that were wanted, or `None` where they could not be read.
    pub fn take_body(&mut self, wanted: Wanted, bytes: Option<Vec<u8>>) {
        if let State::Recording(it) = &mut self.state {
            it.piece.take(wanted, bytes);
        } else if let Some(it) = &mut self.counted {
            it.piece.take(wanted, bytes);
        }
    }

    /// Notes that the response has left completely.
    pub fn response_ended(&mut self, now: impl FnOnce() -> Monotonic) {
        if let Some(marks) = self.all_marks() {
            marks.response_end.get_or_insert_with(now);
        }
    }

    /// Where it counts as open.
    pub fn open(&self) -> Option<Place> {
        match &self.state {
            State::Recording(it) => it.open,
            State::Passing | State::Waiting(_) => self.counted.as_ref()?.open,
        }
    }

    /// Whether it is written out at its end in any case.
    pub fn is_recorded(&self) -> bool {
        matches!(self.state, State::Recording(_))
    }

    /// Whether the response's headers are of interest.
    pub fn wants_response(&self) -> bool {
        !self.told.is_empty() || self.announced || matches!(self.state, State::Waiting(_))
    }

    /// Those that metrics need as well: of all moments the end alone.
    fn all_marks(&mut self) -> Option<&mut Marks> {
        match &mut self.state {
            State::Passing => self.counted.as_mut().map(|it| &mut it.marks),
            State::Waiting(it) => Some(&mut it.marks),
            State::Recording(it) => Some(&mut it.marks),
        }
    }

    fn marks(&mut self) -> Option<&mut Marks> {
        match &mut self.state {
            State::Passing => None,
            State::Waiting(waiting) => Some(&mut waiting.marks),
            State::Recording(recording) => Some(&mut recording.marks),
        }
    }
}

impl Waiting {
    /// What is recorded after all, with the request's headers as the host still has them.
    ///
    /// A route may have rewritten the path; Envoy keeps the original one beside it.
    pub fn recording(
        self,
        headers: Headers<'_>,
        routes: &Routes,
        settings: &Settings,
    ) -> Recording {
        let Self { outer_id, parent, marks, direction, rpc, reason, .. } = self;
        let mut fields = RequestFields::of(headers);
        fields.path = headers.get(b"x-envoy-original-path").unwrap_or(fields.path);
        fields.authority = headers.get(b"x-envoy-original-host").unwrap_or(fields.authority);
        let mut request = RequestText::keep(&fields, b"", false, settings);
        // A later filter may have turned the call into one of another protocol.
        request.rpc = rpc;
        Recording {
            outer_id,
            parent,
            links: Vec::new(),
            reason,
            custom: settings.at_request(headers, false, &mut request.redacted),
            marks,
            measured: true,
            direction,
            carries: None,
            route: routes.seek(fields.method, fields.path),
            request,
            piece: Piece::default(),
            caller: None,
            open: None,
        }
    }
}

impl Marks {
    /// The beginning of a stream, which may be the end of its request as well.
    pub fn begin(now: Monotonic, end_of_stream: bool) -> Self {
        Self { started: now, request_end: end_of_stream.then_some(now), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_each_open_request_is_small() {
        let size = size_of::<ActiveSpan>();
        assert!(size <= 256, "{size} bytes");
    }
}
