//! From what a sender counted since its beginning to what is new since its last report.

use prost::Message;

/// What one sender counted in one series, in all.
#[derive(Clone, PartialEq, Message)]
pub struct Total {
    /// When counting began, in nanoseconds since 1970. Another one means: from zero again.
    #[prost(fixed64, tag = "1")]
    pub start: u64,
    /// When this was said.
    #[prost(fixed64, tag = "2")]
    pub time: u64,
    /// How many.
    #[prost(uint64, tag = "3")]
    pub count: u64,
    /// Sum of all values.
    #[prost(double, tag = "4")]
    pub sum: f64,
    /// Counts by bucket; empty for plain counters.
    #[prost(uint64, repeated, tag = "5")]
    pub buckets: Vec<u64>,
}

/// What is new.
#[derive(Clone, Debug, PartialEq)]
pub struct New {
    /// How many.
    pub count: u64,
    /// Sum of their values.
    pub sum: f64,
    /// Counts by bucket.
    pub buckets: Vec<u64>,
}

impl Total {
    /// What came since `before`, the last report of the same series.
    ///
    /// `is_known` says whether the sender reported anything earlier: a series that it did not
    /// have then began since. So did all of a sender that began after we listened (in nanoseconds
    /// since 1970). What one that is older says first tells nothing of now: it is where
    /// counting starts.
    ///
    /// `None` if there is nothing to add: also for a report that comes twice or too late.
    #[must_use]
    pub fn since(&self, before: Option<&Self>, is_known: bool, listening: u64) -> Option<New> {
        let zero = Self::default();
        let before = match before {
            Some(before) if before.start == self.start && before.time >= self.time => return None,
            Some(before) if before.start > self.start => return None,
            Some(before) if before.start == self.start && !self.fell(before) => before,
            // From zero again.
            Some(_) => &zero,
            None if is_known || self.start >= listening => &zero,
            None => return None,
        };
        let earlier = before.buckets.iter().copied().chain(std::iter::repeat(0));
        let new = New {
            count: self.count.saturating_sub(before.count),
            sum: (self.sum - before.sum).max(0.0),
            buckets: self.buckets.iter().zip(earlier).map(|(now, was)| now - was).collect(),
        };
        (new.count > 0).then_some(new)
    }

    /// Whether anything is less than before, or counted in other buckets: a new beginning that
    /// the sender does not admit to.
    fn fell(&self, before: &Self) -> bool {
        self.count < before.count
            || self.buckets.len() != before.buckets.len()
            || self.buckets.iter().zip(&before.buckets).any(|(now, was)| now < was)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn total(start: u64, time: u64, count: u64) -> Total {
        let (start, time) = (start * SECOND, time * SECOND);
        Total { start, time, count, sum: count as f64, buckets: vec![count, 0] }
    }

    #[test]
    fn only_what_is_new_is_added() {
        for (why, before, now, is_known, want) in [
            ("some more", Some(total(1, 10, 5)), total(1, 20, 8), true, Some(3)),
            ("nothing more", Some(total(1, 10, 5)), total(1, 20, 5), true, None),
            ("the same report again", Some(total(1, 10, 5)), total(1, 10, 5), true, None),
            ("a report that comes late", Some(total(1, 20, 8)), total(1, 10, 5), true, None),
            ("a new beginning", Some(total(1, 10, 5)), total(12, 20, 3), true, Some(3)),
            ("one of before a new beginning", Some(total(12, 20, 3)), total(1, 19, 9), true, None),
            (
                "a new beginning that is not said",
                Some(total(1, 10, 5)),
                total(1, 20, 2),
                true,
                Some(2),
            ),
            ("a new sender", None, total(100, 110, 5), false, Some(5)),
            (
                "a new sender that had nothing to say for long",
                None,
                total(100, 1_000, 5),
                false,
                Some(5),
            ),
            ("a sender that is older than us", None, total(10, 1_000, 5), false, None),
            ("a new series of a known one", None, total(100, 1_000, 5), true, Some(5)),
        ] {
            let got = now.since(before.as_ref(), is_known, 50 * SECOND).map(|new| new.count);
            assert_eq!(got, want, "{why}");
        }
    }

    #[test]
    fn other_buckets_are_a_new_beginning() {
        let before = Total { buckets: vec![5], ..total(1, 10, 5) };
        let new = total(1, 20, 8).since(Some(&before), true, 0).unwrap();
        assert_eq!((new.count, new.buckets), (8, vec![8, 0]));
    }

    #[test]
    fn buckets_and_sums_are_new_too() {
        let new = total(1, 20, 8).since(Some(&total(1, 10, 5)), true, 0).unwrap();
        assert_eq!(new, New { count: 3, sum: 3.0, buckets: vec![3, 0] });
    }
}
