//! The small tables, in the writer's memory: ids of what many rows have in common.
//!
//! After a transaction that failed everything here is read anew: ids that it made are gone.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use rusqlite::{Connection, params};

use super::now_seconds;
use crate::metrics::counter::Total;
use crate::metrics::latency::Bounds;

/// Words beyond so many are all `_other`: no sender can fill the memory with new ones.
const MOST_NAMES: usize = 100_000;
/// Series beyond so many have the route `_other`.
const MOST_SERIES: usize = 20_000;
/// Counters beyond so many are not followed: each one is kept in memory.
pub(super) const MOST_COUNTERS: usize = 50_000;
/// Resources that are known in memory; the others are found in their table.
const MOST_RESOURCES: usize = 10_000;
const OTHER: &str = "_other";
/// How far the time at which a resource was last used may be off, in seconds.
pub(super) const USED_WITHIN: i64 = 60;

/// What requests are counted by, by ids of names.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key {
    /// [`METRICS`] or [`SPANS`].
    pub(super) source: i64,
    pub(super) kind: u8,
    pub(super) service: i64,
    pub(super) peer: i64,
    pub(super) route: i64,
    pub(super) status: i64,
    /// Of a client: whether its requests had no trace context.
    pub(super) is_bare: bool,
}

/// Counted by the sender.
pub(crate) const METRICS: i64 = 0;
/// Counted here, from spans.
pub(crate) const SPANS: i64 = 1;

#[derive(Debug, Default)]
pub(super) struct Cache {
    names: HashMap<String, i64>,
    gateways: Vec<i64>,
    /// The id, and when it was last used.
    resources: HashMap<Arc<Vec<u8>>, (i64, i64)>,
    series: HashMap<Key, i64>,
    layouts: HashMap<Vec<u8>, i64>,
    pub(super) totals: HashMap<Vec<u8>, Total>,
    /// Since when we listen, in nanoseconds since 1970.
    pub(super) listening: u64,
    /// When a worker of a resource was last heard.
    pub(super) workers: HashMap<(i64, i64), i64>,
}

impl Cache {
    pub(super) fn load(connection: &Connection, listening: u64) -> rusqlite::Result<Self> {
        let mut cache = Self { listening, ..Self::default() };
        let mut rows = connection.prepare("SELECT text, id, is_gateway FROM name")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            cache.names.insert(row.get(0)?, row.get(1)?);
            if row.get(2)? {
                cache.gateways.push(row.get(1)?);
            }
        }
        let mut rows = connection.prepare("SELECT body, id, used FROM resource")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            cache.resources.insert(Arc::new(row.get(0)?), (row.get(1)?, row.get(2)?));
        }
        let columns = "source, kind, service, peer, route, status, is_bare, id";
        let mut rows = connection.prepare(&format!("SELECT {columns} FROM series"))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let key = Key {
                source: row.get(0)?,
                kind: row.get(1)?,
                service: row.get(2)?,
                peer: row.get(3)?,
                route: row.get(4)?,
                status: row.get(5)?,
                is_bare: row.get(6)?,
            };
            cache.series.insert(key, row.get(7)?);
        }
        let mut rows = connection.prepare("SELECT bounds, id FROM layout")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            cache.layouts.insert(row.get(0)?, row.get(1)?);
        }
        let mut rows = connection.prepare("SELECT key, state, heard FROM counter")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (key, state): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
            if let Some(worker) = worker_of(&key) {
                cache.workers.insert(worker, row.get(2)?);
            }
            cache.totals.insert(key, Total::decode(&*state).unwrap_or_default());
        }
        Ok(cache)
    }

    pub(super) fn name(&mut self, connection: &Connection, text: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.names.get(text) {
            return Ok(*id);
        }
        let text = if self.names.len() < MOST_NAMES { text } else { OTHER };
        if let Some(id) = self.names.get(text) {
            return Ok(*id);
        }
        connection.prepare_cached("INSERT INTO name (text) VALUES (?1)")?.execute([text])?;
        let id = connection.last_insert_rowid();
        self.names.insert(text.to_owned(), id);
        Ok(id)
    }

    /// Notes that a service is a gateway.
    pub(super) fn gateway(&mut self, connection: &Connection, id: i64) -> rusqlite::Result<()> {
        if !self.gateways.contains(&id) {
            let sql = "UPDATE name SET is_gateway = 1 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute([id])?;
            self.gateways.push(id);
        }
        Ok(())
    }

    pub(super) fn resource(
        &mut self,
        connection: &Connection,
        body: &Arc<Vec<u8>>,
    ) -> rusqlite::Result<i64> {
        let now = now_seconds();
        if let Some((id, used)) = self.resources.get_mut(body) {
            if now - *used > USED_WITHIN {
                let sql = "UPDATE resource SET used = ?2 WHERE id = ?1";
                connection.prepare_cached(sql)?.execute(params![*id, now])?;
                *used = now;
            }
            return Ok(*id);
        }
        if self.resources.len() >= MOST_RESOURCES {
            self.resources.clear();
        }
        let sql = "INSERT INTO resource (body, used) VALUES (?1, ?2)
                   ON CONFLICT (body) DO UPDATE SET used = ?2 RETURNING id";
        let mut statement = connection.prepare_cached(sql)?;
        let id = statement.query_row(params![**body, now], |row| row.get(0))?;
        self.resources.insert(Arc::clone(body), (id, now));
        Ok(id)
    }

    pub(super) fn series(&mut self, connection: &Connection, key: Key) -> rusqlite::Result<i64> {
        if let Some(id) = self.series.get(&key) {
            return Ok(*id);
        }
        let key = match self.series.len() < MOST_SERIES {
            true => key,
            false => Key { route: self.name(connection, OTHER)?, ..key },
        };
        if let Some(id) = self.series.get(&key) {
            return Ok(*id);
        }
        let Key { source, kind, service, peer, route, status, is_bare } = key;
        let sql = "INSERT INTO series (source, kind, service, peer, route, status, is_bare)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = params![source, kind, service, peer, route, status, is_bare];
        connection.prepare_cached(sql)?.execute(values)?;
        let id = connection.last_insert_rowid();
        self.series.insert(key, id);
        Ok(id)
    }

    pub(super) fn layout(
        &mut self,
        connection: &Connection,
        bounds: &Bounds,
    ) -> rusqlite::Result<i64> {
        let bytes: Vec<u8> = bounds.iter().flat_map(|bound| bound.to_le_bytes()).collect();
        if let Some(id) = self.layouts.get(&bytes) {
            return Ok(*id);
        }
        connection.prepare_cached("INSERT INTO layout (bounds) VALUES (?1)")?.execute([&bytes])?;
        let id = connection.last_insert_rowid();
        self.layouts.insert(bytes, id);
        Ok(id)
    }

    /// Forgets resources that were last used before a moment.
    pub(super) fn forget_resources(&mut self, before: i64) {
        self.resources.retain(|_, (_, used)| *used >= before);
    }
}

/// What a counter is known by: its resource and worker, and then what tells it from their others.
pub(super) fn counter_key(resource: i64, worker: i64, identity: &[u8]) -> Vec<u8> {
    [&resource.to_be_bytes(), &worker.to_be_bytes(), identity].concat()
}

fn worker_of(key: &[u8]) -> Option<(i64, i64)> {
    let (resource, rest) = key.split_first_chunk()?;
    let (worker, _) = rest.split_first_chunk()?;
    Some((i64::from_be_bytes(*resource), i64::from_be_bytes(*worker)))
}
