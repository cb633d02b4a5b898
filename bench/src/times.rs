//! Time that a request takes from a core, side by side.
//!
//! An Envoy for each variant runs on the same core, one at a time: in each round they take turns,
//! every second round backwards. The load, the service and the collectors are on the other cores.

use std::time::{Duration, Instant};

use crate::collector::Received;
use crate::cores::Cores;
use crate::envoy::{Envoy, Place};
use crate::load::{Load, Until, word};
use crate::noise::Busy;
use crate::report;
use crate::statistics::permille;
use crate::variant::{self, NONE, Variant};

/// How long it takes, and of what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which; all unless said. "none", which the others are compared with, is always one.
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

/// What was measured of a variant.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) variant: Variant,
    /// Microseconds of the proxy's CPU for each request, by round.
    pub(crate) cpu_us: Vec<f64>,
    /// Requests a second, by round.
    pub(crate) throughput: Vec<f64>,
    /// The share of the core that others took, by round.
    pub(crate) others: Vec<f64>,
    /// Latencies at the fixed rate, by round, sorted.
    pub(crate) latencies: Vec<Vec<Duration>>,
    /// Time until it was ready.
    pub(crate) started_in: Duration,
    /// Resident memory before the first request, and after the last one, in KiB.
    pub(crate) resident: [u64; 2],
    /// Requests in all.
    pub(crate) requests: u64,
    /// What came to its collector.
    pub(crate) received: Received,
}

impl Measured {
    /// What so many of 1000 requests did not exceed at the fixed rate, in microseconds, by round.
    pub(crate) fn latencies_us(&self, of_1000: usize) -> Vec<f64> {
        let micros = |it: &Vec<Duration>| permille(it, of_1000).as_secs_f64() * 1e6;
        self.latencies.iter().map(micros).collect()
    }

    /// One with a slice for each of these microseconds of CPU, in which all latencies were alike.
    #[cfg(test)]
    pub(crate) fn of_slices(name: &'static str, cpu_us: &[f64], latency_us: u64) -> Self {
        let variant = variant::all().into_iter().find(|it| it.name == name).unwrap();
        Self {
            variant,
            cpu_us: cpu_us.to_vec(),
            throughput: vec![1000.0; cpu_us.len()],
            others: vec![0.0; cpu_us.len()],
            latencies: vec![vec![Duration::from_micros(latency_us); 100]; cpu_us.len()],
            started_in: Duration::ZERO,
            resident: [0; 2],
            requests: 0,
            received: Received::default(),
        }
    }
}

/// A variant while it is measured.
struct Contender {
    envoy: Envoy,
    load: Load,
    measured: Measured,
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
        contenders.push(Contender::start(place, variant, options.connections)?);
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

fn turns(
    contenders: &mut [Contender],
    round: u32,
    turn: impl FnMut(&mut Contender) -> Result<(), String>,
) -> Result<(), String> {
    if round.is_multiple_of(2) {
        contenders.iter_mut().try_for_each(turn)
    } else {
        contenders.iter_mut().rev().try_for_each(turn)
    }
}

impl Contender {
    fn start(place: &Place, variant: Variant, connections: u16) -> Result<Self, String> {
        let envoy = place.start(&variant, 1, &[])?;
        let resident = [envoy.resident()?; 2];
        let mut load = Load::connect(envoy.address, connections.into(), &variant.headers)?;
        let learned = Until::Requests(variant.learned);
        let mut requests = load.ask_for(learned, None, word)?.len();
        requests += load.ask(Until::Requests(WARM), None)?.len();
        let measured = Measured {
            variant,
            cpu_us: Vec::new(),
            throughput: Vec::new(),
            others: Vec::new(),
            latencies: Vec::new(),
            started_in: envoy.started_in,
            resident,
            requests: requests as u64,
            received: Received::default(),
        };
        Ok(Self { envoy, load, measured })
    }

    /// As many requests as go through.
    fn full(&mut self, slice: Duration, core: usize) -> Result<(), String> {
        let (busy, cpu, began) = (Busy::now(core)?, self.envoy.cpu()?, Instant::now());
        let requests = self.load.ask(Until::Passed(slice), None)?.len();
        let (cpu, passed) = (self.envoy.cpu()?.saturating_sub(cpu), began.elapsed());
        let others = Busy::now(core)?.since(busy).saturating_sub(cpu);
        let measured = &mut self.measured;
        measured.cpu_us.push(cpu.as_secs_f64() * 1e6 / requests as f64);
        measured.throughput.push(requests as f64 / passed.as_secs_f64());
        measured.others.push(others.as_secs_f64() / passed.as_secs_f64());
        self.after(requests)
    }

    /// So many requests a second.
    fn steady(&mut self, slice: Duration, rate: f64) -> Result<(), String> {
        let mut took = self.load.ask(Until::Passed(slice), Some(rate))?;
        took.sort_unstable();
        let requests = took.len();
        self.measured.latencies.push(took);
        self.after(requests)
    }

    /// Between slices, where it takes nobody's time, what arrived is decoded.
    fn after(&mut self, requests: usize) -> Result<(), String> {
        self.measured.requests += requests as u64;
        self.envoy.collector.wait_for(0, &mut self.measured.received)
    }

    fn end(self) -> Result<Measured, String> {
        let Self { envoy, load: _, mut measured } = self;
        let spans = measured.variant.spans.expected(measured.requests);
        envoy.collector.wait_for(spans, &mut measured.received)?;
        let [_, last] = &mut measured.resident;
        *last = envoy.resident()?;
        Ok(measured)
    }
}

/// Requests before anything is measured: V8 compiles twice.
const WARM: u64 = 20_000;
