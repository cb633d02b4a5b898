//! The keys of the document.

use super::attributes::{Attributes, OF_SDK, OF_SERVICE};
use super::group::group;
use super::headers::Headers;
use super::kind::{Count, Flag, Kind, Millis, MillisOrNone, OneOf, Setting, Share, Words};
use super::reader::{Reader, quoted};
use super::text::{Anything, Authority, ClusterName, Path, Text};
use crate::batch::Limits;
use crate::encode::{Resource, Value as Attribute};
use crate::export::{ClusterNaming, self as export};
use crate::request::Direction;
use crate::span::{Kind as SpanKind, Kinds};
use crate::trust::Action;
use serde_json::{Map, Value, json};

group! {
    /// hopspan's whole configuration. `{}` is valid: trace context is kept or started and
    /// passed on, and nothing is exported.
    struct Document {
        /// Unknown keys refuse the document, instead of a warning in the log.
        strict: Flag = false,
        /// What the listener is. auto: Istio's node id (router~..., waypoint~...) says
        /// gateway; else the listener's traffic direction is asked where an answer depends
        /// on it, and no direction is gateway. Setting this saves a host call a request.
        direction: OneOf<Option<Direction>> = None,
        service: Service = Service::default(),
        /// Further resource attributes of all spans, and of OTEL_RESOURCE_ATTRIBUTES those
        /// that are not written here.
        resource_attributes: Attributes = Vec::new(),
        collector: Collector = Collector::default(),
        batch: Batch = Batch::default(),
        retry: Retry = Retry::default(),
        trust: Trust = Trust::default(),
        sampling: Sampling = Sampling::default(),
        spans: Spans = Spans::default(),
        metrics: Metrics = Metrics::default(),
    }
}
