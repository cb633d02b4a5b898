//! The root contexts of a worker: a few, so that they are in a list.

use crate::root::Root;

/// Each root context's id, and its configuration once that was read.
#[derive(Debug, Default)]
pub(crate) struct Roots(Vec<(u32, Option<Root>)>);

// === impl Roots ===

impl Roots {
    /// A root context is there, or has a configuration now.
    pub(crate) fn put(&mut self, id: u32, root: Option<Root>) {
        match self.0.iter_mut().find(|(it, _)| *it == id) {
            Some((_, place)) => *place = root,
            None => self.0.push((id, root)),
        }
    }

    /// Whether it is a root context.
    pub(crate) fn has(&self, id: u32) -> bool {
        self.0.iter().any(|(it, _)| *it == id)
    }

    /// One that has a configuration.
    pub(crate) fn get(&self, id: u32) -> Option<&Root> {
        self.all().find_map(|(it, root)| (it == id).then_some(root))
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Root> {
        self.0.iter_mut().find(|(it, _)| *it == id)?.1.as_mut()
    }

    /// All that have one, with their ids.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Root)> {
        self.0.iter().filter_map(|(id, root)| Some((*id, root.as_ref()?)))
    }

    /// It is gone.
    pub(crate) fn remove(&mut self, id: u32) {
        self.0.retain(|(it, _)| *it != id);
    }
}
