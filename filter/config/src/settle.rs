//! From keys to settings: what keys say together, and what each other module wants to know.

use super::attributes::OF_SERVICE;
use super::keys::{
    Batch, Collector, Destination, Document, Egress, Force, Injected, Keep, Metrics, Propagation,
    Response, Retry, Sampling, Service, Trust,
};
use super::kind::{Kind, Setting, word};
use super::reader::{Reader, as_json, quoted};
use super::rules::{SamplingRule, TrustRule};
use super::text::{Authority, Text};
use hopspan_core::batch::Limits;
use hopspan_core::encode::otlp::Envelope;
use hopspan_core::encode::{Protocol, Resource, Value};
use hopspan_core::export::{self, ClusterNaming};
use hopspan_core::request::Direction;
use hopspan_core::sampling::{TraceIdRatio, head};
use hopspan_core::span::Kinds;
use hopspan_core::{config, keep, metrics, propagation, semconv, trust};
use std::num::NonZeroU32;

impl Document {
    /// Paths of all keys.
    pub(super) fn all_paths() -> Vec<String> {
        let mut paths = Vec::new();
        Self::paths("", &mut paths);
        paths
    }

    /// Settles what two keys say about each other.
    ///
    /// Two that are written and contradict each other are a problem; a default gives way to
    /// what is written.
    pub(super) fn reconcile(&mut self, reader: &mut Reader<'_>, warnings: &mut Vec<String>) {
        let Self { batch, retry, collector, propagation, sampling, metrics, .. } = self;
        propagation.value.settle(reader);
        let (batch, retry) = (&mut batch.value, &mut retry.value);
        at_most(
            ("batch.max_export_batch_size", &mut batch.max_export_batch_size),
            ("batch.max_queue_size", &mut batch.max_queue_size),
            reader,
        );
        at_most(
            ("batch.max_export_batch_bytes", &mut batch.max_export_batch_bytes),
            ("batch.max_queue_bytes", &mut batch.max_queue_bytes),
            reader,
        );
        at_most(
            ("retry.initial_backoff_ms", &mut retry.initial_backoff_ms),
            ("retry.max_backoff_ms", &mut retry.max_backoff_ms),
            reader,
        );
        collector.value.settle(collector.written, reader, warnings);
        metrics.value.settle(&collector.value, reader, warnings);
        let force = &sampling.value.force.value;
        if force.header.value.is_none() && force.value.written {
            warnings.push("sampling.force: has no header, so nothing is forced".to_owned());
        }
    }
}

/// Keeps the first of two settings at or below the second.
fn at_most<L: Kind, H: Kind<Value = L::Value>>(
    (low_path, low): (&str, &mut Setting<L>),
    (high_path, high): (&str, &mut Setting<H>),
    reader: &mut Reader<'_>,
) where
    L::Value: Copy + PartialOrd,
{
    if low.value <= high.value {
        return;
    }
    match (low.written, high.written) {
        (true, true) => {
            let json = |it: Option<serde_json::Value>| as_json(&it.unwrap_or_default());
            let (found, limit) = (json(L::write(&mut low.value)), json(H::write(&mut high.value)));
            let message = format!("must be at most {high_path}, which is {limit}, not {found}");
            reader.problem_at(low_path, message);
        }
        (true, false) => high.value = low.value,
        (false, _) => low.value = high.value,
    }
}

impl Service {
    /// The resource of all spans: who made them, where, with what.
    pub(super) fn resource(&self, others: Vec<(String, Value)>) -> Resource {
        let Self { name, namespace, version, instance_id } = self;
        let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
        // A chain of iterators would be 2 KB more.
        let mut attributes = Vec::new();
        for ((key, _), own) in OF_SERVICE.iter().zip([name, namespace, version, instance_id]) {
            attributes.extend(own.value.as_deref().map(|value| text(key, value)));
        }
        attributes.extend(others);
        attributes.push(text(semconv::TELEMETRY_SDK_NAME, "hopspan"));
        attributes.push(text(semconv::TELEMETRY_SDK_LANGUAGE, "rust"));
        attributes.push(text(semconv::TELEMETRY_SDK_VERSION, env!("CARGO_PKG_VERSION")));
        Resource { attributes }
    }
}

impl Collector {
    /// Where spans go, if anywhere.
    pub(super) fn collector(self, naming: ClusterNaming) -> Option<export::Collector> {
        let Self {
            cluster,
            protocol,
            compression,
            authority,
            traces_path,
            metrics_path,
            headers,
            timeout_ms,
        } = self;
        Some(export::Collector {
            cluster: cluster.value?,
            naming,
            protocol: protocol.value,
            compression: compression.value,
            authority: authority.value.unwrap_or_default(),
            traces_path: traces_path.value.unwrap_or_default(),
            metrics_path: metrics_path.value.unwrap_or_default(),
            headers: headers.value,
            timeout: timeout_ms.value,
        })
    }

