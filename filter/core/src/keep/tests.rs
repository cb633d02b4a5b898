use super::*;
use crate::id::Generator;
use crate::shared::tests::{Faults, Process};
use std::cell::RefCell;

const SEC: u64 = 1_000_000_000;

fn trace(high: u64, low: u64) -> TraceId {
    TraceId::from_halves(high, low).unwrap()
}

#[test]
fn failures_and_slow_requests_are_kept_where_they_are_wanted() {
    use Reason::{Error, Slow};
    let grpc = |code: &str| crate::semconv::grpc::status(code.as_bytes());
    let limit = Duration::from_millis(500);
    let both = Policy { errors: true, slower_than: Some(limit) };
    let (errors, slow) = (Policy { slower_than: None, ..both }, Policy { errors: false, ..both });
    for (why, policy, status, grpc_status, millis, want) in [
        ("a good response", both, Some(200), None, 500, None),
        ("a slow one", both, Some(200), None, 501, Some(Slow)),
        ("slowness is not asked for", errors, Some(200), None, 501, None),
        ("a failure", both, Some(500), None, 1, Some(Error)),
        ("a slow failure is a failure", both, Some(503), None, 9000, Some(Error)),
        ("unless failures are not asked for", slow, Some(503), None, 9000, Some(Slow)),
        ("a fast failure", slow, Some(503), None, 1, None),
        ("a client's mistake", both, Some(404), None, 1, None),
        ("no status", both, None, None, 1, None),
        ("a call that failed", both, Some(200), grpc("14"), 1, Some(Error)),
        ("a call whose client was wrong", both, Some(200), grpc("5"), 1, None),
        ("a call that has not ended", both, Some(200), None, 1, None),
        ("a call that met no server", both, Some(503), None, 1, Some(Error)),
        ("the call's status wins", both, Some(503), grpc("0"), 1, None),
        ("nothing is asked for", Policy::default(), Some(500), None, 9000, None),
    ] {
        let elapsed = Duration::from_millis(millis);
        let got = policy.at_response_headers(status, grpc_status, elapsed);
        assert_eq!(got, want, "{why}");
    }
    assert_eq!([both, errors, slow].map(|it| it.is_off()), [false; 3]);
    assert!(Policy::default().is_off());
}

#[test]
fn at_the_end_the_outcome_counts() {
    let policy = Policy { errors: true, slower_than: Some(Duration::from_secs(1)) };
    let failed = Outcome::Failed("incomplete".into());
    let fast = Duration::ZERO;
    assert_eq!(policy.at_end(&failed, fast), Some(Reason::Error));
    assert_eq!(policy.at_end(&Outcome::Fine, fast), None);
    assert_eq!(policy.at_end(&Outcome::Fine, Duration::from_secs(2)), Some(Reason::Slow));
    assert_eq!(Policy::default().at_end(&failed, fast), None);
    assert_eq!([Reason::Error, Reason::Slow].map(Reason::name), ["error", "slow"]);
}

fn tell(trace: TraceId, now: u64, process: &RefCell<Process>) -> Told {
    Kept::new().tell(trace, Monotonic(now), &mut Process::calls(process))
}

fn is_told(trace: TraceId, now: u64, process: &RefCell<Process>) -> bool {
    Kept::new().is_told(trace, Monotonic(now), &mut Process::calls(process))
}

#[test]
fn what_one_worker_tells_all_hear_for_a_minute() {
    let (process, it) = (Process::new(), trace(7, 7));
    assert!(!is_told(it, SEC, &process));
    assert_eq!(tell(it, SEC, &process), Told::All);
    for other in [trace(7, 8), trace(8, 7), trace(0, 7), trace(7 << 32, 0)] {
        assert!(!is_told(other, SEC, &process), "{other}");
    }
    tell(trace(7, 9), SEC, &process);
    assert!(!is_told(trace(9, 7), SEC, &process), "halves are not exchanged");
    assert!(is_told(it, SEC, &process));
    assert!(is_told(it, 61 * SEC - 1, &process));
    assert!(!is_told(it, 61 * SEC, &process));
    assert!(!is_told(it, SEC / 2, &process), "a clock that went back does not make it live longer");
}

#[test]
fn telling_twice_writes_once_in_half_a_minute() {
    let (process, it) = (Process::new(), trace(0, 1));
    for (now, sets) in [(SEC, 1), (2 * SEC, 1), (31 * SEC - 1, 1), (31 * SEC, 2)] {
        assert_eq!(tell(it, now, &process), Told::All);
        assert_eq!(process.borrow().sets, sets, "{now}");
    }
    assert!(is_told(it, 90 * SEC, &process));
}

#[test]
fn a_thousand_traces_have_room_and_more_push_out_the_oldest() {
    for (why, id) in [
        ("random ids", None),
        ("ids that count", Some((|n| trace(0, n)) as fn(u64) -> TraceId)),
        ("ids that count in front", Some(|n| trace(n, 0))),
        ("ids with the time in front", Some(|n| trace(0x6741_2345_0000_0000 | n, n << 40 | 1))),
    ] {
        let (process, mut ids) = (Process::new(), Generator::new([5; 32]));
        let traces: Vec<_> =
            (1..=4000).map(|n| id.map_or_else(|| ids.trace_id(), |id| id(n))).collect();
        let told =
            |range: &[TraceId]| range.iter().filter(|it| is_told(**it, SEC, &process)).count();
        let mut pushed_out = 0;
        for (at, it) in traces.iter().enumerate() {
            pushed_out += usize::from(tell(*it, SEC, &process) == Told::InPlaceOfAnother);
            if at == 499 {
                assert!(told(&traces[..500]) > 480, "{why}");
            }
        }
        assert_eq!(told(&traces), 4000 - pushed_out, "{why}: each that went is counted");
        assert!(told(&traces[3500..]) > 480, "{why}: the newest stay");
        assert_eq!(told(&traces[..2000]), 0, "{why}: the oldest went");
        let bytes: usize = process.borrow().values.values().map(|(value, _)| value.len()).sum();
        assert!(process.borrow().values.len() <= 64 && bytes <= 64 * 257, "{why}: {bytes}");
    }
}

#[test]
fn an_old_trace_goes_without_a_word() {
    let process = Process::new();
    for n in 1..=4000 {
        assert_ne!(tell(trace(n, n), SEC * n, &process), Told::Nobody);
    }
    let later = (1..=800).map(|n| tell(trace(1 << 40, n), SEC * 5000, &process));
    assert_eq!(later.filter(|it| *it == Told::InPlaceOfAnother).count(), 0);
}

#[test]
fn nobody_is_told_where_the_host_has_no_shared_data() {
    let (process, it) = (Process::new(), trace(1, 1));
    process.borrow_mut().faults = Faults { set_fails: 256, get_fails: 256, ..Faults::default() };
    assert_eq!(tell(it, SEC, &process), Told::Nobody);
    assert!(!is_told(it, SEC, &process));
    process.borrow_mut().faults = Faults { raced: 256, ..Faults::default() };
    assert_eq!(tell(it, SEC, &process), Told::Nobody);
}

#[test]
fn times_at_their_end_are_survived() {
    let (process, it) = (Process::new(), trace(1, 1));
    assert_eq!(tell(it, u64::MAX, &process), Told::All);
    assert!(!is_told(it, u64::MAX, &process), "nothing is left of it");
    assert_eq!(tell(it, 0, &process), Told::All);
    assert!(is_told(it, 0, &process));
}
