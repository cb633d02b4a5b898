//! The state of one stream, shared by the test that drives it and the module that sees it.

use crate::abi::MapType;
use crate::headers::Headers;
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How far a stream is: properties and maps exist only in some of these.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    Request,
    Response,
    Log,
    Done,
}

/// A stream as the host knows it.
#[derive(Debug)]
pub(crate) struct StreamState {
    pub(crate) phase: Phase,
    /// An upstream HTTP filter sees the upstream host from the start, and no log.
    pub(crate) upstream_role: bool,
    /// Maps by the number of their type.
    maps: [Option<Headers>; 4],
    /// Which of the maps the module can reach now.
    open: [bool; 4],
    /// Bytes of the body callback that runs: request, response.
    pub(crate) body: [Option<Vec<u8>>; 2],
    /// Bytes that came so far: request, response.
    pub(crate) received: [u64; 2],
    /// Bodies as the filter let them pass: request, response.
    pub(crate) passed: [Vec<u8>; 2],
    pub(crate) properties: BTreeMap<Vec<u8>, Value>,
    pub(crate) unset: BTreeSet<Vec<u8>>,
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) times: Times,
    pub(crate) local_response: Option<LocalResponse>,
    pub(crate) continued: Vec<u32>,
    pub(crate) closed: Vec<u32>,
}

/// When what happened: wall clock for the start, monotonic nanoseconds else.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) start_wall: u64,
    pub(crate) start: u64,
    pub(crate) request: u64,
    pub(crate) response_end: Option<u64>,
    pub(crate) complete: Option<u64>,
}

/// What the filter answered instead of the upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalResponse {
    /// The HTTP status code.
    pub status: u32,
    /// The reason, for `response.code_details`.
    pub details: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
    /// Headers besides those that the host makes.
    pub headers: Headers,
    /// The gRPC status, -1 for none.
    pub grpc_status: i32,
}

impl StreamState {
    pub(crate) fn new(start_wall: u64, start: u64) -> Self {
        Self {
            phase: Phase::Request,
            upstream_role: false,
            maps: [const { None }; 4],
            open: [false; 4],
            body: [None, None],
            received: [0, 0],
            passed: [Vec::new(), Vec::new()],
            properties: BTreeMap::new(),
            unset: BTreeSet::new(),
            filter_state: BTreeMap::new(),
            times: Times { start_wall, start, request: start, ..Times::default() },
            local_response: None,
            continued: Vec::new(),
            closed: Vec::new(),
        }
    }

    pub(crate) fn put(&mut self, map: MapType, headers: Headers) {
        if let Some(place) = self.maps.get_mut(map as usize) {
            *place = Some(headers);
        }
    }

    /// The map, whether or not the module can reach it now.
    pub(crate) fn map(&self, map: MapType) -> Option<&Headers> {
        self.maps.get(map as usize)?.as_ref()
    }

    /// Lets the module reach `map` until it is closed.
    pub(crate) fn open(&mut self, map: MapType) {
        if let Some(open) = self.open.get_mut(map as usize) {
            *open = true;
        }
    }

    pub(crate) fn close_all(&mut self) {
        self.open = [false; 4];
        self.body = [None, None];
    }

    /// The map that the module reads now. In the log, everything but request trailers.
    pub(crate) fn readable(&self, map: MapType) -> Option<&Headers> {
        let open = match self.phase {
            Phase::Log => map != MapType::RequestTrailers,
            _ => self.open.get(map as usize).copied().unwrap_or_default(),
        };
        self.map(map).filter(|_| open)
    }

    /// The map that the module changes now: never in the log.
    pub(crate) fn writable(&mut self, map: MapType) -> Option<&mut Headers> {
        if !self.open.get(map as usize).copied().unwrap_or_default() {
            return None;
        }
        self.maps.get_mut(map as usize)?.as_mut()
    }
}
