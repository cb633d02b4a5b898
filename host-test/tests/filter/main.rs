//! The built module in the faithful host: what services, collectors and operators get of it.
//!
//! `HOPSPAN_WASM` is the module, which is `dist/hopspan.wasm` when it is not set.
//!
//! Nothing of hopspan-core is used: spans are decoded by the official types, headers are
//! judged by readers of their own. Each proxy checks at its end that no VM has trapped and
//! that hopspan's counters add up.

// What judges, and what is judged.
#[path = "../envoy/reference.rs"]
mod reference;
#[path = "../envoy/received.rs"]
mod received;
#[path = "../envoy/traceparent.rs"]
mod traceparent;
#[path = "../envoy/points.rs"]
mod points;
#[path = "../envoy/unpacked.rs"]
mod unpacked;
mod collector;
mod hopspan;
mod mesh;
mod reports;

// A request's life.
mod lives;
mod failures;
mod grpc;
mod rpc;
mod endings;
mod tries;
mod time;
mod calls;

// Context: what comes in, what goes on, whose word counts.
mod propagation;
mod tracestate;
mod contexts;
mod decisions;
mod trust;
mod egress;

// What is recorded, and why.
mod sampling;
mod limits;
mod routes;
mod route_names;
mod services;
mod keep;
mod kept;
mod keep_table;
mod keep_cost;
mod explain;
mod explained;

// Who they are of, and who else is told.
mod resource;
mod access_log;

// What is counted.
mod metrics;
mod host_stats;
mod edges;

// Where spans go.
mod batches;
mod answers;
mod retries;
mod callout;
mod encodings;
mod gzip;
mod updates;
mod hand_over;
mod pressure;
mod broken_hand_over;

// What people write.
mod config;

// What nobody should do.
mod broken_host;
mod broken_keep;
mod hostile;
mod secrets;
mod random;
