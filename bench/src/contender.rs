//! A variant that takes turns with others, in slices of a run.

use std::time::{Duration, Instant};

use crate::collector::Received;
use crate::envoy::{Envoy, Place};
use crate::load::{Load, Until, word};
use crate::noise::Busy;
use crate::statistics::permille;
use crate::variant::Variant;

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
        let variant = crate::variant::all().into_iter().find(|it| it.name == name).unwrap();
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
pub(crate) struct Contender {
    envoy: Envoy,
    load: Load,
    /// What was measured so far.
    pub(crate) measured: Measured,
}

impl Contender {
    /// Starts it, and lets it serve until V8 has compiled all.
    pub(crate) fn start(
        place: &Place,
        variant: Variant,
        workers: u32,
        connections: u16,
    ) -> Result<Self, String> {
        let envoy = place.start(&variant, workers, &[])?;
        let resident = [envoy.resident()?; 2];
        let mut load = Load::connect(envoy.address, connections.into(), &variant)?;
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
    pub(crate) fn full(&mut self, slice: Duration, core: usize) -> Result<(), String> {
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
    pub(crate) fn steady(&mut self, slice: Duration, rate: f64) -> Result<(), String> {
        let mut took = self.load.ask(Until::Passed(slice), Some(rate))?;
        took.sort_unstable();
        let requests = took.len();
        self.measured.latencies.push(took);
        self.after(requests)
    }

    /// Between slices, where it takes nobody's time, what arrived is decoded.
    fn after(&mut self, requests: usize) -> Result<(), String> {
        self.measured.requests += requests as u64;
        self.envoy.collector.wait_until(|_| true, &mut self.measured.received)
    }

    /// Ends it, when its last spans have arrived.
    pub(crate) fn end(self) -> Result<Measured, String> {
        let Self { envoy, load: _, mut measured } = self;
        let (variant, requests) = (&measured.variant, measured.requests);
        let enough = |received: &Received| variant.is_all(requests, received);
        envoy.collector.wait_until(enough, &mut measured.received)?;
        let [_, last] = &mut measured.resident;
        *last = envoy.resident()?;
        Ok(measured)
    }
}

/// Each has a turn, in every second round backwards.
pub(crate) fn turns(
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

/// Requests before anything is measured: V8 compiles twice.
const WARM: u64 = 20_000;
