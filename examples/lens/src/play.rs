//! What the filter would do with a request: its own core and its own reading of the
//! configuration, without a proxy.
//!
//! Each question is the first request of a proxy that has just started, as for `hopspan explain`.

mod host;

use hopspan_config::{Problem, Surroundings};
use hopspan_core::config::Config;
use hopspan_core::id::Generator;
use hopspan_core::propagation::Edit;
use hopspan_core::request::{Fact, Headers, RequestHead, encode_headers};
use hopspan_core::time::Monotonic;
use hopspan_core::tracer::{Started, Tracer};
use serde::{Deserialize, Serialize};

use host::Host;

/// A configuration and a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Question {
    /// hopspan's configuration; none is `{}`.
    pub config: String,
    /// Headers, `name: value`, one a line.
    pub headers: String,
    /// `inbound`, `outbound` or `gateway`: what the listener is.
    pub direction: String,
    /// The client's address, as the proxy trusts it.
    pub source: String,
    /// Who the client is by its certificate.
    pub peer: String,
}

/// What would come of it.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Answer {
    /// What is wrong with the configuration: then nothing else is said.
    pub problems: Vec<Fault>,
    /// What a proxy would only warn of.
    pub warnings: Vec<String>,
    /// The line that says why, as the header named by `explain.header` has it; none where
    /// hopspan is switched off.
    pub line: Option<String>,
    /// The same taken apart.
    pub items: Vec<(String, String)>,
    /// What becomes of the request's headers.
    pub edits: Vec<Change>,
    /// What the response gets, to be seen by the caller.
    pub response: Vec<Change>,
    /// How far hopspan's own stats move.
    pub stats: Vec<(String, i64)>,
}

/// One thing that is wrong, and where.
#[derive(Debug, PartialEq, Serialize)]
pub struct Fault {
    /// The path of the key, or the line.
    pub path: String,
    /// What was expected, and what was found.
    pub message: String,
}

/// A header that is written or removed.
#[derive(Debug, PartialEq, Serialize)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Its new value; none if it is removed.
    pub value: Option<String>,
}

/// The moment at which the request comes: none that any limit or table knows of.
const NOW: Monotonic = Monotonic(3_600_000_000_000);

/// Asks the filter.
///
/// # Errors
///
/// A sentence about a request that cannot be one.
pub fn play(question: &Question, ids: &mut Generator) -> Result<Answer, String> {
    let request = headers(&question.headers)?;
    let facts = facts(question)?;
    let document = if question.config.trim().is_empty() { "{}" } else { &*question.config };
    // Where a value is taken from the environment, there is one.
    let env = |name: &str| (!hopspan_config::VARIABLES.contains(&name)).then(|| "set".to_owned());
    let around = Surroundings { node_id: "", node_cluster: "", metadata: &|_| None, env: &env };
    let config: Config = match hopspan_config::read(document.as_bytes(), &around) {
        Ok(config) => config,
        Err(problems) => {
            let fault = |Problem { path, message }| Fault { path, message };
            let problems = problems.0.into_iter().map(fault).collect();
            return Ok(Answer { problems, ..Answer::default() });
        }
    };
    let warnings = config.warnings.iter().map(ToString::to_string).collect();
    let bytes = encode_headers(&request);
    let head = RequestHead { headers: Headers::new(&bytes), end_of_stream: true, now: NOW };
    let mut host = Host::new(facts);
    let mut tracer = Tracer::new(config);
    let (Started { span, edits }, line) = tracer.start_explained(&head, &mut host, ids);
    let line = line.map(|it| String::from_utf8_lossy(&it).into_owned());
    let service = tracer.config().resource.service_name().to_owned();
    let mut stats = Vec::new();
    tracer.stats.drain(|stat, by| {
        stats.push((stat.name_for(&service).into_owned(), by));
        true
    });
    let pair = |item: &str| {
        let (key, value) = item.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    };
    Ok(Answer {
        problems: Vec::new(),
        warnings,
        items: line.iter().flat_map(|it| it.split("; ")).filter_map(pair).collect(),
        line,
        edits: edits.iter().map(change).collect(),
        response: span.iter().flat_map(|it| it.told.iter()).map(change).collect(),
        stats,
    })
}

fn change(edit: &Edit) -> Change {
    let (name, value) = match edit {
        Edit::Replace(name, value) | Edit::Add(name, value) => (*name, Some(value)),
        Edit::Remove(name) => (*name, None),
        Edit::AddChosen(name, value) | Edit::ReplaceChosen(name, value) => (&**name, Some(value)),
        Edit::RemoveChosen(name) => (&**name, None),
    };
    let value = value.map(|it| String::from_utf8_lossy(it).into_owned());
    Change { name: name.to_owned(), value }
}

/// A GET of `/`, unless the headers say otherwise; as HTTP/2 has them.
fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|it| !it.is_empty()) {
        // The name of a pseudo-header begins with a colon.
        let (colon, rest) = match line.strip_prefix(':') {
            Some(rest) => (":", rest),
            None => ("", line),
        };
        let (name, value) =
            rest.split_once(':').ok_or_else(|| format!("{line:?} is no header: name: value"))?;
        let name = format!("{colon}{}", name.trim().to_ascii_lowercase());
        let name = if name == "host" { ":authority".to_owned() } else { name };
        all.push((name, value.trim().to_owned()));
    }
    for (name, value) in [(":path", "/"), (":scheme", "http"), (":method", "GET")] {
        if !all.iter().any(|(it, _)| it == name) {
            all.insert(0, (name.to_owned(), value.to_owned()));
        }
    }
    all.sort_by_key(|(name, _)| !name.starts_with(':'));
    Ok(all)
}

/// What a proxy knows, in its own form.
fn facts(question: &Question) -> Result<Vec<(Fact, Vec<u8>)>, String> {
    let Question { direction, source, peer, .. } = question;
    // As Envoy's TrafficDirection counts.
    let direction: i64 = match &**direction {
        "gateway" | "" => 0,
        "inbound" => 1,
        "outbound" => 2,
        other => return Err(format!("{other:?} is no direction")),
    };
    let mut facts = vec![(Fact::ListenerDirection, direction.to_le_bytes().to_vec())];
    if !source.is_empty() {
        facts.push((Fact::ClientAddress, source.as_bytes().to_vec()));
    }
    if !peer.is_empty() {
        facts.push((Fact::MutualTls, vec![1]));
        facts.push((Fact::PeerUriSan, peer.as_bytes().to_vec()));
    }
    Ok(facts)
}

#[cfg(test)]
mod tests;
