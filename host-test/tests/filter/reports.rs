//! Reports of metrics, as the collector has them.

use crate::collector::plain;
use crate::hopspan::Hopspan;
use crate::points::{Key, Point, last_points};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use std::collections::BTreeMap;

/// Where they are sent.
pub(crate) const PATH: &str = "/v1/metrics";

/// How many reports came.
pub(crate) fn reports(hopspan: &Hopspan) -> usize {
    hopspan.collector.requests().iter().filter(|it| it.headers.text(":path") == Some(PATH)).count()
}

/// The last points of all series that ever came.
pub(crate) fn points(hopspan: &Hopspan) -> BTreeMap<Key, Point> {
    let requests = hopspan.collector.requests();
    let requests = requests.iter().filter(|it| it.headers.text(":path") == Some(PATH));
    last_points(requests.map(|it| {
        assert_eq!(it.headers.text("content-type"), Some("application/x-protobuf"));
        ExportMetricsServiceRequest::decode(plain(it)).expect("metrics")
    }))
}

/// How many requests were counted, by the name of the metric and these attributes.
pub(crate) fn counts(hopspan: &Hopspan, by: &[&str]) -> Vec<(String, u64)> {
    sums(hopspan, by, |name| name.ends_with(".duration"))
}

/// The counts of some metrics, by name and these attributes.
pub(crate) fn sums(
    hopspan: &Hopspan,
    by: &[&str],
    is_one: impl Fn(&str) -> bool,
) -> Vec<(String, u64)> {
    crate::points::sums(points(hopspan), by, is_one)
}
