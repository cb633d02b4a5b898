//! Higress: a `WasmPlugin` of its own, which it makes one of Istio's of.
//!
//! Source: `convertIstioWasmPlugin` in
//! <https://github.com/alibaba/higress/blob/main/pkg/ingress/config/ingress_config.go>

use super::istio;
use super::scene::{Given, Manifest, Platform, Scene};

/// A module that Higress loads. `pluginConfig` comes before `defaultConfig`; `matchRules` become
/// `_rules_` in the configuration, which only Higress's own plugins read.
pub(super) fn plugin<'a>(manifest: &Manifest<'a>, scene: &mut Scene<'a>) {
    let Some(spec) = manifest.spec() else { return };
    let rules = spec.get("matchRules").filter(|it| it.members().next().is_some());
    let is_off = spec.get("defaultConfigDisable").is_some_and(|it| it.is_true());
    let default = spec.get("defaultConfig").filter(|_| !is_off);
    let config = spec.get("pluginConfig");
    if !istio::is_hopspan(manifest, &spec, config.as_ref().or(default.as_ref())) {
        return;
    }
    let given = match (config, rules, default) {
        (Some(config), ..) => Given::Tree(config),
        (None, Some(rules), _) => {
            let message = "reach hopspan as the key _rules_, which it does not have: its own \
                           sampling.rules and trust.rules tell requests apart";
            Given::Unreadable(rules, message.to_owned())
        }
        (None, None, Some(config)) => Given::Tree(config),
        (None, None, None) => Given::Nothing,
    };
    let wasm = spec.clone();
    scene.instances.push(istio::instance(manifest, Platform::Higress, spec, &wasm, given));
}
