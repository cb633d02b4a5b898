//! Where a hop's context comes from: what the caller sent, what that is worth, and whether
//! the trace is sampled.

use crate::config::Config;
use crate::context::{SpanContext, TraceFlags};
use crate::id::{Generator, SpanId};
use crate::propagation::{self, Extracted};
use crate::request::fields::RequestFields;
use crate::request::{Direction, Headers};
use crate::stats::{Stat, Stats};
use crate::trust::Action;
use std::borrow::Cow;

/// The beginning of a hop.
#[derive(Debug)]
pub struct Origin<'a> {
    /// The context that goes on.
    pub context: SpanContext<'a>,
    /// The caller's span, if its trace goes on.
    pub parent: Option<SpanId>,
    /// The caller's context, if its trace does not.
    pub link: Option<SpanContext<'static>>,
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
        let mut link = None;
        match propagation::extract(fields, headers) {
            Extracted::Nothing => {}
            Extracted::Invalid => stats.count(Stat::ContextInvalid),
            Extracted::Context(remote) => {
                let action = config.trust.action(direction);
                if action != Action::Continue {
                    stats.count(Stat::ContextUntrusted);
                }
                let sampled = match action {
                    Action::Continue => Some(remote.flags.is_sampled()),
                    // The caller chose the trace-id, so it may not choose the dice as well.
                    Action::IgnoreSampling => Some(config.ratio.keeps(ids.bits() >> 8)),
                    Action::Restart => None,
                };
                if let Some(sampled) = sampled {
                    stats.count(Stat::ContextContinued);
                    count_decision(sampled, stats);
                    let flags = remote.flags.with_sampled(sampled);
                    let parent = Some(remote.span_id);
                    let context = SpanContext { span_id: ids.span_id(), flags, ..remote };
                    return Self { context, parent, link: None };
                }
                let tracestate = Cow::Owned(remote.tracestate.into_owned());
                link = Some(SpanContext { tracestate, ..remote });
            }
        }
        stats.count(Stat::ContextStarted);
        let trace_id = ids.trace_id();
        let sampled = config.ratio.keeps(trace_id.randomness());
        count_decision(sampled, stats);
        let flags = TraceFlags::RANDOM.with_sampled(sampled);
        let tracestate = Cow::default();
        let context = SpanContext { trace_id, span_id: ids.span_id(), flags, tracestate };
        Self { context, parent: None, link }
    }
}

fn count_decision(sampled: bool, stats: &mut Stats) {
    stats.count(if sampled { Stat::SamplingSampled } else { Stat::SamplingDropped });
}
