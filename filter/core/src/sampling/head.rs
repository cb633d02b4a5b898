//! The decision at a request's beginning: who makes it, and what it is.
//!
//! The first of these that has something to say: a trusted caller's debug flag, its force
//! header, a health check, the caller's own decision. Otherwise it is ours: by the ratio of the
//! route, of a rule, or of all; what that keeps needs a token of the limit; what is dropped by
//! either may still be kept for the route's sake.

use super::floor::Floor;
use super::limit::Limiter;
use super::probability::OtMember;
use super::probes;
use super::{Reason, TraceIdRatio};
use crate::context::Decision;
use crate::id::TraceId;
use crate::matching::Match;
use crate::matching::candidate::Candidate;
use crate::request::{Fact, Stream};
use crate::shared::Shared;
use crate::time::Monotonic;
use std::num::NonZeroU32;
use std::rc::Rc;

/// What decides on new traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The share of new traces that is kept.
    pub ratio: TraceIdRatio,
    /// Of those that a request fits, the first one has another share.
    pub rules: Vec<(Match, TraceIdRatio)>,
    /// The most new traces that the process keeps in a second.
    pub max_per_second: Option<NonZeroU32>,
    /// How many of each route it keeps in a minute, whatever else is said.
    pub min_per_minute: Option<NonZeroU32>,
    /// A trusted caller's way to have a trace kept.
    pub force: Option<Force>,
    /// Whether trusted callers' health checks are left out.
    pub skip_health_checks: bool,
    /// Whether the proxy's routes have settings of their own.
    pub of_routes: bool,
}

/// A header that has a trace kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Force {
    /// Its name, in lower case.
    pub header: Rc<str>,
    /// Its value; any if there is none.
    pub value: Option<Box<[u8]>>,
}

/// What a caller may wish for. Of those that are not trusted, none counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// What it decided itself.
    pub decision: Decision,
    /// Whether it sent the header that forces.
    pub forced: bool,
    /// Whether the request looks like a health check.
    pub probe: bool,
}

/// What the ratio is compared with.
#[derive(Clone, Copy, Debug)]
pub enum Dice {
    /// The randomness of the trace itself, so that all who decide on it decide alike.
    OfTrace(TraceId),
    /// Random bits of our own, where a stranger chose the trace-id.
    Own(u64),
}

/// Who decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// Nobody: it brings spans to the collector.
    Export,
    /// A trusted caller's debug flag.
    Debug,
    /// A trusted caller's header.
    Force,
    /// It is a health check.
    HealthCheck,
    /// A trusted caller's own decision.
    Caller,
    /// The route's metadata, by which nothing is recorded there.
    Disabled,
    /// The route's metadata, by its ratio.
    Route,
    /// A rule, by its place.
    Rule(usize),
    /// The ratio for all.
    Ratio,
    /// The limit of the process, which had no token.
    MaxPerSecond,
    /// The floor of the route.
    MinPerMinute,
}

/// What was decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Whether the trace is recorded.
    pub sampled: bool,
    /// Who decided.
    pub by: By,
    /// The share that was asked for, where one decided.
    pub ratio: Option<TraceIdRatio>,
    /// Why it is recorded, where no probability describes it.
    pub reason: Option<Reason>,
}

/// What decides in one worker.
#[derive(Debug)]
pub struct Sampler {
    limiter: Option<Limiter>,
    floor: Option<Floor>,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            ratio: TraceIdRatio::ALL,
            rules: Vec::new(),
            max_per_second: None,
            min_per_minute: None,
            force: None,
            skip_health_checks: true,
            of_routes: false,
        }
    }
}

impl Settings {
    /// What the caller of a request wishes for, if it is to be trusted.
    pub fn wishes<S: Stream>(&self, decision: Decision, request: &Candidate<'_, S>) -> Wishes {
        let fields = request.fields;
        let forces = |it: &Force| match (request.headers.get(it.header.as_bytes()), &it.value) {
            (Some(found), Some(value)) => *found == **value,
            (found, None) => found.is_some(),
            (None, Some(_)) => false,
        };
        Wishes {
            decision,
            forced: self.force.as_ref().is_some_and(forces),
            probe: self.skip_health_checks && probes::is_probe(fields.user_agent, fields.path),
        }
    }

