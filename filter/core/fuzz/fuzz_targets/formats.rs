//! All formats at once: whatever comes in, what goes out is one valid context.
#![no_main]

use hopspan_core::context::{Decision, Outgoing, SpanContext, TraceFlags};
use hopspan_core::id::{SpanId, TraceId};
use hopspan_core::propagation::invalid::Invalids;
use hopspan_core::propagation::{Edit, Format, Propagation, Said};
use hopspan_core::request::fields::RequestFields;
use hopspan_core::request::trace_fields::TraceHeader;
use hopspan_core::request::{Headers, encode_headers};

// The first byte chooses the formats that are read, the second those that are written; then one
// header a line, whose first byte chooses its name.
libfuzzer_sys::fuzz_target!(|input: (u8, u8, bool, &[u8])| {
    let (extract, inject, preserve, lines) = input;
    let some = |bits: u8| Format::ALL.into_iter().filter(move |it| bits >> (*it as u8) & 1 == 1);
    let (extract, inject) = (some(extract).collect(), some(inject).collect());
    let propagation = Propagation { extract, inject, preserve, ..Propagation::default() };
    let header = |line: &&[u8]| {
        let (first, value) = line.split_first()?;
        let name = TraceHeader::ALL[usize::from(*first) % TraceHeader::ALL.len()].name();
        Some((name.to_owned(), value.to_vec()))
    };
    let lines: Vec<_> = lines.split(|&b| b == b'\n').collect();
    let mut headers: Vec<_> = lines.iter().filter_map(header).collect();
    let bytes = encode_headers(&headers);
    let fields = RequestFields::of(Headers::new(&bytes));
    let extracted = propagation.extract(&fields.trace, Headers::new(&bytes));
    let context = SpanContext {
        trace_id: extracted.context.as_ref().map_or_else(
            || TraceId::from_halves(1, 2).expect("not zero"),
            |it| it.trace_id,
        ),
        span_id: SpanId::from_bytes([7; 8]).expect("not zero"),
        flags: TraceFlags::SAMPLED,
        tracestate: extracted.context.as_ref().map(|it| it.tracestate.clone()).unwrap_or_default(),
    };
    let is_short = extracted.context.as_ref().is_some_and(|it| it.is_short);
    let is_debug = extracted.decision == Decision::Debug;
    let outgoing = Outgoing { context, is_debug, is_short, announcement: None };
    for edit in propagation.inject(&outgoing, &fields.trace, Headers::new(&bytes)) {
        let (Edit::Replace(name, _) | Edit::Remove(name)) = edit else { panic!("{edit:?}") };
        headers.retain(|(it, _)| it != name);
        if let Edit::Replace(name, value) = edit {
            assert!(value.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')), "{name}");
            headers.push((name.to_owned(), value));
        }
    }
    let bytes = encode_headers(&headers);
    let fields = RequestFields::of(Headers::new(&bytes));
    for format in Format::ALL {
        let is_ours = propagation.extract.contains(&format) || propagation.inject.has(format);
        if is_ours && format.came_in(&fields.trace) {
            let mut invalid = Invalids::default();
            let said = format.extract(&fields.trace, Headers::new(&bytes), &mut invalid);
            assert!(invalid.is_empty(), "{format:?}: {invalid:?}: {headers:?}");
            let Some(Said::Context(read)) = said else { panic!("{format:?}: {headers:?}") };
            assert_eq!(read.trace_id.low(), outgoing.context.trace_id.low(), "{format:?}");
            assert_ne!(read.decision, Decision::Drop, "{format:?}");
        }
    }
});
