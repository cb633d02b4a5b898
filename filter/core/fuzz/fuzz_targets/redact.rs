//! What is a secret never leaves, whatever stands around it. An input is lines, and each has a
//! secret put behind it.
#![no_main]

use hopspan_core::redact::token::Key;
use hopspan_core::redact::{Counts, Mode, Place, Policy};

/// A semicolon may begin another pair, or be part of the value: it is not told either way.
const SECRET: &[u8] = b"=a;S3cr3t-M4rk3r";

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let secret = &SECRET[3..];
    if has(input, secret) {
        return;
    }
    let lines: Vec<_> = input.split(|&b| b == b'\n').collect();
    for mode in [Mode::Mask, Mode::Drop, Mode::Hash(Key::new(b"key"))] {
        let policy = Policy { mode, ..Policy::default() };
        let mut counts = Counts::default();
        let mut told = Vec::new();
        let query = lines.iter().map(|it| [*it, SECRET].concat()).collect::<Vec<_>>().join(&b'&');
        policy.write_query(&query, &mut told, &mut counts);
        told.push(b'\n');
        let path = lines.iter().map(|it| [*it, b"/a;password", SECRET].concat());
        policy.write_path(&path.collect::<Vec<_>>().concat(), &mut told, &mut counts);
        for line in &lines {
            told.push(b'\n');
            let authority = [line, secret, &b"@"[..], line].concat();
            policy.write_userinfo(&authority, &mut told, &mut counts);
            told.push(b'\n');
            let named = policy.named(Place::Header, b"X-Auth-Token", secret, &mut counts);
            told.extend(named.unwrap_or_default());
            let location = [&b"https://u:"[..], secret, b"@host/?a", SECRET, b"&", line].concat();
            let named = policy.named(Place::Header, b"location", &location, &mut counts);
            told.extend(named.unwrap_or_default());
        }
        assert!(!has(&told, secret), "{}", told.escape_ascii());
        assert!(counts.iter().map(|(_, count)| count).sum::<u32>() > 0);
    }
});

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|it| it == part)
}
