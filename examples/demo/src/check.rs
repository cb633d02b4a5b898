//! Holds the traces that arrived against those that the requests must have left behind.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use hopspan_lens::span::{Span, SpanKind, key};
use hopspan_lens::trace::Trace;

use crate::load::Sent;
use crate::scenario::{Hop, Scenario};

/// Wall clocks are read in different processes and at different moments of a busy machine:
/// a begin may lie this much before that of the parent.
const CLOCK_SLACK: Duration = Duration::from_millis(20);
/// The two parts of a span's time are measured apart from its begin and end.
const SUM_SLACK: Duration = Duration::from_millis(1);

/// What came of all requests.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Requests whose trace is missing or wrong.
    pub(crate) broken: Vec<Broken>,
    /// Traces that no request explains.
    pub(crate) strangers: Vec<Trace>,
    /// Times that single proxies held single requests, in rising order.
    times: Vec<Duration>,
    requests: usize,
    spans: usize,
}

/// One request and everything that is wrong with its trace.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) request: String,
    pub(crate) problems: Vec<String>,
    pub(crate) trace: Option<Trace>,
}

/// Finds the trace of every request and judges it.
pub(crate) fn judge<'a>(sent: &[Sent], traces: impl Iterator<Item = &'a Trace>) -> Verdict {
    let mut found: HashMap<(&str, u64), Vec<&Trace>> = HashMap::new();
    let mut strangers = Vec::new();
    for trace in traces {
        // The outermost span that is here tells whose trace this is, even a broken one.
        match trace.tops().into_iter().find_map(Scenario::of) {
            Some((scenario, number)) => {
                found.entry((scenario.name(), number)).or_default().push(trace);
            }
            None => strangers.push(trace),
        }
    }
    let mut verdict = Verdict {
        broken: Vec::new(),
        strangers: Vec::new(),
        times: Vec::new(),
        requests: sent.len(),
        spans: 0,
    };
    for request in sent {
        let traces = found.remove(&(request.scenario.name(), request.number)).unwrap_or_default();
        let mut problems = answer_problems(request);
        match traces[..] {
            [] => problems.push("no trace arrived".to_owned()),
            [trace] => problems.extend(trace_problems(&request.scenario.trace(), trace)),
            _ => problems.push(format!("{} traces arrived instead of one", traces.len())),
        }
        for span in traces.iter().flat_map(|trace| &trace.spans) {
            verdict.spans += 1;
            if !span.proxy_time_is_upper_bound() {
                verdict.times.extend(span.proxy_time());
            }
        }
        if !problems.is_empty() {
            let trace = traces.first().map(|it| (*it).clone());
            verdict.broken.push(Broken { request: request.to_string(), problems, trace });
        }
    }
    strangers.extend(found.into_values().flatten());
    verdict.strangers = strangers.into_iter().cloned().collect();
    verdict.times.sort();
    verdict
}

fn answer_problems(request: &Sent) -> Vec<String> {
    let want = request.scenario.code();
    match &request.answer {
        Ok(code) if *code == want => Vec::new(),
        Ok(code) => vec![format!("the client got status {code}, not {want}")],
        Err(error) => vec![format!("the client got no answer: {error}")],
    }
}

/// Everything that is wrong with one trace.
fn trace_problems(want: &Hop, trace: &Trace) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(root) = trace.root() else {
        let tops: Vec<String> =
            trace.tops().into_iter().map(|span| describe(trace, span)).collect();
        return vec![format!(
            "there is no single root, but {} spans at the top: {}",
            tops.len(),
            tops.join(", ")
        )];
    };
    compare(want, root, trace, &mut problems);
    let (spans, want_spans) = (trace.spans.len(), want.spans());
    if spans != want_spans {
        problems.push(format!("{spans} spans, not {want_spans}"));
    }
    // The calls of this mesh never run side by side, so all proxies together cannot hold a
    // request longer than it took. A try's time is in an upper bound a second time.
    let exact = trace.spans.iter().filter(|span| !span.proxy_time_is_upper_bound());
    let held: Duration = exact.filter_map(Span::proxy_time).sum();
    if held >= root.duration() {
        let whole = root.duration();
        problems.push(format!("the proxies held it {held:?}, but it took {whole:?} in all"));
    }
    problems
}

