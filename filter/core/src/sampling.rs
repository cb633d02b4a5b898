//! Which traces are recorded.

pub mod threshold;
pub mod ratio;
pub mod probability;
pub mod limit;
pub mod floor;
pub mod probes;
pub mod head;

pub use ratio::TraceIdRatio;

/// Why a trace is recorded, where no probability describes that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// A trusted caller's debug flag.
    Debug,
    /// A trusted caller's header.
    Force,
    /// There was a token of a limit, which is no probability.
    MaxPerSecond,
    /// Its route had too few.
    MinPerMinute,
    /// It failed.
    Error,
    /// It took long.
    Slow,
    /// A hop below was kept.
    Below,
}

impl Reason {
    /// As the span tells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Force => "force",
            Self::MaxPerSecond => "max_per_second",
            Self::MinPerMinute => "min_per_minute",
            Self::Error => "error",
            Self::Slow => "slow",
            Self::Below => "below",
        }
    }
}
