//! What is kept, on disk: one SQLite file with one writer and any number of readers.
//!
//! A batch is stored whole or not at all, and an answer to a sender means that it is stored: a
//! process that dies loses nothing that was acknowledged. (A machine that loses power may lose the
//! last moments, and nothing older: `synchronous = NORMAL` in WAL mode.)

mod schema;
mod cache;
mod spans;
mod points;
mod retention;
mod writer;

pub use points::STEPS;
pub(crate) use points::points_of;
pub use retention::Limits;
pub use schema::SchemaError;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{oneshot, watch};

use crate::metrics::Sample;
use crate::span::Span;
use writer::{Job, Writer};

/// Name of the file in its directory; SQLite puts two more beside it.
const FILE: &str = "lens.db";

/// Requests that wait for the writer. More are refused at once, so that memory stays bounded.
const QUEUE: usize = 64;

/// What comes in at once and is stored as one.
#[derive(Debug, Default)]
pub struct Batch {
    /// Spans, checked.
    pub spans: Vec<NewSpan>,
    /// Data points by their sender.
    pub samples: Vec<(Arc<Vec<u8>>, Sample)>,
}

/// A span to be stored.
#[derive(Debug)]
pub struct NewSpan {
    /// What is known of it.
    pub span: Span,
    /// The whole of it: a `Span` of OTLP.
    pub body: Vec<u8>,
    /// Who sent it: a `ResourceSpans` of OTLP with a scope and without spans.
    pub source: Arc<Vec<u8>>,
    /// Whether hopspan made it.
    pub by_proxy: bool,
}

/// Requests that are open now, by service, sender and series.
pub(crate) type Open = HashMap<String, HashMap<(i64, Vec<u8>), Level>>;

/// How many there were when it was last said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) requests: i64,
    /// In seconds since 1970.
    pub(crate) heard: i64,
}

/// The store. Clones share it; the last one that goes ends the writer.
#[derive(Clone, Debug)]
pub struct Archive {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    limits: Limits,
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
    open: Arc<Mutex<Open>>,
    changes: watch::Sender<u64>,
}

// === impl Archive ===

impl Archive {
    /// Opens the store in a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// The directory cannot be used, another process has the store, or a later version made it.
    pub fn open(directory: &Path, limits: Limits) -> Result<Self, OpenError> {
        fs::create_dir_all(directory)?;
        let path = directory.join(FILE);
        let (changes, open) = (watch::Sender::new(0), Arc::default());
        let writer = Writer::open(&path, limits, Arc::clone(&open), changes.clone())?;
        let (jobs, queue) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("lens-writer".into());
        let writer = thread.spawn(move || writer.run(&queue))?;
        let (jobs, writer, readers) = (Some(jobs), Some(writer), Mutex::default());
        Ok(Self { shared: Arc::new(Shared { path, limits, jobs, writer, readers, open, changes }) })
    }

    /// Stores a batch; returns when it is stored.
    ///
    /// # Errors
    ///
    /// Nothing of it is stored.
    pub async fn write(&self, batch: Batch) -> Result<(), WriteError> {
        let (done, outcome) = oneshot::channel();
        let jobs = self.shared.jobs.as_ref().ok_or(WriteError::Ended)?;
        jobs.try_send(Job { batch, done }).map_err(|error| match error {
            TrySendError::Full(_) => WriteError::Busy,
            TrySendError::Disconnected(_) => WriteError::Ended,
        })?;
        outcome.await.map_err(|_| WriteError::Ended)?
    }

    /// Looks at what is stored, as it is at one moment. Blocks: not for an async task.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn read<T>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = lock(&self.shared.readers).pop();
        let mut reader = idle.map_or_else(|| reader(&self.shared.path), Ok)?;
        let moment = reader.transaction()?;
        let found = look(&moment)?;
        moment.finish()?;
        lock(&self.shared.readers).push(reader);
        Ok(found)
    }

    /// Requests that are open in each service, as far as that was said within the last time.
    #[must_use]
    pub fn open_requests(&self, within: Duration) -> HashMap<String, i64> {
        let since = now_seconds() - within.as_secs() as i64;
        let sum = |levels: &HashMap<_, Level>| {
            let heard = levels.values().filter(|level| level.heard >= since);
            let mut heard = heard.peekable();
            heard.peek()?;
            Some(heard.map(|level| level.requests).sum())
        };
        let open = lock(&self.shared.open);
        open.iter().filter_map(|(service, levels)| Some((service.clone(), sum(levels)?))).collect()
    }

    /// Changes when something was stored.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// How much is kept.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Bytes on disk: the file and its log.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        retention::disk_bytes(&self.shared.path)
    }
}

impl Drop for Shared {
    /// What waits is stored first.
    fn drop(&mut self) {
        drop(self.jobs.take());
        // Readers first: the last connection that closes writes the log into the file.
        lock(&self.readers).clear();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // A little more than the pages of a search; the system's cache holds the rest.
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
pub(crate) fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Why the store cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The directory or the thread.
    Io(io::Error),
    /// The file.
    Schema(SchemaError),
    /// Another process has it.
    InUse,
}

/// Why a batch was not stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WriteError {
    /// Too much waits already.
    Busy,
    /// There is no room, and none can be made.
    Full,
    /// SQLite says no.
    Failed(String),
    /// The store is closed.
    Ended,
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SchemaError> for OpenError {
    fn from(error: SchemaError) -> Self {
        Self::Schema(error)
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Schema(error.into())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Schema(error) => error.fmt(f),
            Self::InUse => f.write_str("another process uses this directory"),
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too much waits to be stored"),
            Self::Full => f.write_str("there is no room, even without the oldest spans"),
            Self::Failed(why) => write!(f, "cannot store it: {why}"),
            Self::Ended => f.write_str("the store is closed"),
        }
    }
}

#[cfg(test)]
mod tests;
