//! Everything that is found out about a request.

use crate::changes::Change;
use crate::lacking::{self, Lacking};
use crate::proxy::Proxy;
use crate::question::{Question, Request};
use crate::words::Situation;
use hopspan_config::{self as config, Problems, Surroundings, VARIABLES};
use hopspan_core::config::Config;
use hopspan_core::id::Generator;
use hopspan_core::matching::candidate::Candidate;
use hopspan_core::propagation::Edit;
use hopspan_core::request::fields::RequestFields;
use hopspan_core::request::{Direction, Fact, Headers, RequestHead, encode_headers};
use hopspan_core::span::active::{ActiveSpan, State};
use hopspan_core::time::Monotonic;
use hopspan_core::tracer::{Started, Tracer};
use std::fmt;

/// What becomes of a request, and why.
#[derive(Debug)]
pub struct Explanation {
    /// The answer, in a sentence or two.
    pub(crate) summary: String,
    /// What the header would say; `None` where hopspan is switched off.
    pub(crate) line: Option<String>,
    pub(crate) items: Vec<Item>,
    pub(crate) request: Vec<Change>,
    pub(crate) response: Vec<Change>,
    /// Why the response says nothing, if so.
    pub(crate) untold: Option<String>,
    /// How far each of hopspan's own stats has moved.
    pub(crate) stats: Vec<(String, i64)>,
    pub(crate) lacking: Vec<Lacking>,
    pub(crate) idle: Vec<&'static str>,
    /// What a proxy would warn of when it reads the configuration.
    pub(crate) warnings: Vec<String>,
}

/// One item of the line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Item {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What that means here.
    pub meaning: String,
}

/// Why there is no explanation.
#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The request names its host twice.
    TwoHosts,
    /// The configuration is refused.
    Configuration(Problems),
}

/// The moment at which the request comes: none that any limit or table knows of.
const NOW: Monotonic = Monotonic(3_600_000_000_000);

// === impl Explanation ===

impl Explanation {
    /// Gives a request to the filter, as the first one of a proxy that has read `document`.
    ///
    /// A variable of OpenTelemetry that the question does not give is unset; any other has some
    /// value, because configurations refer to those by name.
    ///
    /// # Errors
    ///
    /// There is no such request, or the configuration is refused.
    pub fn of(document: &[u8], question: &Question, ids: &mut Generator) -> Result<Self, Refusal> {
        let request = question.request().ok_or(Refusal::TwoHosts)?;
        let env = |variable: &str| {
            let theirs = || (!VARIABLES.contains(&variable)).then_some("set");
            question.variable(variable).or_else(theirs).map(str::to_owned)
        };
        let Question { node_id, node_cluster, .. } = question;
        let around = Surroundings { node_id, node_cluster, metadata: &|_| None, env: &env };
        let config = config::read(document, &around).map_err(Refusal::Configuration)?;
        Ok(Self::of_request(config, &request, ids, node_id.starts_with("waypoint~")))
    }

    fn of_request(
        config: Config,
        request: &Request,
        ids: &mut Generator,
        is_waypoint: bool,
    ) -> Self {
        let bytes = encode_headers(&request.headers);
        let head = RequestHead { headers: Headers::new(&bytes), end_of_stream: true, now: NOW };
        let mut proxy = Proxy::new(&request.facts);
        let mut tracer = Tracer::new(config);
        let (Started { span, edits }, line) = tracer.start_explained(&head, &mut proxy, ids);
        let line = line.map(|it| String::from_utf8_lossy(&it).into_owned());
        let mut items = line.as_deref().map(items).unwrap_or_default();
        let service = tracer.config().resource.service_name().to_owned();
        let mut stats = Vec::new();
        tracer.stats.drain(|stat, by| {
            stats.push((stat.name_for(&service).into_owned(), by));
            true
        });
        let config = tracer.config();
        let (state, told, is_passed_on) = match span {
            Some(ActiveSpan { state, told, is_ours, .. }) => (Some(state), told, is_ours),
            None => (None, Box::default(), false),
        };
        let fields = RequestFields::of(head.headers);
        let mut proxy_again = Proxy::new(&request.facts);
        let mut candidate =
            Candidate::new(&fields, head.headers, &mut proxy_again, config.direction);
        let situation = Situation {
            config,
            items: &items,
            direction: config.direction.unwrap_or_else(|| {
                let known = request.facts.iter().find(|(it, _)| *it == Fact::ListenerDirection);
                Direction::of_listener(known.map(|(_, value)| value.as_slice()))
            }),
            is_waypoint,
            invalid: stats.iter().filter_map(|(name, _)| invalid(name)).collect(),
            may_be_kept: matches!(state, Some(State::Waiting(_))),
            is_stripped: config.egress.strips(&mut candidate),
            is_passed_on,
        };
        let summary = match line {
            Some(_) => situation.summary(),
            None => "Switched off by OTEL_SDK_DISABLED: requests pass as they came.".to_owned(),
        };
        let meanings: Vec<_> = items.iter().map(|it| situation.of(it)).collect();
        for (item, meaning) in items.iter_mut().zip(meanings) {
            item.meaning = meaning;
        }
        let is_told = |it: &Edit| matches!(it, Edit::AddChosen(..));
        let untold = match (&config.explain, told.iter().any(is_told)) {
            (_, true) => None,
            (None, false) => Some("explain.header is not set".to_owned()),
            (Some(name), false) if config.explains(head.headers).is_none() => {
                Some(format!("the request does not have {name}"))
            }
            (Some(_), false) => Some("this caller is not trusted".to_owned()),
        };
        let is_decided_here = items.iter().any(|it| it.key == "ratio");
        Self {
            summary,
            request: Change::of_request(&request.headers, &edits, config),
            response: Change::of_response(&told),
            untold: untold.filter(|_| line.is_some()),
            lacking: lacking::lacking(config, request, &proxy.asked, is_decided_here),
            idle: lacking::idle(request, &proxy.asked),
            warnings: config.warnings.clone(),
            stats,
            items,
            line,
        }
    }

    /// The items of the line that says why, in its order.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Why the response says nothing, if so.
    #[must_use]
    pub fn untold(&self) -> Option<&str> {
        self.untold.as_deref()
    }

    /// What a proxy would warn of when it reads the configuration.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The line taken apart, as its grammar says.
fn items(line: &str) -> Vec<Item> {
    let item = |item: &str| {
        let (key, value) = item.split_once('=')?;
        Some(Item { key: key.to_owned(), value: value.to_owned(), meaning: String::new() })
    };
    line.split("; ").filter_map(item).collect()
}

/// The reason for which a stat counts trace headers that are invalid.
fn invalid(stat: &str) -> Option<&str> {
    stat.strip_prefix("hopspan.context.invalid.reason=.=")?.strip_suffix(";.;")
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoHosts => f.write_str("a request has one host: --host or -H 'host: ...'"),
            Self::Configuration(problems) => problems.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}
