//! News for open pages: something was stored. What it is, the page asks for.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};

use crate::archive::Archive;

/// A page is told at most so often: a person sees no more, and each time it asks for everything.
const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn events(
    State(archive): State<Archive>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = archive.changes();
    // What waits for its turn is not asked for again: `WatchStream` has the last one only. The
    // archive itself is not held: a page that stays open does not keep it from ending.
    drop(archive);
    let changes = WatchStream::new(changes).throttle(EVERY);
    let events =
        changes.map(|number| Ok(Event::default().event("stored").data(number.to_string())));
    Sse::new(events).keep_alive(KeepAlive::default())
}
