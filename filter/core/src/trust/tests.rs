//! Whom one trusts.

use super::*;
use crate::matching::tests::{Host, look};

const REQUEST: [(&str, &str); 3] =
    [(":method", "GET"), (":authority", "api.partner.example"), (":path", "/pay")];

/// What a listener's direction is on the wire.
const INBOUND: &[u8] = &[1, 0, 0, 0, 0, 0, 0, 0];
const OUTBOUND: &[u8] = &[2, 0, 0, 0, 0, 0, 0, 0];
const NONE: &[u8] = &[0; 8];

#[test]
fn auto_trusts_everyone_but_callers_of_a_gateway() {
    use Direction::{Gateway, Inbound, Outbound};
    for (why, configured, waypoint, listener, want) in [
        ("inbound", Some(Inbound), false, None, Action::Continue),
        ("outbound", Some(Outbound), false, None, Action::Continue),
        ("gateway", Some(Gateway), false, None, Action::IgnoreSampling),
        ("waypoint", Some(Gateway), true, None, Action::Continue),
        ("inbound listener", None, false, Some(INBOUND), Action::Continue),
        ("outbound listener", None, false, Some(OUTBOUND), Action::Continue),
        ("listener without direction", None, false, Some(NONE), Action::IgnoreSampling),
    ] {
        let policy = Policy::auto(configured, waypoint);
        let facts: Vec<_> = listener.into_iter().map(|it| (Fact::ListenerDirection, it)).collect();
        let mut host = Host::knows(&facts);
        assert_eq!(look(&REQUEST, &mut host, |it| policy.action(it)), want, "{why}");
        assert_eq!(host.asked.len(), facts.len(), "{why}: asked only where it decides");
    }
}

#[test]
fn the_first_rule_that_fits_wins_over_the_default() {
    let path = |path: &str| Match { path: Some([path].into_iter().collect()), ..Match::default() };
    let rule = |it: &str, action| (path(it), action);
    let outbound = Match { direction: Some(Direction::Outbound), ..Match::default() };
    use Action::{Continue, IgnoreSampling, Restart};
    for (why, rules, want, asks) in [
        ("no rule", vec![], IgnoreSampling, true),
        ("none fits", vec![rule("/cart", Restart)], IgnoreSampling, true),
        ("one fits", vec![rule("/pay", Restart)], Restart, false),
        ("the first of two", vec![rule("/p*", Continue), rule("/pay", Restart)], Continue, false),
        ("the second", vec![rule("/cart", Continue), rule("/pay", Restart)], Restart, false),
        ("an answer for two", vec![(outbound, Restart)], IgnoreSampling, true),
    ] {
        let policy = Policy { rules, default: DefaultAction::ByDirection };
        let mut host = Host::knows(&[(Fact::ListenerDirection, NONE)]);
        assert_eq!(look(&REQUEST, &mut host, |it| policy.action(it)), want, "{why}");
        assert_eq!(host.asked.len(), usize::from(asks), "{why}");
    }
}

#[test]
fn a_third_party_is_known_by_its_host_or_its_cluster() {
    for (why, hosts, clusters, want, asks) in [
        ("nobody is one", &[][..], &[][..], false, false),
        ("its host", &["*.Partner.example"], &[], true, false),
        ("another host", &["*.other.example"], &[], false, false),
        ("its cluster", &[], &["partner_*"], true, true),
        ("another cluster", &[], &["other"], false, true),
        ("the host is enough", &["api.partner.example"], &["other"], true, false),
        ("the cluster is enough", &["other"], &["x", "partner_api"], true, true),
    ] {
        let egress = Egress { clusters: clusters.iter().collect(), hosts: hosts.iter().collect() };
        let mut host = Host::knows(&[(Fact::Cluster, b"partner_api")]);
        assert_eq!(look(&REQUEST, &mut host, |it| egress.strips(it)), want, "{why}");
        assert_eq!(host.asked.len(), usize::from(asks), "{why}");
    }
    let any = Egress { clusters: ["*"].into_iter().collect(), ..Egress::default() };
    let mut nobody = Host::default();
    assert!(!look(&REQUEST, &mut nobody, |it| any.strips(it)), "a request that goes nowhere");
}
