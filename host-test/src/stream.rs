//! One HTTP stream, driven by a test.

use crate::abi::{Action, MapType};
use crate::guest::Context;
use crate::headers::Headers;
use crate::properties;
use crate::stream_state::{LocalResponse, Phase, StreamState};
use crate::value::Value;
use crate::vm::{Called, Vm};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// An HTTP stream through the filter.
///
/// Each method that brings a part of the stream runs the callback of that part
/// and returns what the filter decided. A stream has the properties that Envoy
/// gives a stream with one upstream try; [`Stream::set_property`] changes them.
#[derive(Debug)]
pub struct Stream {
    vm: Vm,
    root: u32,
    /// 0 until the module has heard of the stream.
    id: Cell<u32>,
    state: Rc<RefCell<StreamState>>,
}

impl Stream {
    pub(crate) fn new(vm: Vm, root: u32) -> Self {
        let process = vm.guest(|guest| Rc::clone(&guest.process));
        let connection = process.next_connection.replace(process.next_connection.get() + 1);
        let now = process.clock.monotonic_nanos();
        let state = StreamState::new(process.clock.wall_nanos(), now);
        let stream = Self { vm, root, id: Cell::new(0), state: Rc::new(RefCell::new(state)) };
        stream.set_property("connection.id", connection);
        stream
    }

    /// Makes it a stream of an upstream HTTP filter: one try of a request, whose
    /// upstream host is known from the start.
    #[must_use]
    pub fn as_upstream(self) -> Self {
        self.state.borrow_mut().upstream_role = true;
        self
    }

    /// Sets a property, such as `response.flags`, or `xds.route_metadata...`
    /// with zeros instead of dots where a part has dots itself. It is there in
    /// the phases in which Envoy has it.
    pub fn set_property(&self, path: &str, value: impl Into<Value>) {
        let path = properties::path(path);
        let mut state = self.state.borrow_mut();
        state.unset.remove(&path);
        state.properties.insert(path, value.into());
    }

    /// Takes a property away, also one that follows from the stream.
    pub fn unset_property(&self, path: &str) {
        self.state.borrow_mut().unset.insert(properties::path(path));
    }

    /// The head of the request; the end of it, if there is no body.
    pub fn request_headers(&self, headers: impl Into<Headers>, end_of_stream: bool) -> Action {
        self.head(Phase::Request, MapType::RequestHeaders, headers.into(), Some(end_of_stream))
    }

    /// A part of the request's body; an empty one with the end of stream is normal.
    pub fn request_body(&self, bytes: impl AsRef<[u8]>, end_of_stream: bool) -> Action {
        self.body(Phase::Request, bytes.as_ref(), end_of_stream)
    }

    /// The request's trailers, its end.
    pub fn request_trailers(&self, trailers: impl Into<Headers>) -> Action {
        self.head(Phase::Request, MapType::RequestTrailers, trailers.into(), None)
    }

    /// The head of the response, with `:status`.
    pub fn response_headers(&self, headers: impl Into<Headers>, end_of_stream: bool) -> Action {
        self.head(Phase::Response, MapType::ResponseHeaders, headers.into(), Some(end_of_stream))
    }

    /// A part of the response's body.
    pub fn response_body(&self, bytes: impl AsRef<[u8]>, end_of_stream: bool) -> Action {
        self.body(Phase::Response, bytes.as_ref(), end_of_stream)
    }

    /// The response's trailers, its end.
    pub fn response_trailers(&self, trailers: impl Into<Headers>) -> Action {
        self.head(Phase::Response, MapType::ResponseTrailers, trailers.into(), None)
    }

