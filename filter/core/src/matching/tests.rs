//! Which requests a rule is for, and what the host is asked to find out.

use super::*;
use crate::request::fields::RequestFields;
use crate::request::{Headers, encode_headers};

/// A host that knows some facts and remembers what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Host {
    facts: Vec<(Fact, Vec<u8>)>,
    pub(crate) asked: Vec<Fact>,
}

impl Host {
    /// A host that knows these.
    pub(crate) fn knows(facts: &[(Fact, &[u8])]) -> Self {
        let facts = facts.iter().map(|(fact, value)| (*fact, value.to_vec())).collect();
        Self { facts, asked: Vec::new() }
    }
}

impl Stream for Host {
    fn fact(&mut self, fact: Fact) -> Option<Vec<u8>> {
        self.asked.push(fact);
        self.facts.iter().find(|(it, _)| *it == fact).map(|(_, value)| value.clone())
    }

    fn property(&mut self, path: &str) -> Option<Vec<u8>> {
        panic!("{path} is asked for at the end alone")
    }

    fn request_header(&mut self, name: &str) -> Option<Vec<u8>> {
        panic!("{name} is in the map")
    }

    fn request_headers(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn response_headers(&mut self) -> Option<Vec<u8>> {
        panic!("there is no response yet")
    }

    fn response_trailer(&mut self, name: &str) -> Option<Vec<u8>> {
        panic!("there is no response yet, so no {name}")
    }

    fn leave(&mut self, name: &str, _: &[u8]) -> bool {
        panic!("matching leaves no {name}")
    }
}

/// Looks at a request with these headers, on a listener of a direction that is not known.
pub(crate) fn look<T>(
    headers: &[(&str, &str)],
    host: &mut Host,
    look: impl FnOnce(&mut Candidate<'_, Host>) -> T,
) -> T {
    let bytes = encode_headers(headers);
    let headers = Headers::new(&bytes);
    look(&mut Candidate::new(&RequestFields::of(headers), headers, host, None))
}

const REQUEST: [(&str, &str); 6] = [
    (":method", "GET"),
    (":authority", "Shop.example:8080"),
    (":path", "/users/7?view=full"),
    ("x-tenant", "blue"),
    ("x-tenant", "green"),
    ("x-empty", ""),
];

const FACTS: [(Fact, &[u8]); 7] = [
    (Fact::ListenerDirection, &[1, 0, 0, 0, 0, 0, 0, 0]),
    (Fact::FilterChain, b"tls"),
    (Fact::ClientAddress, b"10.0.0.7:5555"),
    (Fact::MutualTls, &[1]),
    (Fact::PeerUriSan, b"spiffe://mesh/ns/shop/sa/web"),
    (Fact::PeerDnsSan, b"web.shop"),
    (Fact::RouteName, b"users"),
];

fn only<T: FromIterator<&'static str>>(pattern: &'static str) -> Option<T> {
    Some([pattern].into_iter().collect())
}

fn header(name: &str, pattern: &'static str) -> Match {
    let patterns = [pattern].into_iter().collect();
    Match { header: vec![(name.to_owned(), patterns)], ..Match::default() }
}

fn source(ranges: &[&str]) -> Match {
    let ranges = ranges.iter().map(|it| it.parse().unwrap()).collect();
    Match { source: Some(ranges), ..Match::default() }
}

fn holds(rule: &Match, headers: &[(&str, &str)], host: &mut Host) -> bool {
    look(headers, host, |request| rule.holds(request))
}

#[test]
fn nothing_given_holds_for_every_request_and_asks_nothing() {
    let mut host = Host::default();
    assert!(holds(&Match::default(), &REQUEST, &mut host));
    assert!(holds(&Match::default(), &[], &mut host));
    assert_eq!(host.asked, []);
}

#[test]
fn each_key_looks_at_its_part_of_a_request() {
    let all = Match::default;
    for (why, rule, want) in [
        ("method", Match { method: only("GET"), ..all() }, true),
        ("a method has its case", Match { method: only("get"), ..all() }, false),
        ("host", Match { host: only("shop.EXAMPLE"), ..all() }, true),
        ("host and port", Match { host: only("shop.example:8080"), ..all() }, true),
        ("another port", Match { host: only("shop.example:80"), ..all() }, false),
        ("path", Match { path: only("/users/*"), ..all() }, true),
        ("the query is no part of it", Match { path: only("/users/7"), ..all() }, true),
        ("nor can be matched", Match { path: only("*view*"), ..all() }, false),
        ("a path has its case", Match { path: only("/Users/*"), ..all() }, false),
        ("header", header("x-tenant", "blue"), true),
        ("any of a header's values", header("x-tenant", "gr*"), true),
        ("none of them", header("x-tenant", "red"), false),
        ("not two values in one", header("x-tenant", "blue*green"), false),
        ("a header's name has no case", header("X-Tenant", "blue"), true),
        ("a header that is missing", header("x-tenants", "*"), false),
        ("a header that is empty", header("x-empty", "*"), true),
        ("direction", Match { direction: Some(Direction::Inbound), ..all() }, true),
        ("another direction", Match { direction: Some(Direction::Gateway), ..all() }, false),
        ("filter chain", Match { filter_chain: only("tls"), ..all() }, true),
        ("another filter chain", Match { filter_chain: only("plain"), ..all() }, false),
        ("source", source(&["10.0.0.0/8"]), true),
        ("one of several", source(&["fd00::/8", "10.0.0.7/32"]), true),
        ("another source", source(&["10.0.0.8/29"]), false),
        ("peer by URI", Match { peer: only("spiffe://mesh/ns/shop/*"), ..all() }, true),
        ("peer by DNS name", Match { peer: only("web.shop"), ..all() }, true),
        ("another peer", Match { peer: only("spiffe://mesh/ns/bank/*"), ..all() }, false),
        ("route", Match { route: only("users"), ..all() }, true),
        ("another route", Match { route: only("carts"), ..all() }, false),
        ("no method", Match { method: Some(Patterns::default()), ..all() }, false),
        ("no host", Match { host: Some(Hosts::default()), ..all() }, false),
        ("no source", source(&[]), false),
        ("no peer", Match { peer: Some(Patterns::default()), ..all() }, false),
        ("two that hold", Match { path: only("/*"), route: only("*"), ..all() }, true),
        ("one does not", Match { path: only("/*"), route: only("x"), ..all() }, false),
        ("nor the other", Match { path: only("/x"), route: only("*"), ..all() }, false),
        ("one header does not", Match { method: only("PUT"), ..header("x-tenant", "*") }, false),
    ] {
        assert_eq!(holds(&rule, &REQUEST, &mut Host::knows(&FACTS)), want, "{why}");
    }
}

#[test]
fn what_is_missing_fits_nothing() {
    let all = Match::default;
    for (why, rule) in [
        ("method", Match { method: only("*"), ..all() }),
        ("host", Match { host: only("*"), ..all() }),
        ("path", Match { path: only("*"), ..all() }),
        ("header", header("x-tenant", "*")),
        ("filter chain", Match { filter_chain: only("*"), ..all() }),
        ("source", source(&["0.0.0.0/0", "::/0"])),
        ("peer", Match { peer: only("*"), ..all() }),
        ("route", Match { route: only("*"), ..all() }),
    ] {
        assert!(!holds(&rule, &[], &mut Host::default()), "{why}");
        let empty = FACTS.map(|(fact, _)| (fact, &b""[..]));
        assert!(!holds(&rule, &[(":path", "")], &mut Host::knows(&empty)), "{why}, empty");
        assert!(holds(&rule, &REQUEST, &mut Host::knows(&FACTS)), "{why}: it is there");
    }
    let gateway = Match { direction: Some(Direction::Gateway), ..all() };
    assert!(holds(&gateway, &[], &mut Host::default()), "no direction is a gateway's");
}

#[test]
fn a_name_counts_only_where_a_certificate_proves_it() {
    let named = Match { peer: only("spiffe://mesh/*"), ..Match::default() };
    let uri = (Fact::PeerUriSan, &b"spiffe://mesh/ns/shop/sa/web"[..]);
    for (why, mtls, asked) in [
        ("no certificate", Some(&[0][..]), 1),
        ("the host does not say", None, 1),
        ("the host says strange things", Some(&[1, 0]), 1),
        ("a certificate", Some(&[1]), 2),
    ] {
        let mut facts = vec![uri];
        facts.extend(mtls.map(|it| (Fact::MutualTls, it)));
        let mut host = Host::knows(&facts);
        assert_eq!(holds(&named, &REQUEST, &mut host), asked == 2, "{why}");
        assert_eq!(host.asked.len(), asked, "{why}");
    }
}

#[test]
fn an_address_is_read_in_every_form() {
    for (why, address, range, want) in [
        ("IPv4", "10.0.0.7:80", "10.0.0.7/32", true),
        ("IPv4 without port", "10.0.0.7", "10.0.0.7/32", true),
        ("IPv6", "[fd00::7]:80", "fd00::7/128", true),
        ("IPv6 without port", "fd00::7", "fd00::7/128", true),
        ("IPv6 with a zone", "[fe80::7%2]:80", "fe80::7/128", true),
        ("IPv4 as IPv6", "[::ffff:10.0.0.7]:80", "10.0.0.0/8", true),
        ("a path", "/run/proxy.sock", "0.0.0.0/0", false),
        ("inside the proxy", "envoy://internal/1", "::/0", false),
        ("a name", "localhost:80", "0.0.0.0/0", false),
        ("no text", "\u{0}", "0.0.0.0/0", false),
    ] {
        let mut host = Host::knows(&[(Fact::ClientAddress, address.as_bytes())]);
        assert_eq!(holds(&source(&[range]), &REQUEST, &mut host), want, "{why}");
    }
}

#[test]
fn a_host_is_asked_late_and_once() {
    use Fact::{ClientAddress, FilterChain, ListenerDirection, MutualTls, PeerUriSan, RouteName};
    let whole = || Match {
        method: only("GET"),
        host: only("shop.*"),
        path: only("/users/*"),
        direction: Some(Direction::Inbound),
        filter_chain: only("tls"),
        source: source(&["10.0.0.0/8"]).source,
        peer: only("spiffe://*"),
        route: only("users"),
        ..header("x-tenant", "blue")
    };
    let path = Match { path: only("/carts/*"), ..whole() };
    let header = Match { header: header("x-tenant", "red").header, ..whole() };
    let direction = Match { direction: Some(Direction::Outbound), ..whole() };
    let chain = Match { filter_chain: only("plain"), ..whole() };
    let source = Match { source: source(&["fd00::/8"]).source, ..whole() };
    let peer = Match { peer: only("spiffe://bank/*"), ..whole() };
    let all = [ListenerDirection, FilterChain, ClientAddress, MutualTls, PeerUriSan, RouteName];
    for (why, rules, asked, want) in [
        ("headers decide", vec![path.clone(), header], &all[..0], None),
        ("the direction decides", vec![direction.clone()], &all[..1], None),
        ("the filter chain decides", vec![chain.clone()], &all[..2], None),
        ("the source decides", vec![source.clone()], &all[..3], None),
        ("all holds", vec![whole()], &all, Some(0)),
        ("all rules share answers", vec![direction, chain, source, path, whole()], &all, Some(4)),
        ("what follows is not asked", vec![Match::default(), whole()], &[], Some(0)),
    ] {
        let rules: Vec<_> = rules.into_iter().zip(0..).collect();
        let mut host = Host::knows(&FACTS);
        let found = look(&REQUEST, &mut host, |request| first(&rules, request).copied());
        assert_eq!((found, &host.asked[..]), (want, asked), "{why}");
    }
    let mut host = Host::knows(&FACTS);
    assert!(!holds(&peer, &REQUEST, &mut host));
    assert_eq!(host.asked[4..], [PeerUriSan, Fact::PeerDnsSan], "both names, and no route");
    let mut host = Host::default();
    let rule = Match { route: only("a"), ..Match::default() };
    look(&REQUEST, &mut host, |request| {
        assert!((0..3).all(|_| !rule.holds(request)));
        assert_eq!(request.known_direction(), None);
        assert_eq!(request.direction(), request.direction());
        assert_eq!(request.known_direction(), Some(Direction::Gateway));
    });
    assert_eq!(host.asked, [RouteName, ListenerDirection], "no answer is an answer");
}
