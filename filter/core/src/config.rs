//! The configuration, checked: what the settings of all modules are made of.
//!
//! Documents are read in the package `hopspan-config`, which is compiled for size: it runs
//! once, and would be half of the module otherwise.

use crate::batch::Limits;
use crate::encode::Resource;
use crate::export::{Collector, Retry};
use crate::propagation::Propagation;
use crate::request::Direction;
use crate::sampling::TraceIdRatio;
use crate::span::Kinds;
use crate::trust::Policy;

/// All settings, checked.
#[derive(Debug)]
pub struct Config {
    /// `false` where `OTEL_SDK_DISABLED` says so: trace context passes untouched.
    pub enabled: bool,
    /// What the listeners are; `None` asks each request's listener.
    pub direction: Option<Direction>,
    /// What all spans have in common.
    pub resource: Resource,
    /// Where spans go; `None` is nowhere.
    pub collector: Option<Collector>,
    /// How spans are gathered.
    pub batch: Limits,
    /// How a failed request is tried again.
    pub retry: Retry,
    /// Which formats of trace context are read and written.
    pub propagation: Propagation,
    /// What an incoming context is worth.
    pub trust: Policy,
    /// The share of new traces that is kept.
    pub ratio: TraceIdRatio,
    /// Which spans a hop makes; `None` goes by direction.
    pub kinds: Option<Kinds>,
    /// What is odd, but refuses nothing: one line each, no secrets.
    pub warnings: Vec<String>,
    /// How many keys of the document are none of hopspan's.
    pub unknown_keys: usize,
    /// The whole effective configuration as one line of JSON, secrets masked.
    pub effective: String,
}
