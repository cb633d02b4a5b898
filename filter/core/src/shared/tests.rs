use super::*;
use crate::id::Generator;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A process whose workers each hold a `W`, and a host that keeps their shared data: as Envoy
/// does, unless it is told to misbehave.
pub(crate) struct Process<W = ()> {
    pub(crate) values: BTreeMap<String, (Vec<u8>, u32)>,
    last_cas: u32,
    /// Those that are in the midst of something are `None`.
    workers: Vec<Option<W>>,
    /// How many of 256 turns go to the first worker, before all are drawn from.
    pub(crate) favoured: u16,
    pub(crate) dice: Generator,
    pub(crate) faults: Faults,
    /// Calls so far.
    pub(crate) gets: u64,
    pub(crate) sets: u64,
}

/// How many of 256 calls.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Before a value is set, another worker has its whole turn.
    pub(crate) interleaved: u16,
    /// Setting says `Raced` although nobody was.
    pub(crate) raced: u16,
    /// Setting fails.
    pub(crate) set_fails: u16,
    /// Nothing is found.
    pub(crate) get_fails: u16,
}

/// What a worker does in its turn.
type Turn<'a, W> = &'a dyn Fn(&mut W, &mut Calls<'_, W>);

/// The host's functions as a worker calls them within its turn.
pub(crate) struct Calls<'a, W> {
    process: &'a RefCell<Process<W>>,
    turn: Turn<'a, W>,
}

impl Process {
    pub(crate) fn new() -> RefCell<Self> {
        Self::of(vec![()], [0; 32])
    }

    /// Calls outside of any turn.
    pub(crate) fn calls(process: &RefCell<Self>) -> Calls<'_, ()> {
        Calls { process, turn: &|(), _| () }
    }
}

impl<W> Process<W> {
    pub(crate) fn of(workers: Vec<W>, seed: [u8; 32]) -> RefCell<Self> {
        RefCell::new(Self {
            values: BTreeMap::new(),
            last_cas: 0,
            workers: workers.into_iter().map(Some).collect(),
            favoured: 0,
            dice: Generator::new(seed),
            faults: Faults::default(),
            gets: 0,
            sets: 0,
        })
    }

    /// Whether something with this share of 256 happens now.
    fn rolls(&mut self, share: u16) -> bool {
        self.dice.bits() % 256 < u64::from(share)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.dice.bits() % limit as u64) as usize
    }

    /// Gives any worker that is free a turn.
    pub(crate) fn turn(process: &RefCell<Self>, turn: Turn<'_, W>) {
        let taken = {
            let mut it = process.borrow_mut();
            let (number, share) = (it.workers.len(), it.favoured);
            let place = if it.rolls(share) { 0 } else { it.below(number) };
            it.workers[place].take().map(|worker| (place, worker))
        };
        if let Some((place, mut worker)) = taken {
            turn(&mut worker, &mut Calls { process, turn });
            process.borrow_mut().workers[place] = Some(worker);
        }
    }
}

impl<W> Shared for Calls<'_, W> {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        let mut it = self.process.borrow_mut();
        it.gets += 1;
        let share = it.faults.get_fails;
        if it.rolls(share) { None } else { it.values.get(key).cloned() }
    }

    fn set(&mut self, key: &str, value: &[u8], cas: u32) -> Written {
        let share = self.process.borrow().faults.interleaved;
        if self.process.borrow_mut().rolls(share) {
            Process::turn(self.process, self.turn);
        }
        let mut it = self.process.borrow_mut();
        it.sets += 1;
        let Faults { raced, set_fails, .. } = it.faults;
        if it.rolls(set_fails) {
            return Written::Failed;
        }
        if it.rolls(raced) || it.values.get(key).is_some_and(|(_, now)| cas != 0 && cas != *now) {
            return Written::Raced;
        }
        it.last_cas += 1;
        let cas = it.last_cas;
        it.values.insert(key.to_owned(), (value.to_vec(), cas));
        Written::Done
    }
}

fn put(table: &Table, hash: u64, number: u64, process: &RefCell<Process>) -> Updated {
    table.update(hash, &mut Process::calls(process), |_| Some(number))
}

fn evicted(number: u64) -> Updated {
    Updated::Written { evicted: Some(number) }
}

const WRITTEN: Updated = Updated::Written { evicted: None };

#[test]
fn a_full_key_forgets_what_was_written_least_recently() {
    let (process, table) = (Process::new(), Table::new("t", 1, 3));
    for hash in [1, 2, 3] {
        assert_eq!(put(&table, hash, hash * 10, &process), WRITTEN);
    }
    assert_eq!(put(&table, 1, 11, &process), WRITTEN, "a known hash needs no room");
    assert_eq!(put(&table, 4, 40, &process), evicted(20), "2 is the oldest now");
    let numbers = [1, 2, 3, 4].map(|it| table.get(it, &mut Process::calls(&process)));
    assert_eq!(numbers, [Some(11), None, Some(30), Some(40)]);
}

#[test]
fn keys_are_named_by_number_and_share_the_hashes() {
    let (process, table) = (Process::new(), Table::new("hopspan.keep", 3, 2));
    for hash in 0..6 {
        assert_eq!(put(&table, hash, hash, &process), WRITTEN);
    }
    let names: Vec<_> = process.borrow().values.keys().cloned().collect();
    assert_eq!(names, ["hopspan.keep.0", "hopspan.keep.1", "hopspan.keep.2"]);
    assert!(process.borrow().values.values().all(|(value, _)| value.len() == 1 + 2 * 16));
}

