//! hopspan's own counters and gauges: their names are part of the public interface.

use crate::metrics::host::Form;
use crate::redact::Place;
use std::borrow::Cow;

/// How a stat moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatKind {
    /// Only grows.
    Counter,
    /// Goes up and down; the workers' parts add up.
    Gauge,
    /// The same in every worker: set, never added.
    Level,
}

impl StatKind {
    /// What the proxy calls it.
    pub fn form(self) -> Form {
        match self {
            Self::Counter => Form::Counter,
            Self::Gauge | Self::Level => Form::Gauge,
        }
    }
}

macro_rules! stats {
    ($($stat:ident $kind:ident $name:literal $meaning:literal)*) => {
        /// One of hopspan's own stats.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[repr(usize)]
        pub enum Stat {
            $(#[doc = $meaning] $stat),*
        }

        impl Stat {
            /// All stats, each at the place that its discriminant names.
            pub const ALL: [Self; COUNT] = [$(Self::$stat),*];

            /// The name under which the host knows it; tags as `key=.=value;.;`, of which
            /// `{service}` stands for the service beside the proxy.
            pub fn name(self) -> &'static str {
                match self { $(Self::$stat => $name),* }
            }

            /// One sentence for people.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$stat => $meaning),* }
            }

            /// How it moves.
            pub fn kind(self) -> StatKind {
                match self { $(Self::$stat => StatKind::$kind),* }
            }
        }

        const COUNT: usize = [$(Stat::$stat),*].len();
    };
}

