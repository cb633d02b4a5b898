use super::*;
use crate::shared::tests::{Faults, Process};
use std::cell::RefCell;

const SEC: u64 = 1_000_000_000;
const RATES: [u32; 12] = [1, 2, 3, 7, 10, 49, 50, 51, 100, 333, 1000, 10_000];

/// Requests that come at random to eight workers, of which one is in the midst of its host calls
/// when another has its turn, and so on.
#[derive(Clone, Copy)]
struct Load {
    per_second: u32,
    /// Requests a second.
    demand: u64,
    seconds: u64,
    faults: Faults,
    /// How many of 256 requests go to one worker, before the rest is spread over all.
    favoured: u16,
    /// Requests that come together.
    clump: u64,
}

impl Load {
    fn of(per_second: u32, demand: u64) -> Self {
        let seconds = (30_000 / demand).clamp(4, 60);
        let faults = Faults { interleaved: 60, ..Faults::default() };
        Self { per_second, demand, seconds, faults, favoured: 0, clump: 1 }
    }

    /// When traces were let through, from the second second on, and the host calls that it took.
    fn run(&self) -> (Vec<u64>, u64) {
        let limit = NonZeroU32::new(self.per_second).unwrap();
        let workers = (0..8).map(|_| Limiter::new(limit)).collect();
        let process = Process::of(workers, [self.per_second as u8; 32]);
        process.borrow_mut().faults = self.faults;
        process.borrow_mut().favoured = self.favoured;
        let (kept, clock) = (RefCell::new(Vec::new()), RefCell::new(SEC));
        let mut asked = 0;
        while asked < self.demand * self.seconds {
            let gap = process.borrow_mut().dice.bits() % (2 * SEC * self.clump / self.demand);
            *clock.borrow_mut() += gap;
            for _ in 0..self.clump {
                asked += 1;
                Process::turn(&process, &|worker: &mut Limiter, calls| {
                    let now = *clock.borrow();
                    if worker.take(Monotonic(now), calls) {
                        kept.borrow_mut().push(now);
                    }
                });
            }
        }
        let calls = process.borrow().gets + process.borrow().sets;
        (kept.into_inner(), calls)
    }
}

/// The most that any second saw.
fn most_in_a_second(kept: &[u64]) -> usize {
    let inside = |from: usize| kept[from..].partition_point(|it| it - kept[from] < SEC);
    (0..kept.len()).map(inside).max().unwrap_or(0)
}

/// The share of the limit that was used, from the first trace to the last.
fn share(per_second: u32, kept: &[u64]) -> f64 {
    let (first, last) = (kept.first().unwrap_or(&0), kept.last().unwrap_or(&0));
    (kept.len() - 1) as f64 / ((last - first) as f64 / SEC as f64 * f64::from(per_second))
}

fn limiter(per_second: u32) -> Limiter {
    Limiter::new(NonZeroU32::new(per_second).unwrap())
}

const NO_SHARED_DATA: Faults = Faults { interleaved: 0, raced: 0, set_fails: 256, get_fails: 256 };

#[test]
fn no_second_sees_more_than_a_quarter_above_the_limit_and_one() {
    for per_second in RATES {
        for (why, times, favoured, clump, raced) in [
            ("a little more than may pass", 1, 0, 1, 0),
            ("a flood", 10, 0, 1, 0),
            ("a flood of clumps", 10, 0, 200, 0),
            ("nearly all at one worker", 4, 240, 1, 0),
            ("a host that lets one try in three fail", 4, 0, 3, 85),
        ] {
            let mut load = Load::of(per_second, u64::from(per_second) * times + 1);
            (load.favoured, load.clump, load.faults.raced) = (favoured, clump, raced);
            let (most, bound) = (most_in_a_second(&load.run().0), per_second as f64 * 1.25 + 1.0);
            assert!(most as f64 <= bound, "{why}: {most} of {per_second}");
        }
    }
}

#[test]
fn nine_tenths_of_the_limit_pass_where_more_is_asked_for() {
    for per_second in RATES {
        // A low limit has little patience: what comes too late for a token finds the next one.
        let times = if per_second < 10 { 5 } else { 2 };
        for (why, favoured, raced) in [
            ("spread evenly", 0, 0),
            ("nearly all at one worker", 240, 0),
            ("half at one worker", 128, 0),
            ("a host that lets one try in three fail", 0, 85),
        ] {
            let mut load = Load::of(per_second, u64::from(per_second) * times);
            (load.favoured, load.faults.raced) = (favoured, raced);
            let share = share(per_second, &load.run().0);
            assert!(share >= 0.9, "{why}: {share} of {per_second}");
        }
    }
}

#[test]
fn what_is_below_the_limit_passes() {
    for per_second in [10, 1000] {
        let load = Load::of(per_second, u64::from(per_second) / 4);
        let asked = (load.demand * load.seconds) as f64;
        let passed = load.run().0.len() as f64;
        assert!(passed > asked * 0.97, "{passed} of {asked} at {per_second}");
    }
}

#[test]
fn host_calls_grow_rare_with_the_load() {
    for (per_second, times, most) in
        [(10, 100, 0.2), (1000, 1, 0.9), (1000, 10, 0.2), (10_000, 2, 0.1)]
    {
        let load = Load::of(per_second, u64::from(per_second) * times);
        let calls = load.run().1 as f64 / (load.demand * load.seconds) as f64;
        assert!(calls < most, "{calls} host calls a request at {times} × {per_second}");
    }
}

