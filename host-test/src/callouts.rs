//! HTTP callouts as tests see them: what is asked, and every way to end it.

use crate::abi::Status;
use crate::clock::nanos;
use crate::headers::Headers;
use crate::process::Process;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// What a module asked the host to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The cluster it goes to.
    pub cluster: String,
    /// Headers, pseudo-headers among them.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: Headers,
    /// How long the module will wait; `None` (0 in the ABI) is for ever.
    pub timeout: Option<Duration>,
}

/// How a callout ends.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) end: End,
    pub(crate) after: Duration,
}

#[derive(Clone, Debug)]
pub(crate) enum End {
    Response(CallResponse),
    Reset,
    Silence,
}

/// An answer while it is delivered: all `None` for a reset.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallResponse {
    pub(crate) headers: Option<Headers>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) trailers: Option<Headers>,
}

impl Answer {
    /// A response with these headers, besides `:status`, and this body.
    pub fn new(status: u16, headers: impl Into<Headers>, body: impl AsRef<[u8]>) -> Self {
        let mut all = Headers::from([(":status", status.to_string())]);
        headers.into().iter().for_each(|(name, value)| all.add(name, value));
        let body = Some(body.as_ref().to_vec());
        let response = CallResponse { headers: Some(all), body, trailers: None };
        Self { end: End::Response(response), after: Duration::ZERO }
    }

    /// A response with no headers but `:status`, and no body.
    pub fn status(status: u16) -> Self {
        Self::new(status, Headers::new(), b"")
    }

    /// The connection broke in the middle of the response: no headers at all.
    pub fn reset() -> Self {
        Self { end: End::Reset, after: Duration::ZERO }
    }

    /// The connection was refused: the host's own 503.
    pub fn refused_connection() -> Self {
        Self::local(
            503,
            "upstream connect error or disconnect/reset before headers. \
             reset reason: remote connection failure, transport failure reason: \
             delayed connect error: Connection refused",
        )
    }

    /// The time that the module gave was over: the host's own 504.
    pub fn timed_out() -> Self {
        Self::local(504, "upstream request timeout")
    }

    /// Nothing, ever: the call ends by its timeout, if it has one.
    pub fn silence() -> Self {
        Self { end: End::Silence, after: Duration::ZERO }
    }

    /// The same with trailers.
    #[must_use]
    pub fn with_trailers(mut self, trailers: impl Into<Headers>) -> Self {
        if let End::Response(response) = &mut self.end {
            response.trailers = Some(trailers.into());
        }
        self
    }

    /// The same, later, when [`Proxy::run_for`](crate::Proxy::run_for) gets there.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { after: delay, ..self }
    }

    fn local(status: u16, body: &str) -> Self {
        let length = body.len().to_string();
        Self::new(
            status,
            [("content-length", length.as_str()), ("content-type", "text/plain")],
            body,
        )
    }
}

/// One callout, as the host keeps it.
#[derive(Debug)]
pub(crate) struct CallRecord {
    pub(crate) vm: usize,
    pub(crate) root: u32,
    pub(crate) token: u32,
    pub(crate) request: Request,
    pub(crate) made_at: u64,
    pub(crate) waiting: Cell<bool>,
    /// What the test's server says, and when it comes.
    pub(crate) answer: RefCell<Option<(u64, Answer)>>,
}

impl CallRecord {
    /// When it ends, by the monotonic clock: answered or out of time.
    pub(crate) fn due(&self) -> Option<u64> {
        let timeout = self.request.timeout.map(|it| self.made_at.saturating_add(nanos(it)));
        let answer = self.answer.borrow().as_ref().map(|(due, _)| *due);
        let due = timeout.into_iter().chain(answer).min();
        due.filter(|_| self.waiting.get())
    }

    /// How it ends at `due`.
    pub(crate) fn take_answer(&self, now: u64) -> Answer {
        match self.answer.borrow_mut().take() {
            Some((due, answer)) if due <= now => answer,
            _ => Answer::timed_out(),
        }
    }

    /// Whether the module made the call and still waits; then `answer` reaches it.
    pub(crate) fn deliver(&self, process: &Process, answer: Answer) -> bool {
        let (response, status) = match answer.end {
            End::Silence => return false,
            End::Response(response) => (response, (0, "")),
            End::Reset => (CallResponse::default(), (Status::BROKEN_CONNECTION.0, "reset")),
        };
        if !self.waiting.replace(false) {
            return false;
        }
        let vm = process.vm(self.vm);
        vm.is_some_and(|vm| vm.call_response(self.root, self.token, response, status))
    }
}

/// A callout that a test can look at and end.
#[derive(Clone)]
pub struct Callout {
    pub(crate) process: Rc<Process>,
    pub(crate) record: Rc<CallRecord>,
}

impl Callout {
    /// What is asked.
    pub fn request(&self) -> &Request {
        &self.record.request
    }

    /// The id that the module knows it by.
    pub fn token(&self) -> u32 {
        self.record.token
    }

    /// Whether the module still waits for the end.
    pub fn waits(&self) -> bool {
        self.record.waiting.get()
    }

    /// Ends the call now, whatever the answer's delay. False if nobody waits any
    /// more: it was ended before, or the root context or the VM is gone.
    pub fn answer(&self, answer: Answer) -> bool {
        self.record.deliver(&self.process, answer)
    }
}

impl std::fmt::Debug for Callout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.record.fmt(f)
    }
}
