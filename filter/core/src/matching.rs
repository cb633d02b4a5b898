//! Which requests a rule is for.

pub mod cidr;
pub mod cluster;
pub mod candidate;
pub mod hosts;

use crate::pattern::Patterns;
use crate::request::{Direction, Fact, Stream};
use candidate::Candidate;
use cidr::Cidr;
use hosts::Hosts;

/// What a request must be like. All that is given must hold, so that nothing given holds for
/// every request.
///
/// What a request lacks fits no pattern, not even `*`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Match {
    /// The method, which has its case.
    pub method: Option<Patterns>,
    /// The host that the request names.
    pub host: Option<Hosts>,
    /// The path as it came, without its query.
    pub path: Option<Patterns>,
    /// Headers by name, which has no case; of several of one name, any may fit.
    pub header: Vec<(String, Patterns)>,
    /// What the listener is.
    pub direction: Option<Direction>,
    /// The name of the listener's filter chain.
    pub filter_chain: Option<Patterns>,
    /// Ranges of the client's address, as the proxy trusts it: behind a proxy that takes it
    /// from `x-forwarded-for`, the client can choose it.
    pub source: Option<Vec<Cidr>>,
    /// The client's name in the certificate that it presented: the first URI or the first DNS
    /// name of its subject alternative names. A proxy that takes certificates without
    /// validating them takes any name.
    pub peer: Option<Patterns>,
    /// The name of the proxy's route.
    pub route: Option<Patterns>,
}

// === impl Match ===

impl Match {
    /// Whether a request is one of those.
    ///
    /// What is at hand is looked at first, and the host is asked for what still decides.
    pub fn holds<S: Stream>(&self, request: &mut Candidate<'_, S>) -> bool {
        let Self { method, host, path, header, direction, filter_chain, source, peer, route } =
            self;
        let (fields, headers) = (request.fields, request.headers);
        says(method, fields.method)
            && host.as_ref().is_none_or(|it| it.hold(request))
            && says(path, fields.path_and_query().0)
            && header.iter().all(|(name, patterns)| {
                let is_named = |it: &[u8]| it.eq_ignore_ascii_case(name.as_bytes());
                headers.into_iter().any(|(it, value)| is_named(it) && patterns.hold(value))
            })
            && direction.is_none_or(|it| it == request.direction())
            && is_told(filter_chain, &[Fact::FilterChain], request)
            && source.as_ref().is_none_or(|ranges| {
                let is_in = |it| ranges.iter().any(|range| range.contains(it));
                request.source().is_some_and(is_in)
            })
            && (peer.is_none() || request.fact(Fact::MutualTls) == Some(&[1]))
            && is_told(peer, &[Fact::PeerUriSan, Fact::PeerDnsSan], request)
            && is_told(route, &[Fact::RouteName], request)
    }
}

/// What the first rule that a request fits has to say.
pub fn first<'r, T, S: Stream>(
    rules: &'r [(Match, T)],
    request: &mut Candidate<'_, S>,
) -> Option<&'r T> {
    rules.iter().find(|(rule, _)| rule.holds(request)).map(|(_, word)| word)
}

/// Whether a part of the request is as it must be.
fn says(wanted: &Option<Patterns>, part: &[u8]) -> bool {
    wanted.as_ref().is_none_or(|it| !part.is_empty() && it.hold(part))
}

/// Whether one of the host's facts is as it must be.
fn is_told<S: Stream>(
    wanted: &Option<Patterns>,
    facts: &[Fact],
    request: &mut Candidate<'_, S>,
) -> bool {
    wanted.as_ref().is_none_or(|wanted| {
        facts.iter().any(|fact| request.fact(*fact).is_some_and(|it| wanted.hold(it)))
    })
}

#[cfg(test)]
pub(crate) mod tests;