    /// A whole response from the upstream, in Envoy's usual three callbacks.
    /// `response.backend_latency` is the time since the request's head, unless set.
    pub fn respond(&self, status: u16) -> Action {
        let length = ("content-length", "5".to_owned());
        let headers =
            [(":status", status.to_string()), ("content-type", "text/plain".into()), length];
        let all = [
            self.response_headers(headers, false),
            self.response_body(b"hello", false),
            self.response_body(b"", true),
        ];
        all.into_iter().find(|it| *it != Action::Continue).unwrap_or(Action::Continue)
    }

    /// A response that the proxy makes itself: `flags` are the bits of
    /// `response.flags`, and no upstream was tried. (Set the attempt count for one
    /// that failed.)
    pub fn local_reply(&self, status: u16, flags: i64, details: &str) -> Action {
        self.set_property("response.flags", flags);
        self.set_property("response.code_details", details);
        self.set_property("upstream.request_attempt_count", 0_u64);
        for path in ["address", "port", "local_address", "cx_pool_ready_duration"] {
            self.unset_property(&format!("upstream.{path}"));
        }
        self.unset_property("response.backend_latency");
        let headers = [(":status", status.to_string()), ("content-type", "text/plain".into())];
        let head = self.response_headers(headers, false);
        let body = self.response_body(details, true);
        if head == Action::Continue { body } else { head }
    }

    /// The end as Envoy has it: log, done, delete.
    pub fn finish(&self) {
        self.complete();
        self.log();
        self.done();
        self.delete();
    }

    /// The end in the upstream role: done, delete, and never a log.
    pub fn finish_without_log(&self) {
        self.complete();
        self.done();
        self.delete();
    }

    /// The end as the specification has it: done, log, delete.
    pub fn finish_done_first(&self) {
        self.complete();
        self.done();
        self.log();
        self.delete();
    }

    /// The end on hosts that only say that the context is gone.
    pub fn finish_with_delete_alone(&self) {
        self.complete();
        self.delete();
    }

    /// A request that was refused before the filter ran: create, log, done,
    /// delete. Pass what headers there are; a bad request line has none.
    pub fn refused(&self, request: impl Into<Headers>, response: impl Into<Headers>) {
        let (request, response) = (request.into(), response.into());
        let mut state = self.state.borrow_mut();
        for (map, headers) in
            [(MapType::RequestHeaders, request), (MapType::ResponseHeaders, response)]
        {
            if !headers.is_empty() {
                state.put(map, headers);
            }
        }
        drop(state);
        self.finish();
    }

    /// The request's headers as the filter left them.
    pub fn upstream_headers(&self) -> Headers {
        self.state.borrow().map(MapType::RequestHeaders).cloned().unwrap_or_default()
    }

    /// What the router does to the request after the filter: `on_log` shows it.
    pub fn rewrite_upstream_headers(&self, rewrite: impl FnOnce(Headers) -> Headers) {
        let rewritten = rewrite(self.upstream_headers());
        self.state.borrow_mut().put(MapType::RequestHeaders, rewritten);
    }

    /// The response's headers as the filter left them.
    pub fn downstream_headers(&self) -> Headers {
        self.state.borrow().map(MapType::ResponseHeaders).cloned().unwrap_or_default()
    }

    /// The response's trailers as the filter left them.
    pub fn downstream_trailers(&self) -> Headers {
        self.state.borrow().map(MapType::ResponseTrailers).cloned().unwrap_or_default()
    }

    /// The request's body as the filter left it.
    pub fn upstream_body(&self) -> Vec<u8> {
        self.state.borrow().passed[0].clone()
    }

    /// The response's body as the filter left it.
    pub fn downstream_body(&self) -> Vec<u8> {
        self.state.borrow().passed[1].clone()
    }

    /// What the filter set by `proxy_set_property`: `%FILTER_STATE(wasm.KEY:PLAIN)%`.
    pub fn filter_state(&self, key: &str) -> Option<Vec<u8>> {
        self.state.borrow().filter_state.get(key.as_bytes()).cloned()
    }

    /// The answer that the filter asked the proxy to give, if it did.
    pub fn local_response(&self) -> Option<LocalResponse> {
        self.state.borrow().local_response.clone()
    }

