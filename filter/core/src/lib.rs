//! All of hopspan's decisions, with time, randomness and bytes as arguments.
//!
//! Nothing here knows a proxy's interface, reads a clock, rolls dice or does I/O:
//! the adapter (package `hopspan`) moves bytes between a host and [`tracer`], which
//! is the place to start reading. The modules below stand in reading order; each
//! uses only those above it (a test in `tests/architecture.rs` holds them to it).
#![cfg_attr(
    test,
    expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a test may panic")
)]

pub mod id;
pub mod time;
pub mod pattern;
pub mod base64;
pub mod json;
pub mod request;
pub mod route;
pub mod redact;
pub mod matching;
pub mod peer;
pub mod shared;
pub mod context;
pub mod propagation;
pub mod trust;
pub mod sampling;
pub mod timing;
pub mod semconv;
pub mod metrics;
pub mod keep;
pub mod span;
pub mod attempt;
pub mod encode;
pub mod batch;
pub mod stats;
pub mod export;
pub mod config;
pub mod origin;
pub mod explain;
pub mod tracer;
