//! The memory that requests under way hold, added up.

use std::cell::Cell;
use std::rc::Rc;

/// How many bytes the open requests of one configuration hold in one worker: what is kept of
/// them to be recorded or counted at their end, without what an allocator adds.
#[derive(Clone, Debug, Default)]
pub struct Held(Rc<Cell<usize>>);

/// The part of one request, which is given back when this is dropped: however a stream ends, and
/// whatever a host forgets to say of it.
#[derive(Debug)]
pub struct Share {
    all: Held,
    bytes: usize,
}

impl Held {
    /// All of it.
    pub fn bytes(&self) -> usize {
        self.0.get()
    }

    /// Adds the part of a request, if it holds anything.
    pub fn add(&self, bytes: usize) -> Option<Share> {
        (bytes > 0).then(|| {
            self.0.set(self.bytes().saturating_add(bytes));
            Share { all: self.clone(), bytes }
        })
    }
}

impl Drop for Share {
    // It is wherever a stream may end.
    #[inline(never)]
    fn drop(&mut self) {
        self.all.0.set(self.all.bytes().saturating_sub(self.bytes));
    }
}
