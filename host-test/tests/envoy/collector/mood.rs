//! What a collector does with a request: takes its spans or not, and what it answers.

use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::time::sleep;

/// What the collector does with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    /// Takes the spans.
    Accepting,
    /// Takes nothing and answers with a status.
    Failing(u16),
    /// Takes nothing, answers with a status, and says when to come again.
    Busy(u16, RetryAfter),
    /// Takes nothing and never answers.
    Silent,
    /// Takes the spans, and says so after a time.
    Late(Duration),
    /// Takes the spans, and closes the connection in the middle of saying so.
    Cutting,
    /// Takes the spans but for the first so many of each request, and says why not those.
    Picky(usize, &'static str),
    /// Takes the spans of requests of so many spans at most, and answers 413 to others.
    Narrow(usize),
}

/// Both forms of `Retry-After`.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RetryAfter {
    /// `delay-seconds`
    Seconds(u64),
    /// `HTTP-date`: so many whole seconds from now, and what is left of the present one.
    Date(u64),
}

/// What becomes of a request.
pub(crate) struct Reaction {
    /// The spans that the collector has from now on.
    pub(crate) taken: Option<ExportTraceServiceRequest>,
    /// What it answers.
    pub(crate) answer: Answer,
}

/// What is answered, and when.
pub(crate) enum Answer {
    Never,
    Cut,
    Response { after: Duration, status: u16, retry_after: Option<String>, body: Vec<u8> },
}

pub(crate) type Body = BoxBody<Bytes, io::Error>;

impl Mood {
    /// Judges a request.
    pub(crate) fn react(self, mut request: ExportTraceServiceRequest) -> Reaction {
        let taken = |request| Some(request);
        match self {
            Self::Accepting => Reaction { taken: taken(request), answer: Answer::yes() },
            Self::Failing(status) => Reaction { taken: None, answer: Answer::status(status) },
            Self::Busy(status, retry_after) => {
                let retry_after = Some(retry_after.value());
                let answer =
                    Answer::Response { after: Duration::ZERO, status, retry_after, body: vec![] };
                Reaction { taken: None, answer }
            }
            Self::Silent => Reaction { taken: None, answer: Answer::Never },
            Self::Late(after) => {
                let (status, retry_after, body) = (200, None, vec![]);
                let answer = Answer::Response { after, status, retry_after, body };
                Reaction { taken: taken(request), answer }
            }
            Self::Cutting => Reaction { taken: taken(request), answer: Answer::Cut },
            Self::Picky(most, why) => {
                let rejected = take_away(&mut request, most);
                let answer = Answer::partial(rejected, why);
                Reaction { taken: taken(request), answer }
            }
            Self::Narrow(most) if spans(&request) > most => {
                Reaction { taken: None, answer: Answer::status(413) }
            }
            Self::Narrow(_) => Reaction { taken: taken(request), answer: Answer::yes() },
        }
    }
}

impl RetryAfter {
    fn value(self) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            // A date has no fractions: half a second from now may be the past already.
            Self::Date(seconds) => {
                httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds + 1))
            }
        }
    }
}

impl Answer {
    fn yes() -> Self {
        let body = ExportTraceServiceResponse::default().encode_to_vec();
        Self::Response { after: Duration::ZERO, status: 200, retry_after: None, body }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Response { after: Duration::ZERO, status, retry_after: None, body: vec![] }
    }

    fn partial(rejected: usize, why: &str) -> Self {
        let partial_success = Some(ExportTracePartialSuccess {
            rejected_spans: i64::try_from(rejected).unwrap(),
            error_message: why.to_owned(),
        });
        let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        Self::Response { after: Duration::ZERO, status: 200, retry_after: None, body }
    }

    /// Answers, which may take its time.
    pub(crate) async fn give(self) -> Response<Body> {
        let response = Response::builder().header("content-type", "application/x-protobuf");
        match self {
            Self::Never => std::future::pending().await,
            Self::Cut => {
                let (mut sender, body) = Channel::new(1);
                tokio::spawn(async move {
                    let _ = sender.send_data(Bytes::from_static(b"\x0a")).await;
                    // The half is on its way before the end is.
                    sleep(Duration::from_millis(20)).await;
                    sender.abort(io::Error::from(io::ErrorKind::ConnectionReset));
                });
                response.header("content-length", 20).body(body.boxed()).unwrap()
            }
            Self::Response { after, status, retry_after, body } => {
                // Without a pause at all: what was taken is answered, even if the collector is
                // closed right now.
                if !after.is_zero() {
                    sleep(after).await;
                }
                let response = retry_after
                    .into_iter()
                    .fold(response.status(status), |it, value| it.header("retry-after", value));
                let body = Full::new(Bytes::from(body)).map_err(|it| match it {});
                response.body(body.boxed()).unwrap()
            }
        }
    }
}

/// How many spans a request has.
pub(crate) fn spans(request: &ExportTraceServiceRequest) -> usize {
    let scopes = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
    scopes.map(|it| it.spans.len()).sum()
}

/// Removes the first spans of a request, `most` of them at most, and says how many they were.
fn take_away(request: &mut ExportTraceServiceRequest, most: usize) -> usize {
    let mut left = most;
    for it in request.resource_spans.iter_mut().flat_map(|it| &mut it.scope_spans) {
        let here = left.min(it.spans.len());
        it.spans.drain(..here);
        left -= here;
    }
    most - left
}
