//! A host's header map, whatever it claims about its own lengths.
#![no_main]

use hopspan_core::request::fields::RequestFields;
use hopspan_core::request::{Headers, encode_headers, host_and_port};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let read: Vec<_> = Headers::new(bytes).into_iter().collect();
    let again = encode_headers(&read);
    assert!(Headers::new(&again).into_iter().eq(read), "what was read can be written and read again");
    let fields = RequestFields::of(Headers::new(bytes));
    let (host, _) = host_and_port(fields.authority);
    assert!(host.len() <= fields.authority.len());
});
