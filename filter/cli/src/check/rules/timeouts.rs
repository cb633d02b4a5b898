//! Timeouts of 0, which mean none: what they wait for may never come. hopspan's own
//! `collector.timeout_ms` cannot be 0; the module's download can.

use crate::check::finding::{Findings, Rule, Weight};
use crate::check::scene::Instance;

pub(super) fn judge(instance: &Instance<'_>, findings: &mut Findings) {
    let code = instance.at.find(&["vm_config", "code", "remote", "http_uri", "timeout"]);
    let Some(at) = code.filter(|it| it.seconds() == Some(0.0)) else { return };
    let message = "is no limit: a server that never answers keeps the listener from ever opening. \
                   Write one, like 10s";
    findings.add((Weight::Problem, Rule::TimeoutZero), instance.file, &at, message);
}
