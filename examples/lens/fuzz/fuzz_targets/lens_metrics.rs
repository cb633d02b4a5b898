//! Any bytes as metrics of OTLP in protobuf.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    lens::send("/v1/metrics", &[("content-type", "application/x-protobuf")], body);
});
