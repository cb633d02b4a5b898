//! What an ended configuration leaves to the one that comes after it, maybe in another VM: a
//! queue of the process, and a note of who came last.
//!
//! A configuration cannot see whether another is at work: hosts tell neither. So each leaves a
//! number where all workers look, and an end that finds another's number there has a successor.

use crate::host::{self, Buffer, Status};
use crate::shared::SharedData;
use hopspan_core::shared::{Table, Updated, fnv1a};

/// A configuration among those of its plugin: before it, beside it in other workers, after it.
#[derive(Debug)]
pub(crate) struct Lineage {
    /// The plugin, which is what all of them have in common.
    plugin: u64,
    /// The same in every worker, and no other configuration's.
    number: u64,
    queue: Box<[u8]>,
    /// The host's token for the queue, once it was asked for.
    token: Option<u32>,
}

/// The most bytes of spans that wait in a queue for whoever comes next.
const MAX_BYTES: u64 = 32 << 20;
/// More than any VM is configured with.
const MAX_CONFIGURATION: usize = 16 << 20;
/// Nobody, where a number is noted.
const NOBODY: u64 = 0;

// === impl Lineage ===

impl Lineage {
    /// That of the plugin that is being configured with `document`.
    pub(crate) fn new(document: &[u8]) -> Self {
        let property = |name| host::property(name).unwrap_or_default();
        let key = [property("plugin_name"), property("plugin_root_id")].join(&0);
        let vm = host::buffer(Buffer::VmConfiguration, MAX_CONFIGURATION).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let number = fnv1a(&[version, &vm, document].join(&0)).max(NOBODY + 1);
        let queue = [b"hopspan.handover.".as_slice(), &key].concat().into();
        Self { plugin: fnv1a(&key), number, queue, token: None }
    }

    /// Whether both are of the same plugin.
    pub(crate) fn is_kin(&self, other: &Self) -> bool {
        self.plugin == other.plugin
    }

    /// Notes that this configuration came last; or, if it `takes` nothing over, nobody.
    pub(crate) fn announce(&self, takes: bool) {
        let number = if takes { self.number } else { NOBODY };
        latest().update(self.plugin, &mut SharedData, |it| (it != Some(number)).then_some(number));
    }

    /// This configuration has ended: if it came last, nobody is there.
    pub(crate) fn withdraw(&self) {
        let is_own = |it| it == Some(self.number);
        latest().update(self.plugin, &mut SharedData, |it| is_own(it).then_some(NOBODY));
    }

    /// Whether the one that came last is none of `these`.
    pub(crate) fn is_followed<'a>(&self, mut these: impl Iterator<Item = &'a Self>) -> bool {
        let last = latest().get(self.plugin, &mut SharedData).filter(|it| *it != NOBODY);
        last.is_some_and(|last| these.all(|it| it.number != last))
    }

    /// Leaves an item to whoever comes next. Returns whether the host keeps it.
    pub(crate) fn give(&mut self, item: &[u8]) -> bool {
        let size = u64::try_from(item.len()).unwrap_or(u64::MAX);
        let fits = |held: u64| held.checked_add(size).filter(|it| *it <= MAX_BYTES);
        let counted =
            held().update(self.plugin, &mut SharedData, |it| fits(it.unwrap_or_default()));
        if !matches!(counted, Updated::Written { .. }) {
            return false;
        }
        // Asked for anew: the host calls the thread that asked last, and ours is there.
        self.token = host::shared_queue(&self.queue);
        let is_kept = self.token.is_some_and(|it| host::enqueue(it, item) == Status::OK);
        if !is_kept {
            self.let_go(size);
        }
        is_kept
    }

    /// Takes the oldest item that others have left.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        self.token = self.token.or_else(|| host::shared_queue(&self.queue));
        match host::dequeue(self.token?) {
            Ok(item) => {
                self.let_go(u64::try_from(item.len()).unwrap_or(u64::MAX));
                return Some(item);
            }
            Err(Status::EMPTY) => {}
            Err(_) => self.token = None,
        }
        None
    }

    /// Stops counting an item.
    fn let_go(&self, size: u64) {
        held().update(self.plugin, &mut SharedData, |it| Some(it?.saturating_sub(size)));
    }
}

/// The number of the configuration that came last, by plugin.
fn latest() -> Table {
    Table::new("hopspan.latest", 1, 64)
}

/// The bytes in queues, by plugin.
fn held() -> Table {
    Table::new("hopspan.handed_over", 1, 64)
}
