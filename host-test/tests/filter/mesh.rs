//! Hops of one request: a proxy beside each application, with a configuration for each side.

use crate::hopspan::{Hopspan, builder};
use crate::received::Received;
use host_test::{Headers, Plugin, Stream};
use std::collections::BTreeSet;

/// A proxy beside an application: inbound its first plugin, outbound its second. Nothing is
/// sampled by itself, and what fails or takes a second is kept.
pub(crate) struct Pod {
    /// Its process, with two workers.
    pub(crate) hopspan: Hopspan,
    outbound: Plugin,
}

/// A configuration of one side, with what is `more` in it.
pub(crate) fn keeping(direction: &str, service: &str, more: &str) -> String {
    format!(
        r#"{{"direction":"{direction}","service":{{"name":"{service}"}},
        "collector":{{"cluster":"otel"}},{more}
        "sampling":{{"ratio":0,"keep":{{"errors":true,"slower_than_ms":1000}}}}}}"#
    )
}

impl Pod {
    /// The proxy of a service.
    pub(crate) fn of(service: &str) -> Self {
        // Processes must not roll the same dice.
        let seed = service.bytes().map(u64::from).sum();
        let inbound = builder(keeping("inbound", service, "")).workers(2).random_seed(seed);
        let hopspan = Hopspan::of(inbound);
        let outbound = hopspan.add_plugin(keeping("outbound", service, "")).unwrap();
        Self { hopspan, outbound }
    }

    /// A request to the application.
    pub(crate) fn inbound(&self, worker: usize) -> Stream {
        self.hopspan.worker(worker).stream()
    }

    /// A request of the application.
    pub(crate) fn outbound(&self, worker: usize) -> Stream {
        self.hopspan.worker(worker).stream_of(&self.outbound)
    }
}

/// What an application calls others with that passes on what came with a request.
pub(crate) fn forwarded(stream: &Stream) -> Headers {
    let came = stream.upstream_headers();
    let pass = |request: Headers, name| match came.value(name) {
        Some(value) => request.with(name, value),
        None => request,
    };
    ["traceparent", "tracestate"].into_iter().fold(Headers::plain_get("/next"), pass)
}

/// The upstream's response reaches the hop below, and what that makes of it the hop above.
pub(crate) fn respond_through(below: &Stream, above: &Stream) {
    above.response_headers(below.downstream_headers(), false);
    above.response_body(b"", true);
}

/// Fails unless these spans are one trace in which only `roots` spans have no parent.
#[track_caller]
pub(crate) fn assert_one_trace(spans: &[Received], roots: usize) {
    let traces: BTreeSet<_> = spans.iter().map(Received::trace_id).collect();
    assert_eq!(traces.len(), 1, "{spans:#?}");
    let ids: BTreeSet<_> = spans.iter().map(Received::span_id).collect();
    assert_eq!(ids.len(), spans.len(), "{spans:#?}");
    let orphans = spans.iter().filter(|it| !ids.contains(&it.parent_id())).count();
    assert_eq!(orphans, roots, "{spans:#?}");
}

/// Why a span is there, where no probability says it.
pub(crate) fn reason(span: &Received) -> Option<&str> {
    span.text("hopspan.sampling.reason")
}
