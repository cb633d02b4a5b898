//! Saying things once a process, although each worker is a machine of its own.

use crate::host::{self, Level, Status};
use hopspan_core::export::health::Notice;
use std::time::Duration;

/// Shared data cannot be deleted, so the last lines that were said stand under one key: of
/// each its hash, and when it was said.
const KEY: &str = "hopspan.said";
const REMEMBERED: usize = 32;
/// No state has this number: setting with it succeeds only where there is no value yet.
const ABSENT: u32 = u32::MAX;
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

/// Whether nobody has said `text` for so long, and nobody else is about to.
fn is_first(text: &str, period: Duration) -> bool {
    let now = host::now().wall.0;
    let entry = [fnv1a(text.as_bytes()).to_le_bytes(), now.to_le_bytes()];
    let [hash, _] = entry;
    for _ in 0..8 {
        let (said, cas) = host::shared_data(KEY).unwrap_or((Vec::new(), ABSENT));
        let mut entries: Vec<[[u8; 8]; 2]> = said.as_chunks::<8>().0.as_chunks::<2>().0.to_vec();
        if let Some([_, when]) = entries.iter().find(|[it, _]| *it == hash) {
            let ago = now.abs_diff(u64::from_le_bytes(*when));
            if Duration::from_nanos(ago) < period {
                return false;
            }
        }
        entries.retain(|[it, _]| *it != hash);
        entries.push(entry);
        let surplus = entries.len().saturating_sub(REMEMBERED);
        let entries = entries.split_off(surplus);
        if host::set_shared_data(KEY, entries.as_flattened().as_flattened(), cas)
            != Status::CAS_MISMATCH
        {
            return true;
        }
    }
    true
}

/// Source: <http://www.isthe.com/chongo/tech/comp/fnv/>
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
