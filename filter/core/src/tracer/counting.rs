//! Counting requests, recorded or not, each exactly once.

use super::Tracer;
use crate::config::Config;
use crate::export::answer::Answer;
use crate::export::health::Notice;
use crate::export::report::Reporter;
use crate::export::{Call, CallId};
use crate::metrics::{CallLabels, Labels};
use crate::request::fields::RequestFields;
use crate::request::{Direction, Fact, Stream};
use crate::route::Route;
use crate::route::learned::Learned;
use crate::sampling::probes;
use crate::semconv::piece::Piece;
use crate::semconv::rpc::{self, Status};
use crate::semconv::{Kind, Outcome, http};
use crate::span::Kinds;
use crate::span::about;
use crate::span::active::{Counted, Recording};
use crate::span::exchange::{Exchange, Place};
use crate::span::hop::{Ending, Hop};
use crate::span::request_text::RequestText;
use crate::stats::{Stat, Stats};
use crate::time::{Monotonic, Now};
use crate::timing::Marks;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// How one configuration counts.
#[derive(Debug)]
pub(super) struct Metering {
    /// What it counts in, together with others that send the same to the same collector.
    reporter: Rc<RefCell<Reporter>>,
    /// The methods of calls that were answered.
    methods: Learned,
    /// Whether it ends, and tells what is left.
    is_last: bool,
}

/// A request at its end, as it is counted.
struct Ended<'a> {
    exchange: &'a Exchange<'a>,
    kinds: Kinds,
    route: Option<&'a Route>,
    cluster: &'a [u8],
    is_probe: bool,
    took: Duration,
}

/// What health checks have for a route.
const HEALTH: &str = "_health";

// === impl Metering ===

impl Metering {
    pub(super) fn of(config: &Config) -> Option<Self> {
        let settings = config.metrics.filter(|_| config.enabled)?;
        let reporter = Reporter::new(&config.resource, config.collector.as_ref()?, settings);
        Some(Self {
            reporter: Rc::new(RefCell::new(reporter)),
            methods: Learned::new(settings.max_series),
            is_last: false,
        })
    }

    /// Whether it counts still.
    pub(super) fn is_on(&self) -> bool {
        self.reporter.try_borrow().is_ok_and(|it| !it.has_ended())
    }

    /// Counts a request that was recorded, or might have been. A minimal exchange does not know
    /// the cluster.
    pub(super) fn count_hop(
        &mut self,
        hop: &Hop,
        exchange: &Exchange<'_>,
        kinds: Kinds,
        route: Option<&Route>,
        host: &mut impl Stream,
        stats: &mut Stats,
    ) {
        let Recording { marks, request, .. } = &hop.recording;
        let is_asked = exchange.attempts.is_some() || !exchange.cluster.is_empty();
        let asks = !is_asked && kinds == Kinds::One(Kind::Client);
        let cluster = if asks { host.fact(Fact::Cluster) } else { None }.unwrap_or_default();
        let ended = Ended {
            exchange,
            kinds,
            route,
            cluster: if asks { &cluster } else { &exchange.cluster },
            is_probe: probes::is_probe(request.user_agent(), request.path()),
            took: marks.response_end.unwrap_or(hop.ended).since(marks.started),
        };
        self.count(&ended, stats, &mut || hop.now());
    }

    /// Counts a request.
    #[inline(never)]
    fn count(&mut self, it: &Ended<'_>, stats: &mut Stats, now: &mut dyn FnMut() -> Now) {
        let Ended { exchange, kinds, route, cluster, is_probe, took } = *it;
        let Exchange { request, status, rpc, .. } = exchange;
        let kind = if kinds == Kinds::One(Kind::Client) { Kind::Client } else { Kind::Server };
        let outcome = exchange.outcome(kind, Place::Only);
        let method;
        let call = match request.rpc {
            None => None,
            Some(protocol) => {
                method = self.method(protocol.method(request.path()), exchange);
                Some(CallLabels {
                    system: protocol.system(),
                    method: method.as_ref().map_or(b"", Route::text),
                    status: rpc.map_or("", Status::name),
                })
            }
        };
        let is_http = call.is_none();
        let labels = Labels {
            kind,
            method: match http::known_method(request.method()) {
                _ if !is_http => "",
                Some(method) => method,
                None => http::OTHER,
            },
            status: status.filter(|_| is_http),
            error: match &outcome {
                Outcome::Fine => "",
                Outcome::Failed(class) => class,
            },
            route: match route {
                _ if is_probe => HEALTH.as_bytes(),
                Some(route) => route.text(),
                None => b"",
            },
            is_configured: !is_probe && matches!(route, Some(Route::Configured(_))),
            cluster: if kind == Kind::Client { cluster } else { b"" },
            call,
        };
        let Ok(mut reporter) = self.reporter.try_borrow_mut() else { return };
        let counted = reporter.record(&labels, took, now);
        stats.add(Stat::MetricsSeries, counted.is_new.into());
        stats.add(Stat::MetricsOverflow, counted.is_overflow.into());
    }

