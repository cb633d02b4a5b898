//! Saying things once a process, although each worker is a machine of its own.

use crate::host::{self, Level, Status};

/// Shared data cannot be deleted, so all that was said stands under one key: the hashes of
/// the last lines.
const KEY: &str = "hopspan.said";
const REMEMBERED: usize = 32;
/// No state has this number: setting with it succeeds only where there is no value yet.
const ABSENT: u32 = u32::MAX;

/// Logs `text`, unless a worker of this process has already.
pub(crate) fn log_once(level: Level, text: &str) {
    if is_first(text) {
        host::log(level, text);
    }
}

fn is_first(text: &str) -> bool {
    let hash = fnv1a(text.as_bytes()).to_le_bytes();
    for _ in 0..8 {
        let (said, cas) = host::shared_data(KEY).unwrap_or((Vec::new(), ABSENT));
        let (hashes, _) = said.as_chunks::<8>();
        if hashes.contains(&hash) {
            return false;
        }
        let rest = hashes.len().saturating_sub(REMEMBERED.saturating_sub(1));
        let mut hashes = hashes.get(rest..).unwrap_or_default().concat();
        hashes.extend_from_slice(&hash);
        if host::set_shared_data(KEY, &hashes, cas) != Status::CAS_MISMATCH {
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
