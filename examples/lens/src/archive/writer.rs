//! The thread that writes: whatever waits becomes one transaction.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{oneshot, watch};

use super::cache::Cache;
use super::points::{self, Deltas};
use super::{
    Batch, Limits, Open, OpenError, WriteError, lock, now_seconds, retention, schema, spans,
};
use crate::metrics::latency::{Bounds, fine_bounds};

/// A batch, and who waits for it.
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) done: oneshot::Sender<Result<(), WriteError>>,
}

/// Spans of one transaction, unless a single request has more.
const SPANS_AT_ONCE: usize = 4_000;

/// How often what is old is looked for.
const TIDY: Duration = Duration::from_secs(60);

/// Levels that were not heard for so long are forgotten, in seconds.
const LEVEL_AGE: i64 = 600;

pub(super) struct Writer {
    path: PathBuf,
    limits: Limits,
    connection: Connection,
    cache: Cache,
    bounds: Bounds,
    open: Arc<Mutex<Open>>,
    changes: watch::Sender<u64>,
    tidied: Instant,
    /// Held as long as we live: two writers would not know of each other's ids.
    _lock: File,
}

impl Writer {
    pub(super) fn open(
        path: &Path,
        limits: Limits,
        open: Arc<Mutex<Open>>,
        changes: watch::Sender<u64>,
    ) -> Result<Self, OpenError> {
        let file = File::create(path.with_extension("lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 4_000, |_| Ok(()))?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::migrate(&mut connection)?;
        retention::bind(&connection, limits)?;
        // Who began within the last minute, too, has nothing old to tell.
        let listening = now_seconds().saturating_sub(60).max(0).unsigned_abs();
        let cache = Cache::load(&connection, listening.saturating_mul(1_000_000_000))?;
        Ok(Self {
            path: path.to_owned(),
            limits,
            connection,
            cache,
            bounds: fine_bounds(),
            open,
            changes,
            tidied: Instant::now(),
            _lock: file,
        })
    }

    /// Writes until nobody sends any more.
    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        loop {
            match queue.recv_timeout(TIDY) {
                Ok(first) => self.take(first, queue),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.tidied.elapsed() >= TIDY {
                self.tidied = Instant::now();
                // What goes wrong here goes wrong with the next batch as well, and is said there.
                let _ = self.tidy();
            }
        }
    }

    /// Stores a job and those that wait behind it.
    fn take(&mut self, first: Job, queue: &Receiver<Job>) {
        let mut spans = first.batch.spans.len();
        let mut jobs = vec![first];
        while spans < SPANS_AT_ONCE {
            let Ok(job) = queue.try_recv() else { break };
            spans += job.batch.spans.len();
            jobs.push(job);
        }
        let outcome = self.store_or_make_room(&jobs);
        if outcome.is_ok() {
            self.changes.send_modify(|number| *number += 1);
        }
        for job in jobs {
            // Nobody waits any more where a sender has gone: it will try again.
            let _ = job.done.send(outcome.clone());
        }
    }

    fn store_or_make_room(&mut self, jobs: &[Job]) -> Result<(), WriteError> {
        let is_full =
            |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        let spans = jobs.iter().map(|job| job.batch.spans.len()).sum();
        for _ in 0..3 {
            match self.store(jobs, spans) {
                Ok(()) => return Ok(()),
                Err(error) if is_full(&error) => {
                    let removed = retention::remove_oldest(&self.connection, 10 * spans.max(1_000));
                    removed.map_err(|_| WriteError::Full)?;
                }
                Err(error) => return Err(WriteError::Failed(error.to_string())),
            }
        }
        Err(WriteError::Full)
    }

    fn store(&mut self, jobs: &[Job], spans: usize) -> rusqlite::Result<()> {
        retention::shorten_log(&self.connection, &self.path, self.limits)?;
        // Ids that a transaction made are gone with it, and so is what else was noted of it.
        let stored = self.transact(jobs, spans);
        if stored.is_err() {
            self.cache = Cache::load(&self.connection, self.cache.listening)?;
        }
        stored
    }

    fn transact(&mut self, jobs: &[Job], coming: usize) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        retention::make_room(&transaction, self.limits, coming)?;
        let mut deltas = Deltas::default();
        for Job { batch, .. } in jobs {
            let cache = &mut self.cache;
            spans::insert(&transaction, cache, &batch.spans, &self.bounds, &mut deltas)?;
            let mut open = lock(&self.open);
            points::take(&transaction, cache, &batch.samples, &mut open, &mut deltas)?;
        }
        deltas.store(&transaction, &mut self.cache)?;
        transaction.commit()
    }

    fn tidy(&mut self) -> rusqlite::Result<()> {
        let since = now_seconds() - LEVEL_AGE;
        lock(&self.open).retain(|_, levels| {
            levels.retain(|_, level| level.heard >= since);
            !levels.is_empty()
        });
        let transaction = self.connection.transaction()?;
        retention::make_room(&transaction, self.limits, 0)?;
        retention::tidy(&transaction, &mut self.cache, self.limits)?;
        transaction.commit()
    }
}
