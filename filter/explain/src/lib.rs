//! What the filter does with a request, and why: its own core and its own reading of the
//! configuration, without a proxy.
//!
//! `hopspan explain` and the playground of Lens ask here, so that both say the same, in the same
//! words. A [`Question`] becomes an [`Explanation`], which [`text`] writes for people and [`json`]
//! for programs. It reads no clock, rolls no dice and does no I/O.

// In reading order.
pub mod header;
pub mod accepted;
mod question;
mod proxy;
mod changes;
mod lacking;
mod words;
mod explanation;
pub mod text;
pub mod json;

pub use explanation::{Explanation, Item, Refusal};
pub use header::Header;
pub use hopspan_config::Problem;
pub use question::Question;
