//! What a collector's answer means for the spans that it was sent.

mod partial_success;
mod retry_after;

use crate::encode::Protocol;
use crate::stats::Stat;
use crate::time::UnixNanos;
use partial_success::PartialSuccess;
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
        /// Body, in the format of the request where the collector keeps to OTLP; may be
        /// anything, and cut off.
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
    /// There were too many at once.
    TooLarge,
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
    pub fn verdict(&self, protocol: Protocol, now: UnixNanos) -> Verdict {
        match self {
            Self::Response { status: 200..=299, .. } => {
                Verdict::Taken { rejected: self.partial_success(protocol).rejected }
            }
            Self::Response { status: 429 | 502 | 503 | 504, retry_after, .. } => {
                Verdict::TryAgain { after: retry_after::parse(retry_after, now), answered: true }
            }
            Self::Response { status: 413, .. } => Verdict::TooLarge,
            Self::Response { .. } => Verdict::Refused,
            Self::None | Self::NoSuchCluster | Self::Unsent => {
                Verdict::TryAgain { after: None, answered: false }
            }
        }
    }

    /// What the collector has to say of a request that it took, in its own words: why spans were
    /// rejected, or a warning where none was. `None` if it says nothing.
    pub fn message(&self, protocol: Protocol) -> Option<String> {
        let message = self.partial_success(protocol).message;
        (!message.is_empty()).then_some(message)
    }

    fn partial_success(&self, protocol: Protocol) -> PartialSuccess {
        match self {
            Self::Response { status: 200..=299, body, .. } => PartialSuccess::read(body, protocol),
            _ => PartialSuccess::default(),
        }
    }
}

impl Verdict {
    /// The counter of `hopspan.export.requests` that this belongs to.
    pub fn outcome(&self) -> Stat {
        match self {
            Self::Taken { rejected: 0 } => Stat::RequestsOk,
            Self::Taken { .. } => Stat::RequestsPartialSuccess,
            Self::TooLarge => Stat::RequestsTooLarge,
            Self::Refused => Stat::RequestsRejected,
            Self::TryAgain { answered: true, .. } => Stat::RequestsRetryable,
            Self::TryAgain { answered: false, .. } => Stat::RequestsFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Protocol::{HttpJson, HttpProtobuf, ZipkinJson};

    #[test]
    fn a_status_decides() {
        let taken = Verdict::Taken { rejected: 0 };
        let again = |after| Verdict::TryAgain { after, answered: true };
        let in_ten_seconds = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (status, retry_after, want) in [
            (200, "", taken),
            (202, "", taken),
            (299, "7", taken),
            (429, "", again(None)),
            (429, "7", again(Some(Duration::from_secs(7)))),
            (503, in_ten_seconds, again(Some(Duration::from_secs(10)))),
            (503, "0", again(None)),
            (503, "soon", again(None)),
            (502, "99999999999999999999999", again(None)),
            (504, "", again(None)),
            (413, "", Verdict::TooLarge),
            (413, "7", Verdict::TooLarge),
            (500, "", Verdict::Refused),
            (400, "7", Verdict::Refused),
            (404, "", Verdict::Refused),
            (408, "", Verdict::Refused),
            (301, "", Verdict::Refused),
            (100, "", Verdict::Refused),
            (0, "", Verdict::Refused),
        ] {
            for protocol in [HttpProtobuf, HttpJson, ZipkinJson] {
                for body in [&b""[..], b"\xff", b"{", b"<html>", b"\x0a\x7f"] {
                    let retry_after = retry_after.as_bytes();
                    let answer = Answer::Response { status, retry_after, body };
                    let now = UnixNanos(784_111_767_000_000_000);
                    let verdict = answer.verdict(protocol, now);
                    assert_eq!(verdict, want, "{status} {retry_after:?} {protocol:?} {body:?}");
                    assert_eq!(answer.message(protocol), None);
                }
            }
        }
        for answer in [Answer::None, Answer::NoSuchCluster, Answer::Unsent] {
            let verdict = answer.verdict(HttpJson, UnixNanos(0));
            assert_eq!(verdict, Verdict::TryAgain { after: None, answered: false });
        }
    }

    #[test]
    fn only_a_yes_can_be_a_partial_one() {
        let body = br#"{"partialSuccess":{"rejectedSpans":3,"errorMessage":"why"}}"#;
        for (status, rejected, message) in
            [(200, Some(3), Some("why")), (202, Some(3), Some("why")), (400, None, None)]
        {
            let answer = Answer::Response { status, retry_after: b"", body };
            let want = rejected.map_or(Verdict::Refused, |rejected| Verdict::Taken { rejected });
            assert_eq!(answer.verdict(HttpJson, UnixNanos(0)), want, "{status}");
            assert_eq!(answer.message(HttpJson).as_deref(), message, "{status}");
        }
    }
}
