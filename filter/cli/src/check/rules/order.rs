//! Whether hopspan is the first filter: what comes before it is in no span's time, and what a
//! filter before it answers is in no trace.

use crate::check::finding::{Findings, Rule, Weight};
use crate::check::scene::{Instance, Manifest, Platform, Scene, Seat};

pub(super) fn judge(instance: &Instance<'_>, scene: &Scene<'_>, findings: &mut Findings) {
    let it = match (instance.platform, &instance.seat) {
        (_, Seat::Listener { before, .. }) if !before.is_empty() => {
            let before = before.join(", ");
            format!(
                "is not the first filter, but behind {before}: their time and their answers are \
                 not seen, and who is refused there is in no trace"
            )
        }
        (Platform::Istio | Platform::Higress, Seat::Elsewhere) => match phase(instance, scene) {
            Some(message) => message,
            None => return,
        },
        (Platform::EnvoyGateway, Seat::Elsewhere) => match gateway(scene) {
            Some(message) => message,
            None => return,
        },
        _ => return,
    };
    findings.add((Weight::Warning, Rule::FilterOrder), instance.file, &instance.at, it);
}

/// Istio sorts plugins by phase, and within one by falling priority.
///
/// Source: <https://istio.io/latest/docs/reference/config/proxy_extensions/wasm-plugin/>
fn phase(instance: &Instance<'_>, scene: &Scene<'_>) -> Option<String> {
    if instance.at.text_of("phase") != Some("AUTHN") {
        return Some(
            "is not the first filter: without phase: AUTHN it stands behind authentication and \
             authorization, and what they refuse is in no trace"
                .to_owned(),
        );
    }
    let priority = |it: &Manifest<'_>| {
        it.spec().and_then(|it| it.get("priority")).and_then(|it| it.number()).unwrap_or(0.0)
    };
    let own = instance.at.get("priority").and_then(|it| it.number()).unwrap_or(0.0);
    let first = scene.manifests.iter().find(|it| {
        let is_plugin = matches!(it.kind, "WasmPlugin" | "TrafficExtension");
        let spec = it.spec();
        let is_same = spec.as_ref().is_some_and(|it| it.node.line == instance.at.node.line)
            && it.file == instance.file;
        let phase = spec.as_ref().and_then(|it| it.text_of("phase"));
        is_plugin && !is_same && phase == Some("AUTHN") && priority(it) >= own
    })?;
    Some(format!(
        "is not the first filter: {} {} has the same phase, and a priority that is not lower. \
         Give hopspan a higher one",
        first.kind, first.name
    ))
}

/// Envoy Gateway puts modules behind all that authenticates. An entry of `filterOrder` moves them
/// only where the filter is that it names.
///
/// Source: <https://github.com/envoyproxy/gateway/blob/v1.9.1/internal/xds/translator/httpfilters.go>
fn gateway(scene: &Scene<'_>) -> Option<String> {
    let orders = scene.all("gateway.envoyproxy.io", "EnvoyProxy").filter_map(Manifest::spec);
    let mut positions = orders.flat_map(|it| it.list("filterOrder"));
    let is_moved = positions.any(|it| {
        it.text_of("name") == Some("envoy.filters.http.wasm") && it.get("before").is_some()
    });
    (!is_moved).then(|| {
        "is not the first filter: Envoy Gateway puts it behind cors and all that authenticates. \
         Move it with filterOrder of the EnvoyProxy, one entry for each filter that you have: \
         { name: envoy.filters.http.wasm, before: envoy.filters.http.ext_authz }"
            .to_owned()
    })
}
