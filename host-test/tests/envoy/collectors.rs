//! Real back ends: an OpenTelemetry Collector and a Zipkin server, and what they make of what
//! hopspan sends.
//!
//! `HOPSPAN_COLLECTOR` is the Collector's executable and `HOPSPAN_ZIPKIN` the server's jar.
//! `./build.sh test-collectors` sees to both and runs these tests, which are ignored otherwise.

// What stands around the proxies.
mod wire;
mod otelcol;
mod zipkin;
mod scene;
mod told;

// What is expected of hopspan.
mod otlp;
mod answers;
mod zipkin_json;
mod dashboards;
mod connectors;
mod metrics;
mod forwarding;
mod examples;

use std::path::PathBuf;

/// The file that a variable of the environment names.
fn file_named_by(variable: &str) -> PathBuf {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{variable} must be set: ./build.sh test-collectors does it"))
}
