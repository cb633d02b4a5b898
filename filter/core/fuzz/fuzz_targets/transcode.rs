//! Any bytes as a request of spans or metrics: JSON by each encoding that is made of it, bounded, or nothing.
#![no_main]

use hopspan_core::encode::{otlp_json, zipkin};
use serde::de::IgnoredAny;

type Transcode = fn(&[u8], &mut Vec<u8>) -> Option<()>;

libfuzzer_sys::fuzz_target!(|request: &[u8]| {
    let all: [(Transcode, usize); 3] = [
        (otlp_json::transcode, otlp_json::TIMES),
        (otlp_json::transcode_metrics, otlp_json::TIMES),
        (zipkin::transcode, zipkin::TIMES),
    ];
    for (transcode, times) in all {
        let mut out = Vec::new();
        if transcode(request, &mut out).is_some() {
            let read = serde_json::from_slice::<IgnoredAny>(&out);
            assert!(read.is_ok(), "{read:?}: {}", String::from_utf8_lossy(&out));
            assert!(out.len() <= 2 + times * request.len(), "{} bytes", out.len());
        }
    }
});
