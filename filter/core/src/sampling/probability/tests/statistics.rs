//! Kept spans tell how many there were: counts from adjusted counts match the true ones within
//! five times their standard error, with a fixed seed.

use super::*;
use crate::id::Generator;

/// A collector: what it knows of the true numbers is what kept spans say.
#[derive(Default)]
struct Counted {
    /// Traces that were there.
    truth: f64,
    /// The sum of adjusted counts.
    estimate: f64,
    /// Its variance.
    variance: f64,
}

impl Counted {
    /// `list` is that of a span, if it was kept.
    fn count(&mut self, share: f64, list: Option<&str>) {
        self.truth += 1.0;
        self.variance += (1.0 - share) / share;
        let Some(list) = list else { return };
        let rejected = said(list).0.map_or(0, |it| u64::from_str_radix(&it, 16).unwrap());
        self.estimate += 2.0_f64.powi(56) / (2.0_f64.powi(56) - rejected as f64);
    }

    #[track_caller]
    fn is_right(&self, why: &str) {
        let Self { truth, estimate, variance } = self;
        let sigma = variance.sqrt();
        assert!(
            (estimate - truth).abs() <= 5.0 * sigma,
            "{why}: {estimate} ± {sigma}, not {truth}"
        );
    }
}

/// One hop that decides for itself, after another.
fn decide(share: f64, list: &str, trace_id: TraceId) -> (bool, String) {
    let mut ot = OtMember::of(list.as_bytes());
    let kept = ot.decide(ratio(share), trace_id);
    (kept, String::from_utf8(ot.apply(list.as_bytes().into()).into_owned()).unwrap())
}

const TRACES: usize = 50_000;

#[test]
fn kept_spans_tell_how_many_there_were() {
    for share in [0.000_3, 0.01, 0.1, 1.0 / 3.0, 0.75, 0.999] {
        let mut ids = Generator::new([3; 32]);
        let mut counted = Counted::default();
        for _ in 0..TRACES {
            let (kept, list) = decide(share, "vendor=1", ids.trace_id());
            counted.count(share, kept.then_some(&list));
        }
        counted.is_right(&format!("{share}"));
    }
}

#[test]
fn two_hops_of_different_ratios_are_each_right_and_consistent() {
    for (first, second) in [(0.02, 0.3), (0.3, 0.02), (0.1, 0.1), (1.0, 0.05), (0.05, 1.0)] {
        let mut ids = Generator::new([5; 32]);
        let mut counted = [Counted::default(), Counted::default()];
        for _ in 0..TRACES {
            let trace_id = ids.trace_id();
            let (kept_first, list) = decide(first, "", trace_id);
            let (kept_second, list_second) = decide(second, &list, trace_id);
            counted[0].count(first, kept_first.then_some(&list));
            counted[1].count(second, kept_second.then_some(&list_second));
            assert!(first > second || !kept_first || kept_second, "a lower ratio keeps a part");
            assert!(first < second || !kept_second || kept_first, "of what a higher one keeps");
        }
        for (at, it) in counted.iter().enumerate() {
            it.is_right(&format!("{first}, then {second}: hop {at}"));
        }
    }
}

/// The gateway rolls dice for strangers, whose trace-ids are all the same and whose words are
/// lies; the next hop believes it, the one behind decides anew, by route.
#[test]
fn a_mesh_behind_strangers_is_counted_rightly() {
    let mut ids = Generator::new([7; 32]);
    let trace_id = trace();
    let mut counted: [Counted; 3] = Default::default();
    for at in 0..TRACES {
        let mut ot = OtMember::of(b"ot=th:0;rv:ffffffffffffff");
        let sampled = ot.decide_anew(ratio(0.05), ids.bits());
        let list = ot.apply(Cow::Borrowed(b"ot=th:0;rv:ffffffffffffff")).into_owned();
        let list = String::from_utf8(list).unwrap();
        counted[0].count(0.05, sampled.then_some(&list));

        let mut ot = OtMember::of(list.as_bytes());
        ot.follow(sampled, trace_id);
        let followed = ot.apply(list.as_bytes().into());
        assert_eq!(followed, list.as_bytes(), "it fits, so it goes on");
        counted[1].count(0.05, sampled.then_some(&list));

        // Of what was kept, every route keeps its share of all.
        let share = [0.05, 0.02, 0.005][at % 3];
        let (kept, list) = decide(share, &list, trace_id);
        let kept = kept && sampled;
        counted[2].count(share, kept.then_some(&list));
    }
    for (at, it) in counted.iter().enumerate() {
        it.is_right(&format!("hop {at}"));
    }
}