stats! {
    SpansCreated Counter "hopspan.spans.created" "Spans that were finished while being recorded."
    SpansExported Counter "hopspan.spans.exported" "Spans that the collector said it took."
    DroppedQueueFull Counter "hopspan.spans.dropped.reason=.=queue_full;.;" "Spans that found the queue full."
    DroppedTooBig Counter "hopspan.spans.dropped.reason=.=too_big;.;" "Spans larger than a request may be."
    DroppedNonRetryable Counter "hopspan.spans.dropped.reason=.=non_retryable;.;" "Spans that the collector refused for good."
    DroppedRetryExhausted Counter "hopspan.spans.dropped.reason=.=retry_exhausted;.;" "Spans given up after trying for retry.max_elapsed_ms, or at once where retry is off."
    DroppedPartialSuccess Counter "hopspan.spans.dropped.reason=.=partial_success;.;" "Spans that the collector rejected out of a request that it took."
    DroppedEncode Counter "hopspan.spans.dropped.reason=.=encode;.;" "Spans that could not be written in the encoding of collector.protocol."
    DroppedShutdown Counter "hopspan.spans.dropped.reason=.=shutdown;.;" "Spans left when their configuration ended."
    SpansHandedOver Counter "hopspan.spans.handed_over" "Spans that an ended configuration left to its successor."
    SpansTakenOver Counter "hopspan.spans.taken_over" "Spans that a configuration has of the one before it."
    SpansQueued Gauge "hopspan.spans.queued" "Spans that wait to be sent, or sent again."
    SpansInFlight Gauge "hopspan.spans.in_flight" "Spans sent, not answered yet."
    RequestsOk Counter "hopspan.export.requests.outcome=.=ok;.;" "Export requests that were taken whole."
    RequestsPartialSuccess Counter "hopspan.export.requests.outcome=.=partial_success;.;" "Export requests that were taken in part."
    RequestsRetryable Counter "hopspan.export.requests.outcome=.=retryable;.;" "Export requests answered 429, 502, 503 or 504."
    RequestsTooLarge Counter "hopspan.export.requests.outcome=.=too_large;.;" "Export requests answered 413."
    RequestsRejected Counter "hopspan.export.requests.outcome=.=rejected;.;" "Export requests answered otherwise."
    RequestsFailed Counter "hopspan.export.requests.outcome=.=failed;.;" "Export requests that could not be sent or got no answer."
    ExportBytes Counter "hopspan.export.bytes" "Bytes of export requests handed to the proxy, each try counted."
    ExportRetries Counter "hopspan.export.retries" "Export requests that were sent again."
    ExportBackoffMs Counter "hopspan.export.backoff_ms" "Milliseconds of back-off that were begun."
    ContextStarted Counter "hopspan.context.started" "Requests that began a trace here."
    ContextContinued Counter "hopspan.context.continued" "Requests whose caller's trace went on."
    InvalidRepeated Counter "hopspan.context.invalid.reason=.=repeated;.;" "Requests with several of a trace header, or of a field in it, that comes once. Of B3 the first counts, of others none."
    InvalidTooLong Counter "hopspan.context.invalid.reason=.=too_long;.;" "Requests with a trace header longer than anything its format has to say."
    InvalidVersion Counter "hopspan.context.invalid.reason=.=version;.;" "Requests with a trace header of a version that is forbidden, or of which nothing is known."
    InvalidZeroId Counter "hopspan.context.invalid.reason=.=zero_id;.;" "Requests with a trace header whose trace-id or span id is zero."
    InvalidIncomplete Counter "hopspan.context.invalid.reason=.=incomplete;.;" "Requests with trace headers of a format of which the trace-id is missing, or a span id that it demands."
    InvalidTracestate Counter "hopspan.context.invalid.reason=.=tracestate;.;" "Requests whose tracestate broke its grammar: their trace went on without it."
    InvalidSyntax Counter "hopspan.context.invalid.reason=.=syntax;.;" "Requests with a trace header that broke its grammar otherwise."
    ContextConflicts Counter "hopspan.context.conflicts" "Requests whose trace headers named different traces."
    ContextMissing Counter "hopspan.context.missing.service=.={service};.;" "Requests on outbound listeners without any trace context: this service does not pass it on."
    ContextPresent Counter "hopspan.context.present.service=.={service};.;" "Requests on outbound listeners with trace context."
    UntrustedContext Counter "hopspan.context.untrusted.what=.=context;.;" "Requests whose context was not trusted to decide."
    UntrustedDebug Counter "hopspan.context.untrusted.what=.=debug;.;" "Requests with a debug flag of a caller that is not trusted."
    UntrustedForce Counter "hopspan.context.untrusted.what=.=force;.;" "Requests with the header of sampling.force of a caller that is not trusted."
    UntrustedExplain Counter "hopspan.context.untrusted.what=.=explain;.;" "Requests with explain.header of a caller that is not trusted."
    UntrustedMember Counter "hopspan.context.untrusted.what=.=member;.;" "Requests with hopspan's own member in the tracestate of a caller that is not trusted."
    SamplingSampled Counter "hopspan.sampling.sampled" "Requests that were sampled."
    SamplingDropped Counter "hopspan.sampling.dropped" "Requests that were not sampled."
    SamplingForced Counter "hopspan.sampling.forced" "Requests that were sampled because a trusted caller asked for it by a debug flag or sampling.force."
    SamplingLimited Counter "hopspan.sampling.limited" "Requests that were not sampled because of sampling.max_per_second alone."
    SamplingKept Counter "hopspan.sampling.kept" "Requests that were not sampled and kept afterwards."
    KeepForgotten Counter "hopspan.sampling.forgotten" "Traces, or minutes of a route, that had to make room in the table that workers share: others may not hear of them."
    MetricsSeries Gauge "hopspan.metrics.series" "Series of metrics.to."
    MetricsOverflow Counter "hopspan.metrics.overflow" "Requests that were counted as _other because of metrics.max_series."
    ConfigUnknownKeys Level "hopspan.config.unknown_keys" "Keys of the running configuration that this version does not know."
    RedactionsQuery Counter "hopspan.redactions.kind=.=query;.;" "Values of queries that were replaced as spans.redact says."
    RedactionsUserinfo Counter "hopspan.redactions.kind=.=userinfo;.;" "Users and passwords before a host that were replaced."
    RedactionsPath Counter "hopspan.redactions.kind=.=path;.;" "Parameters in paths, such as ;jsessionid=, that were replaced."
    RedactionsHeader Counter "hopspan.redactions.kind=.=header;.;" "Headers in spans.attributes that were replaced because of their names."
    RedactionsBaggage Counter "hopspan.redactions.kind=.=baggage;.;" "Members of baggage that were replaced because of their names."
    RedactionsProperty Counter "hopspan.redactions.kind=.=property;.;" "Properties of the proxy that were replaced because of their names."
    NativeTracing Counter "hopspan.native_tracing" "Requests, of the first on each worker, whose traceparent the proxy's own tracer overwrote."
    Pressure1 Gauge "hopspan.pressure.level=.=1;.;" "Workers whose queue has no room for spans of requests that went well."
    Pressure2 Gauge "hopspan.pressure.level=.=2;.;" "Workers that give up spans altogether: the queue is full, or requests under way hold three quarters of batch.max_open_bytes."
    Pressure3 Gauge "hopspan.pressure.level=.=3;.;" "Workers that give up counting, too: requests under way hold batch.max_open_bytes. Context still goes on."
    GivenUpSpan Counter "hopspan.given_up.what=.=span;.;" "Requests that were sampled and are not recorded, for want of memory."
    GivenUpMetrics Counter "hopspan.given_up.what=.=metrics;.;" "Requests that are not counted, for want of memory."
    Degraded Counter "hopspan.degraded" "Host calls that failed where they should not; the request went through."
}

/// Around what stands in the name of a stat for the service beside the proxy: `{service}`.
const SERVICE: [char; 2] = ['{', '}'];

/// The longest service in the name of a stat, in bytes.
const SERVICE_LIMIT: usize = 100;

