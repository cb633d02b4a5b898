//! Metrics on their way to the collector, beside the spans.

use super::Tracer;
use crate::export::answer::Answer;
use crate::export::health::Notice;
use crate::export::{Call, CallId};
use crate::metrics::host::Registry;
use crate::span::active::ActiveSpan;
use crate::stats::Stat;
use crate::time::{Monotonic, Now};
use std::rc::Rc;
use std::time::Duration;

impl Tracer {
    /// Counts together with another configuration, if both would tell the same collector of the
    /// same resource: so the counts go on when a configuration is replaced.
    pub fn count_with(&mut self, other: &Self) {
        let (Some(own), Some(other)) = (&mut self.metering, &other.metering) else { return };
        let is_like = match (own.reporter.try_borrow(), other.reporter.try_borrow()) {
            (Ok(own), Ok(other)) => other.is_like(&own),
            _ => false,
        };
        if is_like {
            own.reporter = Rc::clone(&other.reporter);
        }
    }

    /// Tells the proxy's own stats what metrics have moved; call when [`Stats::drain`] is due. The
    /// last one of those that count together takes back what is open.
    ///
    /// [`Stats::drain`]: crate::stats::Stats::drain
    pub fn tell_metrics(&mut self, is_last: bool, proxy: &mut dyn Registry) {
        if let Some(it) = &self.metering
            && let Ok(mut reporter) = it.reporter.try_borrow_mut()
        {
            reporter.tell_host(is_last && Rc::strong_count(&it.reporter) == 1, proxy);
        }
    }

    /// Takes a number that no other worker of the process has, if metrics need one by now.
    pub fn number_metrics(&mut self, number: impl FnOnce() -> u64) {
        if let Some(it) = &self.metering
            && let Ok(mut reporter) = it.reporter.try_borrow_mut()
        {
            reporter.take_number(number);
        }
    }

    /// The next report of metrics to send; call until `None`.
    pub fn next_report(
        &mut self,
        now: Now,
        mut deflate: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Call<'_>> {
        let (metering, collector) = (self.metering.as_mut()?, self.config.collector.as_ref()?);
        let is_last = std::mem::take(&mut metering.is_last);
        let mut reporter = metering.reporter.try_borrow_mut().ok()?;
        reporter.next(now, is_last, collector, &mut deflate)
    }

    /// How long until metrics want to be asked for, if they do.
    pub(super) fn report_wait(&self, now: Monotonic) -> Option<Duration> {
        self.metering.as_ref()?.reporter.try_borrow().ok()?.wait(now)
    }

    /// An answer came, maybe to a report of metrics.
    pub(super) fn report_answered(&mut self, id: CallId, answer: &Answer<'_>, now: Now) {
        let Self { metering: Some(metering), stats, .. } = self else { return };
        let Ok(mut reporter) = metering.reporter.try_borrow_mut() else { return };
        let before = reporter.series();
        reporter.answered(id, answer, now);
        let gone = before.saturating_sub(reporter.series());
        stats.add(Stat::MetricsSeries, i64::try_from(gone).unwrap_or(i64::MAX).saturating_neg());
    }

    pub(super) fn report_notice(&mut self) -> Option<Notice> {
        self.metering.as_ref()?.reporter.try_borrow_mut().ok()?.notice()
    }

    pub(super) fn report_last(&mut self) {
        if let Some(it) = &mut self.metering {
            it.is_last = true;
        }
    }

    /// Counts no more.
    pub(super) fn leave_metrics(&mut self) {
        if let Some(it) = self.metering.take() {
            it.leave(&mut self.stats);
        }
    }

    /// A request is not open any more.
    pub(super) fn has_ended(&self, span: &ActiveSpan) {
        if let (Some(metering), Some(place)) = (&self.metering, span.open()) {
            metering.end(place);
        }
    }
}
