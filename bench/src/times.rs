//! Time that a request takes from a core, side by side.
//!
//! An Envoy for each variant runs on the same core, one at a time: in each round they take turns,
//! every second round backwards. The load, the service and the collectors are on the other cores.

use std::time::Duration;

use crate::contender::{Contender, turns};
use crate::cores::Cores;
use crate::envoy::Place;
use crate::report;
use crate::variant::{self, NONE};

/// How long it takes, and of what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which; all unless said. Those that others are compared with come by themselves.
    pub(crate) variants: Vec<String>,
    /// Rounds.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) rounds: u32,
    /// Milliseconds of each slice, two of which each variant has in a round.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(50..))]
    pub(crate) slice_ms: u64,
    /// Connections.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) connections: u16,
    /// Requests a second while latencies are measured, in per cent of what goes through without
    /// tracing.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u8).range(1..=90))]
    pub(crate) rate_percent: u8,
}

/// Measures, and writes the reports.
///
/// # Errors
///
/// Something did not start, or did not export what it should.
pub(crate) fn run(place: &Place, cores: Cores, options: &Options) -> Result<(), String> {
    if cores.count < 2 {
        return Err("two cores are needed: one for the proxy, one for what is around it".into());
    }
    let variants = variant::chosen(&options.variants)?;
    let mut contenders = Vec::new();
    for variant in variants {
        println!("starting and warming up: {}", variant.about);
        contenders.push(Contender::start(place, variant, 1, options.connections)?);
    }
    let slice = Duration::from_millis(options.slice_ms);
    let mut rate = None;
    for round in 0..options.rounds {
        println!("round {} of {}", round + 1, options.rounds);
        turns(&mut contenders, round, |it| it.full(slice, cores.first))?;
        let none = contenders.iter().find(|it| it.measured.variant.name == NONE);
        let fastest = none.and_then(|it| it.measured.throughput.first()).ok_or("no slice")?;
        // The same for all rounds: that of the first.
        let rate = *rate.get_or_insert(fastest * f64::from(options.rate_percent) / 100.0);
        turns(&mut contenders, round, |it| it.steady(slice, rate))?;
    }
    println!("waiting for the last spans");
    let measured: Result<Vec<_>, _> = contenders.into_iter().map(Contender::end).collect();
    report::write(place, &measured?, rate.unwrap_or_default())
}
