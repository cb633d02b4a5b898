//! Getting the queue to the collector.

use super::Tracer;
use crate::export::answer::Answer;
use crate::export::health::Notice;
use crate::export::{Call, CallId, Exporter};
use crate::stats::Stat;
use crate::time::{Monotonic, Now};
use std::time::Duration;

/// How long an ended configuration waits for its last answers.
pub const DRAIN: Duration = Duration::from_secs(5);

impl Tracer {
    /// Time has passed. Returns how long until this must be called again; a call before
    /// that does nothing. Then ask [`Tracer::next_call`].
    pub fn tick(&mut self, now: Now, random: u64) -> Duration {
        let delay = self.config.batch.schedule_delay;
        let mono = now.mono;
        // A clock that went back must not make spans wait until it has caught up.
        let went_back = self.next_flush.since(mono) > delay;
        let due = went_back || mono.plus(Duration::from_millis(1)) >= self.next_flush;
        if let Some(exporter) = self.exporter.as_mut().filter(|_| due) {
            exporter.flush(now, random, &mut self.stats);
        }
        if due {
            self.next_flush = mono.plus(delay);
            self.settle_pressure();
        }
        let wait = self.next_flush.since(mono);
        self.report_wait(mono).map_or(wait, |it| it.min(wait))
    }

    /// The next request to send; call until `None`. `deflate` is the host's way to compress
    /// bytes in zlib's format.
    pub fn next_call(
        &mut self,
        now: Monotonic,
        mut deflate: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Call<'_>> {
        self.exporter.as_mut()?.next(now, &mut self.stats, &mut deflate)
    }

    /// A request was answered, or could not be sent. Then ask [`Tracer::next_call`].
    pub fn answered(&mut self, id: CallId, answer: &Answer<'_>, now: Now, random: u64) {
        self.report_answered(id, answer, now);
        if let Some(exporter) = &mut self.exporter {
            exporter.answered(id, answer, now, random, &mut self.stats);
        }
    }

    /// Something for the proxy's log; call until `None`.
    pub fn notice(&mut self) -> Option<Notice> {
        let export = self.exporter.as_mut().and_then(Exporter::notice);
        export.or_else(|| self.report_notice()).or_else(|| self.notices.pop())
    }

    /// The configuration ends. Go on sending until [`Tracer::is_drained`], which is within
    /// seconds, and then give away what is left by [`Tracer::hand_over`].
    pub fn drain(&mut self, now: Monotonic) {
        self.draining = Some(now);
        self.report_last();
        if let Some(exporter) = &mut self.exporter {
            exporter.drain(now);
        }
    }

    /// Whether the configuration has ended.
    pub fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Whether the configuration has ended, and has done what it can.
    pub fn is_drained(&self, now: Monotonic) -> bool {
        let is_done = self.exporter.as_ref().is_none_or(Exporter::is_drained);
        self.is_overdue(now) || (self.is_draining() && is_done)
    }

    /// Whether the configuration has ended so long ago that nothing is worth waiting for.
    pub fn is_overdue(&self, now: Monotonic) -> bool {
        self.draining.is_some_and(|since| now.since(since) >= DRAIN)
    }

    /// Gives away everything that is left, in flight included: to `give`, for whoever comes
    /// after. What it does not take is counted as lost by the shutdown.
    pub fn hand_over(&mut self, mut give: impl FnMut(&[u8]) -> bool) {
        self.leave_metrics();
        self.end_pressure();
        if let Some(exporter) = &mut self.exporter {
            exporter.hand_over(&mut self.stats, &mut give);
        }
    }

    /// Whether there is room for what others gave away.
    pub fn wants_handed_over(&self) -> bool {
        self.exporter.as_ref().is_some_and(Exporter::wants_handed_over)
    }

    /// Takes what another gave away by [`Tracer::hand_over`].
    pub fn take_over(&mut self, bytes: &[u8]) {
        let taken = self.exporter.as_mut().map(|it| it.take_over(bytes, &mut self.stats));
        if taken != Some(true) {
            self.stats.count(Stat::Degraded);
        }
    }
}
