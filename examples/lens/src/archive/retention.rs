//! What goes, and when: by age, and so that there is never more on disk than was allowed.
//!
//! The file has a largest size, which SQLite keeps to; the rest is for its log, which is written
//! into the file before it grows out of that. Room that deleted rows leave is used again. So the
//! oldest spans go a few at a time, with each batch, and nothing ever waits for a great clean-up.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::cache::{Cache, USED_WITHIN};
use super::{STEPS, now_seconds};

/// How much is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes on disk, at most. Less than [`Limits::LEAST_BYTES`] is too little to work with.
    pub bytes: u64,
    /// How long after its arrival.
    pub age: Duration,
}

/// The log's share, at most: what the largest request writes.
const MOST_LOG_BYTES: u64 = 256 << 20;

/// How many spans go at once, at least.
const LEAST_SPANS: usize = 1_000;

/// How long a counter is remembered that nobody reports any more, in seconds.
const COUNTER_AGE: i64 = 24 * 3_600;

/// A resource whose sender reported within so many seconds stays, even without spans.
const REPORT_AGE: i64 = 600;

impl Default for Limits {
    /// A day, and two gigabytes.
    fn default() -> Self {
        Self { bytes: 2 << 30, age: Duration::from_secs(24 * 3_600) }
    }
}

impl Limits {
    /// The least that can be worked with.
    pub const LEAST_BYTES: u64 = 8 << 20;

    /// What the log may take. A transaction writes each page once, so in a small file at most as
    /// much as that has: two fifths of all are for the file, as many for a transaction, and the rest
    /// for what the log has already.
    const fn log_bytes(self) -> u64 {
        let share = self.bytes / 5 * 3;
        if share < MOST_LOG_BYTES { share } else { MOST_LOG_BYTES }
    }

    /// The file's largest number of pages.
    fn pages(self, connection: &Connection) -> rusqlite::Result<i64> {
        let size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let bytes = i64::try_from(self.bytes - self.log_bytes()).unwrap_or(i64::MAX);
        Ok((bytes / size).max(1))
    }
}

/// Makes SQLite keep to the limits.
pub(super) fn bind(connection: &Connection, limits: Limits) -> rusqlite::Result<()> {
    let pages = limits.pages(connection)?;
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

/// Before a transaction: keeps the log within a quarter of its share, the rest being for what
/// comes now.
pub(super) fn shorten_log(
    connection: &Connection,
    path: &Path,
    limits: Limits,
) -> rusqlite::Result<()> {
    if log_bytes(path) > limits.log_bytes() / 4 {
        // A reader may be in the way: that is no error, and it is tried again the next time.
        connection.pragma(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
    }
    Ok(())
}

/// Within a transaction that adds so many spans: removes what is too old, and as much as is
/// needed of the oldest.
pub(super) fn make_room(
    connection: &Connection,
    limits: Limits,
    coming: usize,
) -> rusqlite::Result<()> {
    let some = (2 * coming).max(LEAST_SPANS);
    let age = i64::try_from(limits.age.as_secs()).unwrap_or(i64::MAX);
    let cutoff = now_seconds().saturating_sub(age);
    // The newest of the oldest `some` spans, and whether that one is too old.
    let sql = "SELECT id, arrived < ?2 FROM span ORDER BY id LIMIT 1 OFFSET ?1";
    let all_old = |offset: usize| -> rusqlite::Result<Option<(i64, bool)>> {
        let mut statement = connection.prepare_cached(sql)?;
        let key = (i64::try_from(offset).unwrap_or(i64::MAX), cutoff);
        statement.query_row(key, |row| Ok((row.get(0)?, row.get(1)?))).optional()
    };
    if let Some((_, true)) = all_old(0)? {
        let sql = "DELETE FROM span WHERE id IN
                   (SELECT id FROM span WHERE arrived < ?1 ORDER BY id LIMIT ?2)";
        let most = i64::try_from(some).unwrap_or(i64::MAX);
        connection.prepare_cached(sql)?.execute((cutoff, most))?;
    }
    if used_pages(connection)? > limits.pages(connection)? * 9 / 10 {
        remove_oldest(connection, some)?;
    }
    Ok(())
}

/// Removes the oldest spans; where there are none, the oldest counts.
pub(super) fn remove_oldest(connection: &Connection, spans: usize) -> rusqlite::Result<()> {
    let sql = "DELETE FROM span WHERE id IN (SELECT id FROM span ORDER BY id LIMIT ?1)";
    let spans = i64::try_from(spans).unwrap_or(i64::MAX);
    if connection.prepare_cached(sql)?.execute([spans])? == 0 {
        let sql = "DELETE FROM point WHERE (step, time, series, layout) IN
                   (SELECT step, time, series, layout FROM point ORDER BY step, time LIMIT ?1)";
        connection.prepare_cached(sql)?.execute([spans])?;
    }
    Ok(())
}

/// Once in a while: removes counts that are too old, and what nothing refers to any more.
pub(super) fn tidy(
    connection: &Connection,
    cache: &mut Cache,
    limits: Limits,
) -> rusqlite::Result<()> {
    let now = now_seconds();
    let age = i64::try_from(limits.age.as_secs()).unwrap_or(i64::MAX);
    for (step, kept) in STEPS {
        let sql = "DELETE FROM point WHERE step = ?1 AND time < ?2";
        connection.execute(sql, (step, now.saturating_sub(kept.min(age))))?;
    }
    let before = now - COUNTER_AGE;
    if connection.execute("DELETE FROM counter WHERE heard < ?1", [before])? > 0 {
        *cache = Cache::load(connection, cache.listening)?;
    }
    // Whatever came later than the oldest span may be referred to by a span.
    let sql = "SELECT arrived FROM span ORDER BY id LIMIT 1";
    let oldest: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    // Who sends counts alone may do so rarely.
    let before = oldest.unwrap_or(now).min(now - REPORT_AGE) - USED_WITHIN;
    connection.execute("DELETE FROM resource WHERE used < ?1", [before])?;
    cache.forget_resources(before);
    Ok(())
}

fn used_pages(connection: &Connection) -> rusqlite::Result<i64> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(number("page_count")? - number("freelist_count")?)
}

fn log_bytes(path: &Path) -> u64 {
    size(&path.with_extension("db-wal"))
}

/// The file, its log and the log's index.
pub(super) fn disk_bytes(path: &Path) -> u64 {
    size(path) + log_bytes(path) + size(&path.with_extension("db-shm"))
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |it| it.len())
}
