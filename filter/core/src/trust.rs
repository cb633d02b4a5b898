//! Whom one trusts: what an incoming trace context is worth, and who gets none.

use crate::matching::candidate::Candidate;
use crate::matching::hosts::Hosts;
use crate::matching::{self, Match};
use crate::pattern::Patterns;
use crate::request::{Direction, Fact, Stream};

/// What happens to the context that a caller sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The caller is trusted: its trace goes on, and its sampled flag decides.
    Continue,
    /// A new trace begins, linked to the caller's.
    Restart,
    /// The trace goes on, but whether it is sampled is decided here, by our own dice:
    /// the caller chose the trace-id.
    IgnoreSampling,
}

/// What the context of each caller is worth.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// Of those that a request fits, the first one says it.
    pub rules: Vec<(Match, Action)>,
    /// What holds for all other requests.
    pub default: DefaultAction,
}

/// `trust.default`, as far as it could be settled when the configuration was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DefaultAction {
    /// The same for all requests.
    Always(Action),
    /// A listener without direction is a gateway's, and gateways face strangers.
    #[default]
    ByDirection,
}

/// Third parties, which get no trace headers at all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Egress {
    /// Clusters that lead to them, by name.
    pub clusters: Patterns,
    /// Hosts that are theirs, as requests name them before a route rewrites that.
    pub hosts: Hosts,
}

// === impl Policy ===

impl Policy {
    /// The same action for every request.
    pub fn always(action: Action) -> Self {
        Self { rules: Vec::new(), default: DefaultAction::Always(action) }
    }

    /// `auto` for a known direction, without rules.
    pub fn auto(direction: Option<Direction>, waypoint: bool) -> Self {
        Self { rules: Vec::new(), default: DefaultAction::auto(direction, waypoint) }
    }

    /// The place of the rule that applies, if one does.
    pub fn rule<S: Stream>(&self, request: &mut Candidate<'_, S>) -> Option<usize> {
        self.rules.iter().position(|(rule, _)| rule.holds(request))
    }

    /// What to do with the context of a request.
    pub fn action<S: Stream>(&self, request: &mut Candidate<'_, S>) -> Action {
        match matching::first(&self.rules, request) {
            Some(action) => *action,
            None => self.default.action(request),
        }
    }
}

// === impl DefaultAction ===

impl DefaultAction {
    /// `auto` for a known direction. Istio's waypoints are gateways inside the mesh, so
    /// what reaches them is trusted.
    pub fn auto(direction: Option<Direction>, waypoint: bool) -> Self {
        match direction {
            None => Self::ByDirection,
            Some(Direction::Gateway) if !waypoint => Self::Always(Action::IgnoreSampling),
            Some(_) => Self::Always(Action::Continue),
        }
    }

    /// The direction is asked only where the answer depends on it.
    fn action<S: Stream>(self, request: &mut Candidate<'_, S>) -> Action {
        match self {
            Self::Always(action) => action,
            Self::ByDirection => match request.direction() {
                Direction::Gateway => Action::IgnoreSampling,
                Direction::Inbound | Direction::Outbound => Action::Continue,
            },
        }
    }
}

// === impl Egress ===

impl Egress {
    /// Whether a request goes to one of them. The cluster is asked only where it decides.
    pub fn strips<S: Stream>(&self, request: &mut Candidate<'_, S>) -> bool {
        self.hosts.hold(request)
            || !self.clusters.is_empty()
                && request.fact(Fact::Cluster).is_some_and(|it| self.clusters.hold(it))
    }
}

#[cfg(test)]
mod tests;
