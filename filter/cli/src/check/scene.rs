//! What the files declare, as far as hopspan has to do with it.

use super::node::At;
use std::collections::BTreeMap;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Scene<'a> {
    pub(super) instances: Vec<Instance<'a>>,
    pub(super) managers: Vec<Manager<'a>>,
    /// The names of all clusters.
    pub(super) clusters: Vec<&'a str>,
    pub(super) manifests: Vec<Manifest<'a>>,
    /// Where a bootstrap configures a tracer for all connection managers.
    pub(super) tracers: Vec<(usize, At<'a>)>,
    /// Whether a bootstrap is there, and what it takes from elsewhere is clusters too.
    pub(super) bootstrap: Option<Discovery>,
}

/// Where the clusters of a bootstrap come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Discovery {
    /// From its own text alone.
    Static,
    /// From a control plane, too.
    Dynamic,
}

/// hopspan, as a file has it loaded.
#[derive(Debug)]
pub(super) struct Instance<'a> {
    pub(super) file: usize,
    /// What declares it: a plugin's configuration, a manifest's `spec`.
    pub(super) at: At<'a>,
    pub(super) platform: Platform,
    pub(super) given: Given<'a>,
    pub(super) seat: Seat,
    pub(super) policy: Policy,
    /// Where the policy is said, if it is.
    pub(super) policy_at: Option<At<'a>>,
    /// The VM's environment by name; `None` is a value that only the proxy has.
    pub(super) environment: Option<BTreeMap<String, Option<String>>>,
    pub(super) node_id: String,
}

/// Whose control plane reads the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Platform {
    /// Nobody: it is hopspan's configuration alone.
    Bare,
    Envoy,
    Istio,
    EnvoyGateway,
    Higress,
}

/// The configuration, in the form in which it is given.
#[derive(Clone, Debug)]
pub(super) enum Given<'a> {
    Nothing,
    /// The bytes of a file.
    Bytes(&'a [u8]),
    /// A text.
    Text(At<'a>),
    /// A text in base64.
    Base64(At<'a>),
    /// A tree, which becomes JSON text on its way.
    Tree(At<'a>),
    /// A `google.protobuf.Struct`, whose numbers are doubles.
    Struct(At<'a>),
    /// In a form that the filter cannot read.
    Unreadable(At<'a>, String),
}

/// Where among filters an instance stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Seat {
    /// In a connection manager's list, or in one that a patch adds to.
    Listener { manager: Option<usize>, before: Vec<String> },
    /// In a cluster's list.
    Cluster(Option<String>),
    /// Where the control plane puts it.
    Elsewhere,
}

/// What the proxy does when the module fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Policy {
    /// The deprecated `fail_open`, which alone spares the traffic.
    FailOpen,
    /// `FAIL_OPEN` of the newer enumeration.
    Open,
    Reload,
    Closed,
    /// The file does not have a say in it.
    Unknown,
}

/// An HTTP connection manager.
#[derive(Debug)]
pub(super) struct Manager<'a> {
    pub(super) file: usize,
    pub(super) at: At<'a>,
}

/// A Kubernetes resource.
#[derive(Debug)]
pub(super) struct Manifest<'a> {
    pub(super) file: usize,
    pub(super) at: At<'a>,
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a str>,
}

// === impl Scene ===

impl<'a> Scene<'a> {
    /// Adds a configuration that no proxy's document is around.
    pub(super) fn bare(&mut self, file: usize, given: Given<'a>, at: At<'a>) {
        self.instances.push(Instance {
            file,
            at,
            platform: Platform::Bare,
            given,
            seat: Seat::Elsewhere,
            policy: Policy::Unknown,
            policy_at: None,
            environment: None,
            node_id: String::new(),
        });
    }

    /// The resources of this kind.
    pub(super) fn all(&self, group: &str, kind: &str) -> impl Iterator<Item = &Manifest<'a>> {
        self.manifests.iter().filter(move |it| (it.group, it.kind) == (group, kind))
    }
}

// === impl Platform ===

impl Platform {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bare => "configuration",
            Self::Envoy => "envoy",
            Self::Istio => "istio",
            Self::EnvoyGateway => "envoy-gateway",
            Self::Higress => "higress",
        }
    }

    /// Whether clusters have Istio's names.
    pub(super) fn names_clusters_like_istio(self) -> bool {
        matches!(self, Self::Istio | Self::Higress)
    }
}

// === impl Manifest ===

impl<'a> Manifest<'a> {
    /// A resource, if that is what it is: what has a kind and a version.
    pub(super) fn of(file: usize, at: &At<'a>) -> Option<Self> {
        let kind = at.text_of("kind")?;
        let version = at.text_of("apiVersion")?;
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let name = at.find(&["metadata", "name"]).and_then(|it| it.text()).unwrap_or_default();
        let namespace = at.find(&["metadata", "namespace"]).and_then(|it| it.text());
        Some(Self { file, at: at.clone(), group, kind, name, namespace })
    }

    pub(super) fn spec(&self) -> Option<At<'a>> {
        self.at.get("spec")
    }
}
