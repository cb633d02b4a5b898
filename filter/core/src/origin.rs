//! Where a hop's context comes from: what the caller sent, what that is worth, and whether
//! the trace is recorded.

use crate::config::Config;
use crate::context::{Decision, Outgoing, Remote, SpanContext, TraceFlags};
use crate::id::{Generator, SpanId};
use crate::propagation::{Extracted, Propagation, baggage};
use crate::request::fields::RequestFields;
use crate::request::{Direction, Headers};
use crate::stats::{Stat, Stats};
use crate::trust::Action;
use std::borrow::Cow;
use std::rc::Rc;

/// The beginning of a hop.
#[derive(Debug)]
pub struct Origin<'a> {
    /// The context that goes on.
    pub outgoing: Outgoing<'a>,
    /// The caller's span, if its trace goes on.
    pub parent: Option<SpanId>,
    /// Contexts that came with the request and do not go on.
    others: Vec<Remote<'a>>,
    /// What was made of the caller's words.
    action: Action,
}

impl<'a> Origin<'a> {
    /// Decides on a request. The listener's direction is asked only where the answer depends
    /// on it.
    pub fn of(
        fields: &RequestFields<'a>,
        headers: Headers<'a>,
        direction: impl FnOnce() -> Direction,
        config: &Config,
        ids: &mut Generator,
        stats: &mut Stats,
    ) -> Self {
        let Extracted { context, decision, conflicts, is_invalid } =
            config.propagation.extract(&fields.trace, headers);
        if is_invalid {
            stats.count(Stat::ContextInvalid);
        }
        if !conflicts.is_empty() {
            stats.count(Stat::ContextConflicts);
        }
        let said_something = context.is_some() || decision != Decision::Defer;
        let action = match said_something {
            true => config.trust.action(direction),
            false => Action::Continue,
        };
        if action != Action::Continue {
            stats.count(Stat::ContextUntrusted);
        }
        // What strangers decide does not count, and their debug flag ends here.
        let decision = if action == Action::Continue { decision } else { Decision::Defer };
        let is_debug = decision == Decision::Debug;
        let mut others = conflicts;
        let (remote, abandoned) = match action {
            Action::Continue | Action::IgnoreSampling => (context, None),
            Action::Restart => (None, context),
        };
        if let Some(remote) = abandoned {
            others.insert(0, remote);
        }
        stats.count(match remote {
            Some(_) => Stat::ContextContinued,
            None => Stat::ContextStarted,
        });
        let Some(Remote { trace_id, span_id, is_short, is_random, tracestate, .. }) = remote else {
            let trace_id = ids.trace_id();
            let ratio = || config.ratio.keeps(trace_id.randomness());
            let flags = TraceFlags::RANDOM.with_sampled(decided(decision, ratio, stats));
            let tracestate = Cow::default();
            let context = SpanContext { trace_id, span_id: ids.span_id(), flags, tracestate };
            let outgoing = Outgoing { context, is_debug, is_short: false };
            return Self { outgoing, parent: None, others, action };
        };
        let ratio = || match action {
            Action::Continue => config.ratio.keeps(trace_id.randomness()),
            // The caller chose the trace-id, so it may not choose the dice as well.
            Action::IgnoreSampling | Action::Restart => config.ratio.keeps(ids.bits() >> 8),
        };
        let sampled = decided(decision, ratio, stats);
        let flags = if is_random { TraceFlags::RANDOM } else { TraceFlags::default() };
        let flags = flags.with_sampled(sampled);
        let context = SpanContext { trace_id, span_id: ids.span_id(), flags, tracestate };
        let outgoing = Outgoing { context, is_debug, is_short };
        Self { outgoing, parent: span_id, others, action }
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
        self.others.iter().filter_map(link).collect()
    }

    /// What the span tells of the baggage; that of an abandoned trace is not read.
    pub fn baggage(
        &self,
        fields: &RequestFields<'_>,
        headers: Headers<'_>,
        propagation: &Propagation,
    ) -> Vec<(Rc<str>, Vec<u8>)> {
        let mut told = Vec::new();
        let keys = &propagation.baggage_attributes;
        if !keys.is_empty() && fields.baggage.is_present() && self.action != Action::Restart {
            baggage::read(headers, keys, |key, value| told.push((Rc::clone(key), value)));
        }
        told
    }
}

/// Whether a trace is recorded: as the caller says, or as the ratio does.
fn decided(decision: Decision, ratio: impl FnOnce() -> bool, stats: &mut Stats) -> bool {
    let sampled = decision.is_sampled().unwrap_or_else(ratio);
    stats.count(if sampled { Stat::SamplingSampled } else { Stat::SamplingDropped });
    sampled
}
