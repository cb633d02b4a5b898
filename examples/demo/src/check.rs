//! Holds the traces that arrived against those that the requests must have left behind.

mod page;
mod tree;
pub(crate) mod run;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use hopspan_lens::span::key;
use hopspan_lens::trace::Trace;

use crate::load::Sent;
use crate::sampling::Sampling;
use crate::scenario::{Origin, Piece};

/// What came of all requests.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Requests of which a trace is missing or wrong.
    pub(crate) broken: Vec<Broken>,
    /// Traces that no request explains.
    pub(crate) strangers: Vec<Trace>,
    /// Times that single proxies held single requests, in rising order.
    times: Vec<Duration>,
    sampling: Sampling,
    requests: usize,
    spans: usize,
    /// Traces that were sampled, and found right.
    sampled: usize,
    /// Traces that were kept because of an error, and found right.
    kept: usize,
    /// Traces without an error that were sampled, and how many there could have been.
    good: (usize, usize),
}

/// One request and everything that is wrong with its traces.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) request: String,
    pub(crate) problems: Vec<String>,
    pub(crate) traces: Vec<Trace>,
}

/// Finds the traces of every request and judges them.
pub(crate) fn judge<'a>(
    sent: &[Sent],
    sampling: Sampling,
    traces: impl Iterator<Item = &'a Trace>,
) -> Verdict {
    let mut found: HashMap<Origin, Vec<&Trace>> = HashMap::new();
    let mut strangers = Vec::new();
    for trace in traces {
        // The outermost span that is here tells whose trace this is, even a broken one.
        match trace.tops().into_iter().find_map(Origin::of) {
            Some(origin) => found.entry(origin).or_default().push(trace),
            None => strangers.push(trace),
        }
    }
    let mut verdict = Verdict {
        broken: Vec::new(),
        strangers: Vec::new(),
        times: Vec::new(),
        sampling,
        requests: sent.len(),
        spans: 0,
        sampled: 0,
        kept: 0,
        good: (0, 0),
    };
    for request in sent {
        let Sent { scenario, number, .. } = *request;
        let mut problems = Vec::new();
        let mut of_request = Vec::new();
        for (piece, want) in scenario.pieces().iter().enumerate() {
            let traces = found.remove(&Origin { scenario, number, piece }).unwrap_or_default();
            problems.extend(verdict.piece_problems(want, &traces));
            of_request.extend(traces);
        }
        problems.extend(answer_problems(request, &of_request));
        for span in of_request.iter().flat_map(|trace| &trace.spans) {
            verdict.spans += 1;
            if !span.proxy_time_is_upper_bound() {
                verdict.times.extend(span.proxy_time());
            }
        }
        if !problems.is_empty() {
            let traces = of_request.into_iter().cloned().collect();
            verdict.broken.push(Broken { request: request.to_string(), problems, traces });
        }
    }
    strangers.extend(found.into_values().flatten());
    verdict.strangers = strangers.into_iter().cloned().collect();
    verdict.times.sort();
    verdict
}

/// What is wrong with that which the client saw.
fn answer_problems(request: &Sent, traces: &[&Trace]) -> Vec<String> {
    let want = request.scenario.code();
    let answer = match &request.answer {
        Ok(answer) => answer,
        Err(error) => return vec![format!("the client got no answer: {error}")],
    };
    let mut problems = Vec::new();
    if answer.status != want {
        problems.push(format!("the client got status {}, not {want}", answer.status));
    }
    if let Some(value) = &answer.traceresponse {
        problems.push(format!("the client got a traceresponse header: {value}"));
    }
    match (&answer.explanation, request.asks) {
        (None, false) => {}
        (None, true) => problems.push("the client asked for an explanation and got none".into()),
        (Some(line), false) => problems.push(format!("the client did not ask, but got: {line}")),
        (Some(line), true) => problems.extend(explanation_problem(line, traces)),
    }
    problems
}

/// The gateway must name the trace of which its own span is, and whether that was sampled.
fn explanation_problem(line: &str, traces: &[&Trace]) -> Option<String> {
    let items: Vec<&str> = line.split("; ").collect();
    let of_gateway = |it: &&&Trace| it.spans.iter().any(|span| span.service == "gateway");
    let trace = traces.iter().find(of_gateway);
    let mut want = vec!["service=gateway".to_owned(), "trust=continue".to_owned()];
    want.push(format!("sampled={}", u8::from(trace.is_some_and(|it| !is_kept(it)))));
    want.extend(trace.map(|trace| format!("trace={}", trace.id)));
    let missing = want.into_iter().find(|want| !items.contains(&&**want))?;
    Some(format!("the explanation does not say {missing}: {line}"))
}

/// Whether nobody sampled it when it began.
fn is_kept(trace: &Trace) -> bool {
    trace.spans.iter().any(|span| span.text(key::SAMPLING_REASON).is_some())
}

// === impl Verdict ===

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.broken.is_empty() && self.strangers.is_empty() && self.is_likely()
    }

    /// Whether as many were sampled as the ratio says, as far as chance goes.
    fn is_likely(&self) -> bool {
        let (sampled, count) = self.good;
        let (least, most) = self.sampling.expected(count);
        (least..=most).contains(&sampled)
    }

    /// Judges what is here of one trace, and counts it.
    fn piece_problems(&mut self, want: &Piece, traces: &[&Trace]) -> Vec<String> {
        let Piece { whole, kept } = want;
        let good = usize::from(kept.is_none());
        self.good.1 += good;
        let (want, count) = match traces {
            [] if self.sampling.is_all() || kept.is_some() => {
                return vec!["no trace arrived".to_owned()];
            }
            [] => return Vec::new(),
            [trace] if is_kept(trace) && !self.sampling.is_all() => match kept {
                Some(kept) => (kept, &mut self.kept),
                None => return vec!["a trace was kept although nothing failed".to_owned()],
            },
            [_] => {
                self.good.0 += good;
                (whole, &mut self.sampled)
            }
            _ => return vec![format!("{} traces arrived instead of one", traces.len())],
        };
        let problems: Vec<String> =
            traces.iter().flat_map(|trace| tree::problems(want, trace)).collect();
        *count += usize::from(problems.is_empty());
        problems
    }
}

/// One line with the figures.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strangers, times, sampling, requests, spans, sampled, kept, .. } = self;
        write!(f, "{requests} requests, ")?;
        if sampling.is_all() {
            write!(f, "{sampled} right traces")?;
        } else {
            let (good, of) = self.good;
            let (least, most) = sampling.expected(of);
            write!(f, "{kept} errors kept, {good} of {of} good traces sampled")?;
            if !self.is_likely() {
                write!(f, " (not {least} to {most})")?;
            }
        }
        write!(f, ", {spans} spans")?;
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
