//! Another tracer in the same proxy: it writes its `traceparent` over hopspan's, so that the
//! parents of all spans behind are spans that only the other one knows.

use crate::check::finding::{Findings, Rule, Weight};
use crate::check::scene::{Manager, Scene, Seat};

const MESSAGE: &str = "the proxy traces by itself, too, and writes its traceparent over hopspan's: \
                       every trace breaks here. Take it out";

pub(super) fn judge(scene: &Scene<'_>, findings: &mut Findings) {
    let rule = (Weight::Problem, Rule::NativeTracing);
    for (number, Manager { file, at }) in scene.managers.iter().enumerate() {
        let has_hopspan = scene.instances.iter().any(|it| {
            it.file == *file
                && matches!(it.seat, Seat::Listener { manager, .. } if manager == Some(number))
        });
        let Some(tracing) = at.get("tracing").filter(|_| has_hopspan) else { continue };
        // Without a provider, the bootstrap's; without that, nothing is traced.
        let provider = tracing.get("provider").is_some();
        if provider || scene.tracers.iter().any(|(it, _)| it == file) {
            findings.add(rule, *file, &tracing, MESSAGE);
        }
    }
    if scene.instances.is_empty() {
        return;
    }
    for it in &scene.manifests {
        let Some(spec) = it.spec() else { continue };
        let found = match (it.group, it.kind) {
            ("telemetry.istio.io", "Telemetry") => spec.list("tracing").into_iter().find(|it| {
                let is_off = it.get("disableSpanReporting").is_some_and(|it| it.is_true());
                !is_off && it.get("providers").is_some()
            }),
            ("install.istio.io", "IstioOperator") => {
                spec.find(&["meshConfig", "enableTracing"]).filter(|it| it.is_true())
            }
            ("gateway.envoyproxy.io", "EnvoyProxy") => spec.find(&["telemetry", "tracing"]),
            _ => None,
        };
        if let Some(at) = found {
            findings.add(rule, it.file, &at, MESSAGE);
        }
    }
}
