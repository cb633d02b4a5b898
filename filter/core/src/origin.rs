//! Where a hop's context comes from: what the caller sent, what that is worth, and whether
//! the trace is recorded.

use crate::config::Config;
use crate::context::{Decision, Outgoing, Remote, SpanContext, TraceFlags};
use crate::export::Collector;
use crate::id::{Generator, SpanId};
use crate::matching::candidate::Candidate;
use crate::propagation::announcement::Announced;
use crate::propagation::invalid::Invalid;
use crate::propagation::{Announce, Edit, Extracted, Format, announcement, tracestate};
use crate::request::fields::RequestFields;
use crate::request::{Direction, Stream};
use crate::sampling::head::{By, Dice, Sampler, Verdict, Wishes};
use crate::sampling::probability::OtMember;
use crate::shared::Shared;
use crate::stats::{Stat, Stats};
use crate::time::Monotonic;
use crate::trust::Action;
use std::borrow::Cow;

/// The beginning of a hop.
#[derive(Debug)]
pub struct Origin<'a> {
    /// The context that goes on.
    pub outgoing: Outgoing<'a>,
    /// The caller's span, if its trace goes on.
    pub parent: Option<SpanId>,
    /// What was decided about recording the trace.
    pub verdict: Verdict,
    /// What was made of the caller's words.
    pub action: Action,
    /// The format that the context came in, if one did.
    pub format: Option<Format>,
    /// Whether the caller sent a word of context, unless it brings spans to the collector: to be
    /// counted where it is one that should.
    pub carries: Option<bool>,
    /// Whether the caller is a hopspan that said so, and is trusted.
    pub is_announced: bool,
    /// Whether that one wants to be told by the response of what is kept.
    pub caller_listens: bool,
    /// The service that it calls for, where somebody counts.
    pub caller: Option<Box<str>>,
    /// Whether the caller's word on recording stands: its context can go on as it came.
    is_confirmed: bool,
    /// The caller's context, if a new trace begins in its place.
    abandoned: Option<Remote<'a>>,
    /// Contexts of other traces that came with it.
    pub conflicts: Vec<Remote<'a>>,
}

impl<'a> Origin<'a> {
    /// Decides on a request. The host is asked only for what the answer depends on.
    pub fn of<S: Stream + Shared>(
        request: &mut Candidate<'a, S>,
        config: &Config,
        sampler: &mut Sampler,
        now: Monotonic,
        ids: &mut Generator,
        stats: &mut Stats,
    ) -> Self {
        let is_export = is_export(request.fields, config);
        let mut uncounted = is_export.then(Stats::default);
        let stats = uncounted.as_mut().unwrap_or(stats);
        let Extracted { context, format, decision, conflicts, invalid } =
            config.propagation.extract(&request.fields.trace, request.headers);
        for reason in invalid.iter() {
            stats.count(invalid_stat(reason));
        }
        if !conflicts.is_empty() {
            stats.count(Stat::ContextConflicts);
        }
        let carries = context.is_some() || decision != Decision::Defer;
        let wishes = config.sampling.wishes(decision, request);
        let action = match context.is_some()
            || wishes.is_any()
            || config.without_wishes(request.headers).next().is_some()
        {
            true => config.trust.action(request),
            false => Action::Continue,
        };
        let is_trusted = action == Action::Continue;
        if !is_trusted {
            let explains = config.explains(request.headers).is_some();
            count_untrusted(context.as_ref(), wishes, explains, stats);
        }
        // What strangers wish for does not count, and their debug flag ends here.
        let wishes = if is_trusted { wishes } else { Wishes::default() };
        let is_debug = wishes.decision == Decision::Debug;
        let (remote, abandoned) = match action {
            Action::Continue | Action::IgnoreSampling => (context, None),
            Action::Restart => (None, context),
        };
        let is_new = remote.is_none();
        let Remote { trace_id, span_id: parent, decision, is_short, is_random, tracestate } =
            remote.unwrap_or_else(|| Remote {
                is_random: true,
                ..Remote::new(ids.trace_id(), None, Decision::Defer)
            });
        let announced = parent.and_then(|it| announcement::read(&tracestate, it));
        let announced = announced.filter(|_| is_trusted);
        let is_announced = announced.is_some();
        let caller_listens = announced.is_some_and(|it| it.listens);
        let caller = announced.filter(|_| config.counts()).map(|it| it.service.into());
        let mut ot = OtMember::of(&tracestate);
        // A stranger chose the trace-id, so it may not choose the dice as well.
        let dice =
            if is_trusted || is_new { Dice::OfTrace(trace_id) } else { Dice::Own(ids.bits()) };
        if !is_trusted {
            ot.erase();
        }
        let verdict = match is_export {
            true => Verdict { sampled: false, by: By::Export, ratio: None, reason: None },
            false => sampler.decide(&config.sampling, wishes, dice, &mut ot, request, now),
        };
        count_verdict(&verdict, stats);
        match verdict.by {
            // What has no context goes on without any.
            By::Disabled if is_new && is_trusted => {}
            _ if is_new => stats.count(Stat::ContextStarted),
            _ => stats.count(Stat::ContextContinued),
        }
        stats.add(Stat::KeepForgotten, i64::try_from(sampler.forgotten()).unwrap_or(i64::MAX));
        let tracestate = ot.apply(tracestate::without(tracestate, announcement::KEY));
        let flags = if is_random { TraceFlags::RANDOM } else { TraceFlags::default() };
        let flags = flags.with_sampled(verdict.sampled);
        let context = SpanContext { trace_id, span_id: ids.span_id(), flags, tracestate };
        let outgoing = Outgoing { context, is_debug, is_short, announcement: None };
        let is_confirmed = decision.is_sampled() == Some(verdict.sampled);
        Self {
            outgoing,
            parent,
            verdict,
            action,
            format,
            carries: (!is_export).then_some(carries),
            is_announced,
            caller_listens,
            caller,
            is_confirmed,
            abandoned,
            conflicts,
        }
    }

