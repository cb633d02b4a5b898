//! The known key that somebody may have meant.

/// The nearest of `known` to `path`, if any is near: by its last part, which may only stand
/// in the wrong group, or as a whole, if its group is not right already.
pub(super) fn key<'a>(path: &str, known: &'a [String]) -> Option<&'a str> {
    let near = |it: &'a String| {
        let ((group, last), (known_group, known_last)) = (split(path), split(it));
        let whole = (group != known_group).then(|| near(path, it)).flatten();
        let score = whole.into_iter().chain(near(last, known_last)).min()?;
        Some((score, distance(path, it), it.as_str()))
    };
    known.iter().filter_map(near).min().map(|(_, _, it)| it)
}

/// The distance, if at most a third of the longer one is different.
fn near(a: &str, b: &str) -> Option<usize> {
    Some(distance(a, b)).filter(|it| *it <= a.chars().count().max(b.chars().count()) / 3)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// How many characters must be added, removed or replaced to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, y) in cells.zip(b.chars()) {
            let replaced = diagonal.saturating_add(usize::from(x != y));
            diagonal = *cell;
            left = replaced.min(left.saturating_add(1)).min(cell.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_nearest_key_is_one_that_could_be_meant() {
        let known = ["batch", "batch.max_queue_size", "batch.max_queue_bytes", "sampling.ratio"];
        let known = known.map(str::to_owned);
        for (why, path, want) in [
            ("a letter too many", "batchs", Some("batch")),
            ("another case", "batch.maxQueueSize", Some("batch.max_queue_size")),
            ("a word left out", "batch.queue_size", Some("batch.max_queue_size")),
            ("outside its group", "max_queue_bytes", Some("batch.max_queue_bytes")),
            ("in the wrong group", "sampling.max_queue_bytes", Some("batch.max_queue_bytes")),
            ("a group misspelt", "samplig.ratio", Some("sampling.ratio")),
            ("another separator", "sampling_ratio", Some("sampling.ratio")),
            ("only the group is the same", "sampling.rules", None),
            ("nothing like it", "zzz", None),
            ("nothing at all", "", None),
        ] {
            assert_eq!(key(path, &known), want, "{why}");
        }
    }

    /// By its definition, in exponential time.
    fn naive(a: &[char], b: &[char]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([x, a @ ..], [y, b @ ..]) if x == y => naive(a, b),
            ([_, c @ ..], [_, d @ ..]) => 1 + naive(c, d).min(naive(a, d)).min(naive(c, b)),
        }
    }

    proptest! {
        #[test]
        fn distance_agrees_with_its_definition(a in "[abé]{0,6}", b in "[abé]{0,6}") {
            let [x, y] = [&a, &b].map(|it| it.chars().collect::<Vec<_>>());
            prop_assert_eq!(distance(&a, &b), naive(&x, &y));
        }
    }
}
