//! Minutes of traffic while the collector fails at random: `./build.sh soak [SECONDS]`.
//!
//! Three runs, one after the other, each with a table of what happened: half a minute without a
//! collector, the latency of a steady traffic under each fault, and all faults at random under as
//! much traffic as goes through. `HOPSPAN_SOAK_SECONDS` is for how long the last goes on,
//! `HOPSPAN_SOAK_SEED` has it do again what it did.

mod chaos;
mod fault;
mod latency;
mod outage;
mod run;
mod tally;
mod traffic;

use std::time::Duration;

/// How long the longest run goes on.
fn seconds() -> Duration {
    Duration::from_secs(number("HOPSPAN_SOAK_SECONDS").unwrap_or(600))
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}