#[test]
fn without_shared_data_each_worker_has_the_limit_for_itself() {
    for per_second in RATES {
        for (why, faults) in [
            ("none at all", NO_SHARED_DATA),
            ("it may be read only", Faults { set_fails: 256, ..Faults::default() }),
            ("it may be written only", Faults { get_fails: 256, ..Faults::default() }),
        ] {
            let mut load = Load::of(per_second, u64::from(per_second) * 40);
            load.faults = faults;
            let (kept, _) = load.run();
            let bound = 8.0 * (f64::from(per_second) * 1.25 + 1.0);
            assert!(most_in_a_second(&kept) as f64 <= bound, "{why}: {per_second}");
            assert!(share(per_second, &kept) >= 0.9, "{why}: {per_second}");
        }
    }
}

/// Asks once, and says whether there was a token and how many host calls that took.
fn ask(limiter: &mut Limiter, now: u64, process: &RefCell<Process>) -> (bool, u64) {
    let calls = || process.borrow().gets + process.borrow().sets;
    let before = calls();
    let taken = limiter.take(Monotonic(now), &mut Process::calls(process));
    (taken, calls() - before)
}

#[test]
fn a_refusal_is_remembered_until_there_can_be_a_token() {
    let (process, mut it, mut other) = (Process::new(), limiter(2), limiter(2));
    let half = SEC / 2;
    assert_eq!(ask(&mut it, SEC, &process), (true, 2));
    assert_eq!(ask(&mut it, SEC, &process), (false, 1), "the next is due in 350 ms");
    assert_eq!(ask(&mut it, SEC + half * 7 / 10 - 1, &process), (false, 0));
    assert_eq!(ask(&mut other, SEC + half * 7 / 10, &process), (true, 2));
    assert_eq!(ask(&mut it, SEC + half * 7 / 10, &process), (false, 1), "another had it");
    assert_eq!(ask(&mut it, SEC + half * 17 / 10 - 1, &process), (false, 0));
    assert_eq!(ask(&mut it, SEC + half * 17 / 10, &process), (true, 2));
}

#[test]
fn leased_tokens_cost_nothing_and_spoil() {
    let (process, mut it) = (Process::new(), limiter(1000));
    let mut now = SEC;
    let mut next = |after: u64| {
        now += after;
        ask(&mut it, now, &process)
    };
    let calls: u64 = (0..2000).map(|_| next(SEC / 900).1).sum();
    assert!(calls < 2 * (2000 / 20 + 80), "{calls} host calls for 2000 tokens");
    while next(SEC / 900) != (true, 2) {}
    assert_eq!(next(SEC / 10 + 1), (true, 2), "what was leased is too old: another lease");
    assert_eq!(next(SEC / 100), (true, 2), "which was of one token, after such a loss");
}

/// Bursts with long pauses between them, which is the worst for a worker that leases ahead.
#[test]
fn one_token_in_seventeen_is_lost_at_most() {
    for burst in [1, 5, 20, 33, 100, 1000] {
        let (process, mut it) = (Process::new(), limiter(10_000));
        let (mut now, mut used, mut lost) = (SEC, 0, 0);
        for _ in 0..3000 / burst {
            for _ in 0..burst {
                now += SEC / 5000;
                used += u64::from(ask(&mut it, now, &process).0);
            }
            lost += it.tokens;
            now += SEC;
        }
        assert!(lost <= used / 16, "{burst}: {lost} of {used}");
        assert!(lost > 0 || burst < 33, "{burst}: nothing was leased ahead");
    }
}

#[test]
fn clocks_may_do_what_they_like() {
    let (process, mut it) = (Process::new(), limiter(1));
    let mut jump = |to: u64| ask(&mut it, to, &process).0;
    assert!(jump(1000 * SEC));
    assert!(!jump(1000 * SEC));
    assert!(jump(5000 * SEC), "ahead: nothing is saved up");
    assert!(!jump(5000 * SEC + SEC / 10));
    assert!(jump(100 * SEC), "far back: trouble that has passed");
    assert!(!jump(100 * SEC + SEC / 10));
    assert!(!jump(98 * SEC), "a little back: it is waited out");
    assert!(jump(101 * SEC));
    assert!(jump(0), "a clock that fails");
    assert!(!jump(0));
    assert!(jump(u64::MAX - 10 * SEC));
    assert!(!jump(u64::MAX), "at the end of time, nothing is added any more");
    assert!(jump(2 * SEC));
}

#[test]
fn an_absurd_value_heals_itself() {
    for (why, value) in
        [("the end of time", u64::MAX), ("an hour ahead", 3700 * SEC), ("the beginning", 0)]
    {
        let (process, mut it) = (Process::new(), limiter(10));
        let table = Table::new("hopspan.limit", 1, 16);
        table.update(10, &mut Process::calls(&process), |_| Some(value));
        assert!(ask(&mut it, 100 * SEC, &process).0, "{why}");
        let more = (0..100).filter(|_| ask(&mut it, 100 * SEC, &process).0).count();
        assert_eq!(more, 1, "{why}: and the limit holds");
    }
}

#[test]
fn two_rates_do_not_hold_each_other_up() {
    let (process, mut slow, mut fast) = (Process::new(), limiter(1), limiter(1000));
    assert!(ask(&mut slow, SEC, &process).0);
    let passed = (0..100).filter(|it| ask(&mut fast, SEC + it * SEC / 500, &process).0).count();
    assert_eq!(passed, 100);
    assert!(!ask(&mut slow, SEC + SEC / 2, &process).0);
    assert_eq!(process.borrow().values.len(), 1, "and all is under one key");
}
