//! A collector's answer: judged by its status, whatever its body is.
#![no_main]

use hopspan_core::export::answer::{Answer, Verdict};

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8], &[u8])| {
    let (status, retry_after, body) = input;
    let verdict = Answer::Response { status, retry_after, body }.verdict();
    let taken = matches!(verdict, Verdict::Taken { .. });
    assert_eq!(taken, (200..300).contains(&status));
});
