//! Entries that are found by what they have in common, and never go.

use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher as _};

/// Entries in the order in which they came.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Vec<T>,
    /// Each one's hash and its place, in order.
    index: Vec<(u64, usize)>,
}

// === impl Table ===

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: Vec::new() }
    }
}

impl<T> Table<T> {
    /// All of them.
    pub(super) fn entries(&self) -> &[T] {
        &self.entries
    }

    /// All of them, to be changed.
    pub(super) fn entries_mut(&mut self) -> &mut [T] {
        &mut self.entries
    }

    /// The entry that came with such a hash, and is the one.
    pub(super) fn find(&mut self, hash: u64, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        let start = self.index.partition_point(|(it, _)| *it < hash);
        let alike = self.index.iter().skip(start).take_while(|(it, _)| *it == hash);
        let entries = &self.entries;
        let place = alike.map(|(_, place)| *place).find(|it| entries.get(*it).is_some_and(&is_it));
        self.entries.get_mut(place?)
    }

    /// Takes one more, and shows it.
    pub(super) fn insert(&mut self, hash: u64, entry: T) -> Option<&mut T> {
        let start = self.index.partition_point(|(it, _)| *it < hash);
        self.index.insert(start, (hash, self.entries.len()));
        self.entries.push(entry);
        self.entries.last_mut()
    }
}

/// The hash by which something is found.
pub(super) fn hash_of(key: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    key.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn entries_of_one_hash_are_told_apart() {
    let mut table = Table::default();
    for (hash, name) in [(7, "a"), (3, "b"), (7, "c"), (9, "d")] {
        assert_eq!(table.find(hash, |it| *it == name), None, "{name}");
        assert_eq!(table.insert(hash, name).copied(), Some(name));
    }
    for (hash, name) in [(7, "a"), (3, "b"), (7, "c"), (9, "d")] {
        assert_eq!(table.find(hash, |it| *it == name).copied(), Some(name));
    }
    assert_eq!(table.find(3, |it| *it == "a"), None, "not with another hash");
    assert_eq!(table.entries(), ["a", "b", "c", "d"]);
}
