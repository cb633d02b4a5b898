//! What the configuration wanted to know and no option said.

use crate::proxy::Proxy;
use crate::question::{self, Request};
use hopspan_core::config::Config;
use hopspan_core::matching::Match;
use hopspan_core::matching::candidate::Candidate;
use hopspan_core::request::fields::RequestFields;
use hopspan_core::request::{Fact, Headers};

/// An option that would have had a say.
#[derive(Debug)]
pub(crate) struct Lacking {
    pub(crate) option: &'static str,
    /// What was taken instead.
    pub(crate) assumed: &'static str,
    /// The settings that asked.
    pub(crate) by: Vec<String>,
}

/// Each option with what is taken where it is not given.
const OPTIONS: [(&str, &str); 11] = [
    ("--method", "GET"),
    ("--host", "none"),
    ("--path", "/"),
    ("--direction", "gateway"),
    ("--source", "none"),
    ("--peer", "none"),
    ("--filter-chain", "none"),
    ("--route", "none"),
    ("--cluster", "none"),
    ("--route-disabled", "none"),
    ("--route-sampling-ratio", "none"),
];

/// The options that were asked for and not given, where the proxy was asked for these facts.
/// Sampling's rules had a say only if the decision was made here.
pub(crate) fn lacking(
    config: &Config,
    request: &Request,
    asked: &[Fact],
    is_decided_here: bool,
) -> Vec<Lacking> {
    let mut wanted: Vec<(&str, String)> =
        tried(&config.trust.rules, "trust.rules", config, request);
    if config.sampling.of_routes {
        for fact in [Fact::RouteDisabled, Fact::RouteSamplingRatio] {
            wanted.extend(asks(fact, asked, "routes.metadata"));
        }
    }
    let by_route = config.sampling.of_routes && request.given.contains(&"--route-sampling-ratio");
    if is_decided_here && !by_route {
        wanted.extend(tried(&config.sampling.rules, "sampling.rules", config, request));
    }
    if config.sampling.min_per_minute.is_some() {
        wanted.extend(asks(Fact::RouteName, asked, "sampling.min_per_minute"));
    }
    if !config.egress.hosts.is_empty() {
        wanted.push(("--host", "trust.strip_on_egress.hosts".to_owned()));
    }
    let cluster = match config.egress.clusters.is_empty() {
        true => "metrics.announce_caller",
        false => "trust.strip_on_egress.clusters",
    };
    wanted.extend(asks(Fact::Cluster, asked, cluster));
    wanted.extend(asks(Fact::ListenerDirection, asked, "direction: auto"));
    let lacking = |(option, assumed)| {
        let by = wanted.iter().filter(|(it, _)| *it == option);
        let by: Vec<_> = by.map(|(_, setting)| setting.clone()).collect();
        let is_lacking = !by.is_empty() && !request.given.contains(&option);
        is_lacking.then_some(Lacking { option, assumed, by })
    };
    OPTIONS.into_iter().filter_map(lacking).collect()
}

/// The options that were given although nothing depended on them.
pub(crate) fn idle(request: &Request, asked: &[Fact]) -> Vec<&'static str> {
    let facts = request.facts.iter().map(|(fact, _)| *fact);
    let mut idle: Vec<_> = facts.filter_map(question::option).collect();
    idle.dedup();
    let asked: Vec<_> = asked.iter().copied().filter_map(question::option).collect();
    idle.retain(|it| !asked.contains(it));
    idle
}

fn asks(fact: Fact, asked: &[Fact], setting: &str) -> Option<(&'static str, String)> {
    let option = question::option(fact).filter(|_| asked.contains(&fact))?;
    Some((option, setting.to_owned()))
}

/// What each rule looks at, up to the one that applies.
fn tried<T>(
    rules: &[(Match, T)],
    list: &str,
    config: &Config,
    request: &Request,
) -> Vec<(&'static str, String)> {
    let bytes = hopspan_core::request::encode_headers(&request.headers);
    let headers = Headers::new(&bytes);
    let fields = RequestFields::of(headers);
    let mut looked = Vec::new();
    for (number, (rule, _)) in rules.iter().enumerate() {
        let mut proxy = Proxy::new(&request.facts);
        let mut candidate = Candidate::new(&fields, headers, &mut proxy, config.direction);
        let holds = rule.holds(&mut candidate);
        let Match { method, host, path, .. } = rule;
        let parts = [
            method.as_ref().map(|_| "--method"),
            host.as_ref().map(|_| "--host"),
            path.as_ref().map(|_| "--path"),
        ];
        let facts = proxy.asked.into_iter().filter_map(question::option);
        let mut options: Vec<_> = parts.into_iter().flatten().chain(facts).collect();
        options.dedup();
        looked.extend(options.into_iter().map(|it| (it, format!("{list}[{number}]"))));
        if holds {
            break;
        }
    }
    looked
}
