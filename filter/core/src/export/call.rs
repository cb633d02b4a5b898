//! One request to the collector, as the adapter sends it.

use super::CallId;
use super::collector::Collector;
use crate::context::SpanContext;
use crate::{propagation, request};
use std::borrow::Cow;

/// A request for the adapter to send.
#[derive(Debug)]
pub struct Call<'a> {
    /// To be given back with the answer.
    pub id: CallId,
    /// Where and how to send it.
    pub collector: &'a Collector,
    /// Its `:path`.
    pub path: &'a str,
    /// What it brings, as it goes over the wire.
    pub body: Cow<'a, [u8]>,
    /// Whether the body was compressed.
    pub is_gzip: bool,
}

impl Call<'_> {
    /// The request's headers. `context` is an unsampled one: whoever passes the request
    /// on must not trace it, whichever format it reads.
    pub fn headers(&self, context: &SpanContext<'_>) -> Vec<u8> {
        let Collector { protocol, authority, headers, .. } = self.collector;
        let unsampled: Vec<_> = propagation::in_every_format(context).collect();
        let mut list: Vec<(&str, &[u8])> = vec![
            (":method", b"POST"),
            (":path", self.path.as_bytes()),
            (":authority", authority.as_bytes()),
            ("content-type", protocol.content_type().as_bytes()),
            ("user-agent", USER_AGENT.as_bytes()),
        ];
        if self.is_gzip {
            list.push(("content-encoding", b"gzip"));
        }
        list.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        list.extend(unsampled.iter().map(|(name, value)| (*name, &value[..])));
        request::encode_headers(&list)
    }
}

/// Spec: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#user-agent>
const USER_AGENT: &str = concat!("OTel-OTLP-Exporter-hopspan/", env!("CARGO_PKG_VERSION"));
