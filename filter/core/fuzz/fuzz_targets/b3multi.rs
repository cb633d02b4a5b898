//! B3 in several headers, judged by a second reader that works word by word.
#![no_main]

use hopspan_core::propagation::b3multi;
use hopspan_core::propagation::invalid::Invalids;
use hopspan_core::request::fields::RequestFields;
use hopspan_core::request::{Headers, encode_headers};

#[path = "../naive.rs"]
#[allow(dead_code, reason = "each target needs some of them")]
mod naive;
#[path = "../said.rs"]
mod said;

const NAMES: [&str; 4] = ["x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"];

// One header a line; an empty line is a header that is not there.
libfuzzer_sys::fuzz_target!(|lines: &[u8]| {
    let mut lines = lines.split(|&b| b == b'\n').map(|it| Some(it).filter(|it| !it.is_empty()));
    let values: [Option<&[u8]>; 4] = std::array::from_fn(|_| lines.next().flatten());
    let headers: Vec<_> =
        NAMES.into_iter().zip(values).filter_map(|(name, it)| Some((name, it?))).collect();
    let bytes = encode_headers(&headers);
    let fields = RequestFields::of(Headers::new(&bytes));
    let said = b3multi::extract(&fields.trace, &mut Invalids::default()).ok().map(said::words);
    assert_eq!(said, naive::b3multi(values), "{values:?}");
});
