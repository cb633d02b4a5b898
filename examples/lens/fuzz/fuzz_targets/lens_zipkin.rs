//! Any bytes as spans of Zipkin in JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    lens::send("/api/v2/spans", &[("content-type", "application/json")], body);
});
