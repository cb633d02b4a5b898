//! The filter's core inside a page: a question in JSON goes in, an answer in JSON comes out.
//!
//! It is built for `wasm32-unknown-unknown`, imports nothing, and so can tell nobody what was pasted.
//! Between the page and the module there are three functions on single bytes (`exports.rs`): no
//! memory is shared, so there is no pointer to get wrong, no generated glue, and no tool whose version
//! has to fit. A question and its answer are some 20 KB, which takes a browser a millisecond.

mod pasted;
mod answer;
#[cfg(target_arch = "wasm32")]
mod exports;

pub use answer::answer;
pub use pasted::{Pasted, Wrong};
