//! A root context: one configuration, its callouts and its timer.

use crate::expr::AtOnce;
use crate::hand_over::Lineage;
use crate::host::{self, Buffer, Map, Status};
use crate::say;
use crate::stats::ProxyStats;
use crate::vm::worker_number;
use hopspan_core::context::{SpanContext, TraceFlags};
use hopspan_core::export::answer::Answer;
use hopspan_core::export::{Call, CallId};
use hopspan_core::id::Generator;
use hopspan_core::request::Headers;
use hopspan_core::stats::Stat;
use hopspan_core::time::{Monotonic, Now};
use hopspan_core::tracer::{DRAIN, Tracer};
use std::borrow::Cow;
use std::time::Duration;

/// A configuration at work.
#[derive(Debug)]
pub(crate) struct Root {
    /// All decisions.
    pub(crate) tracer: Tracer,
    /// How the host is asked for many facts at once.
    pub(crate) at_once: AtOnce,
    /// Who comes before and after it.
    pub(crate) lineage: Lineage,
    /// Whether it had a request: the main thread's root contexts never have.
    pub(crate) serves: bool,
    /// Ids of hopspan's own stats, each at its place; `None` where the host has none.
    own: [Option<u32>; Stat::ALL.len()],
    /// Callouts that the host has promised to answer.
    calls: Vec<(u32, CallId)>,
    /// The period that the host was told, in milliseconds.
    period: u32,
    /// Whether the host waits for us to be done.
    host_waits: bool,
}

/// More callouts than are ever in flight: a host that never answers fills no memory.
const MAX_CALLS: usize = 256;
/// More than a queue of others' requests holds, as a rule: what a tick takes of it.
const MAX_TAKEN: usize = 64;
/// More than a queue of others' requests ever holds: what an end without a successor takes of it.
const MAX_WRITTEN_OFF: usize = 4096;
/// The most of an answer's body that is looked at. One that is cut off cannot be read, and what
/// it rejects would count as exported; collectors say less than this.
const MAX_ANSWER: usize = 1 << 16;

impl Root {
    pub(crate) fn new(
        tracer: Tracer,
        lineage: Lineage,
        own: [Option<u32>; Stat::ALL.len()],
    ) -> Self {
        Self {
            at_once: AtOnce::new(|fact| tracer.config().asks_at_end(fact)),
            tracer,
            lineage,
            serves: false,
            own,
            calls: Vec::new(),
            period: 0,
            host_waits: false,
        }
    }

    /// Time has passed: sends what is due, and says when to come again.
    pub(crate) fn tick(&mut self, ids: &mut Generator) {
        let wait = self.tracer.tick(host::now(), ids.bits());
        self.take_over();
        self.send(ids);
        self.wake_after(wait);
    }

    /// Has the host call [`Root::tick`] as soon as it can: callouts are for root contexts.
    pub(crate) fn wake_soon(&mut self) {
        self.wake_after(Duration::ZERO);
    }

    /// Tells the host how far the stats have moved: seldom, because each takes a call.
    pub(crate) fn tell_stats(&mut self, stats: &mut ProxyStats) {
        self.tracer.tell_metrics(false, stats);
        let Self { tracer, own, .. } = self;
        tracer.stats.drain(|stat, by| match own.get(stat as usize) {
            Some(Some(id)) => host::increment_metric(*id, by) == Status::OK,
            _ => false,
        });
    }

    /// Tells the host a level.
    pub(crate) fn set(&self, stat: Stat, value: usize) {
        if let Some(id) = self.own.get(stat as usize).copied().flatten() {
            host::record_metric(id, u64::try_from(value).unwrap_or(u64::MAX));
        }
    }

