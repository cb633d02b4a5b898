//! hopspan as a proxy-wasm module: the adapter between a host and `hopspan-core`.
//!
//! It moves bytes and takes no decisions. [`callbacks`] is what the host calls, [`host`]
//! what it is called by, [`vm`] what lives between callbacks.
//!
//! There is no SDK underneath. The Rust SDK's dispatcher panics when a host contradicts
//! itself (an unknown context or token, a callback during a host call), exports every
//! callback of the ABI, and keeps three tables where one is enough.

pub mod host;
pub mod vm;
mod callbacks;
mod clock;
mod facts;
mod expr;
mod shared;
mod say;
mod stats;
mod hand_over;
mod root;
mod roots;