#[test]
fn a_number_is_made_of_the_present_one_even_after_a_race() {
    let table = Table::new("t", 1, 2);
    let process = Process::of(vec![(); 8], [1; 32]);
    process.borrow_mut().faults.interleaved = 100;
    let done = RefCell::new(0);
    for _ in 0..1000 {
        Process::turn(&process, &|(), calls| match table
            .update(7, calls, |it| Some(it.unwrap_or(0) + 1))
        {
            Updated::Written { evicted: None } => *done.borrow_mut() += 1,
            other => assert_eq!(other, Updated::Raced),
        });
    }
    let (done, gets, sets) = (done.into_inner(), process.borrow().gets, process.borrow().sets);
    assert!(gets > done && gets == sets, "no race happened: {gets} gets, {done} numbers");
    let number = table.get(7, &mut Calls { process: &process, turn: &|(), _| () });
    assert_eq!(number, Some(done), "each number counts once");
}

#[test]
fn nothing_is_written_where_no_change_is_wanted() {
    let (process, table) = (Process::new(), Table::new("t", 1, 2));
    put(&table, 1, 10, &process);
    let mut seen = None;
    let updated = table.update(1, &mut Process::calls(&process), |it| {
        seen = it;
        None
    });
    assert_eq!((updated, seen, process.borrow().sets), (Updated::Unchanged, Some(10), 1));
}

#[test]
fn a_host_that_fails_is_told_from_one_that_is_busy() {
    for (why, faults, want) in [
        ("no shared data", Faults { set_fails: 256, get_fails: 256, ..<_>::default() }, None),
        ("it may be read, not written", Faults { set_fails: 256, ..<_>::default() }, None),
        ("others are faster", Faults { raced: 256, ..<_>::default() }, Some(8)),
    ] {
        let (process, table) = (Process::new(), Table::new("t", 1, 2));
        put(&table, 1, 10, &process);
        process.borrow_mut().faults = faults;
        let sets = process.borrow().sets;
        let want_updated = if want.is_some() { Updated::Raced } else { Updated::Failed };
        assert_eq!(put(&table, 1, 11, &process), want_updated, "{why}");
        assert_eq!(process.borrow().sets - sets, want.unwrap_or(1), "{why}");
    }
    let (process, table) = (Process::new(), Table::new("t", 1, 2));
    put(&table, 1, 10, &process);
    process.borrow_mut().faults.get_fails = 256;
    assert_eq!(put(&table, 1, 11, &process), Updated::Failed, "it may be written, not read");
    assert_eq!(process.borrow().sets, 2, "and what is there is not overwritten");
}

#[test]
fn a_value_of_another_form_counts_as_empty() {
    let entry = [[7; 8], [0; 8]].concat();
    for (why, value) in [
        ("nothing", vec![]),
        ("another layout", [&[2][..], &entry].concat()),
        ("an entry and a half", [&[LAYOUT][..], &entry, &entry[..8]].concat()),
        ("a byte too many", [&[LAYOUT][..], &entry, &[0]].concat()),
        ("more entries than there may be", [&[LAYOUT][..], &entry, &entry, &entry].concat()),
    ] {
        let (process, table) = (Process::new(), Table::new("t", 1, 2));
        process.borrow_mut().values.insert("t.0".into(), (value, 9));
        let hash = u64::from_le_bytes([7; 8]);
        assert_eq!(table.get(hash, &mut Process::calls(&process)), None, "{why}");
        assert_eq!(put(&table, hash, 1, &process), WRITTEN, "{why}");
        assert_eq!(table.get(hash, &mut Process::calls(&process)), Some(1), "{why}");
    }
}

#[test]
fn hashes_are_those_of_fnv_1a() {
    // Of the vectors that the algorithm's authors publish.
    for (text, want) in [
        ("", 0xcbf2_9ce4_8422_2325),
        ("a", 0xaf63_dc4c_8601_ec8c),
        ("foobar", 0x8594_4171_f739_67e8),
    ] {
        assert_eq!(fnv1a(text.as_bytes()), want, "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_value_is_survived(value: Vec<u8>, hash: u64, keys: u16, entries: u16) {
        let (process, table) = (Process::new(), Table::new("t", keys % 5, entries % 5));
        let key = table.key(hash).unwrap().to_owned();
        process.borrow_mut().values.insert(key, (value, 9));
        table.get(hash, &mut Process::calls(&process));
        let updated = put(&table, hash, 1, &process);
        prop_assert!(matches!(updated, Updated::Written { .. }), "{updated:?}");
        prop_assert_eq!(table.get(hash, &mut Process::calls(&process)), Some(1));
    }

    /// The table against a list that does the same in the simplest way.
    #[test]
    fn a_table_is_a_list_that_forgets_its_oldest(writes: Vec<(u8, u64)>) {
        let (process, table) = (Process::new(), Table::new("t", 1, 4));
        let mut list: Vec<(u64, u64)> = Vec::new();
        for (hash, number) in writes {
            let hash = u64::from(hash % 8);
            list.retain(|(it, _)| *it != hash);
            let oldest = (list.len() == 4).then(|| list.remove(0).1);
            list.push((hash, number));
            prop_assert_eq!(put(&table, hash, number, &process), Updated::Written { evicted: oldest });
        }
        for hash in 0..8 {
            let want = list.iter().find(|(it, _)| *it == hash).map(|(_, number)| *number);
            prop_assert_eq!(table.get(hash, &mut Process::calls(&process)), want);
        }
    }
}
