//! What the page shows, worked out from what is stored: everything is ready to be drawn.

pub mod counts;
pub mod edges;
pub mod services;
pub mod topology;
pub mod search;
pub mod stored;
pub mod tree;
pub mod critical;
pub mod waterfall;

/// Milliseconds, for whoever draws.
fn millis(nanos: i64) -> f64 {
    nanos as f64 / 1e6
}