impl Stat {
    /// Where secrets that were replaced are counted.
    pub fn of_redactions(place: Place) -> Self {
        match place {
            Place::Query => Self::RedactionsQuery,
            Place::Userinfo => Self::RedactionsUserinfo,
            Place::Path => Self::RedactionsPath,
            Place::Header => Self::RedactionsHeader,
            Place::Baggage => Self::RedactionsBaggage,
            Place::Property => Self::RedactionsProperty,
        }
    }

    /// The name under which the host knows it for one service.
    ///
    /// Of the service only letters, digits, `_`, `-` and `.` stay, others become `_`, and a
    /// hundred of them at most: names of stats have no way to quote.
    pub fn name_for(self, service: &str) -> Cow<'static, str> {
        // By characters: to search for a text is two kilobytes of code.
        let [start, end] = SERVICE;
        let parts = self.name().split_once(start);
        match parts.and_then(|(before, rest)| Some((before, rest.split_once(end)?.1))) {
            None => self.name().into(),
            Some((before, after)) => {
                let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
                let service = service.chars().take(SERVICE_LIMIT);
                let service: String = service.map(|it| if plain(it) { it } else { '_' }).collect();
                format!("{before}{service}{after}").into()
            }
        }
    }
}

/// The stats of one configuration in one worker.
#[derive(Debug)]
pub struct Stats {
    now: [i64; COUNT],
    told: [i64; COUNT],
}

impl Default for Stats {
    fn default() -> Self {
        Self { now: [0; COUNT], told: [0; COUNT] }
    }
}

impl Stats {
    /// Moves a stat; only gauges may move down.
    pub fn add(&mut self, stat: Stat, by: i64) {
        debug_assert!(by >= 0 || stat.kind() == StatKind::Gauge, "{stat:?} went down");
        if let Some(value) = self.now.get_mut(stat as usize) {
            *value = value.saturating_add(by);
        }
    }

    /// Adds one.
    pub fn count(&mut self, stat: Stat) {
        self.add(stat, 1);
    }

    /// Where a stat stands.
    pub fn get(&self, stat: Stat) -> i64 {
        self.now.get(stat as usize).copied().unwrap_or_default()
    }

    /// Tells how much each stat has moved since it was last told; what could not be told,
    /// for which `tell` returns `false`, is told the next time.
    pub fn drain(&mut self, mut tell: impl FnMut(Stat, i64) -> bool) {
        for ((stat, now), told) in Stat::ALL.into_iter().zip(&self.now).zip(&mut self.told) {
            let by = now.saturating_sub(*told);
            if by != 0 && tell(stat, by) {
                *told = *now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stat_stands_at_its_own_place_under_its_own_name() {
        for (place, stat) in Stat::ALL.into_iter().enumerate() {
            assert_eq!(stat as usize, place);
            assert!(stat.name().starts_with("hopspan."), "{stat:?}");
            let same = Stat::ALL.into_iter().filter(|it| it.name() == stat.name()).count();
            assert_eq!(same, 1, "{stat:?}");
        }
    }

    #[test]
    fn a_service_stands_in_the_names_that_have_a_place_for_it() {
        for (why, service, want) in [
            ("plain", "shop-1.eu", "hopspan.context.missing.service=.=shop-1.eu;.;"),
            (
                "what a name cannot quote",
                "a;b=c:d é",
                "hopspan.context.missing.service=.=a_b_c_d__;.;",
            ),
        ] {
            assert_eq!(Stat::ContextMissing.name_for(service), want, "{why}");
        }
        assert_eq!(Stat::ContextMissing.name_for(&"x".repeat(999)).len(), 137, "cut");
        assert_eq!(Stat::SpansCreated.name_for("shop"), "hopspan.spans.created");
    }

    #[test]
    fn each_place_has_redactions_of_its_own() {
        for place in Place::ALL {
            let name = format!("hopspan.redactions.kind=.={place:?};.;").to_lowercase();
            assert_eq!(Stat::of_redactions(place).name(), name);
        }
    }

    #[test]
    fn movements_are_told_once() {
        let told = |stats: &mut Stats| {
            let mut list = Vec::new();
            stats.drain(|stat, by| {
                list.push((stat, by));
                stat != Stat::Degraded
            });
            list
        };
        let mut stats = Stats::default();
        stats.count(Stat::SpansCreated);
        stats.add(Stat::SpansQueued, 3);
        assert_eq!(told(&mut stats), [(Stat::SpansCreated, 1), (Stat::SpansQueued, 3)]);
        stats.add(Stat::SpansQueued, -2);
        assert_eq!(told(&mut stats), [(Stat::SpansQueued, -2)]);
        assert_eq!(told(&mut stats), []);
        assert_eq!(stats.get(Stat::SpansQueued), 1);
        stats.count(Stat::Degraded);
        assert_eq!(told(&mut stats), [(Stat::Degraded, 1)]);
        stats.count(Stat::Degraded);
        assert_eq!(told(&mut stats), [(Stat::Degraded, 2)], "it could not be told before");
    }
}
