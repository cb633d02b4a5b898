//! Any bytes as traces of OTLP in protobuf.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    lens::send("/v1/traces", &[("content-type", "application/x-protobuf")], body);
});
