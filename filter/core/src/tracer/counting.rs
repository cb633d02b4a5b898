//! Counting requests, recorded or not, each exactly once.

mod ended;

use super::Tracer;
use crate::config::Config;
use crate::export::report::Reporter;
use crate::metrics::Example;
use crate::metrics::open::Place as OpenPlace;
use crate::origin;
use crate::request::fields::RequestFields;
use crate::request::{Direction, Fact, Stream};
use crate::route::Route;
use crate::route::learned::Learned;
use crate::sampling::probes;
use crate::semconv::piece::Piece;
use crate::semconv::{Kind, http, rpc};
use crate::span::Kinds;
use crate::span::about;
use crate::span::active::{Counted, Recording};
use crate::span::exchange::{Exchange, Place};
use crate::span::hop::{Ending, Hop};
use crate::span::request_text::RequestText;
use crate::stats::{Stat, Stats};
use crate::time::{Monotonic, Now};
use crate::timing::Marks;
use ended::{Ended, Side};
use std::cell::RefCell;
use std::rc::Rc;

/// How one configuration counts.
#[derive(Debug)]
pub(super) struct Metering {
    /// What it counts in, together with others that send the same to the same collector.
    pub(super) reporter: Rc<RefCell<Reporter>>,
    /// The methods of calls that were answered.
    methods: Learned,
    /// Whether it ends, and tells what is left.
    pub(super) is_last: bool,
}

// === impl Metering ===

impl Metering {
    pub(super) fn of(config: &Config) -> Option<Self> {
        let settings = config.metrics.filter(|_| config.enabled && config.counts())?;
        let reporter = Reporter::new(&config.resource, config.collector.as_ref(), settings);
        Some(Self {
            reporter: Rc::new(RefCell::new(reporter)),
            methods: Learned::new(settings.max_series),
            is_last: false,
        })
    }

    /// Whether it counts still.
    pub(super) fn is_on(&self) -> bool {
        self.reporter.try_borrow().is_ok_and(|it| it.is_on())
    }

    /// A request begins, on such a side if that is known.
    pub(super) fn begin(
        &self,
        fields: &RequestFields<'_>,
        kinds: Option<Kinds>,
        now: Monotonic,
    ) -> Option<OpenPlace> {
        let kind = match kinds? {
            Kinds::One(Kind::Client) => Kind::Client,
            Kinds::One(Kind::Server) | Kinds::Both => Kind::Server,
        };
        let method = http::known_method(fields.method).unwrap_or(http::OTHER);
        let scheme = match fields.scheme {
            b"http" => "http",
            b"https" => "https",
            _ => http::OTHER,
        };
        self.reporter.try_borrow_mut().ok()?.begin(kind, method, scheme, now)
    }

    /// It ends.
    pub(super) fn end(&self, place: OpenPlace) {
        if let Ok(mut reporter) = self.reporter.try_borrow_mut() {
            reporter.end(place);
        }
    }

    /// Counts a request that was recorded, or might have been. A minimal exchange does not know
    /// the cluster.
    pub(super) fn count_hop(
        &mut self,
        hop: &Hop,
        exchange: &Exchange<'_>,
        route: Option<&Route>,
        config: &Config,
        host: &mut impl Stream,
        stats: &mut Stats,
    ) {
        let Recording { marks, request, outer_id, caller, .. } = &hop.recording;
        let direction = Direction::ask(&mut hop.recording.direction.clone(), host);
        let kinds = config.kinds_on(direction);
        let is_asked = exchange.attempts.is_some() || !exchange.cluster.is_empty();
        let asks = !is_asked && kinds != Kinds::One(Kind::Server);
        let cluster = if asks { host.fact(Fact::Cluster) } else { None }.unwrap_or_default();
        let took = marks.response_end.unwrap_or(hop.ended).since(marks.started);
        let has_exemplars = self.reporter.try_borrow().is_ok_and(|it| it.has_exemplars());
        let is_shown = has_exemplars && hop.flags.is_sampled();
        let ended = Ended {
            exchange,
            direction,
            kinds,
            route,
            cluster: if asks { &cluster } else { &exchange.cluster },
            caller: caller.as_deref(),
            is_probe: probes::is_probe(request.user_agent(), request.path()),
            took,
            example: is_shown.then(|| Example {
                trace_id: hop.trace_id,
                span_id: if kinds == Kinds::Both { *outer_id } else { hop.span_id },
                time: hop.now().wall,
                took,
            }),
        };
        self.count(&ended, config, host, stats, &mut || hop.now());
    }