    fn settle(&mut self, written: bool, reader: &mut Reader<'_>, warnings: &mut Vec<String>) {
        if !self.traces_path.written {
            self.traces_path.value = Some(self.protocol.value.traces_path().to_owned());
        }
        let Some(cluster) = &self.cluster.value else {
            if written {
                warnings.push("collector: has no cluster, so nothing is exported".to_owned());
            }
            return;
        };
        if self.authority.written {
            return;
        }
        let authority = authority_of(cluster);
        if Text::<Authority>::allows(&authority) {
            self.authority.value = Some(authority);
        } else {
            let cluster = quoted(cluster);
            reader.problem_at(
                "collector.authority",
                format!("must be written, because the cluster's name {cluster} cannot be one"),
            );
        }
    }
}

/// What a cluster is called in `:authority`: host and port, where Istio's control plane put
/// them into the name `direction|port|subset|host`; servers refuse the name as it is.
fn authority_of(cluster: &str) -> String {
    let parts: Vec<_> = cluster.split('|').collect();
    match parts.as_slice() {
        [_, port, _, host] => format!("{host}:{port}"),
        _ => cluster.to_owned(),
    }
}

impl Batch {
    pub(super) fn limits(&self) -> Limits {
        let Self {
            schedule_delay_ms,
            max_export_batch_size,
            max_export_batch_bytes,
            max_queue_size,
            max_queue_bytes,
            max_in_flight,
            max_open_bytes,
        } = self;
        Limits {
            schedule_delay: schedule_delay_ms.value,
            max_export_batch_size: max_export_batch_size.value,
            max_export_batch_bytes: max_export_batch_bytes.value,
            max_queue_size: max_queue_size.value,
            max_queue_bytes: max_queue_bytes.value,
            max_in_flight: max_in_flight.value,
            max_open_bytes: max_open_bytes.value,
        }
    }
}

impl Retry {
    pub(super) fn retry(&self) -> export::Retry {
        let Self { enabled, initial_backoff_ms, max_backoff_ms, max_elapsed_ms } = self;
        export::Retry {
            enabled: enabled.value,
            initial_backoff: initial_backoff_ms.value,
            max_backoff: max_backoff_ms.value,
            max_elapsed: max_elapsed_ms.value,
        }
    }
}

impl Propagation {
    /// What is cleared is not injected: by default, or at all.
    fn settle(&mut self, reader: &mut Reader<'_>) {
        let Self { extract: _, inject, clear, baggage_attributes: _ } = self;
        let cleared = |it: &Injected| match it {
            Injected::Format(format) => clear.value.contains(format),
            Injected::Preserve => false,
        };
        if !inject.written {
            inject.value.retain(|it| !cleared(it));
        } else if let Some(both) = inject.value.iter().find(|it| cleared(it)) {
            let both = as_json(&word(both).unwrap_or_default());
            let message = format!("must not have {both}, which is in propagation.inject as well");
            reader.problem_at("propagation.clear", message);
        }
    }

    pub(super) fn propagation(self) -> propagation::Propagation {
        let Self { extract, inject, clear, baggage_attributes: _ } = self;
        let formats = inject.value.iter().filter_map(|it| match it {
            Injected::Format(format) => Some(*format),
            Injected::Preserve => None,
        });
        propagation::Propagation {
            inject: formats.collect(),
            preserve: inject.value.contains(&Injected::Preserve),
            extract: extract.value,
            clear: clear.value.into_iter().collect(),
        }
    }
}

impl Trust {
    pub(super) fn egress(&mut self) -> trust::Egress {
        let Egress { clusters, hosts } = std::mem::take(&mut self.strip_on_egress.value);
        trust::Egress {
            clusters: clusters.value.into_iter().collect(),
            hosts: hosts.value.into_iter().collect(),
        }
    }