    /// No span is made here. Whoever comes next is then told of the caller's, where there is one
    /// and its flags stand: a parent that exists, in a header that need not be written.
    ///
    /// Spec: <https://www.w3.org/TR/trace-context-2/#mutating-the-traceparent-field>
    pub fn make_no_span(&mut self) {
        if let Some(parent) = self.parent.filter(|_| self.is_confirmed) {
            self.outgoing.context.span_id = parent;
        }
    }

    /// Tells the next hop who calls, if it is one of ours that needs to know.
    pub fn announce<S: Stream>(
        &mut self,
        request: &mut Candidate<'a, S>,
        config: &Config,
        may_be_kept: bool,
    ) {
        let wanted = match config.announce {
            Announce::Never => false,
            Announce::Auto => may_be_kept || config.counts(),
            Announce::Always => true,
        };
        let may_be_ours = wanted
            && request.direction() != Direction::Inbound
            && !(config.is_istio && request.leaves_the_mesh());
        if may_be_ours {
            let span_id = self.outgoing.context.span_id;
            let service = config.resource.service_name();
            let announced = Announced { service, listens: may_be_kept };
            self.outgoing.announcement = Some(announcement::write(span_id, announced));
        }
    }

    /// The edits that remove who called, and leave all else as it came.
    pub fn without_announcement(&self) -> Vec<Edit> {
        let list = &self.outgoing.context.tracestate;
        match (self.is_announced, list.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => vec![Edit::Remove(tracestate::NAME)],
            (true, false) => vec![Edit::Replace(tracestate::NAME, list.to_vec())],
        }
    }

    /// What the span links. A trace without a span cannot be linked.
    pub fn links(&self) -> Vec<SpanContext<'static>> {
        let link = |it: &Remote<'_>| {
            Some(SpanContext {
                trace_id: it.trace_id,
                span_id: it.span_id?,
                flags: it.flags(),
                tracestate: Cow::Owned(it.tracestate.to_vec()),
            })
        };
        self.abandoned.iter().chain(&self.conflicts).filter_map(link).collect()
    }

    /// Whether the span may tell of the baggage: not of an abandoned trace's.
    pub fn reads_baggage(&self) -> bool {
        self.action != Action::Restart
    }
}

/// Whether a request brings spans or metrics to the collector that hopspan uses itself, whoever
/// sends them.
/// A span of it would go the same way, have a span again, and so on.
fn is_export(fields: &RequestFields<'_>, config: &Config) -> bool {
    let Some(Collector { authority, traces_path, metrics_path, .. }) = &config.collector else {
        return false;
    };
    let goes_to =
        |path: &str| matches!(fields.path.strip_prefix(path.as_bytes()), Some([] | [b'?', ..]));
    // In this order, nearly all requests have been told apart by two lengths.
    fields.method == b"POST"
        && (goes_to(traces_path) || config.metrics.is_some() && goes_to(metrics_path))
        && fields.authority.eq_ignore_ascii_case(authority.as_bytes())
}

/// Counts, on a listener for calls of the service beside the proxy, whether it passes context on.
/// Returns whether it does not.
pub fn count_carried(carries: Option<bool>, direction: Direction, stats: &mut Stats) -> bool {
    let Some(carries) = carries.filter(|_| direction == Direction::Outbound) else { return false };
    stats.count(if carries { Stat::ContextPresent } else { Stat::ContextMissing });
    !carries
}

fn count_verdict(verdict: &Verdict, stats: &mut Stats) {
    stats.count(if verdict.sampled { Stat::SamplingSampled } else { Stat::SamplingDropped });
    match verdict.by {
        By::Debug | By::Force => stats.count(Stat::SamplingForced),
        By::MaxPerSecond => stats.count(Stat::SamplingLimited),
        _ => {}
    }
}

/// Counts what a caller that is not trusted tried, each thing by itself.
fn count_untrusted(
    context: Option<&Remote<'_>>,
    wishes: Wishes,
    explains: bool,
    stats: &mut Stats,
) {
    let Wishes { decision, forced, probe: _ } = wishes;
    let has_member = |it: &Remote<'_>| tracestate::get(&it.tracestate, announcement::KEY).is_some();
    for (tried, stat) in [
        (context.is_some() || decision != Decision::Defer, Stat::UntrustedContext),
        (decision == Decision::Debug, Stat::UntrustedDebug),
        (forced, Stat::UntrustedForce),
        (explains, Stat::UntrustedExplain),
        (context.is_some_and(has_member), Stat::UntrustedMember),
    ] {
        if tried {
            stats.count(stat);
        }
    }
}

/// Where a reason is counted.
fn invalid_stat(reason: Invalid) -> Stat {
    match reason {
        Invalid::Repeated => Stat::InvalidRepeated,
        Invalid::TooLong => Stat::InvalidTooLong,
        Invalid::Version => Stat::InvalidVersion,
        Invalid::ZeroId => Stat::InvalidZeroId,
        Invalid::Incomplete => Stat::InvalidIncomplete,
        Invalid::Tracestate => Stat::InvalidTracestate,
        Invalid::Syntax => Stat::InvalidSyntax,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_counted_under_its_own_name() {
        for reason in Invalid::ALL {
            let name = invalid_stat(reason).name();
            let tag = name.strip_prefix("hopspan.context.invalid.reason=.=");
            let words = tag.and_then(|it| it.strip_suffix(";.;")).unwrap().replace('_', "");
            assert_eq!(words, format!("{reason:?}").to_lowercase());
        }
    }
}
