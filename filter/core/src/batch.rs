//! The bounded queue of encoded spans, gathered into requests.

pub mod request;

use crate::encode::otlp::Envelope;
use request::Batch;
use std::collections::VecDeque;
use std::time::Duration;

/// `batch.*` of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The longest that a finished span waits before it is sent the first time.
    pub schedule_delay: Duration,
    /// Most spans of one request.
    pub max_export_batch_size: usize,
    /// Most bytes of one request.
    pub max_export_batch_bytes: usize,
    /// Most spans that wait or are in flight.
    pub max_queue_size: usize,
    /// Most bytes that wait or are in flight.
    pub max_queue_bytes: usize,
    /// Most requests in flight.
    pub max_in_flight: usize,
    /// Most bytes that requests hold which are under way, before less is kept of further ones.
    pub max_open_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            schedule_delay: Duration::from_millis(1000),
            max_export_batch_size: 512,
            max_export_batch_bytes: 1 << 20,
            max_queue_size: 4096,
            max_queue_bytes: 4 << 20,
            max_in_flight: 2,
            max_open_bytes: 64 << 20,
        }
    }
}

/// Why a span was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The queue holds as much as it may, counting what is in flight.
    QueueFull,
    /// Alone it is more than a request may be.
    TooBig,
}

/// Whose turn it is in the queue when it gets narrow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Priority {
    /// A span like any other: a quarter of the queue is not for it.
    Normal,
    /// A span of something that failed: may use all of the queue.
    High,
}

impl Priority {
    fn share(self, max: usize) -> usize {
        match self {
            Self::Normal => max.saturating_sub(max / 4),
            Self::High => max,
        }
    }
}

