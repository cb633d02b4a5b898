//! What a collector's answer means for the spans that it was sent.

use crate::stats::Stat;
use std::time::Duration;

/// How a request ended, as the host tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer<'a> {
    /// A response came, from the collector or from the proxy in its place.
    Response {
        /// HTTP status.
        status: u16,
        /// `retry-after` header; empty if there is none.
        retry_after: &'a [u8],
        /// Body, protobuf where the collector keeps to OTLP; may be anything.
        body: &'a [u8],
    },
    /// The connection broke, or no answer came.
    None,
    /// The proxy has no such cluster: nothing was sent.
    NoSuchCluster,
    /// The proxy could not send: no healthy host, or too many requests already.
    Unsent,
}

/// What to do with the spans.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// They are the collector's, but for those that it rejected.
    Taken {
        /// How many spans the collector did not want.
        rejected: usize,
    },
    /// Sending the same again is pointless.
    Refused,
    /// Send them again.
    TryAgain {
        /// No sooner than after this time, if the collector named one.
        after: Option<Duration>,
        /// Whether there was an answer at all.
        answered: bool,
    },
}

// === impl Answer ===

impl Answer<'_> {
    /// Judges by the status alone whether the request succeeded: a body that makes no
    /// sense does not turn a yes into a no.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Response { status: 200..=299, body, .. } => {
                Verdict::Taken { rejected: rejected_spans(body).unwrap_or(0) }
            }
            Self::Response { status: 429 | 502 | 503 | 504, retry_after, .. } => {
                Verdict::TryAgain { after: delay_seconds(retry_after), answered: true }
            }
            Self::Response { .. } => Verdict::Refused,
            Self::None | Self::NoSuchCluster | Self::Unsent => {
                Verdict::TryAgain { after: None, answered: false }
            }
        }
    }
}

impl Verdict {
    /// The counter of `hopspan.export.requests` that this belongs to.
    pub fn outcome(&self) -> Stat {
        match self {
            Self::Taken { rejected: 0 } => Stat::RequestsOk,
            Self::Taken { .. } => Stat::RequestsPartialSuccess,
            Self::Refused => Stat::RequestsRejected,
            Self::TryAgain { answered: true, .. } => Stat::RequestsRetryable,
            Self::TryAgain { answered: false, .. } => Stat::RequestsFailed,
        }
    }
}

/// ```text
/// Retry-After = HTTP-date / delay-seconds
/// delay-seconds = 1*DIGIT
/// ```
/// Only the second form is read; the first falls back to our own delay, and so does 0: a
/// collector that is overloaded shall not be asked without end.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
fn delay_seconds(value: &[u8]) -> Option<Duration> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = std::str::from_utf8(value).ok()?.parse().ok().filter(|it| *it > 0);
    seconds.map(Duration::from_secs)
}

/// `ExportTraceServiceResponse.partial_success.rejected_spans`; `None` if the message is
/// not one, or has no such field.
///
/// ```text
/// message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
/// message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
/// ```
/// Source: <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/collector/trace/v1/trace_service.proto>
fn rejected_spans(body: &[u8]) -> Option<usize> {
    let Value::Bytes(partial_success) = field(body, 1)? else { return None };
    let Value::Number(rejected) = field(partial_success, 1)? else { return None };
    usize::try_from(rejected.cast_signed()).ok()
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The last value of a field of a protobuf message; `None` if the message is broken.
fn field(mut message: &[u8], wanted: u64) -> Option<Value<'_>> {
    let mut found = None;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => Value::Bytes(message.split_off(..8)?),
            2 => {
                let len = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(message.split_off(..len)?)
            }
            5 => Value::Bytes(message.split_off(..4)?),
            _ => return None,
        };
        if tag >> 3 == wanted {
            found = Some(value);
        }
    }
    found
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message as _;

    #[test]
    fn a_status_decides() {
        let taken = Verdict::Taken { rejected: 0 };
        let again = |after| Verdict::TryAgain { after, answered: true };
        for (status, retry_after, want) in [
            (200, "", taken),
            (202, "", taken),
            (429, "", again(None)),
            (429, "7", again(Some(Duration::from_secs(7)))),
            (503, "0", again(None)),
            (503, "soon", again(None)),
            (503, "-1", again(None)),
            (502, "99999999999999999999999", again(None)),
            (504, "", again(None)),
            (500, "", Verdict::Refused),
            (400, "7", Verdict::Refused),
            (404, "", Verdict::Refused),
            (301, "", Verdict::Refused),
            (0, "", Verdict::Refused),
        ] {
            let answer =
                Answer::Response { status, retry_after: retry_after.as_bytes(), body: b"\xff" };
            assert_eq!(answer.verdict(), want, "{status} {retry_after:?}");
        }
        for answer in [Answer::None, Answer::NoSuchCluster, Answer::Unsent] {
            assert_eq!(answer.verdict(), Verdict::TryAgain { after: None, answered: false });
        }
    }

    proptest! {
        #[test]
        fn partial_success_is_read_as_the_official_encoder_writes_it(rejected: i64, message: String) {
            let partial_success =
                Some(ExportTracePartialSuccess { rejected_spans: rejected, error_message: message });
            let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
            prop_assert_eq!(rejected_spans(&body).unwrap_or(0), usize::try_from(rejected).unwrap_or(0));
        }

        #[test]
        fn any_body_can_be_read(body: Vec<u8>) {
            let want = ExportTraceServiceResponse::decode(&body[..]).ok()
                .and_then(|it| it.partial_success).map_or(0, |it| it.rejected_spans);
            let got = rejected_spans(&body).unwrap_or(0);
            // The official decoder refuses more than we do (unknown groups, bad UTF-8): then
            // the answer still was a yes.
            if want != 0 {
                prop_assert_eq!(got, usize::try_from(want).unwrap_or(0));
            }
        }
    }
}
