//! What becomes of requests should the module fail: README, "Which fail policy".

use crate::check::finding::{Findings, Rule, Weight};
use crate::check::scene::{Instance, Platform, Policy, Seat};

pub(super) fn judge(instance: &Instance<'_>, findings: &mut Findings) {
    use {Platform as P, Policy as A};
    // What control planes put into a list as it is has Envoy's own form.
    let is_envoys = instance.seat != Seat::Elsewhere;
    let platform = if is_envoys { P::Envoy } else { instance.platform };
    let (weight, message) = match (instance.policy, platform) {
        (A::Unknown | A::FailOpen, _) => return,
        (A::Open, P::Istio | P::Higress) => (
            Weight::Note,
            "should the module ever fail, the request in which it does is answered 503, and the \
             others of its worker are cut; later ones pass untraced. This kind of manifest has \
             nothing better; Envoy's fail_open, by an EnvoyFilter, spares all",
        ),
        (A::Open, _) => (
            Weight::Problem,
            "cuts traffic should the module ever fail: 503 for the request in which it does, and \
             the others of its worker are cut. Write fail_open: true instead, which spares all",
        ),
        (A::Reload, _) => (
            Weight::Problem,
            "cuts traffic should the module ever fail: 503 for all requests of its worker until \
             it is loaded anew. Spare them: fail_open: true in Envoy, FAIL_OPEN in Istio",
        ),
        (A::Closed, P::Istio | P::Higress) => (
            Weight::Problem,
            "cuts traffic should the module fail, or not be there: 503 for every request, from \
             then on. Write failStrategy: FAIL_OPEN",
        ),
        (A::Closed, P::EnvoyGateway) => (
            Weight::Problem,
            "cuts traffic should the module fail, or not be there: 503 for every request, from \
             then on. Write failOpen: true",
        ),
        (A::Closed, _) => (
            Weight::Problem,
            "cuts traffic should the module ever fail: 503 for every request of its worker, from \
             then on. Write fail_open: true",
        ),
    };
    let at = instance.policy_at.as_ref().unwrap_or(&instance.at);
    findings.add((weight, Rule::FailPolicy), instance.file, at, message);
}
