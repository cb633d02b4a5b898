//! Keys of manifests that their kinds do not have: a cluster refuses them, or drops them and says
//! nothing.

use super::collector::nearest;
use crate::check::finding::{Findings, Rule, Weight};
use crate::check::node::At;
use crate::check::scene::Scene;

/// Source: <https://github.com/istio/api/blob/1.27.0/extensions/v1alpha1/wasm.proto>
const WASM_PLUGIN: [&str; 16] = [
    "selector",
    "targetRef",
    "targetRefs",
    "url",
    "sha256",
    "imagePullPolicy",
    "imagePullSecret",
    "verificationKey",
    "pluginConfig",
    "pluginName",
    "phase",
    "priority",
    "failStrategy",
    "vmConfig",
    "match",
    "type",
];
/// Source: <https://github.com/istio/api/blob/master/extensions/v1alpha1/traffic_extension.proto>
const TRAFFIC_EXTENSION: [&str; 7] =
    ["selector", "targetRefs", "phase", "priority", "match", "wasm", "lua"];
const WASM_CONFIG: [&str; 10] = [
    "url",
    "sha256",
    "imagePullPolicy",
    "imagePullSecret",
    "verificationKey",
    "pluginConfig",
    "pluginName",
    "failStrategy",
    "vmConfig",
    "type",
];
/// Source: <https://gateway.envoyproxy.io/docs/api/extension_types/#wasm>
const GATEWAY_WASM: [&str; 6] = ["name", "rootID", "code", "config", "failOpen", "env"];
/// Source: <https://github.com/alibaba/higress/blob/main/api/extensions/v1alpha1/wasmplugin.proto>
const HIGRESS: [&str; 14] = [
    "defaultConfig",
    "matchRules",
    "url",
    "sha256",
    "imagePullPolicy",
    "imagePullSecret",
    "verificationKey",
    "pluginConfig",
    "pluginName",
    "phase",
    "priority",
    "defaultConfigDisable",
    "failStrategy",
    "vmConfig",
];

pub(super) fn judge(scene: &Scene<'_>, findings: &mut Findings) {
    for it in &scene.manifests {
        let is_ours = scene
            .instances
            .iter()
            .any(|instance| instance.file == it.file && instance.at.path.starts_with(&*it.at.path));
        let Some(spec) = it.spec().filter(|_| is_ours) else { continue };
        match (it.group, it.kind) {
            ("extensions.istio.io", "WasmPlugin") => known(it.file, &spec, &WASM_PLUGIN, findings),
            ("extensions.istio.io", "TrafficExtension") => {
                known(it.file, &spec, &TRAFFIC_EXTENSION, findings);
                if let Some(wasm) = spec.get("wasm") {
                    known(it.file, &wasm, &WASM_CONFIG, findings);
                }
            }
            ("gateway.envoyproxy.io", "EnvoyExtensionPolicy") => {
                for wasm in spec.list("wasm") {
                    known(it.file, &wasm, &GATEWAY_WASM, findings);
                }
            }
            ("extensions.higress.io", "WasmPlugin") => known(it.file, &spec, &HIGRESS, findings),
            _ => {}
        }
    }
}

fn known(file: usize, at: &At<'_>, keys: &[&str], findings: &mut Findings) {
    for (key, _) in at.entries().filter(|(key, _)| !keys.contains(key)) {
        let Some(child) = at.get(key) else { continue };
        let hint = nearest(key, keys.iter().copied());
        let hint = hint.map(|it| format!("; is it {it}?")).unwrap_or_default();
        let message = format!("is no key that belongs here{hint}");
        findings.add((Weight::Problem, Rule::ManifestKey), file, &child, message);
    }
}
