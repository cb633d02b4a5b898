//! What all workers of a process share: values under keys, written by compare-and-set.
//!
//! A key cannot be deleted, so hopspan has a fixed number of them; what there may be any
//! number of (routes, trace-ids) stands in a [`Table`], which forgets its oldest entries.

/// The host's shared data.
pub trait Shared {
    /// The value under `key`, and the number of the state it is in; `None` where there is
    /// none, or the host does not hand it over.
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Sets the value under `key` if it is still in the state `cas`: as [`Shared::get`] told
    /// it, or [`ABSENT`].
    fn set(&mut self, key: &str, value: &[u8], cas: u32) -> Written;
}

/// How setting a shared value ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Written {
    /// It was set.
    Done,
    /// Another worker has set it since it was read.
    Raced,
    /// The host has no shared data, or none for us.
    Failed,
}

/// The state of a value that is not there. Hosts do not compare the state of a new key, and no
/// value has this one, so setting succeeds only where nobody has set anything. (Their 0
/// means "whatever the state": it would overwrite.)
///
/// Source: <https://github.com/proxy-wasm/proxy-wasm-cpp-host/blob/main/src/shared_data.cc>
pub const ABSENT: u32 = u32::MAX;

/// A bounded table of numbers by hash, spread over a fixed number of keys `<prefix>.<n>`.
///
/// ```text
/// value = layout (1 byte), then, oldest first, entries × ( hash (u64 LE), number (u64 LE) )
/// ```
///
/// A key that is full forgets its oldest entry: that which was written least recently.
/// A value that is not of this form, of another version for instance, counts as empty.
#[derive(Debug)]
pub struct Table {
    keys: Box<[Box<str>]>,
    entries: usize,
}

/// How updating an entry of a [`Table`] ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Updated {
    /// It has its new number.
    Written {
        /// The number of the entry that had to go for it.
        evicted: Option<u64>,
    },
    /// No new number was wanted.
    Unchanged,
    /// Others were faster, however often it was tried.
    Raced,
    /// The host has no shared data, or none for us.
    Failed,
}

type Entry = [[u8; 8]; 2];

const LAYOUT: u8 = 1;

/// Each round that fails is one in which another worker succeeded.
const ROUNDS: usize = 8;

// === impl Table ===

impl Table {
    /// A table of `keys` keys with up to `entries` entries each, at least one of either.
    pub fn new(prefix: &str, keys: u16, entries: u16) -> Self {
        let name = |number| format!("{prefix}.{number}").into();
        Self { keys: (0..keys.max(1)).map(name).collect(), entries: usize::from(entries.max(1)) }
    }

    /// The number that stands under `hash`. Costs one host call.
    pub fn get(&self, hash: u64, shared: &mut impl Shared) -> Option<u64> {
        let (value, _) = shared.get(self.key(hash)?)?;
        find(self.read(&value), hash)
    }

    /// Gives `hash` the number that `change` makes of its present one. `change` is asked again
    /// whenever another worker was faster; `None` leaves all as it is. Costs a host call for
    /// reading, and one for writing if anything is written.
    pub fn update(
        &self,
        hash: u64,
        shared: &mut impl Shared,
        mut change: impl FnMut(Option<u64>) -> Option<u64>,
    ) -> Updated {
        self.update_with(hash, shared, &mut change)
    }

    /// The same for any `change`, so that its code is there once.
    fn update_with(
        &self,
        hash: u64,
        shared: &mut impl Shared,
        change: &mut dyn FnMut(Option<u64>) -> Option<u64>,
    ) -> Updated {
        let Some(key) = self.key(hash) else { return Updated::Failed };
        let mut exists = false;
        for _ in 0..ROUNDS {
            let (value, cas) = match shared.get(key) {
                Some(found) => found,
                // Lost against a value that cannot be seen: the host lets us write only.
                None if exists => return Updated::Failed,
                None => (Vec::new(), ABSENT),
            };
            let old = self.read(&value);
            let Some(number) = change(find(old, hash)) else { return Updated::Unchanged };
            let (value, evicted) = self.written(old, hash, number);
            match shared.set(key, &value, cas) {
                Written::Done => return Updated::Written { evicted },
                Written::Raced => exists = true,
                Written::Failed => return Updated::Failed,
            }
        }
        Updated::Raced
    }

    fn key(&self, hash: u64) -> Option<&str> {
        let place = hash.checked_rem(self.keys.len().try_into().ok()?)?;
        self.keys.get(usize::try_from(place).ok()?).map(AsRef::as_ref)
    }

    fn read<'a>(&self, value: &'a [u8]) -> &'a [Entry] {
        let Some((&LAYOUT, numbers)) = value.split_first() else { return &[] };
        let (numbers, []) = numbers.as_chunks::<8>() else { return &[] };
        match numbers.as_chunks::<2>() {
            (entries, []) if entries.len() <= self.entries => entries,
            _ => &[],
        }
    }

    /// The value with a new entry at its end, and the number that is in it no more.
    fn written(&self, old: &[Entry], hash: u64, number: u64) -> (Vec<u8>, Option<u64>) {
        let is_new = find(old, hash).is_none();
        let (evicted, stay) = match old.split_first() {
            Some((oldest, rest)) if is_new && old.len() >= self.entries => (Some(oldest), rest),
            _ => (None, old),
        };
        let entry = [hash.to_le_bytes(), number.to_le_bytes()];
        let mut value = vec![LAYOUT];
        value.reserve(size_of_val(old).saturating_add(size_of_val(&entry)));
        for it in stay.iter().filter(|[it, _]| u64::from_le_bytes(*it) != hash) {
            value.extend_from_slice(it.as_flattened());
        }
        value.extend_from_slice(entry.as_flattened());
        (value, evicted.map(|[_, number]| u64::from_le_bytes(*number)))
    }
}

fn find(entries: &[Entry], hash: u64) -> Option<u64> {
    let [_, number] = entries.iter().find(|[it, _]| u64::from_le_bytes(*it) == hash)?;
    Some(u64::from_le_bytes(*number))
}

/// A hash of some bytes, the same in every worker and version. Not for inputs that somebody
/// gains from colliding.
///
/// Source: <http://www.isthe.com/chongo/tech/comp/fnv/>
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
pub(crate) mod tests;