    /// An answer came.
    pub(crate) fn call_answered(
        &mut self,
        token: u32,
        responded: bool,
        size: usize,
        ids: &mut Generator,
    ) {
        let Some(at) = self.calls.iter().position(|(it, _)| *it == token) else { return };
        let (_, id) = self.calls.swap_remove(at);
        // Without headers there was no response, and the map must not be asked for one.
        let headers = if responded { host::header_map(Map::CallResponseHeaders) } else { None };
        let headers = headers.unwrap_or_default();
        let headers = Headers::new(&headers);
        let status =
            headers.get(b":status").and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
        let body = match status {
            Some(200) if size > 0 => {
                host::buffer(Buffer::CallResponseBody, size.min(MAX_ANSWER)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let retry_after = headers.get(b"retry-after").unwrap_or_default();
        let answer = match status {
            Some(status) => Answer::Response { status, retry_after, body: &body },
            None => Answer::None,
        };
        self.tracer.answered(id, &answer, host::now(), ids.bits());
        self.send(ids);
    }

    /// Whether ended configurations may leave it anything.
    pub(crate) fn takes_over(&self) -> bool {
        let config = self.tracer.config();
        config.enabled && config.collector.is_some()
    }

    /// Takes what ended configurations have left, as much as there is room for. Only where
    /// there are requests: the main thread's root contexts and a canary's do nothing.
    fn take_over(&mut self) {
        for _ in 0..MAX_TAKEN {
            if !self.serves || !self.tracer.wants_handed_over() {
                return;
            }
            let Some(item) = self.lineage.take() else { return };
            self.tracer.take_over(&item);
        }
    }

    /// The configuration ends while its VM lives on: all goes out at once, and answers will be
    /// heard. Returns whether there is none to wait for.
    pub(crate) fn drain(&mut self, ids: &mut Generator) -> bool {
        let now = host::monotonic();
        self.tracer.drain(now);
        self.send(ids);
        self.host_waits = !self.is_over(now);
        if self.host_waits {
            self.wake_after(DRAIN.min(self.tracer.config().batch.schedule_delay));
        }
        !self.host_waits
    }

    /// The configuration ends, its VM with it, and nobody comes after: what may be sent is
    /// sent, also what others have left, for it often arrives. But no answer will be heard, so
    /// nobody may say so, and all counts as lost. Returns whether there is none to wait for,
    /// should the VM live on after all.
    pub(crate) fn drain_unheard(&mut self, ids: &mut Generator, stats: &mut ProxyStats) -> bool {
        self.take_over();
        let is_done = self.drain(ids);
        self.leave(false, stats);
        is_done
    }

    /// The configuration ends, its VM with it, and somebody comes after.
    pub(crate) fn stop(&mut self, ids: &mut Generator) -> bool {
        let now = host::now();
        self.tracer.drain(now.mono);
        // Who comes after takes spans, and cannot take counts.
        self.report(now, ids);
        true
    }

    /// Leaves what there is, in flight included, to a successor, or counts it as lost.
    pub(crate) fn leave(&mut self, is_followed: bool, stats: &mut ProxyStats) {
        let Self { tracer, lineage, .. } = self;
        tracer.tell_metrics(true, stats);
        tracer.hand_over(|spans| is_followed && lineage.give(spans));
        if !is_followed && self.takes_over() {
            self.write_off();
        }
    }

    /// Nobody will come for what others have left: not this one either, which maybe never could,
    /// having had no request.
    fn write_off(&mut self) {
        for _ in 0..MAX_WRITTEN_OFF {
            let Some(item) = self.lineage.take() else { return };
            self.tracer.take_over(&item);
            self.tracer.hand_over(|_| false);
        }
    }

    /// Whether the host waits for this to be over.
    pub(crate) fn host_waits(&self) -> bool {
        self.host_waits
    }

    /// Whether a configuration that has ended has done what it can.
    pub(crate) fn is_over(&self, now: Monotonic) -> bool {
        // Calls whose spans have been given up are still under way.
        self.tracer.is_overdue(now) || (self.tracer.is_drained(now) && self.calls.is_empty())
    }

    /// Tells the host that waits that it need not.
    pub(crate) fn done(&mut self) {
        self.host_waits = false;
        // The host may have given up waiting, which it then says here.
        let _ = host::done();
    }

    /// Sends all that may be sent now.
    #[inline(never)]
    fn send(&mut self, ids: &mut Generator) {
        let now = host::now();
        while let Some(call) = self.tracer.next_call(now.mono, deflate) {
            let (id, unsent) = (call.id, dispatch(&call, &mut self.calls, ids));
            self.unsent(id, unsent, now, ids);
        }
        self.report(now, ids);
        while let Some(notice) = self.tracer.notice() {
            say::notice(&notice);
        }
    }

    /// Sends the report of metrics that is due.
    fn report(&mut self, now: Now, ids: &mut Generator) {
        self.tracer.number_metrics(worker_number);
        while let Some(call) = self.tracer.next_report(now, deflate) {
            let (id, unsent) = (call.id, dispatch(&call, &mut self.calls, ids));
            self.unsent(id, unsent, now, ids);
        }
    }

    /// A request was handed to the host, or was not.
    #[inline(never)]
    fn unsent(&mut self, id: CallId, answer: Option<Answer<'_>>, now: Now, ids: &mut Generator) {
        if let Some(answer) = answer {
            self.tracer.answered(id, &answer, now, ids.bits());
        }
    }

    pub(crate) fn wake_after(&mut self, wait: Duration) {
        // A period of 0 would switch the timer off.
        let period = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).max(1);
        if period != self.period && host::set_tick_period(period) == Status::OK {
            self.period = period;
        }
    }
}

/// The host's way to compress.
fn deflate(plain: &[u8]) -> Option<Vec<u8>> {
    host::foreign("compress", plain)
}

/// Hands a request to the host, and notes it among `calls`; or says why it was not sent.
#[inline(never)]
fn dispatch(
    call: &Call<'_>,
    calls: &mut Vec<(u32, CallId)>,
    ids: &mut Generator,
) -> Option<Answer<'static>> {
    let context = SpanContext {
        trace_id: ids.trace_id(),
        span_id: ids.span_id(),
        flags: TraceFlags::RANDOM,
        tracestate: Cow::default(),
    };
    let timeout = u32::try_from(call.collector.timeout.as_millis()).unwrap_or(u32::MAX);
    let headers = call.headers(&context);
    match host::http_call(&call.collector.cluster, &headers, &call.body, timeout) {
        Ok(token) => {
            if calls.len() >= MAX_CALLS {
                // Whichever is the oldest: to remove by a place might panic.
                let mut is_oldest = true;
                calls.retain(|_| !std::mem::take(&mut is_oldest));
            }
            calls.push((token, call.id));
            None
        }
        Err(Status::BAD_ARGUMENT) => Some(Answer::NoSuchCluster),
        Err(_) => Some(Answer::Unsent),
    }
}
