//! `hopspan explain`: one request through the filter's own core, without a proxy.

mod header;
mod options;
mod proxy;
mod changes;
mod lacking;
mod words;
mod text;
mod json;

pub(crate) use options::Options;

use crate::document::Document;
use crate::print;
use changes::Change;
use hopspan_config::{self as config, Surroundings, VARIABLES};
use hopspan_core::config::Config;
use hopspan_core::id::Generator;
use hopspan_core::matching::candidate::Candidate;
use hopspan_core::propagation::Edit;
use hopspan_core::request::fields::RequestFields;
use hopspan_core::request::{Direction, Fact, Headers, RequestHead, encode_headers};
use hopspan_core::span::active::{ActiveSpan, State};
use hopspan_core::time::Monotonic;
use hopspan_core::tracer::{Started, Tracer};
use lacking::Lacking;
use options::Request;
use proxy::Proxy;
use std::io;
use std::process::ExitCode;
use words::Situation;

/// Everything that is found out about a request.
#[derive(Debug)]
pub(crate) struct Explanation {
    /// The answer.
    summary: String,
    /// What the header would say; `None` where hopspan is switched off.
    line: Option<String>,
    items: Vec<Item>,
    /// What each of the items means.
    words: Vec<String>,
    request: Vec<Change>,
    response: Vec<Change>,
    /// Why the response says nothing, if so.
    untold: Option<String>,
    /// How far each of hopspan's own stats has moved.
    stats: Vec<(String, i64)>,
    lacking: Vec<Lacking>,
    idle: Vec<&'static str>,
}

/// One item of the line.
#[derive(Debug)]
pub(crate) struct Item {
    key: String,
    value: String,
}

/// The moment at which the request comes: none that any limit or table knows of.
const NOW: Monotonic = Monotonic(3_600_000_000_000);

/// Explains a request.
///
/// # Errors
///
/// The configuration cannot be read, or nothing be written.
pub(crate) fn run(options: &Options) -> io::Result<ExitCode> {
    let request = options.request()?;
    let file = options.config.as_deref();
    let Document { name, bytes } = file.map_or_else(|| Ok(Document::empty()), Document::open)?;
    // As in `check`: what is not given on the command line is unset if it is OpenTelemetry's.
    let env = |variable: &str| {
        let theirs = || (!VARIABLES.contains(&variable)).then(|| "set".to_owned());
        options.node.variable(variable).or_else(theirs)
    };
    let (node_id, node_cluster) = (&*options.node.node_id, &*options.node.node_cluster);
    let around = Surroundings { node_id, node_cluster, metadata: &|_| None, env: &env };
    let config = match config::read(&bytes, &around) {
        Ok(config) => config,
        Err(problems) => {
            problems.0.iter().for_each(|problem| eprintln!("{name}: {problem}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in config.warnings.iter().filter(|_| file.is_some()) {
        eprintln!("{name}: warning: {warning}");
    }
    let is_waypoint = node_id.starts_with("waypoint~");
    let explanation = Explanation::of(config, &request, &mut generator(options.seed)?, is_waypoint);
    print(&match options.json {
        true => json::write(&explanation),
        false => text::write(&explanation, text::has_colour()),
    })
}

fn generator(seed: Option<u64>) -> io::Result<Generator> {
    let mut random = [0; 32];
    match seed {
        Some(seed) => return Ok(Generator::from_numbers(&[seed])),
        None => getrandom::fill(&mut random).map_err(io::Error::other)?,
    }
    Ok(Generator::new(random))
}

// === impl Explanation ===

impl Explanation {
    fn of(config: Config, request: &Request, ids: &mut Generator, is_waypoint: bool) -> Self {
        let bytes = encode_headers(&request.headers);
        let head = RequestHead { headers: Headers::new(&bytes), end_of_stream: true, now: NOW };
        let mut proxy = Proxy::new(&request.facts);
        let mut tracer = Tracer::new(config);
        let (Started { span, edits }, line) = tracer.start_explained(&head, &mut proxy, ids);
        let line = line.map(|it| String::from_utf8_lossy(&it).into_owned());
        let items = line.as_deref().map(items).unwrap_or_default();
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
            summary: match line {
                Some(_) => situation.summary(),
                None => "Switched off by OTEL_SDK_DISABLED: requests pass as they came.".to_owned(),
            },
            words: items.iter().map(|it| situation.of(it)).collect(),
            request: Change::of_request(&request.headers, &edits, config),
            response: Change::of_response(&told),
            untold: untold.filter(|_| line.is_some()),
            lacking: lacking::lacking(config, request, &proxy.asked, is_decided_here),
            idle: lacking::idle(request, &proxy.asked),
            stats,
            items,
            line,
        }
    }
}

/// The line taken apart, as its grammar says.
fn items(line: &str) -> Vec<Item> {
    let item = |item: &str| {
        let (key, value) = item.split_once('=')?;
        Some(Item { key: key.to_owned(), value: value.to_owned() })
    };
    line.split("; ").filter_map(item).collect()
}

/// The reason for which a stat counts trace headers that are invalid.
fn invalid(stat: &str) -> Option<&str> {
    stat.strip_prefix("hopspan.context.invalid.reason=.=")?.strip_suffix(";.;")
}
