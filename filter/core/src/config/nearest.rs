//! The known key that somebody may have meant.

/// The nearest of `known` to `path`, if any is near: by their last parts, as a key may only
/// stand in the wrong group, and by the whole of both.
pub(super) fn key<'a>(path: &str, known: &'a [String]) -> Option<&'a str> {
    let near = |it: &'a String| {
        let whole = (distance(path, it), longer(path, it));
        let last = (distance(last(path), last(it)), longer(last(path), last(it)));
        // A third of the longer one may be different.
        let score =
            [whole, last].into_iter().filter(|(far, of)| *far <= of / 3).map(|it| it.0).min()?;
        Some((score, distance(path, it), it.as_str()))
    };
    known.iter().filter_map(near).min().map(|(_, _, it)| it)
}

fn last(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}

fn longer(a: &str, b: &str) -> usize {
    a.chars().count().max(b.chars().count())
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
