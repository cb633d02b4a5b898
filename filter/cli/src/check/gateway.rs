//! Envoy Gateway: `EnvoyExtensionPolicy`, and `EnvoyPatchPolicy` with pieces of Envoy's configuration.
//!
//! Source: <https://gateway.envoyproxy.io/docs/api/extension_types/>

use super::envoy::Around;
use super::node::At;
use super::scene::{Given, Instance, Manifest, Platform, Policy, Scene, Seat};

/// The modules of a policy.
pub(super) fn extensions<'a>(manifest: &Manifest<'a>, scene: &mut Scene<'a>) {
    let Some(spec) = manifest.spec() else { return };
    for wasm in spec.list("wasm") {
        let code = wasm.get("code");
        let url = |kind: &str| code.as_ref()?.find(&[kind, "url"])?.text();
        let names = [Some(manifest.name), wasm.text_of("name"), url("http"), url("image")];
        let config = wasm.get("config");
        let is_hopspan = names.into_iter().flatten().any(|it| it.contains("hopspan"))
            || config.as_ref().is_some_and(|it| it.find(&["collector", "cluster"]).is_some());
        if !is_hopspan {
            continue;
        }
        let policy_at = wasm.get("failOpen");
        let is_open = policy_at.as_ref().is_some_and(At::is_true);
        let host = wasm.get("env").map(|it| it.list("hostKeys")).unwrap_or_default();
        let environment =
            host.iter().filter_map(At::text).map(|it| (it.to_owned(), None)).collect();
        scene.instances.push(Instance {
            file: manifest.file,
            at: wasm.clone(),
            platform: Platform::EnvoyGateway,
            given: config.map_or(Given::Nothing, Given::Tree),
            seat: Seat::Elsewhere,
            // It becomes Envoy's `fail_open`, the one that spares the traffic:
            // <https://github.com/envoyproxy/gateway/blob/v1.5.0/internal/xds/translator/wasm.go>
            policy: if is_open { Policy::FailOpen } else { Policy::Closed },
            policy_at,
            environment: Some(environment),
            node_id: String::new(),
        });
    }
}

/// Pieces that Envoy Gateway puts into what its proxies get.
pub(super) fn patches<'a>(manifest: &Manifest<'a>, scene: &mut Scene<'a>) {
    let Some(spec) = manifest.spec() else { return };
    for patch in spec.list("jsonPatches") {
        let Some(value) = patch.find(&["operation", "value"]) else { continue };
        let operation = patch.get("operation");
        let path = operation.as_ref().and_then(|it| it.text_of("path")).unwrap_or_default();
        let before = match path.ends_with("/http_filters/0") {
            true => Vec::new(),
            false => vec![
                "what is there already (a path that ends with /http_filters/0 puts it first)"
                    .to_owned(),
            ],
        };
        let mut around = Around::new(manifest.file, Platform::Envoy);
        around.seat = Seat::Listener { manager: None, before };
        scene.read_piece(&value, &around);
    }
}
