//! Any bytes as metrics of OTLP in JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    lens::send("/v1/metrics", &[("content-type", "application/json")], body);
});
