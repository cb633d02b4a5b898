//! Baggage: what is told was wanted, once each, and within the limit.
#![no_main]

use hopspan_core::propagation::baggage;
use hopspan_core::request::{Headers, encode_headers};

// One header a line.
libfuzzer_sys::fuzz_target!(|lines: &[u8]| {
    let headers: Vec<_> = lines.split(|&b| b == b'\n').map(|it| ("baggage", it)).collect();
    let bytes = encode_headers(&headers);
    let wanted = ["userId", "a", "*"].map(Into::into);
    let mut told: Vec<String> = Vec::new();
    baggage::read(Headers::new(&bytes), &wanted, |key, value| {
        assert!(wanted.contains(key) && !told.iter().any(|it| **it == **key));
        assert!(value.len() <= 1024);
        // Undone, each byte of the value stands in the header: as itself, or as %XX.
        let text = String::from_utf8_lossy(lines);
        assert!(text.contains(&**key) && text.contains('='));
        told.push(key.to_string());
    });
});
