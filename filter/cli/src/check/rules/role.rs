//! `role: upstream`: only among the filters of clusters, and never in the collector's.

use super::{Read, collector};
use crate::check::finding::{Findings, Rule, Weight};
use crate::check::scene::{Scene, Seat};
use hopspan_core::config::Role;

pub(super) fn judge(read: &Read<'_, '_>, scene: &Scene<'_>, findings: &mut Findings) {
    let Read { instance, config } = read;
    let message = match (&instance.seat, config.role) {
        (Seat::Listener { .. }, Role::Upstream) => {
            "role: upstream is for the filters of a cluster; here it sees no try, and makes no \
             span of a request"
                .to_owned()
        }
        (Seat::Cluster(_), Role::Downstream) => {
            "stands among the filters of a cluster without role: upstream: it takes each try for \
             a request of its own"
                .to_owned()
        }
        (Seat::Cluster(Some(name)), Role::Upstream) => match exports_to(name, scene) {
            true => format!(
                "stands in {name}, the collector's own cluster: each export passes it, and the \
                 proxy calls the VM from within its own call. Take it out"
            ),
            false => return,
        },
        _ => return,
    };
    findings.add((Weight::Problem, Rule::Role), instance.file, &instance.at, message);
}

/// Whether any instance sends its spans there.
fn exports_to(cluster: &str, scene: &Scene<'_>) -> bool {
    scene.instances.iter().any(|it| collector::named(it).is_some_and(|(name, _)| name == cluster))
}
