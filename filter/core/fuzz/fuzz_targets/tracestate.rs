//! `tracestate`: what goes on is valid, within its limits, and a part of what came.
#![no_main]

use hopspan_core::propagation::tracestate;

libfuzzer_sys::fuzz_target!(|list: &[u8]| {
    let members = |list: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(list).into_owned();
        text.split(',')
            .map(|it| it.trim_matches([' ', '\t']).to_owned())
            .filter(|it| !it.is_empty())
            .collect()
    };
    let Ok(out) = tracestate::check(list) else { return };
    let (came, went) = (members(list), members(&out));
    assert!(out.len() <= 512 && went.len() <= 32);
    assert!(out.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')));
    assert!(out.is_empty() == went.is_empty(), "never an empty header");
    let mut rest = came.iter();
    assert!(went.iter().all(|it| rest.any(|other| other == it)), "in their order");
    assert_eq!(tracestate::check(&out).as_deref(), Ok(&out[..]), "what we write, we read");
});
