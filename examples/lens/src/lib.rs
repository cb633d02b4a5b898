//! Receives OTLP traces, keeps the last of them, and draws one as a tree.
//!
//! Three parts that know nothing of each other's insides: [`receive`] turns HTTP requests
//! into [`Span`](span::Span)s, [`store`] keeps a bounded number of them as
//! [`Trace`](trace::Trace)s, and [`render`] turns one trace into text.

pub mod span;
pub mod trace;
pub mod store;
pub mod receive;
pub mod render;
