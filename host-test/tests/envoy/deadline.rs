//! Waiting for what has no event of its own, and never for ever.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// The longest that any test waits for one thing: many times what a busy machine needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Asks again and again until there is an answer.
///
/// # Panics
///
/// When there is none in time, naming `what` was waited for.
pub(crate) async fn poll<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
    match poll_or_none(LIMIT, probe).await {
        Some(found) => found,
        None => panic!("waited in vain for {what}"),
    }
}

/// Asks again and again until there is an answer, or the time is over.
pub(crate) async fn poll_or_none<T>(
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(found) = probe().await {
            return Some(found);
        }
        sleep(Duration::from_millis(10)).await;
    }
    None
}

/// Waits for an event.
///
/// # Panics
///
/// When it does not come in time, naming `what` was waited for.
pub(crate) async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match timeout(LIMIT, event).await {
        Ok(it) => it,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