    /// How often the filter resumed the request (0) or the response (1).
    pub fn resumed(&self, direction: u32) -> usize {
        self.state.borrow().continued.iter().filter(|it| **it == direction).count()
    }

    /// Whether the filter reset the stream.
    pub fn reset_by_filter(&self) -> bool {
        !self.state.borrow().closed.is_empty()
    }

    fn head(
        &self,
        phase: Phase,
        map: MapType,
        headers: Headers,
        end_of_stream: Option<bool>,
    ) -> Action {
        let name = match map {
            MapType::RequestHeaders => "proxy_on_request_headers",
            MapType::RequestTrailers => "proxy_on_request_trailers",
            MapType::ResponseHeaders => "proxy_on_response_headers",
            _ => "proxy_on_response_trailers",
        };
        let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        let mut state = self.state.borrow_mut();
        state.put(map, headers);
        state.open(map);
        drop(state);
        let mut args = vec![count];
        args.extend(end_of_stream.map(u32::from));
        self.run(phase, name, &args, end_of_stream.unwrap_or(true))
    }

    fn body(&self, phase: Phase, bytes: &[u8], end_of_stream: bool) -> Action {
        let (side, name) = match phase {
            Phase::Request => (0, "proxy_on_request_body"),
            _ => (1, "proxy_on_response_body"),
        };
        let mut state = self.state.borrow_mut();
        state.received[side] += bytes.len() as u64;
        state.body[side] = Some(bytes.to_vec());
        drop(state);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.run(phase, name, &[length, u32::from(end_of_stream)], end_of_stream)
    }

    /// Runs one of the callbacks that answer with an action.
    fn run(&self, phase: Phase, name: &'static str, args: &[u32], end_of_stream: bool) -> Action {
        let now = self.vm.guest(|guest| guest.process.clock.monotonic_nanos());
        let mut state = self.state.borrow_mut();
        state.phase = phase;
        if phase == Phase::Response && end_of_stream {
            state.times.response_end = Some(now);
        }
        if name == "proxy_on_request_headers" {
            state.times.request = now;
        }
        drop(state);
        let called = self.call(name, args);
        let mut state = self.state.borrow_mut();
        for side in [0, 1] {
            let bytes = state.body[side].take().unwrap_or_default();
            state.passed[side].extend(bytes);
        }
        match called {
            Called::Dead => Action::Failed,
            // What is held stays within the filter's reach.
            Called::Returned(action) if action != 0 => Action::Pause,
            Called::Returned(_) | Called::Absent => {
                state.close_all();
                Action::Continue
            }
        }
    }

    fn call(&self, name: &'static str, args: &[u32]) -> Called {
        if self.id.get() == 0 {
            let context = Context::Stream { root: self.root, state: Rc::clone(&self.state) };
            let id = self.vm.guest(|guest| guest.add(context));
            self.id.set(id);
            self.vm.run("proxy_on_context_create", id, &[id, self.root]);
        }
        let id = self.id.get();
        let args: Vec<u32> = [id].into_iter().chain(args.iter().copied()).collect();
        self.vm.run(name, id, &args)
    }

    fn complete(&self) {
        let now = self.vm.guest(|guest| guest.process.clock.monotonic_nanos());
        self.state.borrow_mut().times.complete = Some(now);
    }

    fn log(&self) {
        self.enter(Phase::Log);
        self.call("proxy_on_log", &[]);
    }

    fn done(&self) {
        self.enter(Phase::Done);
        self.call("proxy_on_done", &[]);
    }

    fn delete(&self) {
        self.enter(Phase::Done);
        self.call("proxy_on_delete", &[]);
        self.vm.guest(|guest| guest.contexts.remove(&self.id.get()));
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state.borrow_mut();
        state.phase = phase;
        state.close_all();
    }
}
