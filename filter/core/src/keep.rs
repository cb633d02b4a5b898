//! `sampling.keep`: what is recorded afterwards, although nobody sampled it.
//!
//! A hop that failed or was slow tells the hops above it to keep theirs: those that asked for
//! it by a response header, [`Traceresponse`]; and those of the same proxy on the other side of
//! an application, by trace-id, through [`Kept`].

pub mod traceresponse;

pub use traceresponse::Traceresponse;

use crate::id::TraceId;
use crate::sampling::Reason;
use crate::semconv::rpc::Status;
use crate::semconv::{Kind, Outcome, http};
use crate::shared::{Shared, Table, Updated};
use crate::time::Monotonic;
use std::time::Duration;

/// Which requests are worth keeping.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// Those that failed, as a server sees it: what its client did wrong is no failure.
    pub errors: bool,
    /// Those that took longer than this.
    pub slower_than: Option<Duration>,
}

/// The trace-ids of which a hop of this process was kept in the last minute.
#[derive(Debug)]
pub struct Kept(Table);

/// Whether other workers will hear of a kept trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// They will.
    All,
    /// They will; but another trace, not a minute old, had to go for it.
    InPlaceOfAnother,
    /// They will not: the host has no shared data, or all of them wrote at once.
    Nobody,
}

/// Long enough for all hops of a request to end; then its place is free.
const LIFETIME: Duration = Duration::from_secs(60);
/// What has so much of it left need not be told again.
const ENOUGH: Duration = Duration::from_secs(30);

// === impl Policy ===

impl Policy {
    /// Whether anything is to be kept at all.
    pub fn is_off(&self) -> bool {
        let Self { errors, slower_than } = self;
        !errors && slower_than.is_none()
    }

    /// Judges a request whose response headers have come: the last moment at which the caller
    /// can be told. A gRPC call has its status there only if it ended without a message.
    pub fn at_response_headers(
        &self,
        status: Option<u16>,
        grpc_status: Option<Status>,
        elapsed: Duration,
    ) -> Option<Reason> {
        let failed = match grpc_status {
            Some(status) => status.is_error(Kind::Server),
            None => status.is_some_and(|it| http::is_error(it, Kind::Server)),
        };
        self.judge(failed, elapsed)
    }

    /// Judges a request that is over, by what a server's span would say of it.
    pub fn at_end(&self, outcome: &Outcome<'_>, elapsed: Duration) -> Option<Reason> {
        self.judge(matches!(outcome, Outcome::Failed(_)), elapsed)
    }

    fn judge(&self, failed: bool, elapsed: Duration) -> Option<Reason> {
        let slow = self.slower_than.is_some_and(|limit| elapsed > limit);
        match (failed && self.errors, slow) {
            (true, _) => Some(Reason::Error),
            (false, true) => Some(Reason::Slow),
            (false, false) => None,
        }
    }
}

// === impl Kept ===

impl Kept {
    /// The table of this process: 1024 traces, 16 KiB.
    pub fn new() -> Self {
        Self(Table::new("hopspan.keep", 64, 16))
    }

    /// Tells all workers that a hop of this trace is kept. Costs a host call to read, and one
    /// to write unless they will know it for a while already.
    pub fn tell(&self, trace_id: TraceId, now: Monotonic, shared: &mut impl Shared) -> Told {
        let updated = self.0.update(hash(trace_id), shared, |until| {
            let known = until.is_some_and(|it| left(it, now) > ENOUGH);
            (!known).then_some(now.plus(LIFETIME).0)
        });
        match updated {
            Updated::Written { evicted: Some(it) } if !left(it, now).is_zero() => {
                Told::InPlaceOfAnother
            }
            Updated::Written { .. } | Updated::Unchanged => Told::All,
            Updated::Raced | Updated::Failed => Told::Nobody,
        }
    }

    /// Whether a worker has told of this trace. Costs a host call.
    pub fn is_told(&self, trace_id: TraceId, now: Monotonic, shared: &mut impl Shared) -> bool {
        self.0.get(hash(trace_id), shared).is_some_and(|until| !left(until, now).is_zero())
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::new()
    }
}

/// How long an entry will live. What ends further ahead than anything lives is not alive: it
/// comes of a clock that went wrong.
fn left(until: u64, now: Monotonic) -> Duration {
    let left = Monotonic(until).since(now);
    if left > LIFETIME { Duration::ZERO } else { left }
}

/// Ids need not be random: some have the time in front, others count.
fn hash(trace_id: TraceId) -> u64 {
    let mixed =
        (trace_id.low() ^ trace_id.high().rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests;
