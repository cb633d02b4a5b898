//! One request's worth of spans, and its parts.

use crate::encode::otlp::Head;
use crate::encode::protobuf::PADDED;

/// A request whose spans are known one by one: a whole `ExportTraceServiceRequest`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    head: Head,
    body: Vec<u8>,
    /// Where each span ends in the body; the first begins where the head ends.
    ends: Vec<u32>,
}

/// The form of [`Batch::to_bytes`].
const LAYOUT: u8 = 1;

// === impl Batch ===

impl Batch {
    /// A request of a head and spans that end at `ends`; fills in its lengths.
    pub fn new(head: Head, mut body: Vec<u8>, ends: Vec<u32>) -> Self {
        let sealed = head.seal(&mut body);
        debug_assert!(sealed, "a request is at most max_export_batch_bytes long");
        Self { head, body, ends }
    }

    /// The request's body, in protobuf.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// How many spans are in it.
    pub fn spans(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes its spans have.
    pub fn span_bytes(&self) -> usize {
        self.body.len().saturating_sub(self.head.len)
    }

    /// The same spans in two requests, in their order; `None` if there is one alone.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let (first, second) = self.ends.split_at_checked(self.ends.len().div_ceil(2))?;
        let middle = *first.last().filter(|_| !second.is_empty())?;
        let (front, back) = self.body.split_at_checked(usize::try_from(middle).ok()?)?;
        let mut moved = self.body.get(..self.head.len)?.to_vec();
        let by = middle.saturating_sub(u32::try_from(moved.len()).ok()?);
        moved.extend_from_slice(back);
        let ends = second.iter().map(|it| it.saturating_sub(by)).collect();
        Some([
            Self::new(self.head, front.to_vec(), first.to_vec()),
            Self::new(self.head, moved, ends),
        ])
    }

    /// The request for another worker, or for another version of this one.
    ///
    /// ```text
    /// layout (1 byte), then as u32 LE: the head's length, where its two lengths stand,
    /// the number of spans, their ends; then the body
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let Head { len, lengths: [outer, inner] } = self.head;
        let mut out = vec![LAYOUT];
        for number in [len, outer, inner, self.ends.len()] {
            out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        }
        for end in &self.ends {
            out.extend_from_slice(&end.to_le_bytes());
        }
        out.extend_from_slice(&self.body);
        out
    }

    /// Reads [`Batch::to_bytes`]; `None` if they are not that.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&LAYOUT, rest) = bytes.split_first()? else { return None };
        let (numbers, rest) = rest.split_first_chunk::<16>()?;
        let mut numbers = numbers.as_chunks::<4>().0.iter().map(|it| u32::from_le_bytes(*it));
        let mut size = || usize::try_from(numbers.next()?).ok();
        let head = Head { len: size()?, lengths: [size()?, size()?] };
        let (ends, body) = rest.split_at_checked(size()?.checked_mul(4)?)?;
        let ends: Vec<_> =
            ends.as_chunks::<4>().0.iter().map(|it| u32::from_le_bytes(*it)).collect();
        let begin = u32::try_from(head.len).ok()?;
        let lengths_fit =
            head.lengths.iter().all(|it| it.checked_add(PADDED).is_some_and(|it| it <= head.len));
        let ends_rise = ends.first().is_some_and(|it| *it >= begin) && ends.is_sorted();
        let is_whole = ends.last().copied() == u32::try_from(body.len()).ok();
        (lengths_fit && ends_rise && is_whole).then(|| Self { head, body: body.to_vec(), ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Resource;
    use crate::encode::otlp::Envelope;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use proptest::prelude::*;
    use prost::Message as _;

    /// A request of spans with these names.
    fn batch(names: &[String]) -> Batch {
        let envelope = Envelope::new(&Resource::default(), "s", "0");
        let mut body = envelope.open();
        let mut ends = Vec::new();
        for name in names {
            let span = Span { name: name.clone(), ..Span::default() };
            // ScopeSpans.spans = 2
            body.extend(ScopeSpans { spans: vec![span], ..ScopeSpans::default() }.encode_to_vec());
            ends.push(u32::try_from(body.len()).unwrap());
        }
        Batch::new(envelope.head(), body, ends)
    }

    fn names(batch: &Batch) -> Vec<String> {
        let read = ExportTraceServiceRequest::decode(batch.body()).unwrap();
        let [ResourceSpans { scope_spans, .. }] = &read.resource_spans[..] else { panic!("one") };
        let [ScopeSpans { spans, scope, .. }] = &scope_spans[..] else { panic!("one") };
        assert_eq!(scope.as_ref().unwrap().name, "s");
        spans.iter().map(|it| it.name.clone()).collect()
    }

    proptest! {
        #[test]
        fn halves_are_whole_requests(all in prop::collection::vec("[a-z]{0,300}", 1..20)) {
            let whole = batch(&all);
            prop_assert_eq!(names(&whole), all.clone());
            let Some([front, back]) = whole.halves() else {
                prop_assert_eq!(all.len(), 1);
                return Ok(());
            };
            prop_assert_eq!([names(&front), names(&back)].concat(), all);
            prop_assert!(front.spans() - back.spans() <= 1);
            prop_assert_eq!(front.span_bytes() + back.span_bytes(), whole.span_bytes());
            prop_assert_eq!(Batch::from_bytes(&back.to_bytes()), Some(back));
        }

        #[test]
        fn bytes_that_are_no_request_are_refused(
            all in prop::collection::vec("[a-z]{0,9}", 1..5), at: prop::sample::Index, byte: u8,
        ) {
            let mut bytes = batch(&all).to_bytes();
            prop_assert_eq!(Batch::from_bytes(&bytes[..at.index(bytes.len())]), None, "cut");
            *at.get_mut(&mut bytes) = byte;
            // Whatever is taken for one can be used as one.
            if let Some(it) = Batch::from_bytes(&bytes) {
                prop_assert_eq!(it.halves().is_some(), it.spans() > 1);
            }
        }
    }
}
