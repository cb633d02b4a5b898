//! What becomes of spans that wait when a proxy ends. Envoy stops at once on SIGTERM: whoever wants
//! them has to have it drain before (docs/export.md, "To end a proxy and lose nothing").

use super::Read;
use crate::check::finding::{Findings, Rule, Weight};
use crate::check::node::At;
use crate::check::scene::{Manifest, Platform, Scene};
use crate::check::yaml;

const RULE: (Weight, Rule) = (Weight::Warning, Rule::Drain);

pub(super) fn judge(scene: &Scene<'_>, read: &[Read<'_, '_>], findings: &mut Findings) {
    let delays = read.iter().map(|it| it.config.batch.schedule_delay.as_secs_f64());
    let Some(delay) = delays.max_by(f64::total_cmp) else { return };
    for it in &scene.manifests {
        match (it.group, it.kind) {
            ("apps", "Deployment" | "DaemonSet" | "StatefulSet") => {
                let Some(template) = it.at.find(&["spec", "template"]) else { continue };
                pod(it.file, &template, delay, findings);
            }
            ("", "Pod") => pod(it.file, &it.at, delay, findings),
            ("gateway.envoyproxy.io", "EnvoyProxy") => gateway(it, delay, findings),
            _ => {}
        }
    }
    // Istio's sidecars wait for 5 s unless told otherwise.
    for Read { instance, config } in read {
        let delay = config.batch.schedule_delay.as_secs_f64();
        if instance.platform == Platform::Istio && delay >= 5.0 {
            let message = format!(
                "spans wait up to {delay} s, and Istio's proxy ends after a terminationDrainDuration \
                 of 5 s unless it is set: what waits then is lost. Make batch.schedule_delay_ms \
                 smaller, or that longer"
            );
            findings.add(RULE, instance.file, &instance.at, message);
        }
    }
}

/// A pod's template, with an Envoy of its own or with Istio's.
fn pod(file: usize, template: &At<'_>, delay: f64, findings: &mut Findings) {
    if let Some(text) = template.find(&["metadata", "annotations", "proxy.istio.io/config"]) {
        let config = yaml::read(text.text().unwrap_or_default()).unwrap_or_default();
        let drain =
            config.first().and_then(|it| At::root(it).get("terminationDrainDuration")?.seconds());
        if let Some(drain) = drain.filter(|it| *it <= delay) {
            let message = format!(
                "a terminationDrainDuration of {drain} s is not longer than the {delay} s that \
                 spans wait: what waits when the proxy ends is lost"
            );
            findings.add(RULE, file, &text, message);
        }
    }
    let Some(spec) = template.get("spec") else { return };
    for container in spec.list("containers").iter().filter(|it| runs_envoy(it)) {
        let Some(hook) = container.find(&["lifecycle", "preStop"]) else {
            let message = "runs Envoy without a preStop hook: on SIGTERM it stops at once, and \
                           requests and spans of that moment are lost. Have it drain before: \
                           docs/export.md has the hook";
            findings.add(RULE, file, container, message);
            continue;
        };
        let grace = spec.get("terminationGracePeriodSeconds");
        let grace = grace.and_then(|it| it.number()).unwrap_or(30.0);
        let Some(sleep) = longest_sleep(&hook) else { continue };
        if sleep >= grace {
            let message = format!(
                "sleeps for {sleep} s, but terminationGracePeriodSeconds is {grace}: the pod is \
                 killed before its proxy has drained"
            );
            findings.add(RULE, file, &hook, message);
        } else if sleep <= delay {
            let message = format!(
                "sleeps for {sleep} s, and spans wait up to {delay} s: what waits then is lost"
            );
            findings.add(RULE, file, &hook, message);
        }
    }
}

fn gateway(manifest: &Manifest<'_>, delay: f64, findings: &mut Findings) {
    let Some(shutdown) = manifest.at.find(&["spec", "shutdown"]) else { return };
    for key in ["drainTimeout", "minDrainDuration"] {
        let Some(at) = shutdown.get(key) else { continue };
        if at.seconds().is_some_and(|it| it <= delay) {
            let message = format!(
                "is not longer than the {delay} s that spans wait: what waits then is lost"
            );
            findings.add(RULE, manifest.file, &at, message);
        }
    }
}

fn runs_envoy(container: &At<'_>) -> bool {
    let words = container.list("command").into_iter().chain(container.list("args"));
    let image = container.text_of("image").unwrap_or_default();
    image.rsplit('/').next().is_some_and(|it| it.starts_with("envoy"))
        || words.filter_map(|it| it.text()).any(|it| it == "envoy" || it.ends_with("/envoy"))
}

/// The longest `sleep` in what a hook does, in seconds.
fn longest_sleep(hook: &At<'_>) -> Option<f64> {
    if let Some(seconds) = hook.find(&["sleep", "seconds"]) {
        return seconds.number();
    }
    let command: Vec<_> =
        hook.find(&["exec", "command"])?.members().filter_map(|it| it.text()).collect();
    let words: Vec<_> = command.iter().flat_map(|it| it.split_whitespace()).collect();
    let sleeps = words.windows(2).filter_map(|it| match it {
        ["sleep", seconds] => seconds.trim_end_matches([';', 's']).parse().ok(),
        _ => None,
    });
    sleeps.max_by(f64::total_cmp)
}
