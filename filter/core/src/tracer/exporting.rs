//! Getting the queue to the collector.

use super::Tracer;
use crate::export::answer::Answer;
use crate::export::health::Notice;
use crate::export::{Call, CallId, Exporter};
use crate::time::Monotonic;
use std::time::Duration;

/// How long an ended configuration waits for its last answers.
const DRAIN: Duration = Duration::from_secs(5);

impl Tracer {
    /// Time has passed. Returns how long until this must be called again; a call before
    /// that does nothing. Then ask [`Tracer::next_call`].
    pub fn tick(&mut self, now: Monotonic, random: u64) -> Duration {
        let delay = self.config.batch.schedule_delay;
        // A clock that went back must not make spans wait until it has caught up.
        let went_back = self.next_flush.since(now) > delay;
        let due = went_back || now.plus(Duration::from_millis(1)) >= self.next_flush;
        if let Some(exporter) = self.exporter.as_mut().filter(|_| due) {
            exporter.flush(now, random, &mut self.stats);
        }
        if due {
            self.next_flush = now.plus(delay);
        }
        if self.draining.is_some_and(|since| now.since(since) >= DRAIN) {
            self.abandon();
        }
        self.next_flush.since(now)
    }

    /// The next request to send; call until `None`.
    pub fn next_call(&mut self, now: Monotonic) -> Option<Call<'_>> {
        self.exporter.as_mut()?.next(now, &mut self.stats)
    }

    /// A request was answered, or could not be sent. Then ask [`Tracer::next_call`].
    pub fn answered(&mut self, id: CallId, answer: &Answer<'_>, now: Monotonic, random: u64) {
        if let Some(exporter) = &mut self.exporter {
            exporter.answered(id, answer, now, random, &mut self.stats);
        }
    }

    /// Something for the proxy's log; call until `None`.
    pub fn notice(&mut self) -> Option<Notice> {
        let export = self.exporter.as_mut().and_then(Exporter::notice);
        export.or_else(|| self.notices.pop())
    }

    /// The configuration ends. Returns whether nothing is left to do; if something is, go on
    /// sending until [`Tracer::is_drained`], which is within seconds.
    pub fn drain(&mut self, now: Monotonic) -> bool {
        self.draining = Some(now);
        if let Some(exporter) = &mut self.exporter {
            exporter.drain(now);
        }
        self.is_drained()
    }

    /// Whether the configuration has ended and nothing waits or is in flight.
    pub fn is_drained(&self) -> bool {
        self.draining.is_some() && self.exporter.as_ref().is_none_or(Exporter::is_empty)
    }

    /// The root context goes away: what is left is counted as lost.
    pub fn abandon(&mut self) {
        if let Some(exporter) = &mut self.exporter {
            exporter.abandon(&mut self.stats);
        }
    }
}
