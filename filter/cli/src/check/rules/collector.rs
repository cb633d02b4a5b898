//! Whether the cluster that spans go to is one that the proxy has.

use crate::check::configuration;
use crate::check::finding::{Finding, Findings, Rule, Weight};
use crate::check::scene::{Discovery, Instance, Platform, Scene};

pub(super) fn judge(instance: &Instance<'_>, scene: &Scene<'_>, findings: &mut Findings) {
    let Some((name, line)) = named(instance) else { return };
    let name = &*name;
    let found = match instance.platform {
        Platform::Bare => None,
        it if it.names_clusters_like_istio() => istio(name, instance, scene),
        Platform::EnvoyGateway => gateway(name, scene),
        _ => envoy(name, scene),
    };
    let Some((weight, message)) = found else { return };
    let line = Some(line);
    let (rule, path) = (Rule::CollectorCluster, "collector.cluster".to_owned());
    findings.all.push(Finding { weight, rule, file: instance.file, line, path, message });
}

type Found = Option<(Weight, String)>;

fn envoy(name: &str, scene: &Scene<'_>) -> Found {
    let known = &scene.clusters;
    if known.contains(&name) || known.is_empty() && scene.bootstrap != Some(Discovery::Static) {
        return None;
    }
    let hint = hint(name, known.iter().copied());
    Some(match scene.bootstrap {
        Some(Discovery::Dynamic) => (
            Weight::Warning,
            format!("{name:?} is none of the clusters here; the control plane must have it{hint}"),
        ),
        _ => (Weight::Problem, format!("{name:?} is no cluster of this proxy{hint}")),
    })
}

fn gateway(name: &str, scene: &Scene<'_>) -> Found {
    let known = &scene.clusters;
    if known.contains(&name) {
        return None;
    }
    Some(match known.is_empty() {
        true => (
            Weight::Warning,
            format!(
                "{name:?}: none of these files makes that cluster; Envoy Gateway needs an \
                 EnvoyPatchPolicy that adds it (give both files to one check)"
            ),
        ),
        false => (
            Weight::Problem,
            format!(
                "{name:?} is no cluster that these files make{}",
                hint(name, known.iter().copied())
            ),
        ),
    })
}

/// `outbound|PORT|SUBSET|HOST`, and a host that the mesh knows.
fn istio(name: &str, instance: &Instance<'_>, scene: &Scene<'_>) -> Found {
    let parts: Vec<_> = name.split('|').collect();
    let (port, host) = match *parts.as_slice() {
        ["outbound", port, _, host] if port.parse::<u16>().is_ok() && !host.is_empty() => {
            (port, host)
        }
        _ => {
            return Some((
                Weight::Problem,
                format!(
                    "{name:?} is no name that clusters have here: write outbound|PORT||HOST, like \
                     outbound|4318||otel-collector.observability.svc.cluster.local"
                ),
            ));
        }
    };
    let services = services(instance.platform, scene);
    if services
        .iter()
        .any(|(it, ports)| it == host && (ports.is_empty() || ports.contains(&port.to_owned())))
    {
        return None;
    }
    if let Some((_, ports)) = services.iter().find(|(it, _)| it == host) {
        let ports = ports.join(", ");
        return Some((
            Weight::Problem,
            format!("{name:?}: {host} has port {ports} here, not {port}"),
        ));
    }
    let near = nearest(host, services.iter().map(|(it, _)| &**it));
    if let Some(near) = near {
        return Some((
            Weight::Problem,
            format!("{name:?}: no service is called {host}; is it {near}?"),
        ));
    }
    let is_short = !host.contains('.');
    is_short.then(|| {
        (
            Weight::Problem,
            format!("{name:?}: the host must be whole, like {host}.NAMESPACE.svc.cluster.local"),
        )
    })
}

/// Hosts that the manifests declare, with their ports.
fn services(platform: Platform, scene: &Scene<'_>) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for it in &scene.manifests {
        let Some(spec) = it.spec() else { continue };
        let ports = |key: &str| -> Vec<String> {
            spec.list("ports")
                .iter()
                .filter_map(|it| it.get(key)?.number())
                .map(|it| it.to_string())
                .collect()
        };
        match (it.group, it.kind) {
            ("", "Service") => {
                let namespace = it.namespace.unwrap_or("default");
                all.push((format!("{}.{namespace}.svc.cluster.local", it.name), ports("port")));
            }
            ("networking.istio.io", "ServiceEntry") => {
                let hosts = spec.list("hosts");
                let hosts = hosts.iter().filter_map(|it| it.text());
                all.extend(hosts.map(|host| (host.to_owned(), ports("number"))));
            }
            ("networking.higress.io", "McpBridge") if platform == Platform::Higress => {
                all.extend(spec.list("registries").iter().filter_map(registry));
            }
            _ => {}
        }
    }
    all
}

/// What Higress calls a host of its bridge: by its name and its kind; a static one has port 80.
///
/// Source: <https://higress.cn/en/docs/latest/user/mcp-bridge/>
fn registry(it: &crate::check::node::At<'_>) -> Option<(String, Vec<String>)> {
    let (name, kind) = (it.text_of("name")?, it.text_of("type")?);
    let port = match kind {
        "static" => "80".to_owned(),
        _ => it.get("port")?.number()?.to_string(),
    };
    Some((format!("{name}.{kind}"), vec![port]))
}

/// The name that the configuration has, and the line of it.
pub(super) fn named(instance: &Instance<'_>) -> Option<(String, usize)> {
    configuration::text_at(instance, ["collector", "cluster"])
}

fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map(|it| format!("; is it {it:?}?")).unwrap_or_default()
}

/// What somebody may have meant, if anything is near.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |it: &'a str| Some((strsim::normalized_damerau_levenshtein(name, it), it));
    let best = known.filter_map(near).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= 0.6).map(|(_, it)| it)
}
