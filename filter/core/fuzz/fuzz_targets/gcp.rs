//! Google Cloud's format, judged by a second reader that works word by word.
#![no_main]

use hopspan_core::propagation::gcp;

#[path = "../naive.rs"]
#[allow(dead_code, reason = "each target needs some of them")]
mod naive;
#[path = "../said.rs"]
mod said;

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    assert_eq!(gcp::parse(value).ok().map(said::words), naive::gcp(value), "{}", value.escape_ascii());
});