    /// Counts a request on each side of the hop.
    #[inline(never)]
    fn count(
        &mut self,
        it: &Ended<'_>,
        config: &Config,
        host: &mut dyn Stream,
        stats: &mut Stats,
        now: &mut dyn FnMut() -> Now,
    ) {
        let side = |kind, place, took| Some(Side { kind, place, took });
        let sides = match it.kinds {
            Kinds::One(kind) => [side(kind, Place::Only, it.took), None],
            Kinds::Both => {
                // What was sent nowhere has no client's side.
                let took = it.exchange.breakdown.upstream.unwrap_or(it.took);
                let client = side(Kind::Client, Place::Inner, took);
                [
                    side(Kind::Server, Place::Outer, it.took),
                    client.filter(|_| !it.cluster.is_empty()),
                ]
            }
        };
        let request = it.exchange.request;
        let method = request.rpc.map(|rpc| self.method(rpc.method(request.path()), it.exchange));
        for side in sides.into_iter().flatten() {
            let outcome = it.exchange.outcome(side.kind, side.place);
            let labels = it.labels(side, &outcome, method.as_ref().map(Option::as_ref));
            let measured = it.measured(side);
            let passed = it.passed(side, &outcome, config, host);
            let Ok(mut reporter) = self.reporter.try_borrow_mut() else { return };
            let before = reporter.series();
            let mut is_overflow = reporter.record(&labels, &measured, now);
            if !it.is_probe {
                let [tls, ..] = ended::facts(side.kind);
                is_overflow |= reporter.record_edge(&passed, &mut || host.fact(tls).is_some());
            }
            let mut record = |histogram, value| host.record(histogram, value);
            if let Some(stats) = reporter.host() {
                is_overflow |= stats.record(&labels, &measured, &passed, !it.is_probe, &mut record);
            }
            if side.place != Place::Inner {
                reporter.record_proxy_time(it.exchange.breakdown.proxy, &mut record);
            }
            let new = reporter.series().saturating_sub(before);
            stats.add(Stat::MetricsSeries, i64::try_from(new).unwrap_or(0));
            stats.add(Stat::MetricsOverflow, is_overflow.into());
        }
    }

    /// The method of a call by its name, once a service has known one like it.
    fn method(&mut self, method: Option<&[u8]>, exchange: &Exchange<'_>) -> Option<Route> {
        let is_known =
            exchange.rpc.map_or(exchange.status == Some(200), |it| !it.is_unimplemented());
        let is_answered = exchange.attempts != Some(0) && exchange.status == Some(200);
        match self.methods.route(method?.to_vec(), || is_known && is_answered)? {
            Route::Other => Some(Route::Configured(rpc::OTHER.into())),
            method => Some(method),
        }
    }

    pub(super) fn leave(self, stats: &mut Stats) {
        if let Some(reporter) = Rc::into_inner(self.reporter) {
            let series = i64::try_from(reporter.into_inner().series()).unwrap_or(i64::MAX);
            stats.add(Stat::MetricsSeries, series.saturating_neg());
        }
    }
}

/// Counts whether the service beside the proxy passes context on: in hopspan's own stats, and in
/// metrics if there are any.
pub(super) fn count_carried(
    carries: Option<bool>,
    direction: Direction,
    stats: &mut Stats,
    metering: &Option<Metering>,
) {
    if origin::count_carried(carries, direction, stats)
        && let Some(it) = metering
        && let Ok(mut reporter) = it.reporter.try_borrow_mut()
    {
        reporter.context_is_missing();
    }
}

impl Tracer {
    /// What is kept of a request that is counted, if it is not recorded.
    pub(super) fn to_count(
        &self,
        fields: &RequestFields<'_>,
        direction: Option<Direction>,
        marks: Marks,
        caller: Option<Box<str>>,
        open: Option<OpenPlace>,
    ) -> Option<Box<Counted>> {
        let is_on = self.metering.as_ref().is_some_and(Metering::is_on);
        is_on.then(|| {
            Box::new(Counted {
                marks,
                measured: true,
                is_timed: self.config.metrics.is_some_and(|it| it.proxy_time),
                direction,
                route: self.routes.seek(fields.method, fields.path),
                request: RequestText::brief(fields),
                piece: Piece::default(),
                is_probe: probes::is_probe(fields.user_agent, fields.path),
                caller,
                open,
            })
        })
    }

    /// Counts a request that was not recorded.
    #[inline(never)]
    pub(super) fn count(
        &mut self,
        mut counted: Counted,
        host: &mut impl Stream,
        now: &mut dyn FnMut() -> Now,
    ) {
        let Self { metering: Some(metering), config, routes, stats, .. } = self else { return };
        let route = std::mem::take(&mut counted.route);
        let Counted { marks, measured, direction, request, piece, .. } = &counted;
        // A server's side needs the status alone, but of calls: a proxy's own answer to one may be 200.
        let is_asked = config.metrics.is_some_and(|it| it.proxy_time)
            || request.rpc.is_some()
            || direction.is_none_or(|it| config.kinds_on(it) != Kinds::One(Kind::Server));
        if is_asked {
            host.gather_few();
        }
        let ended = marks.response_end.unwrap_or_else(|| now().mono);
        let direction = Direction::ask(&mut direction.clone(), host);
        let ending = Ending { marks, measured: *measured, request, piece, ended };
        let exchange = ending.counted(is_asked, host);
        let route = about::route(&exchange, route, routes, host);
        let ended = Ended {
            exchange: &exchange,
            direction,
            kinds: config.kinds_on(direction),
            route: route.as_ref(),
            cluster: &exchange.cluster,
            caller: counted.caller.as_deref(),
            is_probe: counted.is_probe,
            took: ended.since(marks.started),
            example: None,
        };
        metering.count(&ended, config, host, stats, now);
    }
}
