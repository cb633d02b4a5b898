//! hopspan's own member of `tracestate`: read where it is bound, written as a value can hold it.
#![no_main]

use hopspan_core::id::SpanId;
use hopspan_core::propagation::{announcement, tracestate};

const PARENT: &str = "b7ad6b7169203331";

// A list, or the name of a service: whatever it is good for.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let parent = SpanId::from_bytes(0xb7ad_6b71_6920_3331_u64.to_be_bytes()).expect("not zero");
    if let Ok(list) = tracestate::check(bytes) {
        let text = std::str::from_utf8(&list).expect("a checked list is text");
        let mut members = text.split(',').map(|it| it.trim_matches([' ', '\t']));
        let naive = members
            .find_map(|it| it.strip_prefix("hopspan="))
            .and_then(|it| it.strip_prefix(PARENT)?.strip_prefix(';'))
            .filter(|it| it.len() <= 200);
        assert_eq!(announcement::read(&list, parent), naive);
    }
    let service = String::from_utf8_lossy(bytes);
    let value = announcement::write(parent, &service);
    let list = tracestate::with(b"a=1".into(), announcement::KEY, &value);
    assert_eq!(tracestate::check(&list).as_deref(), Ok(&list[..]));
    let fits = |it: char| (' '..='~').contains(&it) && it != ',' && it != '=';
    let naive: String =
        service.chars().take(200).map(|it| if fits(it) { it } else { '_' }).collect();
    assert_eq!(announcement::read(&list, parent), Some(naive.trim_end_matches(' ')));
    assert_eq!(*tracestate::without(list, announcement::KEY), *b"a=1");
});
