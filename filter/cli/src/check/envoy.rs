//! Envoy's own configuration: bootstraps, resources of xDS, and pieces of both in patches.

use super::node::At;
use super::scene::{Discovery, Given, Instance, Manager, Platform, Policy, Scene, Seat};
use std::collections::BTreeMap;

/// What is known of the place at which a tree is read.
#[derive(Clone, Debug)]
pub(super) struct Around {
    pub(super) file: usize,
    pub(super) platform: Platform,
    pub(super) node_id: String,
    /// Where a filter stands that is met here.
    pub(super) seat: Seat,
    /// The name of the filter whose configuration is read.
    filter: String,
}

// === impl Around ===

impl Around {
    pub(super) fn new(file: usize, platform: Platform) -> Self {
        let (node_id, filter) = (String::new(), String::new());
        Self { file, platform, node_id, seat: Seat::Elsewhere, filter }
    }
}

impl<'a> Scene<'a> {
    /// Reads a document of Envoy's.
    pub(super) fn read_envoy(&mut self, document: &At<'a>, around: &Around) {
        let mut around = around.clone();
        if let Some(node) = document.get("node") {
            around.node_id = node.text_of("id").unwrap_or_default().to_owned();
        }
        let dynamic = document.get("dynamic_resources");
        if document.get("static_resources").is_some() || dynamic.is_some() {
            let is_dynamic = dynamic
                .is_some_and(|it| it.get("cds_config").is_some() || it.get("ads_config").is_some());
            let discovery = if is_dynamic { Discovery::Dynamic } else { Discovery::Static };
            let before = self.bootstrap.replace(discovery);
            if before == Some(Discovery::Dynamic) {
                self.bootstrap = before;
            }
        }
        if let Some(tracer) = document.find(&["tracing", "http"]) {
            self.tracers.push((around.file, tracer));
        }
        self.walk(document, &around);
    }

    /// Reads a part of such a document: a filter, a cluster.
    pub(super) fn read_piece(&mut self, piece: &At<'a>, around: &Around) {
        self.walk(piece, around);
    }

    fn walk(&mut self, at: &At<'a>, around: &Around) {
        if is_wasm_filter(at) {
            if let Some(config) = at.get("config") {
                self.plugin(&config, around);
            }
            return;
        }
        let mut around = around.clone();
        if let Some(name) = cluster_name(at) {
            self.clusters.push(name);
            around.seat = Seat::Cluster(Some(name.to_owned()));
        }
        if let Some(filters) = at.get("http_filters") {
            self.filters(at, &filters, &around);
        }
        for child in at.children() {
            if !matches!(at.get("http_filters"), Some(it) if it.path == child.path) {
                self.walk(&child, &around);
            }
        }
    }

    /// The list of a connection manager, or of a cluster.
    fn filters(&mut self, owner: &At<'a>, filters: &At<'a>, around: &Around) {
        let is_manager = !around.seat.is_cluster() && owner.kind() != Some("HttpProtocolOptions");
        let manager = is_manager.then(|| {
            self.managers.push(Manager { file: around.file, at: owner.clone() });
            self.managers.len() - 1
        });
        let mut before = Vec::new();
        for filter in filters.members() {
            let name = filter.text_of("name").unwrap_or_default().to_owned();
            let seat = match is_manager {
                true => Seat::Listener { manager, before: before.clone() },
                false => match &around.seat {
                    Seat::Cluster(name) => Seat::Cluster(name.clone()),
                    _ => Seat::Cluster(None),
                },
            };
            self.walk(&filter, &Around { seat, filter: name.clone(), ..around.clone() });
            before.push(name);
        }
    }

    fn plugin(&mut self, config: &At<'a>, around: &Around) {
        if !is_hopspan(config, &around.filter) {
            return;
        }
        let (policy, policy_at) = policy(config);
        self.instances.push(Instance {
            file: around.file,
            at: config.clone(),
            platform: around.platform,
            given: given(config),
            seat: match is_for_all_clusters(config) {
                true => Seat::Cluster(None),
                false => around.seat.clone(),
            },
            policy,
            policy_at,
            environment: Some(environment(config)),
            node_id: around.node_id.clone(),
        });
    }
}

// === impl Seat ===

