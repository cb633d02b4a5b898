//! How long at least one of several things lasted.

use crate::time::Monotonic;
use std::time::Duration;

/// The time that intervals, each from start to end, cover together.
pub(super) fn covered(intervals: &[(Monotonic, Monotonic)]) -> Duration {
    let (mut sum, mut upto) = (Duration::ZERO, Monotonic::default());
    // Few, and in no order: the first of those that go on is looked for again each time.
    let next = |upto| intervals.iter().filter(|(_, end)| *end > upto).min_by_key(|it| it.0);
    while let Some((start, end)) = next(upto) {
        sum = sum.saturating_add(end.since(upto.max(*start)));
        upto = *end;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn covers_each_moment_once(list in prop::collection::vec((0_u8..100, 0_u8..30), 0..12)) {
            let at = |it: u8| Monotonic(1_000 + u64::from(it));
            let intervals: Vec<_> =
                list.iter().map(|(start, length)| (at(*start), at(start + length))).collect();
            let mut seen = [false; 256];
            for (start, length) in list {
                (start..start + length).for_each(|it| seen[usize::from(it)] = true);
            }
            let moments = seen.iter().filter(|it| **it).count();
            prop_assert_eq!(covered(&intervals), Duration::from_nanos(u64::try_from(moments).unwrap()));
        }

        #[test]
        fn intervals_that_end_before_they_start_cover_nothing(start in 1_u64..100, before in 0_u64..100) {
            let interval = (Monotonic(start), Monotonic(start.saturating_sub(before)));
            prop_assert_eq!(covered(&[interval]), Duration::ZERO);
        }
    }
}