fn compare(want: &Hop, span: &Span, trace: &Trace, problems: &mut Vec<String>) {
    if want.service != span.service || want.kind != span.kind {
        problems.push(format!("expected {}, found {}", name(want), describe(trace, span)));
        return;
    }
    let mut wrong = |what: &str, found: &dyn fmt::Display, want: &dyn fmt::Display| {
        problems.push(format!("{}: {what} is {found}, not {want}", describe(trace, span)));
    };

    let code = span.integer(key::STATUS_CODE).unwrap_or(0);
    if code != want.code.into() {
        wrong("status code", &code, &want.code);
    }
    if span.failed != want.fails() {
        wrong("error status", &span.failed, &want.fails());
    }
    let cluster = trace.destination(span).unwrap_or("absent");
    if let Some(to) = want.to.filter(|to| *to != cluster) {
        wrong(key::CLUSTER, &cluster, &to);
    }
    let tries = span.integer(key::ATTEMPTS).unwrap_or(1);
    if tries != want.tries.into() {
        wrong(key::ATTEMPTS, &tries, &want.tries);
    }
    if span.proxy_time_is_upper_bound() != (want.tries > 1) {
        wrong(key::PROXY_TIME_UPPER_BOUND, &span.proxy_time_is_upper_bound(), &(want.tries > 1));
    }
    problems.extend(time_problems(want, span, trace));

    let children = trace.children(span.span_id);
    for child in &children {
        let earliest = span.start_unix_nano.saturating_sub(CLOCK_SLACK.as_nanos() as u64);
        if child.start_unix_nano < earliest {
            problems.push(format!("{} begins before its parent", describe(trace, child)));
        }
    }
    if children.len() == want.below.len() {
        for (want, child) in want.below.iter().zip(children) {
            compare(want, child, trace, problems);
        }
    } else {
        let list = |names: Vec<String>| match names[..] {
            [] => "nothing".to_owned(),
            _ => names.join(", "),
        };
        problems.push(format!(
            "below {}: expected {}, found {}",
            describe(trace, span),
            list(want.below.iter().map(name).collect()),
            list(children.into_iter().map(|span| describe(trace, span)).collect())
        ));
    }
}

fn time_problems(want: &Hop, span: &Span, trace: &Trace) -> Vec<String> {
    let duration = span.duration();
    let (proxy, upstream) = (span.proxy_time(), span.upstream_time());
    let problem = match (want.timed, proxy, upstream) {
        (false, None, _) => None,
        (false, Some(_), _) => {
            Some(format!("has {}: that belongs to the outer span", key::PROXY_TIME))
        }
        (true, None, _) => Some(format!("has no {}", key::PROXY_TIME)),
        (true, _, None) => Some(format!("has no {}", key::UPSTREAM_TIME)),
        (true, Some(Duration::ZERO), _) => Some("the proxy held it no time at all".to_owned()),
        (true, Some(proxy), _) if proxy >= duration => {
            Some(format!("the proxy held it {proxy:?} of {duration:?}"))
        }
        (true, Some(proxy), Some(upstream)) => {
            (proxy + upstream > duration + SUM_SLACK).then(|| {
                format!("proxy {proxy:?} and upstream {upstream:?} are more than {duration:?}")
            })
        }
    };
    problem.map(|problem| format!("{}: {problem}", describe(trace, span))).into_iter().collect()
}

fn name(hop: &Hop) -> String {
    label(hop.service, hop.kind, hop.to)
}

fn describe(trace: &Trace, span: &Span) -> String {
    label(&span.service, span.kind, trace.destination(span))
}

/// `shop CLIENT → cart`
fn label(service: &str, kind: SpanKind, to: Option<&str>) -> String {
    let kind = match kind {
        SpanKind::Server => "SERVER",
        SpanKind::Client => "CLIENT",
        _ => "of another kind",
    };
    to.map_or(format!("{service} {kind}"), |to| format!("{service} {kind} → {to}"))
}

// === impl Verdict ===

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.broken.is_empty() && self.strangers.is_empty()
    }
}

/// One line with the figures.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { broken, strangers, times, requests, spans } = self;
        let whole = requests - broken.len();
        write!(f, "{requests} requests, {whole} whole traces, {spans} spans")?;
        if !strangers.is_empty() {
            write!(f, ", {} traces that nobody asked for", strangers.len())?;
        }
        if let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) {
            let millis = |time: &Duration| time.as_secs_f64() * 1e3;
            write!(f, "; a proxy held a request {:.2} ms", millis(median))?;
            write!(f, " (median), {:.2} ms at most", millis(longest))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