/// Spans that wait, in the order in which they were finished.
///
/// A span is written behind its predecessors in the body of the next request, so that
/// sending is one copy. What has left the queue for the wire still counts against its
/// bounds, until [`Queue::settle`] is told that it is gone.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    envelope: Envelope,
    open: Vec<u8>,
    /// Where each span in it ends.
    ends: Vec<u32>,
    sealed: VecDeque<Batch>,
    /// Everything held, in flight included.
    spans: usize,
    bytes: usize,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits, envelope: Envelope) -> Self {
        Self {
            limits,
            open: Vec::new(),
            envelope,
            ends: Vec::new(),
            sealed: VecDeque::new(),
            spans: 0,
            bytes: 0,
        }
    }

    /// Whether there may be a place for one more span.
    pub fn has_place(&self, priority: Priority) -> bool {
        let Limits { max_queue_size, max_queue_bytes, .. } = self.limits;
        self.spans < priority.share(max_queue_size) && self.bytes < priority.share(max_queue_bytes)
    }

    /// Takes a span, which `encode` appends to the bytes it is given.
    ///
    /// # Errors
    ///
    /// A span that does not fit is refused, and nothing changes. `encode` returns `false`
    /// for one that it cannot write.
    pub fn push(
        &mut self,
        priority: Priority,
        encode: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<(), Refused> {
        if self.spans >= priority.share(self.limits.max_queue_size) {
            return Err(Refused::QueueFull);
        }
        if self.open.is_empty() {
            self.open = self.envelope.open();
        }
        let start = self.open.len();
        let written = encode(&mut self.open);
        let len = self.open.len().saturating_sub(start);
        let alone = self.envelope.head().len.saturating_add(len);
        if !written || alone > self.limits.max_export_batch_bytes {
            self.open.truncate(start);
            return Err(Refused::TooBig);
        }
        if self.bytes.saturating_add(len) > priority.share(self.limits.max_queue_bytes) {
            self.open.truncate(start);
            return Err(Refused::QueueFull);
        }
        if self.open.len() > self.limits.max_export_batch_bytes {
            let span = self.open.split_off(start);
            self.seal();
            self.open = self.envelope.open();
            self.open.extend_from_slice(&span);
        }
        self.ends.push(u32::try_from(self.open.len()).unwrap_or(u32::MAX));
        self.spans = self.spans.saturating_add(1);
        self.bytes = self.bytes.saturating_add(len);
        if self.ends.len() >= self.limits.max_export_batch_size {
            self.seal();
        }
        Ok(())
    }

    /// Ends the request that is being gathered, so that it can be sent.
    pub fn seal(&mut self) {
        if self.ends.is_empty() {
            return;
        }
        let (body, ends) = (std::mem::take(&mut self.open), std::mem::take(&mut self.ends));
        self.sealed.push_back(Batch::new(self.envelope.head(), body, ends));
    }

    /// Whether a whole request waits.
    pub fn has_batch(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Whether nothing waits (something may be in flight).
    pub fn is_empty(&self) -> bool {
        self.sealed.is_empty() && self.ends.is_empty()
    }

    /// The oldest whole request.
    pub fn pop(&mut self) -> Option<Batch> {
        self.sealed.pop_front()
    }

    /// Stops counting a batch that was delivered or dropped.
    pub fn settle(&mut self, batch: &Batch) {
        self.bytes = self.bytes.saturating_sub(batch.span_bytes());
        self.spans = self.spans.saturating_sub(batch.spans());
    }

    /// Whether there is room for any request that somebody else could not send; or, if the
    /// queue holds less than one, whether it is empty.
    pub fn has_room(&self) -> bool {
        let Limits {
            max_export_batch_size,
            max_export_batch_bytes,
            max_queue_size,
            max_queue_bytes,
            ..
        } = self.limits;
        self.spans.saturating_add(max_export_batch_size.min(max_queue_size)) <= max_queue_size
            && self.bytes.saturating_add(max_export_batch_bytes.min(max_queue_bytes))
                <= max_queue_bytes
    }

    /// Takes a request that somebody else could not send, if it fits.
    pub fn take(&mut self, batch: Batch) -> Result<(), Refused> {
        let spans = self.spans.saturating_add(batch.spans());
        let bytes = self.bytes.saturating_add(batch.span_bytes());
        if spans > self.limits.max_queue_size || bytes > self.limits.max_queue_bytes {
            return Err(Refused::QueueFull);
        }
        (self.spans, self.bytes) = (spans, bytes);
        self.sealed.push_back(batch);
        Ok(())
    }

    /// Most bytes of one request.
    pub fn max_request(&self) -> usize {
        self.limits.max_export_batch_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Resource;
    use proptest::prelude::*;

    fn queue(limits: Limits) -> Queue {
        Queue::new(limits, Envelope::new(&Resource::default(), "s", "0"))
    }

    fn span(len: usize) -> impl FnOnce(&mut Vec<u8>) -> bool {
        move |out| {
            out.resize(out.len() + len, 1);
            true
        }
    }

    #[test]
    fn a_request_is_whole_at_its_size_or_its_bytes() {
        let head = queue(Limits::default()).envelope.head().len;
        let limits = Limits {
            max_export_batch_size: 3,
            max_export_batch_bytes: head + 100,
            ..Limits::default()
        };
        for (why, lens, want) in [
            ("nothing", &[][..], &[][..]),
            ("one waits", &[10], &[]),
            ("three are one request", &[1, 2, 3], &[(3, 6)]),
            ("the fourth waits", &[1, 2, 3, 4], &[(3, 6)]),
            ("bytes end a request", &[60, 40, 1], &[(2, 100)]),
            ("one that does not fit behind another", &[60, 41], &[(1, 60)]),
            ("one that fits exactly", &[100, 1], &[(1, 100)]),
        ] {
            let mut queue = queue(limits.clone());
            for len in lens {
                queue.push(Priority::Normal, span(*len)).unwrap();
            }
            let batches: Vec<_> = std::iter::from_fn(|| queue.pop())
                .map(|it| (it.spans(), it.span_bytes()))
                .collect();
            assert_eq!(batches, want, "{why}");
        }
    }

    #[test]
    fn what_cannot_be_sent_alone_is_too_big() {
        let mut queue = queue(Limits { max_export_batch_bytes: 1000, ..Limits::default() });
        assert_eq!(queue.push(Priority::High, span(1000)), Err(Refused::TooBig));
        assert_eq!(queue.push(Priority::High, |_| false), Err(Refused::TooBig));
        assert!(queue.is_empty());
        assert_eq!(queue.push(Priority::High, span(900)), Ok(()));
    }

    #[test]
    fn a_quarter_is_kept_for_what_failed() {
        let mut queue = queue(Limits { max_queue_size: 8, ..Limits::default() });
        let taken = |queue: &mut Queue, priority| {
            (0..20).filter(|_| queue.push(priority, span(1)).is_ok()).count()
        };
        assert!(queue.has_place(Priority::Normal));
        assert_eq!(taken(&mut queue, Priority::Normal), 6);
        assert!(!queue.has_place(Priority::Normal) && queue.has_place(Priority::High));
        assert_eq!(taken(&mut queue, Priority::High), 2);
        assert!(!queue.has_place(Priority::High));
    }

    proptest! {
        /// A list of what was taken is the oracle; bounds hold with what is in flight.
        #[test]
        fn the_queue_agrees_with_a_list(
            events in prop::collection::vec((0_u8..5, 0_usize..300, any::<bool>()), 0..300),
            size in 1_usize..40, bytes in 100_usize..2000, batch in 1_usize..10,
        ) {
            let limits = Limits {
                max_queue_size: size,
                max_queue_bytes: bytes,
                max_export_batch_size: batch,
                max_export_batch_bytes: 1000,
                ..Limits::default()
            };
            let mut queue = queue(limits);
            let mut held: Vec<usize> = Vec::new(); // lengths, oldest first
            let mut sent = 0;
            let mut flying: VecDeque<Batch> = VecDeque::new();
            for (event, len, high) in events {
                let priority = if high { Priority::High } else { Priority::Normal };
                let share = |max: usize| if high { max } else { max - max / 4 };
                match event {
                    0..=1 => {
                        let fits = held.len() < share(size) && held.iter().sum::<usize>() + len <= share(bytes);
                        prop_assert_eq!(queue.push(priority, span(len)).is_ok(), fits);
                        if fits { held.push(len); }
                    }
                    2 => queue.seal(),
                    3 => if let Some(next) = queue.pop() {
                        let want: usize = held[sent..sent + next.spans()].iter().sum();
                        prop_assert_eq!(next.span_bytes(), want);
                        prop_assert!(next.spans() <= batch && next.body().len() <= 1000);
                        sent += next.spans();
                        flying.push_back(next);
                    },
                    _ => if let Some(done) = flying.pop_front() {
                        queue.settle(&done);
                        held.drain(..done.spans());
                        sent -= done.spans();
                    },
                }
                prop_assert_eq!((queue.spans, queue.bytes), (held.len(), held.iter().sum()));
                prop_assert_eq!(queue.is_empty(), sent == held.len());
            }
        }
    }
}
