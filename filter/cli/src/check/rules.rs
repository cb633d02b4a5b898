//! What is judged around hopspan's configuration: one file for each kind of mistake.

mod collector;
mod policy;
mod order;
mod tracing;
mod role;
mod route_cache;
mod timeouts;
mod drain;
mod keys;

use super::finding::Findings;
use super::scene::{Instance, Scene};
use hopspan_core::config::Config;

/// An instance whose configuration is good, with it.
#[derive(Debug)]
pub(super) struct Read<'s, 'a> {
    pub(super) instance: &'s Instance<'a>,
    pub(super) config: Config,
}

/// Judges everything but the configurations themselves.
pub(super) fn judge(scene: &Scene<'_>, read: &[Read<'_, '_>], findings: &mut Findings) {
    for it in read {
        role::judge(it, scene, findings);
    }
    for instance in &scene.instances {
        collector::judge(instance, scene, findings);
        policy::judge(instance, findings);
        order::judge(instance, scene, findings);
        timeouts::judge(instance, findings);
    }
    tracing::judge(scene, findings);
    route_cache::judge(scene, findings);
    drain::judge(scene, read, findings);
    keys::judge(scene, findings);
}
