//! Routes that depend on what hopspan writes. A proxy forgets the route that it has chosen whenever
//! a module writes a header, and matches again with the new headers.

use crate::check::finding::{Findings, Rule, Weight};
use crate::check::node::At;
use crate::check::scene::{Manager, Scene, Seat};

/// The headers of all formats that hopspan can write.
const WRITTEN: [&str; 16] = [
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "grpc-trace-bin",
    "uber-trace-id",
    "x-amzn-trace-id",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-cloud-trace-context",
];

pub(super) fn judge(scene: &Scene<'_>, findings: &mut Findings) {
    let mut judged = Vec::new();
    for instance in &scene.instances {
        let Seat::Listener { manager: Some(number), before } = &instance.seat else { continue };
        let Some(Manager { file, at }) = scene.managers.get(*number) else { continue };
        if judged.contains(number) {
            continue;
        }
        judged.push(*number);
        if let Some(routes) = at.get("route_config") {
            by_trace_headers(*file, &routes, findings);
        }
        for filter in at.list("http_filters").iter().take(before.len()) {
            keeps_its_route(*file, filter, findings);
        }
    }
    // Routes that come in files of their own.
    if scene.instances.is_empty() {
        return;
    }
    for it in scene.manifests.iter().filter(|it| matches!(it.kind, "HTTPRoute" | "VirtualService"))
    {
        by_trace_headers(it.file, &it.at, findings);
    }
}

/// A `match` by a header that hopspan writes: `{ name: traceparent, ... }` under `headers` in
/// Envoy and the Gateway API, the header's name as a key in Istio.
fn by_trace_headers(file: usize, at: &At<'_>, findings: &mut Findings) {
    let matches = ["match", "matches"].into_iter().filter_map(|it| at.get(it));
    // One, or a list of them.
    let matches = matches.flat_map(|it| it.members().chain([it.clone()]).collect::<Vec<_>>());
    for headers in matches.filter_map(|it| it.get("headers")) {
        let named = headers.members().filter_map(|it| Some((it.text_of("name")?, it.clone())));
        let keys = headers.entries().map(|(key, _)| (key, headers.clone()));
        for (header, at) in named.chain(keys) {
            let header = header.to_ascii_lowercase();
            if !WRITTEN.contains(&&*header) {
                continue;
            }
            let message = format!(
                "chooses a route by {header}, which hopspan writes: the route is matched again \
                 with what it wrote. Choose by another header"
            );
            findings.add((Weight::Warning, Rule::RouteCache), file, &at, message);
        }
    }
    for child in at.children() {
        by_trace_headers(file, &child, findings);
    }
}

/// A filter before hopspan that is told to keep the route that it found.
fn keeps_its_route(file: usize, filter: &At<'_>, findings: &mut Findings) {
    let Some(config) = filter.get("typed_config") else { return };
    let retained = config.get("route_cache_action").filter(|it| it.text() == Some("RETAIN"));
    let kept = config.get("disable_clear_route_cache").filter(|it| it.is_true());
    let not_cleared = config.get("clear_route_cache").filter(|it| !it.is_true());
    if let Some(at) = retained.or(kept).or(not_cleared) {
        let message = "means to keep the route as it was chosen, but hopspan behind it writes a \
                       header, and the route is matched again. Put hopspan first";
        findings.add((Weight::Warning, Rule::RouteCache), file, &at, message);
    }
}
