//! One metric with its data points.
//!
//! Field numbers: <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/metrics/v1/metrics.proto>

use super::Snapshot;
use crate::encode::otlp::KeyValues;
use crate::encode::protobuf as pb;
use crate::metrics::Example;
use crate::metrics::exponential::Exponential;
use crate::metrics::histogram::{Buckets, Histogram, Shape, seconds};
use crate::semconv::Attributes as _;
use crate::span::Limits;

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) unit: &'static str,
    pub(super) form: Form,
}

/// How its points are to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// As it is now.
    Gauge,
    /// How many there are, since the beginning.
    Sum {
        /// Whether there can only be more.
        grows: bool,
    },
    /// How often what, since the beginning, in buckets that are told.
    Histogram,
    /// The same in buckets of the [`Shape`] that is wanted.
    Durations,
}

/// The value of a point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(u64),
    Durations(&'a Histogram, Option<Example>),
    /// A histogram without buckets.
    Total {
        count: u64,
        sum: u64,
    },
}

/// Tells the series of workers apart.
pub(super) const WORKER: &str = "hopspan.worker";

/// AGGREGATION_TEMPORALITY_CUMULATIVE
const CUMULATIVE: u64 = 2;

/// Writes a point's attributes.
pub(super) type Describe<'a> = &'a dyn Fn(&mut KeyValues<'_>);

/// The metrics of a report, as they are written.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) snapshot: &'a Snapshot<'a>,
    pub(super) out: Vec<u8>,
    /// Whether no length was too long so far.
    pub(super) is_whole: bool,
}

impl Writer<'_> {
    /// Writes a metric. `points` writes as many points as there are; without any there is none.
    pub(super) fn metric(&mut self, metric: &Metric, points: &mut dyn FnMut(&mut Self)) {
        let before = self.out.len();
        // ScopeMetrics.metrics = 2: name = 1, description = 2, unit = 3, gauge = 5, sum = 7,
        // histogram = 9
        let at = pb::open(2, &mut self.out);
        for (field, text) in [(1, metric.name), (2, metric.description), (3, metric.unit)] {
            pb::bytes(field, text.as_bytes(), &mut self.out);
        }
        let field = match metric.form {
            Form::Gauge => 5,
            Form::Sum { .. } => 7,
            Form::Durations if self.snapshot.shape == Shape::Exponential => 10,
            Form::Durations | Form::Histogram => 9,
        };
        let data = pb::open(field, &mut self.out);
        let empty = self.out.len();
        points(self);
        if self.out.len() == empty {
            self.out.truncate(before);
            return;
        }
        if metric.form != Form::Gauge {
            pb::integer(2, CUMULATIVE, &mut self.out);
        }
        if metric.form == (Form::Sum { grows: true }) {
            pb::integer(3, 1, &mut self.out);
        }
        self.is_whole &= pb::close(data, &mut self.out) && pb::close(at, &mut self.out);
    }

    /// Writes a point of the metric that is being written.
    pub(super) fn point(&mut self, value: Value<'_>, describe: Describe<'_>) {
        let Self { snapshot, out, .. } = self;
        // Of all forms data_points = 1, start_time_unix_nano = 2, time_unix_nano = 3
        let at = pb::open(1, out);
        pb::fixed64(2, snapshot.start.0, out);
        pb::fixed64(3, snapshot.time.0, out);
        let attributes = match value {
            Value::Number(number) => {
                // NumberDataPoint.as_int = 6
                pb::fixed64(6, number, out);
                7
            }
            Value::Durations(histogram, example) => {
                write_count_and_sum(histogram.count(), histogram.sum().as_secs_f64(), out);
                let (attributes, exemplars) = match histogram.buckets() {
                    Buckets::Explicit(bounds, counts) => {
                        write_packed(6, counts.iter().copied(), out);
                        write_packed(7, seconds(bounds).map(f64::to_bits), out);
                        (9, 8)
                    }
                    Buckets::Exponential(it) => {
                        self.is_whole &= write_exponential(it, out);
                        (1, 11)
                    }
                };
                if let Some(example) = example {
                    write_exemplar(exemplars, &example, out);
                }
                attributes
            }
            Value::Total { count, sum } => {
                write_count_and_sum(count, sum as f64, out);
                9
            }
        };
        let mut pairs = KeyValues::new(attributes, Limits::NONE, out);
        describe(&mut pairs);
        pairs.integer(WORKER, i64::try_from(snapshot.worker).unwrap_or(i64::MAX));
        self.is_whole &= pb::close(at, &mut self.out);
    }
}

/// Of both kinds of histograms count = 4, sum = 5
fn write_count_and_sum(count: u64, sum: f64, out: &mut Vec<u8>) {
    pb::fixed64(4, count, out);
    pb::fixed64(5, sum.to_bits(), out);
}

/// ExponentialHistogramDataPoint.scale = 6, zero_count = 7, positive = 8: offset = 1,
/// bucket_counts = 2. Returns whether its lengths could be said.
fn write_exponential(it: &Exponential, out: &mut Vec<u8>) -> bool {
    pb::zigzag(6, it.scale(), out);
    pb::fixed64(7, it.zeros(), out);
    let positive = pb::open(8, out);
    pb::zigzag(1, it.offset(), out);
    let counts = pb::open(2, out);
    it.counts().iter().for_each(|count| pb::varint(*count, out));
    pb::close(counts, out) && pb::close(positive, out)
}

/// Exemplar.time_unix_nano = 2, as_double = 3, span_id = 4, trace_id = 5
fn write_exemplar(field: u32, example: &Example, out: &mut Vec<u8>) {
    let at = pb::open(field, out);
    pb::fixed64(2, example.time.0, out);
    pb::fixed64(3, example.took.as_secs_f64().to_bits(), out);
    pb::bytes(4, example.span_id.as_bytes(), out);
    pb::bytes(5, example.trace_id.as_bytes(), out);
    // So few bytes are never too long.
    pb::close(at, out);
}

fn write_packed(field: u32, values: impl ExactSizeIterator<Item = u64>, out: &mut Vec<u8>) {
    pb::length(field, values.len().saturating_mul(size_of::<u64>()), out);
    values.for_each(|it| out.extend_from_slice(&it.to_le_bytes()));
}
