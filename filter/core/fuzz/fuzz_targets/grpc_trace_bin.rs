//! OpenCensus' binary format, judged by a second reader that works word by word.
#![no_main]

use hopspan_core::propagation::grpc_trace_bin;

#[path = "../naive.rs"]
#[allow(dead_code, reason = "each target needs some of them")]
mod naive;
#[path = "../said.rs"]
mod said;

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    assert_eq!(grpc_trace_bin::parse(value).ok().map(said::words), naive::grpc_trace_bin(value), "{}", value.escape_ascii());
});
