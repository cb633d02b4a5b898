//! Whatever comes in, in whichever formats.

use super::*;
use proptest::prelude::*;

fn any_outgoing() -> impl Strategy<Value = Outgoing<'static>> {
    let ids = (any::<u64>(), 1_u64.., 1_u64..);
    (ids, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |((high, low, span), sampled, debug, short)| {
            let high = if short { 0 } else { high };
            let context = SpanContext {
                trace_id: TraceId::from_halves(high, low).unwrap(),
                span_id: SpanId::from_bytes(span.to_be_bytes()).unwrap(),
                flags: TraceFlags::RANDOM.with_sampled(sampled || debug),
                tracestate: Cow::Borrowed(b"a=1"),
            };
            Outgoing { context, is_debug: debug, is_short: short, announcement: None }
        },
    )
}

/// Headers as they come: right, of another trace, or nonsense.
fn any_headers() -> impl Strategy<Value = Fields> {
    let good = (
        prop::sample::select(Format::ALL.to_vec()),
        prop::sample::select(vec![TRACE, OTHER, "8448eb211c80319c"]),
    )
        .prop_map(|(format, trace)| sample(format, trace));
    let bad = (
        prop::sample::select(TraceHeader::ALL.to_vec()),
        "[0-9a-f:/;=,_\\-]{0,20}|[ -~é]{0,10}|d|0|1|_dd.p.tid=x|Root=1-2;A=\u{1}",
    )
        .prop_map(|(header, value)| vec![(header.name().to_owned(), value)]);
    prop::collection::vec(prop_oneof![good, bad], 0..5)
        .prop_map(|it| it.into_iter().flatten().collect())
}

proptest! {
    /// Each format brings ids and decision to the other side, as far as it has words for them.
    #[test]
    fn what_is_written_is_read(outgoing in any_outgoing()) {
        for format in Format::ALL {
            let edits = with_fields(&[], |fields| {
                let mut edits = Edits { fields, list: Vec::new() };
                format.inject(&outgoing, &mut edits);
                edits.list
            });
            let headers = apply(&[], edits);
            let bytes = encode_headers(&borrowed(&headers));
            let fields = RequestFields::of(Headers::new(&bytes));
            prop_assert!(format.came_in(&fields.trace));
            let mut invalid = Invalids::default();
            let said = format.extract(&fields.trace, Headers::new(&bytes), &mut invalid);
            prop_assert!(invalid.is_empty(), "{:?}: {:?}", format, invalid);
            let Some(Said::Context(read)) = said else {
                return Err(TestCaseError::fail(format!("{format:?}: {headers:?}")));
            };
            prop_assert_eq!(read.trace_id, outgoing.context.trace_id);
            prop_assert_eq!(read.span_id, Some(outgoing.context.span_id));
            let has_debug = matches!(format, Format::B3 | Format::B3Multi | Format::Jaeger);
            let has_short = has_debug || format == Format::Datadog;
            let want = match (outgoing.is_debug, outgoing.context.flags.is_sampled()) {
                (true, _) if has_debug => Decision::Debug,
                (_, true) => Decision::Sample,
                (_, false) if format == Format::GrpcTraceBin => Decision::Defer,
                (_, false) => Decision::Drop,
            };
            prop_assert_eq!(read.decision, want, "{:?}", format);
            let narrow = outgoing.context.trace_id.is_narrow();
            let short = has_short && outgoing.is_short || format == Format::Datadog && narrow;
            prop_assert_eq!(read.is_short, short, "{:?}", format);
        }
    }

    /// Whatever comes in: all that goes out in formats that are read or written is one valid
    /// context, and a next hop has nothing to change in it but its own span.
    #[test]
    fn whatever_comes_in_one_context_goes_out(
        came in any_headers(), extract in prop::sample::subsequence(Format::ALL.to_vec(), 0..=8).prop_shuffle(),
        inject in prop::sample::subsequence(Format::ALL.to_vec(), 0..=8), preserve: bool, debug: bool,
    ) {
        let propagation = Propagation {
            extract, inject: inject.into_iter().collect(), preserve, ..Propagation::default()
        };
        let came = borrowed(&came);
        let bytes = encode_headers(&came);
        let fields = RequestFields::of(Headers::new(&bytes));
        let extracted = propagation.extract(&fields.trace, Headers::new(&bytes));
        let mut outgoing = outgoing(OTHER);
        if let Some(Remote { trace_id, is_short, .. }) = extracted.context {
            outgoing.context.trace_id = trace_id;
            outgoing.is_short = is_short;
        }
        outgoing.is_debug = debug;
        let edits = propagation.inject(&outgoing, &fields.trace, Headers::new(&bytes));
        for edit in &edits {
            if let Edit::Replace(name, value) = edit {
                prop_assert!(value.iter().all(|b| matches!(b, b' '..=b'~')), "{}: {:?}", name, value);
            }
        }
        let out = apply(&came, edits);
        let bytes = encode_headers(&borrowed(&out));
        let fields = RequestFields::of(Headers::new(&bytes));
        for format in Format::ALL {
            let is_ours = propagation.extract.contains(&format) || propagation.inject.has(format);
            if is_ours && format.came_in(&fields.trace) {
                let mut invalid = Invalids::default();
                let said = format.extract(&fields.trace, Headers::new(&bytes), &mut invalid);
                prop_assert!(invalid.is_empty(), "{:?}: {:?}", format, invalid);
                let Some(Said::Context(read)) = said else {
                    return Err(TestCaseError::fail(format!("{format:?}: {out:?}")));
                };
                prop_assert_eq!(read.trace_id.low(), outgoing.context.trace_id.low());
                prop_assert!(read.is_short || read.trace_id == outgoing.context.trace_id);
                prop_assert_ne!(read.decision, Decision::Drop);
            }
        }
    }
}
