//! Every fault, at random, under as much traffic as goes through.

use std::time::{Duration, Instant, SystemTime};

use tokio::time::sleep;

use super::fault::{self, Fault};
use super::run::{Quiet, Run};
use super::{number, seconds};
use crate::load::Latencies;

/// Faults between two quiet moments.
const FAULTS: usize = 4;

#[tokio::test]
#[ignore = "minutes: ./build.sh soak"]
async fn faults_at_random_lose_nothing_silently_and_leak_nothing() {
    let seed = number("HOPSPAN_SOAK_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        u64::try_from(now.unwrap().as_millis()).unwrap()
    });
    println!("\nfaults at random for {} s, HOPSPAN_SOAK_SEED={seed}", seconds().as_secs());
    let mut random = Random(seed);
    // Each comes once before any comes again.
    let mut deck = Vec::new();
    let mut run = Run::quick().await;
    let mut felt: Vec<(Fault, Duration, Latencies)> = [Fault::None]
        .into_iter()
        .chain(fault::ALL)
        .map(|it| (it, Duration::ZERO, Latencies::default()))
        .collect();

    println!("{}", Quiet::HEAD);
    let began = Instant::now();
    let mut moments: Vec<Quiet> = Vec::new();
    while began.elapsed() < seconds() {
        let traffic = run.traffic(None);
        let mut may_repeat = false;
        for _ in 0..FAULTS {
            for fault in [random.of(&mut deck), Fault::None] {
                let wait = Duration::from_millis(200 + random.below(2800));
                fault.begin(&mut run.collector).await;
                sleep(wait).await;
                fault.end(&mut run.collector).await;
                may_repeat |= fault.may_repeat();
                let (_, time, took) = felt.iter_mut().find(|it| it.0 == fault).expect("a place");
                *time += wait;
                took.extend(traffic.lap());
            }
        }
        traffic.stop().await;
        let quiet = run.quiet().await;
        println!("{}", quiet.row(began.elapsed()));
        let before = moments.last().map_or(0, |it| it.came.repeated);
        assert!(
            may_repeat || quiet.came.repeated == before,
            "spans came twice although every answer could be heard:\n{}",
            quiet.stats
        );
        moments.push(quiet);
    }

    println!(
        "\n{:<30}{:>8}{:>12}{:>10}{:>10}",
        "the collector", "s", "requests/s", "p50 ms", "p99 ms"
    );
    for (fault, time, took) in felt {
        let seconds = time.as_secs_f64();
        let rate = took.count() as f64 / seconds.max(0.001);
        let [p50, p99] = [50, 99].map(|it| took.percentile(it).as_secs_f64() * 1e3);
        println!("{fault:<30}{seconds:>8.1}{rate:>12.0}{p50:>10.2}{p99:>10.2}");
    }
    println!();
    let stats = moments.last().expect("a quiet moment").stats.to_string();
    let moved = |it: &&str| it.contains("hopspan.") && !it.ends_with(": 0");
    stats.lines().filter(moved).for_each(|it| println!("{it}"));
    assert_memory_is_flat(&moments);
}

/// Of the quiet moments, the later half has no more memory than the first, but for what allocators
/// and V8 do with theirs.
fn assert_memory_is_flat(moments: &[Quiet]) {
    let (first, later) = moments.split_at(moments.len().div_ceil(2));
    let most = |it: &[Quiet]| it.iter().map(|it| it.resident).max().unwrap_or_default();
    let (first, later) = (most(first), most(later));
    println!("resident memory of Envoy: {first} KiB at most, then {later} KiB");
    assert!(later <= first + first / 20 + 4096, "it grows");
}

impl Quiet {
    const HEAD: &str =
        "    after     made exported queue_full other drops repeated retries resident KiB";

    fn row(&self, after: Duration) -> String {
        let (stats, after) = (&self.stats, after.as_secs());
        let full = stats.dropped("queue_full");
        let other = stats.hopspan_sum("spans.dropped.") - full;
        let exported = stats.hopspan("spans.exported");
        let retries = stats.hopspan("export.retries");
        let (made, repeated, resident) = (self.made, self.came.repeated, self.resident);
        format!(
            "{after:>7} s {made:>8} {exported:>8} {full:>10} {other:>11} {repeated:>8} {retries:>7} {resident:>12}"
        )
    }
}

/// SplitMix64: the same seed makes the same run.
///
/// Source: <https://prng.di.unimi.it/splitmix64.c>
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn of(&mut self, deck: &mut Vec<Fault>) -> Fault {
        if deck.is_empty() {
            deck.extend(fault::ALL);
        }
        deck.swap_remove(usize::try_from(self.below(deck.len() as u64)).unwrap())
    }
}
