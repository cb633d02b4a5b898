//! The host itself, judged with guests that ask and tell what they were answered.

#![allow(missing_docs, reason = "tests")]

mod callouts;
mod guest;
mod lifecycle;
mod process;
mod streams;
mod system;
