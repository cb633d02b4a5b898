//! Noticing another tracer that writes over ours.

use super::Tracer;
use crate::export::health::Notice;
use crate::id::SpanId;
use crate::propagation::{self, Format};
use crate::request::Stream;
use crate::span::active::ActiveSpan;
use crate::stats::Stat;

/// How many requests of each worker are looked at: enough to notice it, too few to cost.
pub(super) const LOOKS: u32 = 16;

impl Tracer {
    /// With its own tracing switched on, a proxy writes its own `traceparent` over ours,
    /// after the filter: the trace falls apart, and only the end of a request shows it. Its
    /// tries wrote `on_wire` there, which is ours as well.
    pub(super) fn look_for_native_tracing(
        &mut self,
        span: &ActiveSpan,
        on_wire: SpanId,
        stream: &mut impl Stream,
    ) {
        // Who does not write the header has nothing that could be written over.
        let writes = span.is_ours && self.config.propagation.inject.has(Format::TraceContext);
        let Some(looks) = self.looks.checked_sub(1).filter(|_| writes) else { return };
        self.looks = looks;
        let Some(value) = stream.request_header(propagation::traceparent::NAME) else { return };
        if propagation::is_ours(&value, span.trace_id, on_wire) {
            return;
        }
        self.stats.count(Stat::NativeTracing);
        if !std::mem::replace(&mut self.native_tracing_said, true) {
            self.notices.push(Notice {
                is_warning: true,
                once: true,
                detail: String::new(),
                text: "this proxy's own tracing, or a filter behind hopspan, overwrites \
                       traceparent: the upstream's spans will not find hopspan's; switch \
                       off tracing in the HTTP connection manager"
                    .to_owned(),
            });
        }
    }
}
