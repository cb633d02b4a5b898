use super::*;
use crate::shared::tests::{Faults, Process};
use std::cell::RefCell;
use std::collections::BTreeMap;

const SEC: u64 = 1_000_000_000;

fn floor(per_minute: u32) -> Floor {
    Floor::new(NonZeroU32::new(per_minute).unwrap())
}

/// Of each route and minute how many requests came, and how many were kept.
type Minutes = BTreeMap<(u64, u64), (u64, u64)>;

/// Requests of so many routes that come at random to eight workers, of which one is in the midst
/// of its host calls when another has its turn. The last is the number forgotten.
fn run(per_minute: u32, routes: u64, faults: Faults) -> (Minutes, u64) {
    let workers = (0..8).map(|_| floor(per_minute)).collect();
    let process = Process::of(workers, [per_minute as u8; 32]);
    process.borrow_mut().faults = faults;
    let (minutes, now) = (RefCell::new(Minutes::new()), RefCell::new(0));
    let forgotten = RefCell::new(0);
    let gap = 5 * MINUTE / (routes * 100);
    while *now.borrow() < 5 * MINUTE {
        *now.borrow_mut() += process.borrow_mut().dice.bits() % (2 * gap);
        // Some routes are far busier than others.
        let dice = process.borrow_mut().dice.bits();
        let route = (dice % routes).min((dice >> 32) % routes);
        let name = format!("shop|{}|v{}", route * 7919, route % 3);
        Process::turn(&process, &|worker: &mut Floor, calls| {
            let now = *now.borrow();
            let kept = worker.wants(name.as_bytes(), Monotonic(now), calls);
            let mut minutes = minutes.borrow_mut();
            let (came, all) = minutes.entry((route, now / MINUTE)).or_default();
            (*came, *all) = (*came + 1, *all + u64::from(kept));
            *forgotten.borrow_mut() += worker.forgotten();
        });
    }
    (minutes.into_inner(), forgotten.into_inner())
}

const INTERLEAVED: Faults = Faults { interleaved: 80, raced: 0, set_fails: 0, get_fails: 0 };

#[test]
fn each_route_gets_its_share_of_each_minute_and_no_more() {
    for (per_minute, routes) in [(1, 1), (1, 300), (3, 100), (10, 40), (200, 5)] {
        let (minutes, forgotten) = run(per_minute, routes, INTERLEAVED);
        assert!(minutes.len() as u64 >= routes * 5 / 2, "{} of {routes}", minutes.len());
        for (at, (came, kept)) in minutes {
            assert_eq!(kept, came.min(per_minute.into()), "{at:?} of {routes} at {per_minute}");
        }
        assert_eq!(forgotten, 0);
    }
}

#[test]
fn trouble_makes_for_more_and_never_for_fewer() {
    for (why, faults) in [
        ("half of all writes lose a race", Faults { raced: 128, ..INTERLEAVED }),
        ("one write in ten fails", Faults { set_fails: 25, ..INTERLEAVED }),
        ("no shared data", Faults { set_fails: 256, get_fails: 256, ..INTERLEAVED }),
        ("it may be written only", Faults { get_fails: 256, ..INTERLEAVED }),
    ] {
        let (mut all_kept, mut all_wanted) = (0, 0);
        for (at, (came, kept)) in run(5, 30, faults).0 {
            assert!(kept >= came.min(5), "{why}: {kept} of {came} at {at:?}");
            assert!(kept <= came.min(5 * 8), "{why}: {kept} of {came} at {at:?}");
            (all_kept, all_wanted) = (all_kept + kept, all_wanted + came.min(5));
        }
        assert!(all_kept > all_wanted, "{why}: it had no consequence");
    }
}

#[test]
fn a_table_that_is_too_small_keeps_more_and_says_so() {
    let (minutes, forgotten) = run(2, 2000, INTERLEAVED);
    assert!(minutes.values().all(|(came, kept)| kept >= came.min(&2) && *kept <= 2 * 8));
    assert!(minutes.values().any(|(_, kept)| *kept > 2));
    assert!(forgotten > 500, "{forgotten}");
}

