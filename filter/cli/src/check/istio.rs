//! Istio: `WasmPlugin`, `TrafficExtension`, and `EnvoyFilter` with pieces of Envoy's configuration.
//!
//! Source: <https://istio.io/latest/docs/reference/config/proxy_extensions/>

use super::envoy::Around;
use super::node::At;
use super::scene::{Given, Instance, Manifest, Platform, Policy, Scene, Seat};
use std::collections::BTreeMap;

/// A module that Istio has its proxies load.
pub(super) fn plugin<'a>(manifest: &Manifest<'a>, scene: &mut Scene<'a>) {
    let Some(spec) = manifest.spec() else { return };
    // Where it stands is said by `spec`, what it does by what is under `wasm`.
    let wasm = match manifest.kind {
        "TrafficExtension" => spec.get("wasm"),
        _ => Some(spec.clone()),
    };
    let Some(wasm) = wasm else { return };
    let config = wasm.get("pluginConfig");
    if is_hopspan(manifest, &wasm, config.as_ref()) {
        let given = config.map_or(Given::Nothing, Given::Tree);
        scene.instances.push(instance(manifest, Platform::Istio, spec, &wasm, given));
    }
}

/// Pieces that Istio puts into what its proxies get.
pub(super) fn patches<'a>(manifest: &Manifest<'a>, scene: &mut Scene<'a>) {
    let Some(spec) = manifest.spec() else { return };
    for patch in spec.list("configPatches") {
        let Some(value) = patch.find(&["patch", "value"]) else { continue };
        let operation = patch.find(&["patch", "operation"]);
        let before = match operation.as_ref().and_then(At::text) {
            Some("INSERT_FIRST") => Vec::new(),
            _ => vec!["what is there already (INSERT_FIRST puts it first)".to_owned()],
        };
        let mut around = Around::new(manifest.file, Platform::Istio);
        around.seat = Seat::Listener { manager: None, before };
        // The value of a filter is the filter, not a document that has one.
        scene.read_piece(&value, &around);
    }
}

/// What the manifests of Istio and those of Higress have in common.
pub(super) fn instance<'a>(
    manifest: &Manifest<'a>,
    platform: Platform,
    spec: At<'a>,
    wasm: &At<'a>,
    given: Given<'a>,
) -> Instance<'a> {
    let policy_at = wasm.get("failStrategy");
    let policy = match policy_at.as_ref().and_then(At::text) {
        Some("FAIL_OPEN") => Policy::Open,
        Some("FAIL_RELOAD") => Policy::Reload,
        _ => Policy::Closed,
    };
    Instance {
        file: manifest.file,
        at: spec,
        platform,
        given,
        seat: Seat::Elsewhere,
        policy,
        policy_at,
        environment: Some(environment(wasm)),
        // Which of Istio's proxies it is for says nothing of its configuration.
        node_id: "sidecar~~~".to_owned(),
    }
}

/// `vmConfig.env`: `value`, or `valueFrom: HOST`.
fn environment(wasm: &At<'_>) -> BTreeMap<String, Option<String>> {
    let variables = wasm.get("vmConfig").map(|it| it.list("env")).unwrap_or_default();
    let variable = |it: &At<'_>| {
        let name = it.text_of("name")?.to_owned();
        let is_host = it.text_of("valueFrom") == Some("HOST");
        Some((name, (!is_host).then(|| it.text_of("value").unwrap_or_default().to_owned())))
    };
    variables.iter().filter_map(variable).collect()
}

/// Whether a plugin is hopspan: by the names of manifest, module and plugin, or by a
/// configuration that only hopspan has.
pub(super) fn is_hopspan(manifest: &Manifest<'_>, wasm: &At<'_>, config: Option<&At<'_>>) -> bool {
    let names = [Some(manifest.name), wasm.text_of("url"), wasm.text_of("pluginName")];
    names.into_iter().flatten().any(|it| it.contains("hopspan"))
        || config.is_some_and(|it| it.find(&["collector", "cluster"]).is_some())
}
