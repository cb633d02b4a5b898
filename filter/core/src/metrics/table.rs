//! Entries that are found by what they have in common, and never go; not more than a limit.

use super::histogram::Shape;
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// Entries in the order in which they came.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Vec<T>,
    /// Each one's hash and its place, in order.
    index: Vec<(u64, usize)>,
    /// How many of them are for what finds no room.
    overflows: usize,
    max: usize,
    shape: Shape,
}

/// What an entry is found by.
pub(super) trait Key: Copy + Hash {
    type Entry;
    /// Whether this is the entry.
    fn is_of(&self, entry: &Self::Entry) -> bool;
    /// One that has nothing yet, with histograms of such a shape.
    fn entry(&self, shape: Shape) -> Self::Entry;
    /// What takes the place of this one where there is no room for it: there must be few of them.
    fn other(&self) -> Self;
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) at: usize,
    /// Whether it found no room of its own.
    pub(super) is_other: bool,
}

// === impl Table ===

impl<T> Table<T> {
    /// None yet, and never more than `max`, of which `others` are for what finds no room.
    pub(super) fn new(max: usize, others: usize, shape: Shape) -> Self {
        let max = max.saturating_sub(others);
        Self { entries: Vec::new(), index: Vec::new(), overflows: 0, max, shape }
    }

    /// All of them.
    pub(super) fn entries(&self) -> &[T] {
        &self.entries
    }

    /// All of them, to be changed.
    pub(super) fn entries_mut(&mut self) -> &mut [T] {
        &mut self.entries
    }

    /// Finds a key's entry, or makes it.
    pub(super) fn place(&mut self, key: &impl Key<Entry = T>) -> Place {
        if let Some(at) = self.find(key) {
            return Place { at, is_other: false };
        }
        if self.entries.len().saturating_sub(self.overflows) < self.max {
            return Place { at: self.insert(key), is_other: false };
        }
        let other = key.other();
        let at = self.find(&other).unwrap_or_else(|| {
            self.overflows = self.overflows.saturating_add(1);
            self.insert(&other)
        });
        Place { at, is_other: true }
    }

    fn find(&self, key: &impl Key<Entry = T>) -> Option<usize> {
        let hash = hash_of(key);
        let start = self.index.partition_point(|(it, _)| *it < hash);
        let alike = self.index.iter().skip(start).take_while(|(it, _)| *it == hash);
        let is_it = |at: &usize| self.entries.get(*at).is_some_and(|it| key.is_of(it));
        alike.map(|(_, at)| *at).find(is_it)
    }

    fn insert(&mut self, key: &impl Key<Entry = T>) -> usize {
        let (hash, at) = (hash_of(key), self.entries.len());
        let start = self.index.partition_point(|(it, _)| *it < hash);
        self.index.insert(start, (hash, at));
        self.entries.push(key.entry(self.shape));
        at
    }
}

/// Inlined for each field of a key, [`FxHasher`] would be four kilobytes of the module.
#[derive(Default)]
struct Outlined(FxHasher);

impl Hasher for Outlined {
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

fn hash_of(key: &impl Hash) -> u64 {
    let mut hasher = Outlined::default();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of one hash.
    #[derive(Clone, Copy)]
    struct Name(&'static str);

    impl Hash for Name {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    impl Key for Name {
        type Entry = &'static str;

        fn is_of(&self, entry: &Self::Entry) -> bool {
            *entry == self.0
        }

        fn entry(&self, _: Shape) -> Self::Entry {
            self.0
        }

        fn other(&self) -> Self {
            Self(if self.0 < "x" { "other" } else { "other x" })
        }
    }

    #[test]
    fn entries_of_one_hash_are_told_apart_and_what_finds_no_room_goes_together() {
        let mut table = Table::new(4, 2, Shape::Explicit);
        for (name, at, is_other) in [
            ("a", 0, false),
            ("b", 1, false),
            ("a", 0, false),
            ("c", 2, true),
            ("x", 3, true),
            ("d", 2, true),
            ("b", 1, false),
        ] {
            assert_eq!(table.place(&Name(name)), Place { at, is_other }, "{name}");
        }
        assert_eq!(table.entries(), ["a", "b", "other", "other x"]);
    }

    #[test]
    fn a_table_of_no_size_has_others_alone() {
        let mut table = Table::new(0, 1, Shape::Explicit);
        assert_eq!(table.place(&Name("a")), Place { at: 0, is_other: true });
        assert_eq!(table.entries(), ["other"]);
    }
}
