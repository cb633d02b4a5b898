//! A collector that answers as it is told, and decodes what it gets.

use crate::received::Received;
use crate::unpacked::unpacked;
use bytes::Bytes;
use host_test::{Answer, Request};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// The collector behind the cluster. All clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Collector(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    /// How the next requests end.
    next: VecDeque<Answer>,
    /// How all others end, if not well.
    always: Option<Answer>,
    delay: Duration,
    requests: Vec<Request>,
    taken: Vec<Received>,
}

impl Collector {
    /// Ends the next requests in these ways; their spans are not taken.
    pub(crate) fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.0.borrow_mut().next.extend(answers);
    }

    /// Ends all further requests in this way; their spans are not taken.
    pub(crate) fn fail(&self, answer: Answer) {
        self.0.borrow_mut().always = Some(answer);
    }

    /// Takes all further requests.
    pub(crate) fn recover(&self) {
        self.0.borrow_mut().always = None;
    }

    /// Takes its time to say yes.
    pub(crate) fn delay(&self, by: Duration) {
        self.0.borrow_mut().delay = by;
    }

    /// Every request that came, also those that ended badly.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.0.borrow().requests.clone()
    }

    /// The spans that were answered with 200 since this was asked last.
    pub(crate) fn taken(&self) -> Vec<Received> {
        std::mem::take(&mut self.0.borrow_mut().taken)
    }

    /// Receives a request.
    pub(crate) fn serve(&self, request: &Request) -> Answer {
        let spans = spans(request);
        let mut state = self.0.borrow_mut();
        state.requests.push(request.clone());
        let bad = state.next.pop_front().or_else(|| state.always.clone());
        bad.unwrap_or_else(|| {
            state.taken.extend(spans);
            Answer::status(200).after(state.delay)
        })
    }
}

/// The spans of a request, as the official types decode them; those of Zipkin are nobody's here,
/// and metrics are none.
pub(crate) fn spans(request: &Request) -> Vec<Received> {
    let plain = plain(request);
    let body = match (request.headers.text(":path"), request.headers.text("content-type")) {
        (Some("/api/v2/spans" | "/v1/metrics"), _) => return Vec::new(),
        (_, Some("application/json")) => serde_json::from_slice(&plain).ok(),
        _ => ExportTraceServiceRequest::decode(plain).ok(),
    };
    Received::all_of(body.expect("a body that the official types decode"))
}

/// The body of a request, before it was compressed.
pub(crate) fn plain(request: &Request) -> Bytes {
    let encodings = request.headers.values("content-encoding");
    unpacked(encodings.first().map(|it| &it[..]), &request.body)
}
