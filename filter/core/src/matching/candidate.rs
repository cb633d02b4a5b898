//! A request as rules see it.

use super::cluster::Destination;
use crate::request::fields::RequestFields;
use crate::request::{Direction, Fact, Headers, Stream};
use core::net::{IpAddr, SocketAddr};

/// A request for which rules are sought.
///
/// Each fact is asked of the host when a rule first needs it, and never again.
#[derive(Debug)]
pub struct Candidate<'a, S> {
    /// The headers of interest.
    pub fields: &'a RequestFields<'a>,
    /// All headers.
    pub headers: Headers<'a>,
    stream: &'a mut S,
    direction: Option<Direction>,
    asked: Vec<(Fact, Option<Vec<u8>>)>,
}

impl<'a, S: Stream> Candidate<'a, S> {
    /// A request on a listener whose direction may be known already.
    pub fn new(
        fields: &'a RequestFields<'a>,
        headers: Headers<'a>,
        stream: &'a mut S,
        direction: Option<Direction>,
    ) -> Self {
        Self { fields, headers, stream, direction, asked: Vec::new() }
    }

    /// What the listener is.
    pub fn direction(&mut self) -> Direction {
        Direction::ask(&mut self.direction, self.stream)
    }

    /// What the listener is, if nobody needs to be asked.
    pub fn known_direction(&self) -> Option<Direction> {
        self.direction
    }

    /// A fact as the host has it; one without a word in it is none.
    pub fn fact(&mut self, fact: Fact) -> Option<&[u8]> {
        let Self { stream, asked, .. } = self;
        let known = asked.iter().position(|(it, _)| *it == fact);
        let place = known.unwrap_or_else(|| {
            asked.push((fact, stream.fact(fact).filter(|it| !it.is_empty())));
            asked.len().saturating_sub(1)
        });
        asked.get(place)?.1.as_deref()
    }

    /// The host's side of the request.
    pub fn host(&mut self) -> &mut S {
        self.stream
    }

    /// Whether the metadata of the route says that nothing is recorded there.
    pub fn is_disabled(&mut self) -> bool {
        self.fact(Fact::RouteDisabled) == Some(&[1])
    }

    /// The share of new traces that the metadata of the route asks for, if it is one.
    ///
    /// A number that was written in YAML with a fraction is text to Envoy; a number's eight
    /// bytes are never all digits, unless it is so near zero that it is none.
    ///
    /// Source: <https://github.com/envoyproxy/envoy/issues/24410>
    pub fn route_ratio(&mut self) -> Option<f64> {
        let fact = self.fact(Fact::RouteSamplingRatio)?;
        decimal(fact).or_else(|| Some(f64::from_le_bytes(fact.try_into().ok()?)))
    }

    /// Whether the request goes to a host that Istio's control plane knows to be outside of
    /// the mesh, or does not know at all. Of other proxies all clusters are inside.
    pub fn leaves_the_mesh(&mut self) -> bool {
        let cluster = self.fact(Fact::Cluster);
        cluster.is_some_and(|it| !matches!(Destination::of(it), Destination::Service(_)))
    }

    /// The client's address, if it has one: who comes through a socket of the file system or
    /// from a listener inside the proxy has none.
    pub fn source(&mut self) -> Option<IpAddr> {
        let text = std::str::from_utf8(self.fact(Fact::ClientAddress)?).ok()?;
        let with_port = text.parse().map(|it: SocketAddr| it.ip());
        with_port.or_else(|_| text.parse()).ok()
    }
}

/// A share as people write it.
///
/// ```text
/// share    = whole [ "." 1*9DIGIT ]
/// whole    = "0" / "1"
/// ```
fn decimal(text: &[u8]) -> Option<f64> {
    let (whole, rest) = text.split_first()?;
    let digits = match rest.split_first() {
        None => rest,
        Some((b'.', digits)) if (1..=9).contains(&digits.len()) => digits,
        Some(_) => return None,
    };
    if !matches!(whole, b'0' | b'1') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |it: &u8| f64::from(it.saturating_sub(b'0'));
    let fraction = digits.iter().rev().fold(0.0, |sum, it| (sum + digit(it)) / 10.0);
    Some(digit(whole) + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_may_be_text() {
        for (text, want) in [
            ("0", Some(0.0)),
            ("1", Some(1.0)),
            ("0.5", Some(0.5)),
            ("0.25", Some(0.25)),
            ("1.000000", Some(1.0)),
            ("0.000000001", Some(1e-9)),
            ("2", None),
            (".5", None),
            ("0.", None),
            ("0.5e1", None),
            ("", None),
        ] {
            let got = decimal(text.as_bytes());
            let near = |(a, b): (f64, f64)| (a - b).abs() < 1e-15;
            assert!(
                got.is_some() == want.is_some() && got.zip(want).is_none_or(near),
                "{text:?}: {got:?}"
            );
        }
    }
}
