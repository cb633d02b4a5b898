//! What a steady traffic feels of each fault.

use std::time::Duration;

use tokio::time::sleep;

use super::fault::{self, Fault};
use super::run::Run;
use super::seconds;
use super::traffic::Traffic;
use crate::load::Latencies;

/// Traffic without a fault and with one take turns: whatever else the machine does hits both. Of
/// the turns, the one in the middle is told.
const TURNS: u32 = 7;

#[tokio::test]
#[ignore = "minutes: ./build.sh soak"]
async fn a_steady_traffic_feels_no_fault() {
    let mut run = Run::quick().await;

    let full = run.traffic(None);
    sleep(Duration::from_secs(1)).await;
    full.lap();
    let measured = Duration::from_secs(3);
    sleep(measured).await;
    let capacity = full.lap().count() as f64 / measured.as_secs_f64();
    full.stop().await;
    run.quiet().await;

    let rate = capacity * 0.15;
    println!("\n{rate:.0} requests a second, of {capacity:.0} that go through at most");
    println!("{:<30}{:>12}{:>12}{:>8}", "the collector", "calm p99 ms", "p99 ms", "ratio");
    let turn = seconds() / 5 / fault::ALL.len() as u32 / TURNS / 2;
    let turn = turn.clamp(Duration::from_millis(250), Duration::from_secs(5));
    let traffic = run.traffic(Some(rate));
    let (mut all_calm, mut all_hurt) = (Latencies::default(), Latencies::default());
    for fault in fault::ALL {
        let (mut calm, mut hurt) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            for (fault, turns, all) in
                [(Fault::None, &mut calm, &mut all_calm), (fault, &mut hurt, &mut all_hurt)]
            {
                let took = during(fault, turn, &traffic, &mut run).await;
                turns.push(took.percentile(99));
                all.extend(took);
            }
        }
        row(&fault.to_string(), middle(calm), middle(hurt));
    }
    traffic.stop().await;
    run.quiet().await;
    let [calm, hurt] = [all_calm, all_hurt].map(|it| it.percentile(99));
    row("all turns", calm, hurt);
    // The aim is 1.1, which only a machine that does nothing else can show.
    assert!(hurt < calm * 4, "faults of the collector are felt by the traffic");
}

fn row(what: &str, calm: Duration, hurt: Duration) {
    let [calm, hurt] = [calm, hurt].map(|it| it.as_secs_f64() * 1e3);
    println!("{what:<30}{calm:>12.2}{hurt:>12.2}{:>8.2}", hurt / calm);
}

fn middle(mut turns: Vec<Duration>) -> Duration {
    turns.sort_unstable();
    turns[turns.len() / 2]
}

/// How long requests took for a while with a fault. What it leaves behind is part of it.
async fn during(fault: Fault, turn: Duration, traffic: &Traffic, run: &mut Run) -> Latencies {
    fault.begin(&mut run.collector).await;
    sleep(turn).await;
    fault.end(&mut run.collector).await;
    traffic.lap()
}
