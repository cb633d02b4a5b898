//! One trace, hop for hop.

use std::fmt;
use std::time::Duration;

use hopspan_lens::span::{Span, SpanKind, key};
use hopspan_lens::trace::Trace;

use crate::scenario::Hop;

/// Wall clocks are read in different processes and at different moments of a busy machine:
/// a begin may lie this much before that of the parent.
const CLOCK_SLACK: Duration = Duration::from_millis(20);
/// The two parts of a span's time are measured apart from its begin and end.
const SUM_SLACK: Duration = Duration::from_millis(1);

/// Everything that is wrong with one trace.
pub(super) fn problems(want: &Hop, trace: &Trace) -> Vec<String> {
    let mut problems = Vec::new();
    let tops = trace.tops();
    let root = match tops[..] {
        [root] if root.parent.is_some() == want.adrift => root,
        [root] if want.adrift => return vec![format!("{} has no parent", describe(trace, root))],
        _ => {
            let (count, tops) = (tops.len(), tops.into_iter().map(|span| describe(trace, span)));
            let tops = tops.collect::<Vec<_>>().join(", ");
            return vec![format!("there is no single root, but {count} spans at the top: {tops}")];
        }
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
    if code != i64::from(want.code) {
        wrong("status code", &code, &want.code);
    }
    if span.failed != want.fails() {
        wrong("error status", &span.failed, &want.fails());
    }
    let cluster = trace.destination(span).unwrap_or("absent");
    if let Some(to) = want.to.filter(|to| *to != cluster) {
        wrong(key::CLUSTER, &cluster, &to);
    }
    let reason = span.text(key::SAMPLING_REASON).unwrap_or("none");
    if reason != want.reason.unwrap_or("none") {
        wrong(key::SAMPLING_REASON, &reason, &want.reason.unwrap_or("none"));
    }
    let tries = span.integer(key::ATTEMPTS).unwrap_or(1);
    if tries != i64::from(want.tries) {
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
