//! A collector's answer: judged by its status, whatever its body is.
#![no_main]

use hopspan_core::encode::Protocol;
use hopspan_core::export::answer::{Answer, Verdict};
use hopspan_core::time::UnixNanos;
use std::time::Duration;

libfuzzer_sys::fuzz_target!(|input: (u16, u64, &[u8], &[u8])| {
    let (status, now, retry_after, body) = input;
    let answer = Answer::Response { status, retry_after, body };
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::ZipkinJson] {
        let verdict = answer.verdict(protocol, UnixNanos(now));
        let message = answer.message(protocol);
        match verdict {
            Verdict::Taken { rejected } => {
                assert!((200..300).contains(&status));
                assert!(protocol != Protocol::ZipkinJson || (rejected, message) == (0, None));
            }
            Verdict::TryAgain { after, answered } => {
                assert!([429, 502, 503, 504].contains(&status) && answered);
                assert_ne!(after, Some(Duration::ZERO));
            }
            Verdict::TooLarge => assert_eq!(status, 413),
            Verdict::Refused => assert!(!(200..300).contains(&status)),
        }
    }
});
