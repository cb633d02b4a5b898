//! The host itself, judged with guests that ask and tell what they were answered.

mod callouts;
mod expressions;
mod guest;
mod lifecycle;
mod process;
mod properties;
mod streams;
mod system;
mod updates;
