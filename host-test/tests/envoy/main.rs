//! hopspan in a real Envoy: what services receive and what collectors get.
//!
//! Needs `HOPSPAN_ENVOY`, the Envoy to test with. `HOPSPAN_WASM` is the module, which is
//! `dist/hopspan.wasm` when it is not set. One test scrapes with `HOPSPAN_PROMETHEUS`, which is
//! `prometheus` on PATH when it is not set. `./build.sh test` sees to all of them.
//!
//! Each test starts an Envoy of its own, on ports of 127.0.0.1 that the kernel chooses.

// What Envoy is, and what stands around it.
mod deadline;
mod traceparent;
mod reference;
mod received;
mod points;
mod unpacked;
mod stats;
mod client;
mod upstream;
mod collector;
mod bootstrap;
mod process;
mod proxy;
mod hop;
mod load;
mod mutual_tls;
mod mesh;

// What is expected of hopspan.
mod context;
mod formats;
mod trust;
mod sampling;
mod keep;
mod missing;
mod metrics;
mod host_stats;
mod told;
mod responses;
mod outcomes;
mod conventions;
mod retries;
mod tries;
mod route_names;
mod grpc;
mod grpc_web;
mod connect;
mod hostile;
mod secrets;
mod export;
mod faults;
mod gzip;
mod loops;
mod config;
mod update;
mod native_tracing;
mod timing;
mod readme;
mod export_page;
mod examples;
mod operations;
mod sizing;
mod pressure;
mod prometheus;
mod resource;
mod access_log;
mod collectors;
mod soak;
