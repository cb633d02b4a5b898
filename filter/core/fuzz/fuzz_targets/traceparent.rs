//! `traceparent`, judged by a second reader that works word by word.
#![no_main]

use hopspan_core::propagation::traceparent::Traceparent;

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    let parsed = Traceparent::parse(value);
    assert_eq!(parsed.is_ok(), is_valid(value), "{}", value.escape_ascii());
    if let Ok(it) = parsed {
        assert_eq!(Traceparent::parse(&it.to_bytes()), Ok(it), "what we write, we read");
    }
});

fn is_valid(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let parts: Vec<&str> = text.trim_matches([' ', '\t']).split('-').collect();
    let [version, trace_id, parent_id, flags, more @ ..] = &parts[..] else { return false };
    let hex = |it: &str, len| {
        it.chars().count() == len && it.chars().all(|c| "0123456789abcdef".contains(c))
    };
    let zero = |it: &str| it.chars().all(|c| c == '0');
    hex(version, 2)
        && *version != "ff"
        && (*version != "00" || more.is_empty())
        && hex(trace_id, 32)
        && !zero(trace_id)
        && hex(parent_id, 16)
        && !zero(parent_id)
        && hex(flags, 2)
}
