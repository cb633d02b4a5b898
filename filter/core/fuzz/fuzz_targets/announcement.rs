//! hopspan's own member of `tracestate`: read where it is bound, written as a value can hold it.
#![no_main]

use hopspan_core::id::SpanId;
use hopspan_core::propagation::announcement::{self, Announced};
use hopspan_core::propagation::tracestate;

const PARENT: &str = "b7ad6b7169203331";

// A list, or the name of a service: whatever it is good for.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let parent = SpanId::from_bytes(0xb7ad_6b71_6920_3331_u64.to_be_bytes()).expect("not zero");
    if let Ok(list) = tracestate::check(bytes) {
        let text = std::str::from_utf8(&list).expect("a checked list is text");
        let mut members = text.split(',').map(|it| it.trim_matches([' ', '\t']));
        let naive = members
            .find_map(|it| it.strip_prefix("hopspan="))
            .and_then(|it| it.strip_prefix(PARENT))
            .and_then(|it| {
                let said = |mark, listens| {
                    it.strip_prefix(mark).map(|service| Announced { service, listens })
                };
                said(';', true).or_else(|| said(':', false))
            })
            .filter(|it| it.service.len() <= 200);
        assert_eq!(announcement::read(&list, parent), naive);
    }
    let service = String::from_utf8_lossy(bytes);
    let listens = bytes.len().is_multiple_of(2);
    let value = announcement::write(parent, Announced { service: &service, listens });
    let list = tracestate::with(b"a=1".into(), announcement::KEY, &value);
    assert_eq!(tracestate::check(&list).as_deref(), Ok(&list[..]));
    let fits = |it: char| (' '..='~').contains(&it) && it != ',' && it != '=';
    let naive: String =
        service.chars().take(200).map(|it| if fits(it) { it } else { '_' }).collect();
    let service = naive.trim_end_matches(' ');
    assert_eq!(announcement::read(&list, parent), Some(Announced { service, listens }));
    assert_eq!(*tracestate::without(list, announcement::KEY), *b"a=1");
});
