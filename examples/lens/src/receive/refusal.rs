//! Why a request is not taken, in the words of its protocol.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prost::Message;
use serde::Serialize;

use super::otlp::Format;
use crate::archive::WriteError;

/// Why a whole request is not taken.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

/// `google.rpc.Status`: OTLP demands it as the body of every failure.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

impl Reason {
    pub(super) fn new(status: StatusCode, text: String) -> Self {
        Self { status, text }
    }

    /// As OTLP has it, in the format of the request.
    pub(super) fn otlp(self, format: Format) -> Response {
        /// Source: <https://github.com/googleapis/googleapis> `google/rpc/code.proto`
        const INVALID_ARGUMENT: i32 = 3;
        const UNAVAILABLE: i32 = 14;
        let code = if self.is_passing() { UNAVAILABLE } else { INVALID_ARGUMENT };
        let body = RpcStatus { code, message: self.text.clone() };
        self.later((self.status, format.encode(&body)).into_response())
    }

    /// As text.
    pub(super) fn plain(self) -> Response {
        self.later((self.status, format!("{}\n", self.text)).into_response())
    }

    /// Whether the same request may be taken later.
    fn is_passing(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    fn later(&self, mut response: Response) -> Response {
        if self.is_passing() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<WriteError> for Reason {
    /// Each of them may pass; a sender that keeps its data loses nothing.
    fn from(error: WriteError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}