#[test]
fn counts_of_past_minutes_go_without_a_word() {
    let (process, mut it) = (Process::new(), floor(1));
    let mut ask = |routes: u64, now| {
        (0..routes).for_each(|route| {
            ask(&mut it, &format!("{}", route * 7919), now, &process);
        });
        it.forgotten()
    };
    assert!(ask(2000, SEC) > 50);
    assert_eq!(ask(400, MINUTE), 0);
}

/// Asks once, and says whether the request is kept and how many host calls that took.
fn ask(floor: &mut Floor, route: &str, now: u64, process: &RefCell<Process>) -> (bool, u64) {
    let calls = || process.borrow().gets + process.borrow().sets;
    let before = calls();
    let kept = floor.wants(route.as_bytes(), Monotonic(now), &mut Process::calls(process));
    (kept, calls() - before)
}

#[test]
fn a_route_that_has_enough_costs_no_host_call() {
    let (process, mut it, mut other) = (Process::new(), floor(2), floor(2));
    assert_eq!(ask(&mut it, "a", SEC, &process), (true, 2));
    assert_eq!(ask(&mut other, "a", SEC, &process), (true, 2));
    assert_eq!(ask(&mut it, "a", SEC, &process), (false, 1), "it learns that there is enough");
    assert_eq!(ask(&mut it, "a", MINUTE - 1, &process), (false, 0));
    assert_eq!(ask(&mut it, "b", SEC, &process), (true, 2));
    assert_eq!(ask(&mut it, "b", SEC, &process), (true, 2));
    assert_eq!(ask(&mut it, "b", SEC, &process), (false, 0), "it kept them all itself");
    assert_eq!(ask(&mut it, "a", MINUTE, &process), (true, 2), "a new minute");
}

#[test]
fn two_floors_do_not_count_for_each_other() {
    let (process, mut low, mut high) = (Process::new(), floor(1), floor(2));
    assert!(ask(&mut high, "a", SEC, &process).0);
    assert!(ask(&mut low, "a", SEC, &process).0);
    assert!(ask(&mut high, "a", SEC, &process).0);
    assert!(!ask(&mut high, "a", SEC, &process).0);
}

#[test]
fn a_worker_that_lags_behind_the_minute_does_not_reset_it() {
    let (process, mut it, mut lags) = (Process::new(), floor(1), floor(1));
    assert_eq!(ask(&mut it, "a", MINUTE, &process), (true, 2));
    assert_eq!(ask(&mut lags, "a", MINUTE - 1, &process), (true, 1), "kept, but not counted");
    let mut third = floor(1);
    assert_eq!(ask(&mut third, "a", MINUTE, &process), (false, 1));
}

#[test]
fn clocks_may_do_what_they_like() {
    let (process, mut it) = (Process::new(), floor(1));
    for now in [1000 * MINUTE, 0, 5 * MINUTE, u64::MAX, 7 * MINUTE, 3 * MINUTE] {
        let mut other = floor(1);
        assert!(ask(&mut it, "a", now, &process).0, "{now}");
        assert!(!ask(&mut it, "a", now, &process).0, "{now}");
        assert_eq!(ask(&mut other, "a", now, &process), (false, 1), "{now}");
    }
}

#[test]
fn routes_beyond_all_measure_have_no_floor() {
    let (process, mut it) = (Process::new(), floor(1));
    for route in 0..2048 {
        assert!(ask(&mut it, &route.to_string(), SEC, &process).0);
    }
    it.forgotten();
    assert_eq!(ask(&mut it, "one more", SEC, &process), (false, 0));
    assert_eq!((it.forgotten(), it.forgotten()), (1, 0));
    assert_eq!(ask(&mut it, "one more", MINUTE, &process), (true, 2), "until the next minute");
}
