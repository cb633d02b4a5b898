//! The proxy's own stats, which all its workers share by their names.

use crate::host::{self, Status};
use hopspan_core::metrics::host::{Form, Registry};
use std::borrow::Cow;

/// Ids of the host's metrics by name, `None` where it has none: each definition takes memory of
/// the host for good, so they outlive configurations.
#[derive(Debug, Default)]
pub(crate) struct ProxyStats(Vec<(Cow<'static, str>, Option<u32>)>);

// === impl ProxyStats ===

impl ProxyStats {
    /// The id of a stat, which is new or not.
    pub(crate) fn id(&mut self, form: Form, name: Cow<'static, str>) -> Option<u32> {
        if let Some((_, id)) = self.0.iter().find(|(it, _)| *it == name) {
            return *id;
        }
        let id = host::define_metric(form, &name);
        self.0.push((name, id));
        id
    }
}

impl Registry for ProxyStats {
    fn define(&mut self, form: Form, name: String) -> Option<u32> {
        self.id(form, name.into())
    }

    fn add(&mut self, id: u32, by: i64) -> bool {
        host::increment_metric(id, by) == Status::OK
    }

    fn record(&mut self, id: u32, value: u64) {
        host::record_metric(id, value);
    }
}
