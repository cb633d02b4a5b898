//! The ends of contexts: what a root context does with its spans depends on who is left.
//!
//! Hosts cancel the callouts of a root context that is deleted, and of all in a VM that ends. A VM
//! ends with its last root context that has not, whatever that one asked to wait for.

use super::{Vm, seeded};
use crate::host;
use crate::root::Root;

impl Vm {
    /// A context is done. Returns whether it may be deleted at once.
    pub(crate) fn done(&mut self, context: u32) -> bool {
        self.stream_ended(context);
        if self.streams.remove(&context).is_some() || !self.roots.has(context) {
            return true;
        }
        // Only root contexts that have not ended keep a VM alive.
        let is_at_work = |it: &Root| !it.tracer.is_draining();
        let lives = self.roots.all().any(|(id, it)| id != context && is_at_work(it));
        let is_followed = self.is_followed(context);
        let ids = self.ids.get_or_insert_with(seeded);
        let Some(root) = self.roots.get_mut(context) else {
            self.forget(context);
            return true;
        };
        root.lineage.withdraw();
        let is_done = match (lives, is_followed) {
            (true, _) => root.drain(ids),
            (false, true) => root.stop(ids),
            (false, false) => root.drain_unheard(ids, &mut self.stats),
        };
        if is_done {
            root.leave(is_followed, &mut self.stats);
        }
        root.tell_stats(&mut self.stats);
        if !lives {
            self.end_others(context);
        }
        if is_done {
            self.forget(context);
        }
        is_done
    }

    /// Root contexts that wait for answers still, in a VM that ends now.
    fn end_others(&mut self, but: u32) {
        let ids: Vec<_> = self.roots.all().map(|(id, _)| id).filter(|it| *it != but).collect();
        for id in ids {
            let is_followed = self.is_followed(id);
            if let Some(root) = self.roots.get_mut(id) {
                root.leave(is_followed, &mut self.stats);
                root.tell_stats(&mut self.stats);
            }
        }
    }

    /// Whether a plugin goes on without this root context of it, here or in another VM.
    fn is_followed(&self, root: u32) -> bool {
        let Some(it) = self.roots.get(root) else { return false };
        let others = self.roots.all().filter(|(id, _)| *id != root).map(|(_, other)| other);
        let (ended, at_work): (Vec<_>, Vec<_>) = others.partition(|it| it.tracer.is_draining());
        let is_heir = |other: &&Root| other.takes_over() && other.lineage.is_kin(&it.lineage);
        let ended = ended.iter().chain([&it]).map(|it| &it.lineage);
        at_work.iter().any(is_heir) || it.lineage.is_followed(ended)
    }

    /// A root context has sent what it may: if it has ended, that may have been its last.
    pub(super) fn sent(&mut self, id: u32) {
        let is_over = |it: &Root| it.host_waits() && it.is_over(host::monotonic());
        let is_over = self.roots.get(id).is_some_and(is_over);
        let is_followed = is_over && self.is_followed(id);
        if let Some(root) = self.roots.get_mut(id) {
            if is_over {
                root.leave(is_followed, &mut self.stats);
            }
            root.tell_stats(&mut self.stats);
            if is_over {
                root.done();
                self.forget(id);
            }
        }
    }

    /// The host deletes a root context without another word, now that it is done.
    fn forget(&mut self, root: u32) {
        self.roots.remove(root);
        self.sees_tries = self.roots.all().any(|(_, it)| it.tracer.sees_tries());
    }
}