impl Seat {
    fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

/// Whether it is in a router's list of filters that stand before every cluster.
fn is_for_all_clusters(config: &At<'_>) -> bool {
    let path = config.path.replace('_', "").to_ascii_lowercase();
    path.contains(".upstreamhttpfilters[")
}

/// The form in which a plugin's configuration is given.
fn given<'a>(config: &At<'a>) -> Given<'a> {
    let Some(any) = config.get("configuration") else { return Given::Nothing };
    let value = any.get("value");
    match (any.kind(), value) {
        (Some("StringValue"), Some(value)) => Given::Text(value),
        (Some("BytesValue"), Some(value)) => Given::Base64(value),
        (Some("Struct"), Some(value)) => Given::Struct(value),
        (Some("StringValue" | "BytesValue" | "Struct" | "Empty"), None) => Given::Nothing,
        (Some(kind), _) => {
            let message = format!("is a {kind}, which hopspan cannot read; write a StringValue");
            Given::Unreadable(any, message)
        }
        (None, _) => {
            let message = "has no \"@type\"; write type.googleapis.com/google.protobuf.StringValue";
            Given::Unreadable(any, message.to_owned())
        }
    }
}

fn policy<'a>(config: &At<'a>) -> (Policy, Option<At<'a>>) {
    if let Some(fail_open) = config.get("fail_open").filter(At::is_true) {
        return (Policy::FailOpen, Some(fail_open));
    }
    let at = config.get("failure_policy");
    let policy = match at.as_ref().and_then(At::text) {
        Some("FAIL_OPEN") => Policy::Open,
        Some("FAIL_RELOAD") => Policy::Reload,
        _ => Policy::Closed,
    };
    (policy, at.or_else(|| config.get("fail_open")))
}

fn environment(config: &At<'_>) -> BTreeMap<String, Option<String>> {
    let mut all = BTreeMap::new();
    let Some(variables) = config.find(&["vm_config", "environment_variables"]) else { return all };
    for name in variables.list("host_env_keys").iter().filter_map(At::text) {
        all.insert(name.to_owned(), None);
    }
    if let Some(pairs) = variables.get("key_values") {
        all.extend(pairs.entries().map(|(key, node)| {
            (key.to_owned(), Some(At::root(node).text().unwrap_or_default().to_owned()))
        }));
    }
    all
}

fn is_wasm_filter(at: &At<'_>) -> bool {
    at.text_of("@type").is_some_and(|it| it.ends_with("filters.http.wasm.v3.Wasm"))
}

/// Whether this plugin is hopspan and no other: by its names, by those of its module, and, where
/// all of them are other people's, by a configuration that only hopspan has.
fn is_hopspan(config: &At<'_>, filter: &str) -> bool {
    let vm = config.get("vm_config");
    let mut names = vec![filter.to_owned()];
    names.extend(["name", "root_id"].iter().filter_map(|it| config.text_of(it)).map(str::to_owned));
    names.extend(vm.iter().filter_map(|it| it.text_of("vm_id")).map(str::to_owned));
    names.extend(vm.iter().filter_map(|it| it.get("code")).map(|it| texts(&it)));
    if names.iter().any(|it| it.to_ascii_lowercase().contains("hopspan")) {
        return true;
    }
    match given(config) {
        Given::Text(at) => {
            let text = at.text().unwrap_or_default();
            text.contains("\"collector\"") && text.contains("\"cluster\"")
        }
        Given::Struct(at) => at.find(&["collector", "cluster"]).is_some(),
        _ => false,
    }
}

/// All texts in a tree.
fn texts(at: &At<'_>) -> String {
    let own = at.text().unwrap_or_default().to_owned();
    at.children().iter().fold(own, |all, it| all + " " + &texts(it))
}

/// The name of what is a cluster, by its type, by its place, or by what only a cluster has.
fn cluster_name<'a>(at: &At<'a>) -> Option<&'a str> {
    const ONLY_CLUSTERS: [&str; 5] =
        ["load_assignment", "connect_timeout", "lb_policy", "eds_cluster_config", "cluster_type"];
    let is_one = at.text_of("@type").is_some_and(|it| it.ends_with("cluster.v3.Cluster"))
        || at.path.contains("static_resources.clusters[")
            && at.path.ends_with(']')
            && at.path.rsplit('.').next().is_some_and(|it| it.starts_with("clusters["))
        || ONLY_CLUSTERS.iter().any(|it| at.get(it).is_some());
    at.text_of("name").filter(|_| is_one)
}
