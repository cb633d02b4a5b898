//! A request at its end: what is written of it.

use super::Tracer;
use super::counting::count_carried;
use crate::attempt::Tried;
use crate::batch::{Priority, Refused};
use crate::config::Config;
use crate::encode::otlp;
use crate::request::{Direction, Stream};
use crate::semconv::{Kind, Outcome};
use crate::shared::Shared;
use crate::span::about::{self, About};
use crate::span::exchange::{Place, Side};
use crate::span::hop::Hop;
use crate::span::{Detail, Kinds};
use crate::stats::Stat;

impl Tracer {
    /// Writes a hop out; one that was not sampled only if it is worth it.
    pub(super) fn record(
        &mut self,
        mut hop: Hop,
        is_sampled: bool,
        tried: Tried,
        host: &mut (impl Stream + Shared),
    ) -> bool {
        let Some(exporter) = &mut self.exporter else { return false };
        // Without a place in the queue all that is asked is whether it failed: that may have one.
        let is_narrow =
            is_sampled && tried.tries().is_none() && !exporter.has_place(Priority::Normal);
        let detail = if is_narrow { Detail::Minimal } else { self.config.spans.detail };
        if detail == Detail::Full {
            host.gather();
        }
        let direction = Direction::ask(&mut hop.recording.direction, host);
        count_carried(hop.recording.carries, direction, &mut self.stats, &self.metering);
        let kinds = self.config.kinds_on(direction);
        let sought = std::mem::take(&mut hop.recording.route);
        let mut exchange = hop.exchange(kinds, detail, host);
        let is_refused = is_narrow && !exchange.may_have_failed();
        if !is_sampled {
            let elapsed = hop.ended.since(hop.recording.marks.started);
            let outcome = || exchange.outcome(Kind::Server, Place::Only);
            let worth = || self.config.keep.at_end(&outcome(), elapsed);
            exchange.reason = exchange.reason.or_else(worth);
        }
        if is_refused || !is_sampled && exchange.reason.is_none() {
            let route = about::route(&exchange, sought, &mut self.routes, host);
            if let Some(metering) = &mut self.metering {
                let stats = &mut self.stats;
                metering.count_hop(&hop, &exchange, route.as_ref(), &self.config, host, stats);
            }
            if is_refused {
                exporter.refuse(if kinds == Kinds::Both { 2 } else { 1 }, &mut self.stats);
                self.pressure.is_refused(Priority::Normal);
            }
            return is_refused && exporter.is_ready(hop.ended);
        }
        if !is_sampled {
            self.stats.count(Stat::SamplingKept);
        }
        let Config { spans: settings, resource, services, .. } = &self.config;
        exchange.about = About::of(&exchange, sought, &mut self.routes, services, host);
        let mut redacted = hop.recording.request.redacted;
        exchange.custom_at_end = settings.at_end(host, &mut redacted);
        for (place, count) in redacted.iter() {
            self.stats.add(Stat::of_redactions(place), count.into());
        }
        let name = exchange.name(&settings.name, resource.service_name()).into_owned();
        if let Some(metering) = &mut self.metering {
            let (route, stats) = (exchange.about.route.as_ref(), &mut self.stats);
            metering.count_hop(&hop, &exchange, route, &self.config, host, stats);
        }
        tried.tell(&mut exchange, &hop.recording.marks);
        let tries = tried.tries();
        let (server, client) = (Kind::Server, Kind::Client);
        let mut planned = Vec::with_capacity(2);
        match kinds {
            // Each try is a client's span.
            Kinds::One(Kind::Client) if tries.is_some() => {}
            _ if tries.is_some() => planned.push((server, Place::Outer, None)),
            Kinds::One(kind) => planned.push((kind, Place::Only, None)),
            Kinds::Both if exchange.attempts == Some(0) => {
                planned.push((server, Place::Only, None))
            }
            Kinds::Both => {
                planned.extend([(server, Place::Outer, None), (client, Place::Inner, None)]);
            }
        }
        if let Some(request) = tries {
            planned
                .extend(request.places(kinds).map(|(number, place)| (client, place, Some(number))));
        }
        for (kind, place, number) in planned {
            let a_try = tries.zip(number);
            if let Some((request, number)) = a_try {
                request.narrow(number, &mut exchange);
            }
            let outcome = exchange.outcome(kind, place);
            let mut span = hop.span(kinds, kind, &exchange, &name, &outcome);
            if let Some((request, number)) = a_try {
                request.of_try(number, &hop, &mut span);
            }
            let priority = match outcome {
                Outcome::Fine => Priority::Normal,
                Outcome::Failed(_) => Priority::High,
            };
            let side = Side { exchange: &exchange, kind, place, outcome: &outcome };
            let pushed = exporter.push(priority, &mut self.stats, |out| {
                otlp::write_span(&span, &side, settings.limits, out)
            });
            if pushed == Err(Refused::QueueFull) {
                self.pressure.is_refused(priority);
            }
        }
        exporter.is_ready(hop.ended)
    }
}
