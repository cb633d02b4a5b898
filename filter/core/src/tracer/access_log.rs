//! What the proxy's access log can say of the trace.

use crate::context::TraceFlags;
use crate::id::{SpanId, TraceId, write_hex};
use crate::request::Stream;

/// Leaves the trace context to the proxy's log, under OpenTelemetry's names. Each text costs a
/// host call. Returns whether the host has taken them all.
///
/// The names of Envoy's filter state are these with `wasm.` in front.
///
/// Spec: <https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/>
pub(super) fn tell(
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
    host: &mut impl Stream,
) -> bool {
    let mut text = Vec::with_capacity(32);
    let mut all = true;
    for (name, bytes) in [
        ("hopspan.trace_id", &trace_id.as_bytes()[..]),
        ("hopspan.span_id", span_id.as_bytes()),
        ("hopspan.trace_flags", &[flags.bits()]),
    ] {
        text.clear();
        write_hex(bytes, &mut text);
        all &= host.leave(name, &text);
    }
    all
}
