//! What may happen to a collector.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::collector::{Collector, Mood, RetryAfter};

/// A fault, or none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// Takes everything at once.
    None,
    /// Connections are refused, and those that were open are cut.
    Down,
    /// An answer that takes nothing or not all, comes late, or not whole.
    Mood(&'static str, Mood),
}

impl Fault {
    /// Makes it so, until [`Fault::end`].
    pub(super) async fn begin(self, collector: &mut Collector) {
        match self {
            Self::None => {}
            Self::Down => collector.close().await,
            Self::Mood(_, mood) => collector.set_mood(mood),
        }
    }

    /// The collector takes everything again.
    pub(super) async fn end(self, collector: &mut Collector) {
        collector.set_mood(Mood::Accepting);
        if self == Self::Down {
            collector.reopen().await;
        }
    }

    /// Whether spans may be with the collector and nobody knows: they are sent again.
    pub(super) fn may_repeat(self) -> bool {
        let unheard = |mood| match mood {
            Mood::Late(after) => after >= TIMEOUT,
            mood => mood == Mood::Cutting,
        };
        match self {
            Self::None => false,
            Self::Down => true,
            Self::Mood(_, mood) => unheard(mood),
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Down => "refuses connections",
            Self::Mood(name, _) => name,
        })
    }
}

/// `collector.timeout_ms` of a soak.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);

/// Each kind that there is.
pub(super) const ALL: [Fault; 10] = [
    Fault::Down,
    Fault::Mood("answers 503", Mood::Failing(503)),
    Fault::Mood("answers 429, come in 1 s", Mood::Busy(429, RetryAfter::Seconds(1))),
    Fault::Mood("answers 503, come at a date", Mood::Busy(503, RetryAfter::Date(1))),
    Fault::Mood("answers 400", Mood::Failing(400)),
    Fault::Mood("answers 413 above 100 spans", Mood::Narrow(100)),
    Fault::Mood("hangs", Mood::Silent),
    Fault::Mood("answers after the time-out", Mood::Late(Duration::from_millis(700))),
    Fault::Mood("is slow", Mood::Late(Duration::from_millis(300))),
    Fault::Mood("cuts its answers", Mood::Cutting),
];
