//! The configuration, checked: what the settings of all modules are made of.
//!
//! Documents are read in the package `hopspan-config`, which is compiled for size: it runs
//! once, and would be half of the module otherwise.

use crate::batch::Limits;
use crate::encode::Resource;
use crate::export::{Collector, Retry};
use crate::keep;
use crate::metrics;
use crate::peer::Services;
use crate::propagation::{Announce, Edit, Propagation};
use crate::request::{Direction, Fact, Headers};
use crate::route;
use crate::sampling::head::{Force, Settings};
use crate::semconv::Kind;
use crate::span::{self, Kinds};
use crate::trust::{Egress, Policy};
use std::rc::Rc;

/// All settings, checked.
#[derive(Debug)]
pub struct Config {
    /// `false` where `OTEL_SDK_DISABLED` says so: trace context passes untouched.
    pub enabled: bool,
    /// Where the filter stands.
    pub role: Role,
    /// What the listeners are; `None` asks each request's listener.
    pub direction: Option<Direction>,
    /// What all spans have in common.
    pub resource: Resource,
    /// Where spans go; `None` is nowhere.
    pub collector: Option<Collector>,
    /// How spans are gathered.
    pub batch: Limits,
    /// How a failed request is tried again.
    pub retry: Retry,
    /// Which formats of trace context are read and written.
    pub propagation: Propagation,
    /// What an incoming context is worth.
    pub trust: Policy,
    /// Who gets no trace headers.
    pub egress: Egress,
    /// Which new traces are recorded.
    pub sampling: Settings,
    /// What is recorded afterwards.
    pub keep: keep::Policy,
    /// Which routes there are.
    pub routes: route::Settings,
    /// What the services at the other end are called.
    pub services: Services,
    /// Whether Istio's control plane gave the clusters their names, which say where they lead.
    pub is_istio: bool,
    /// How requests are counted, if they are.
    pub metrics: Option<metrics::Settings>,
    /// Whether the next hop is told who calls.
    pub announce: Announce,
    /// What clients are told of their trace.
    pub response: Response,
    /// Whether the proxy's access log can tell the trace.
    pub access_log: bool,
    /// The header, in lower case, by which a trusted caller asks why.
    pub explain: Option<Rc<str>>,
    /// Which spans a hop makes; `None` goes by direction.
    pub kinds: Option<Kinds>,
    /// What spans look like.
    pub spans: span::Settings,
    /// What is odd, but refuses nothing: one line each, no secrets.
    pub warnings: Vec<String>,
    /// How many keys of the document are none of hopspan's.
    pub unknown_keys: usize,
    /// The whole effective configuration as one line of JSON, secrets masked.
    pub effective: String,
}

/// Where an instance of the filter stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Role {
    /// Among the HTTP filters of a listener: it sees requests.
    #[default]
    Downstream,
    /// Among the HTTP filters of a cluster: it sees tries.
    Upstream,
}

/// What clients are told of their trace, in headers of the response.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Response {
    /// A header for the trace-id alone, in lower case.
    pub trace_id_header: Option<Rc<str>>,
    /// W3C's draft header.
    pub traceresponse: bool,
    /// `Server-Timing`, which scripts in browsers can read.
    pub server_timing: bool,
}

impl Response {
    /// Whether they are told anything.
    pub fn is_any(&self) -> bool {
        let Self { trace_id_header, traceresponse, server_timing } = self;
        trace_id_header.is_some() || *traceresponse || *server_timing
    }
}

impl Config {
    /// The name of the header by which a request asks why it is traced, if it does.
    pub fn explains(&self, headers: Headers<'_>) -> Option<&Rc<str>> {
        self.explain.as_ref().filter(|it| headers.get(it.as_bytes()).is_some())
    }

    /// Whether requests are counted.
    pub fn counts(&self) -> bool {
        let is_told = |it: metrics::Settings| it.otlp && self.collector.is_some();
        self.metrics.is_some_and(|it| it.host.is_some() || is_told(it))
    }

    /// The spans of a hop on such a listener.
    pub fn kinds_on(&self, direction: Direction) -> Kinds {
        self.kinds.unwrap_or(match direction {
            Direction::Inbound => Kinds::One(Kind::Server),
            Direction::Outbound => Kinds::One(Kind::Client),
            Direction::Gateway => Kinds::Both,
        })
    }

    /// Whether a request at its end may be asked for this fact. What is not asked on a listener whose
    /// direction is configured need not come with the rest.
    pub fn asks_at_end(&self, fact: Fact) -> bool {
        use Fact::*;
        let kinds = self.kinds.or(self.direction.map(|it| self.kinds_on(it)));
        match fact {
            ListenerDirection => self.direction.is_none(),
            Protocol | ClientAddress | DownstreamTls | PeerUriSan | PeerDnsSan => {
                kinds != Some(Kinds::One(Kind::Client))
            }
            UpstreamTls | UpstreamUriSan | UpstreamDnsSan => {
                self.direction != Some(Direction::Inbound)
            }
            _ => true,
        }
    }

    /// The edits that remove what a caller may only wish for if it is trusted.
    pub fn without_wishes(&self, headers: Headers<'_>) -> impl Iterator<Item = Edit> {
        let force = self.sampling.force.as_ref().map(|Force { header, .. }| header);
        let there = move |it: &&Rc<str>| headers.get(it.as_bytes()).is_some();
        let names = force.into_iter().chain(&self.explain).filter(there);
        names.map(|it| Edit::RemoveChosen(Rc::clone(it)))
    }
}
