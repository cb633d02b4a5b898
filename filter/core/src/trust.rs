//! What an incoming trace context is worth.

use crate::request::Direction;

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

/// `trust.default`, as far as it could be settled when the configuration was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// The same for all requests.
    Always(Action),
    /// A listener without direction is a gateway's, and gateways face strangers.
    ByDirection,
}

impl Policy {
    /// `auto` for a known direction. Istio's waypoints are gateways inside the mesh, so
    /// what reaches them is trusted.
    pub fn auto(direction: Option<Direction>, waypoint: bool) -> Self {
        match direction {
            None => Self::ByDirection,
            Some(Direction::Gateway) if !waypoint => Self::Always(Action::IgnoreSampling),
            Some(_) => Self::Always(Action::Continue),
        }
    }

    /// What to do with a context. `direction` is asked only where the answer depends on it.
    pub fn action(self, direction: impl FnOnce() -> Direction) -> Action {
        match self {
            Self::Always(action) => action,
            Self::ByDirection => match direction() {
                Direction::Gateway => Action::IgnoreSampling,
                Direction::Inbound | Direction::Outbound => Action::Continue,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_trusts_everyone_but_callers_of_a_gateway() {
        use Direction::{Gateway, Inbound, Outbound};
        for (why, configured, waypoint, listener, want) in [
            ("inbound", Some(Inbound), false, None, Action::Continue),
            ("outbound", Some(Outbound), false, None, Action::Continue),
            ("gateway", Some(Gateway), false, None, Action::IgnoreSampling),
            ("waypoint", Some(Gateway), true, None, Action::Continue),
            ("inbound listener", None, false, Some(Inbound), Action::Continue),
            ("outbound listener", None, false, Some(Outbound), Action::Continue),
            ("listener without direction", None, false, Some(Gateway), Action::IgnoreSampling),
        ] {
            let policy = Policy::auto(configured, waypoint);
            assert_eq!(policy.action(|| listener.expect("asked in vain")), want, "{why}");
        }
    }
}
