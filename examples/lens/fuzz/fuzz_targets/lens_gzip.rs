//! Any bytes as gzip, with traces in it or something else.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    lens::send(
        "/v1/traces",
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        body,
    );
});
