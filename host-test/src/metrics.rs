//! Metrics: values of the whole process, ids of one VM.

use crate::abi::Status;
use crate::guest::Guest;
use crate::host::Host;
use std::collections::BTreeMap;
use wasmtime::{Caller, Linker, Result};

/// Values by kind and name: kinds are apart, even under one name.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) values: BTreeMap<(Kind, String), u64>,
    pub(crate) histograms: BTreeMap<String, Vec<u64>>,
}

impl Metrics {
    /// Counters and gauges by name.
    pub(crate) fn all(&self) -> BTreeMap<String, i64> {
        let named =
            |((_, name), value): (&(Kind, String), &u64)| (name.clone(), value.cast_signed());
        self.values.iter().map(named).collect()
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The ids that a VM got: defining a name again makes another.
#[derive(Debug, Default)]
pub(crate) struct MetricIds(Vec<(u32, Kind, String)>);

/// The two low bits of an id are its kind.
const ID_STEP: u32 = 4;

impl Kind {
    fn from_number(number: u32) -> Option<Self> {
        [Self::Counter, Self::Gauge, Self::Histogram].get(number as usize).copied()
    }
}

impl MetricIds {
    fn define(&mut self, kind: Kind, name: &str) -> u32 {
        let before = self.0.iter().filter(|(_, it, _)| *it == kind).count();
        let id = (u32::try_from(before).unwrap_or(u32::MAX / ID_STEP) + 1) * ID_STEP + kind as u32;
        self.0.push((id, kind, name.to_owned()));
        id
    }

    fn find(&self, id: u32) -> Result<(Kind, String), Status> {
        let found = self.0.iter().find(|(it, _, _)| *it == id);
        found.map(|(_, kind, name)| (*kind, name.clone())).ok_or(Status::NOT_FOUND)
    }
}

pub(crate) fn define(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    match name {
        "proxy_define_metric" => linker.func_wrap("env", name, define_metric)?,
        "proxy_increment_metric" => linker.func_wrap("env", name, increment)?,
        "proxy_record_metric" => linker.func_wrap("env", name, record)?,
        "proxy_get_metric" => linker.func_wrap("env", name, value)?,
        _ => return Ok(false),
    };
    Ok(true)
}

fn define_metric(
    caller: Caller<'_, Guest>,
    kind: u32,
    name: u32,
    name_length: u32,
    id_at: u32,
) -> Result<u32> {
    let host = Host(caller);
    let about = host.subject(name, name_length);
    host.answer("proxy_define_metric", about.clone(), |host| {
        host.bytes(name, name_length)?;
        let kind = Kind::from_number(kind).ok_or(Status::BAD_ARGUMENT)?;
        let guest = host.guest();
        let mut metrics = guest.process.metrics.borrow_mut();
        match kind {
            Kind::Histogram => drop(metrics.histograms.entry(about.clone()).or_default()),
            _ => drop(metrics.values.entry((kind, about.clone())).or_default()),
        }
        drop(metrics);
        let id = guest.metric_ids.define(kind, &about);
        host.write_u32(id_at, id)
    })
}

fn increment(caller: Caller<'_, Guest>, id: u32, by: i64) -> Result<u32> {
    let mut host = Host(caller);
    let about = name(&mut host, id);
    host.answer("proxy_increment_metric", about, |host| {
        if Kind::from_number(id % ID_STEP).is_none_or(|kind| kind == Kind::Histogram) {
            return Err(Status::BAD_ARGUMENT.into());
        }
        let metric = host.guest().metric_ids.find(id)?;
        if metric.0 == Kind::Counter && by <= 0 {
            return Err(Status::BAD_ARGUMENT.into());
        }
        let mut metrics = host.guest().process.metrics.borrow_mut();
        let value = metrics.values.entry(metric).or_default();
        *value = value.wrapping_add_signed(by);
        Ok(())
    })
}

fn record(caller: Caller<'_, Guest>, id: u32, to: u64) -> Result<u32> {
    let mut host = Host(caller);
    let about = name(&mut host, id);
    host.answer("proxy_record_metric", about, |host| {
        let (kind, name) = host.guest().metric_ids.find(id)?;
        let mut metrics = host.guest().process.metrics.borrow_mut();
        match kind {
            Kind::Histogram => metrics.histograms.entry(name).or_default().push(to),
            Kind::Gauge => *metrics.values.entry((kind, name)).or_default() = to,
            Kind::Counter => {
                let value = metrics.values.entry((kind, name)).or_default();
                *value = value.wrapping_add(to);
            }
        }
        Ok(())
    })
}

fn value(caller: Caller<'_, Guest>, id: u32, at: u32) -> Result<u32> {
    let mut host = Host(caller);
    let about = name(&mut host, id);
    host.answer("proxy_get_metric", about, |host| {
        if Kind::from_number(id % ID_STEP).is_none_or(|kind| kind == Kind::Histogram) {
            return Err(Status::BAD_ARGUMENT.into());
        }
        let metric = host.guest().metric_ids.find(id)?;
        let value = host.guest().process.metrics.borrow().values.get(&metric).copied();
        host.write_u64(at, value.unwrap_or_default())
    })
}

/// The metric's name for counting; the number of one that is not defined.
fn name(host: &mut Host<'_>, id: u32) -> String {
    host.guest().metric_ids.find(id).map_or_else(|_| format!("metric_{id}"), |(_, name)| name)
}