    /// The method of a call by its name, once a service has known one like it.
    fn method(&mut self, method: Option<&[u8]>, exchange: &Exchange<'_>) -> Option<Route> {
        let is_known =
            exchange.rpc.map_or(exchange.status == Some(200), |it| !it.is_unimplemented());
        let is_answered = exchange.attempts != Some(0) && exchange.status == Some(200);
        match self.methods.route(method?.to_vec(), is_known && is_answered)? {
            Route::Other => Some(Route::Configured(rpc::OTHER.into())),
            method => Some(method),
        }
    }

    fn leave(self, stats: &mut Stats) {
        if let Some(reporter) = Rc::into_inner(self.reporter) {
            let series = i64::try_from(reporter.into_inner().series()).unwrap_or(i64::MAX);
            stats.add(Stat::MetricsSeries, series.saturating_neg());
        }
    }
}

impl Tracer {
    /// What is kept of a request that is counted, if it is not recorded.
    pub(super) fn to_count(
        &self,
        fields: &RequestFields<'_>,
        direction: Option<Direction>,
        marks: Marks,
    ) -> Option<Box<Counted>> {
        let is_on = self.metering.as_ref().is_some_and(Metering::is_on);
        is_on.then(|| {
            Box::new(Counted {
                marks,
                measured: true,
                direction,
                route: self.routes.seek(fields.method, fields.path),
                request: RequestText::brief(fields),
                piece: Piece::default(),
                is_probe: probes::is_probe(fields.user_agent, fields.path),
            })
        })
    }

    /// Counts a request that was not recorded.
    #[inline(never)]
    pub(super) fn count(
        &mut self,
        counted: Counted,
        host: &mut impl Stream,
        now: &mut dyn FnMut() -> Now,
    ) {
        let Self { metering: Some(metering), config, routes, stats, .. } = self else { return };
        let Counted { marks, measured, mut direction, route, request, piece, is_probe } = counted;
        host.gather_few();
        let ended = marks.response_end.unwrap_or_else(|| now().mono);
        let kinds = config.kinds_on(Direction::ask(&mut direction, host));
        let ending = Ending { marks: &marks, measured, request: &request, piece: &piece, ended };
        let exchange = ending.counted(host);
        let route = about::route(&exchange, route, routes, host);
        let ended = Ended {
            exchange: &exchange,
            kinds,
            route: route.as_ref(),
            cluster: &exchange.cluster,
            is_probe,
            took: ended.since(marks.started),
        };
        metering.count(&ended, stats, now);
    }

    /// Counts together with another configuration, if both would tell the same collector of the
    /// same resource: so the counts go on when a configuration is replaced.
    pub fn count_with(&mut self, other: &Self) {
        let (Some(own), Some(other)) = (&mut self.metering, &other.metering) else { return };
        let is_like = match (own.reporter.try_borrow(), other.reporter.try_borrow()) {
            (Ok(own), Ok(other)) => other.is_like(&own),
            _ => false,
        };
        if is_like {
            own.reporter = Rc::clone(&other.reporter);
        }
    }

    /// Takes a number that no other worker of the process has, if metrics need one by now.
    pub fn number_metrics(&mut self, number: impl FnOnce() -> u64) {
        if let Some(it) = &self.metering
            && let Ok(mut reporter) = it.reporter.try_borrow_mut()
        {
            reporter.take_number(number);
        }
    }

    /// The next report of metrics to send; call until `None`.
    pub fn next_report(
        &mut self,
        now: Now,
        mut deflate: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Call<'_>> {
        let (metering, collector) = (self.metering.as_mut()?, self.config.collector.as_ref()?);
        let is_last = std::mem::take(&mut metering.is_last);
        let mut reporter = metering.reporter.try_borrow_mut().ok()?;
        reporter.next(now, is_last, collector, &mut deflate)
    }

    /// How long until metrics want to be asked for, if they do.
    pub(super) fn report_wait(&self, now: Monotonic) -> Option<Duration> {
        self.metering.as_ref()?.reporter.try_borrow().ok()?.wait(now)
    }

    /// An answer came, maybe to a report of metrics.
    pub(super) fn report_answered(&mut self, id: CallId, answer: &Answer<'_>, now: Now) {
        let Self { metering: Some(metering), stats, .. } = self else { return };
        let Ok(mut reporter) = metering.reporter.try_borrow_mut() else { return };
        let before = reporter.series();
        reporter.answered(id, answer, now);
        let gone = before.saturating_sub(reporter.series());
        stats.add(Stat::MetricsSeries, i64::try_from(gone).unwrap_or(i64::MAX).saturating_neg());
    }

    pub(super) fn report_notice(&mut self) -> Option<Notice> {
        self.metering.as_ref()?.reporter.try_borrow_mut().ok()?.notice()
    }

    pub(super) fn report_last(&mut self) {
        if let Some(it) = &mut self.metering {
            it.is_last = true;
        }
    }

    /// Counts no more.
    pub(super) fn leave_metrics(&mut self) {
        if let Some(it) = self.metering.take() {
            it.leave(&mut self.stats);
        }
    }
}
