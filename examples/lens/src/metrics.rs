//! Metrics of OTLP that Lens understands: requests counted by service and route, and who calls whom.
//!
//! Names and attributes: `docs/metrics.md`; those of edges are the Collector's servicegraph
//! connector's. What is counted is kept, whatever sends it; other metrics are refused by name.

pub mod counter;
pub mod latency;
mod read;

pub use read::{Refused, read};

use counter::Total;
use latency::Bounds;

/// One data point: how far a sender counted, or how many there are now.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What is counted.
    pub subject: Subject,
    /// Which of the sender's workers counted.
    pub worker: i64,
    /// What tells this sender's data points of one metric apart.
    pub identity: Vec<u8>,
    /// What it says.
    pub measure: Measure,
}

/// What a data point is about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Subject {
    /// Which side counts, or what else is counted.
    pub kind: Kind,
    /// The service that counts; of an edge, its client.
    pub service: String,
    /// The other end: of a client the cluster that it called, of an edge the server.
    pub peer: String,
    /// `GET /products/{number}`; of an edge, its connection type.
    pub route: String,
    /// Status of the answer.
    pub status: String,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// Requests that a service received.
    Server = 0,
    /// Requests that a service made.
    Client = 1,
    /// Requests from one service to another, as the client saw them.
    Edge = 2,
    /// The same, as the server saw them.
    EdgeServer = 3,
}

/// What a data point says.
#[derive(Clone, Debug)]
pub enum Measure {
    /// Durations, by bucket.
    Durations {
        /// Bounds of the buckets.
        bounds: Bounds,
        /// Whether `total` is new in itself (delta temporality).
        is_delta: bool,
        /// What was counted.
        total: Total,
        /// Whether all of them failed.
        failed: bool,
        /// Whether they are requests of their own, or the durations of those that a counter has.
        counts: bool,
    },
    /// Requests, or those that failed.
    Requests {
        /// Whether `total` is new in itself (delta temporality).
        is_delta: bool,
        /// What was counted.
        total: Total,
        /// Whether these are the failed ones, which are among the others.
        failed: bool,
    },
    /// Requests that are open now.
    Open(i64),
}

impl Kind {
    /// The kind of a stored number.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Server),
            1 => Some(Self::Client),
            2 => Some(Self::Edge),
            3 => Some(Self::EdgeServer),
            _ => None,
        }
    }
}
