//! Saying things once a process, although each worker is a machine of its own.

use crate::host::{self, Level};
use crate::shared::SharedData;
use hopspan_core::export::health::Notice;
use hopspan_core::shared::{Table, Updated, fnv1a};
use std::time::Duration;

/// Every worker says a thing once a minute; a little less, so that none is lost to jitter.
const MINUTE: Duration = Duration::from_secs(55);

/// Logs `text`, unless a worker of this process has.
pub(crate) fn once(level: Level, text: &str) {
    if is_first(text, Duration::MAX) {
        host::log(level, text);
    }
}

/// Logs a notice of core, unless a worker has said the same: at all, or in this minute.
pub(crate) fn notice(notice: &Notice) {
    let Notice { is_warning, once, text, detail } = notice;
    let level = if *is_warning { Level::Warn } else { Level::Info };
    if is_first(text, if *once { Duration::MAX } else { MINUTE }) {
        host::log(level, &format!("hopspan: {text}{detail}"));
    }
}

/// Whether nobody has said `text` for so long, and nobody else is about to. Of the last lines
/// that were said, a table has when it was.
fn is_first(text: &str, period: Duration) -> bool {
    let now = host::now().wall.0;
    let is_old = |when: u64| Duration::from_nanos(now.abs_diff(when)) >= period;
    let said = Table::new("hopspan.said", 1, 32);
    let updated = said.update(fnv1a(text.as_bytes()), &mut SharedData, |when| {
        when.is_none_or(is_old).then_some(now)
    });
    updated != Updated::Unchanged
}