    pub(super) fn policy(self, direction: Option<Direction>, is_waypoint: bool) -> trust::Policy {
        let rule = |it: TrustRule| Some((it.r#match.value.settle(), it.action.value?));
        trust::Policy {
            rules: self.rules.value.into_iter().filter_map(rule).collect(),
            ..match self.default.value {
                Some(action) => trust::Policy::always(action),
                None => trust::Policy::auto(direction, is_waypoint),
            }
        }
    }
}

impl Metrics {
    fn settle(
        &mut self,
        collector: &Collector,
        reader: &mut Reader<'_>,
        warnings: &mut Vec<String>,
    ) {
        let (cluster, protocol) = (&collector.cluster.value, &collector.protocol.value);
        let takes_metrics = *protocol != Protocol::ZipkinJson;
        let Some(to) = &self.to.value else {
            let may_take = cluster.is_some() && takes_metrics;
            self.to.value = Some(if may_take { vec![Destination::Otlp] } else { Vec::new() });
            return;
        };
        if !to.contains(&Destination::Otlp) {
            return;
        }
        if cluster.is_none() {
            warnings
                .push("metrics.to: there is no collector.cluster, so nothing is sent".to_owned());
        }
        if !takes_metrics {
            let found = as_json(&word(protocol).unwrap_or_default());
            let message = format!(
                "must be without \"otlp\" where collector.protocol is {found}, which has no metrics"
            );
            reader.problem_at("metrics.to", message);
        }
    }

    /// How requests are counted, if they are.
    pub(super) fn settings(&self) -> Option<metrics::Settings> {
        let Self {
            to,
            interval_ms,
            max_series,
            histogram,
            max_host_histograms,
            announce_caller: _,
            exemplars,
            proxy_time,
        } = self;
        let goes = |to: &[Destination]| metrics::Settings {
            otlp: to.contains(&Destination::Otlp),
            host: to.contains(&Destination::Host).then_some(max_host_histograms.value),
            interval: interval_ms.value,
            max_series: max_series.value,
            histogram: histogram.value,
            exemplars: exemplars.value,
            proxy_time: proxy_time.value,
        };
        to.value.as_deref().filter(|it| !it.is_empty()).map(goes)
    }
}

impl Response {
    pub(super) fn settle(self) -> config::Response {
        let Self { trace_id_header, traceresponse, server_timing } = self;
        config::Response {
            trace_id_header: trace_id_header.value.map(|it| it.to_ascii_lowercase().into()),
            traceresponse: traceresponse.value,
            server_timing: server_timing.value,
        }
    }
}

impl Sampling {
    pub(super) fn keep(&self) -> keep::Policy {
        let Keep { errors, slower_than_ms } = &self.keep.value;
        keep::Policy { errors: errors.value, slower_than: slower_than_ms.value }
    }

    pub(super) fn settings(self, of_routes: bool) -> head::Settings {
        let Self {
            ratio,
            rules,
            max_per_second,
            min_per_minute,
            force,
            keep: _,
            skip_health_checks,
        } = self;
        let ratio_of = |it: f64| TraceIdRatio::new(it).unwrap_or(TraceIdRatio::ALL);
        let rule = |it: SamplingRule| Some((it.r#match.value.settle(), ratio_of(it.ratio.value?)));
        let number = |it: Option<usize>| NonZeroU32::new(it.and_then(|it| it.try_into().ok())?);
        let Force { header, value } = force.value;
        head::Settings {
            ratio: ratio_of(ratio.value),
            rules: rules.value.into_iter().filter_map(rule).collect(),
            max_per_second: number(max_per_second.value),
            min_per_minute: number(min_per_minute.value),
            force: header.value.map(|it| head::Force {
                header: it.to_ascii_lowercase().into(),
                value: value.value.map(|it| it.into_bytes().into()),
            }),
            skip_health_checks: skip_health_checks.value,
            of_routes,
        }
    }
}

/// Turns what was written for requests into what holds for their tries.
pub(super) fn upstream(config: &mut config::Config) {
    config.direction = Some(Direction::Outbound);
    config.kinds = Some(Kinds::One(semconv::Kind::Client));
    // These are a matter of the request.
    config.keep = keep::Policy::default();
    config.response = config::Response::default();
    config.access_log = false;
    config.metrics = None;
    // A try must find what the request was sent on with.
    let propagation = &mut config.propagation;
    let written = propagation::Format::ALL.into_iter().filter(|it| propagation.inject.has(*it));
    let unread: Vec<_> = written.filter(|it| !propagation.extract.contains(it)).collect();
    propagation.extract.extend(unread);
}

/// Notes if what all requests say about their origin leaves them no room for spans.
pub(super) fn check_room(resource: &Resource, limits: &Limits, reader: &mut Reader<'_>) {
    let (found, envelope) =
        (limits.max_export_batch_bytes, Envelope::new(resource, "", "").head().len);
    let least = envelope.saturating_mul(2);
    if found < least {
        reader.problem_at(
            "batch.max_export_batch_bytes",
            format!(
                "must be at least {least}, not {found}: the resource attributes take {envelope}"
            ),
        );
    }
}
