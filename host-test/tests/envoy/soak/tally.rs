//! How often each trace arrived, by its number: a byte for each.

use std::sync::Mutex;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

/// What came.
#[derive(Default)]
pub(super) struct Tally(Mutex<Vec<u8>>);

/// The sums of a [`Tally`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Came {
    /// Spans that came.
    pub(super) different: i64,
    /// How many times one came that had come before.
    pub(super) repeated: i64,
}

impl Tally {
    /// Notes the spans of a request.
    pub(super) fn note(&self, request: &ExportTraceServiceRequest) {
        let mut times = self.0.lock().unwrap();
        let scopes = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
        for span in scopes.flat_map(|it| &it.spans) {
            let id = u128::from_be_bytes(span.trace_id.as_slice().try_into().expect("16 bytes"));
            let number = usize::try_from(id - 1).expect("the number of a request");
            if times.len() <= number {
                times.resize(number + 1, 0);
            }
            times[number] = times[number].saturating_add(1);
        }
    }

    /// Adds up, when so many requests were made.
    ///
    /// # Panics
    ///
    /// When a span came that no request made.
    pub(super) fn came(&self, requests: u64) -> Came {
        let times = self.0.lock().unwrap();
        assert!(times.len() as u64 <= requests, "spans that no request made");
        times.iter().fold(Came::default(), |sum, &times| Came {
            different: sum.different + i64::from(times > 0),
            repeated: sum.repeated + i64::from(times.saturating_sub(1)),
        })
    }
}