    /// The share of new traces like this one.
    fn share<S: Stream>(&self, request: &mut Candidate<'_, S>) -> (TraceIdRatio, By) {
        let of_route = if self.of_routes { request.route_ratio() } else { None };
        if let Some(ratio) = of_route.and_then(TraceIdRatio::new) {
            return (ratio, By::Route);
        }
        let fits = |(rule, _): &(Match, _)| rule.holds(request);
        match self.rules.iter().position(fits) {
            Some(at) => (self.rules.get(at).map_or(self.ratio, |(_, it)| *it), By::Rule(at)),
            None => (self.ratio, By::Ratio),
        }
    }
}

// === impl Wishes ===

impl Wishes {
    /// Whether it matters if the caller is trusted.
    pub fn is_any(&self) -> bool {
        self.decision != Decision::Defer || self.forced || self.probe
    }
}

// === impl Verdict ===

impl Verdict {
    fn new(sampled: bool, by: By, reason: Option<Reason>) -> Self {
        Self { sampled, by, ratio: None, reason: reason.filter(|_| sampled) }
    }
}

// === impl Sampler ===

impl Sampler {
    /// Nothing is leased yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            limiter: settings.max_per_second.map(Limiter::new),
            floor: settings.min_per_minute.map(Floor::new),
        }
    }

    /// Decides, and says so in `ot`.
    pub fn decide<S: Stream + Shared>(
        &mut self,
        settings: &Settings,
        wishes: Wishes,
        dice: Dice,
        ot: &mut OtMember,
        request: &mut Candidate<'_, S>,
        now: Monotonic,
    ) -> Verdict {
        let Wishes { decision, forced, probe } = wishes;
        if settings.of_routes && request.is_disabled() {
            return Verdict::new(false, By::Disabled, None);
        }
        if decision == Decision::Debug || forced {
            ot.erase_threshold();
            let (by, reason) = match decision {
                Decision::Debug => (By::Debug, Reason::Debug),
                _ => (By::Force, Reason::Force),
            };
            return Verdict::new(true, by, Some(reason));
        }
        if probe {
            ot.erase_threshold();
            return Verdict::new(false, By::HealthCheck, None);
        }
        if let (Some(sampled), Dice::OfTrace(trace_id)) = (decision.is_sampled(), dice) {
            ot.follow(sampled, trace_id);
            return Verdict::new(sampled, By::Caller, None);
        }
        let (ratio, by) = settings.share(request);
        let sampled = match dice {
            Dice::OfTrace(trace_id) => ot.decide(ratio, trace_id),
            Dice::Own(bits) => ot.decide_anew(ratio, bits),
        };
        let mut verdict = Verdict { ratio: Some(ratio), ..Verdict::new(sampled, by, None) };
        if sampled && let Some(limiter) = &mut self.limiter {
            // How often there is a token is no probability that a span could tell.
            unsay(ot, dice);
            let limited = !limiter.take(now, request.host());
            verdict.sampled = !limited;
            verdict.by = if limited { By::MaxPerSecond } else { by };
            verdict.reason = (!limited).then_some(Reason::MaxPerSecond);
        }
        if let Some(floor) = &mut self.floor {
            let route = request.fact(Fact::RouteName).unwrap_or_default().to_vec();
            if floor.wants(&route, now, request.host()) && !verdict.sampled {
                unsay(ot, dice);
                let reason = Some(Reason::MinPerMinute);
                verdict = Verdict { sampled: true, by: By::MinPerMinute, reason, ..verdict };
            }
        }
        verdict
    }

    /// How often the floor had to forget a route since this was asked last.
    pub fn forgotten(&mut self) -> u64 {
        self.floor.as_mut().map_or(0, Floor::forgotten)
    }
}

/// Takes back what a ratio said. Random bits of our own are of no use without it.
fn unsay(ot: &mut OtMember, dice: Dice) {
    match dice {
        Dice::OfTrace(_) => ot.erase_threshold(),
        Dice::Own(_) => ot.erase(),
    }
}
