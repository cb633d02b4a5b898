//! RPC's conventions: which requests are calls, where the status of a call is, and which
//! statuses are errors.
//!
//! Spec: <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/>

use crate::request::Headers;
use crate::request::fields::RequestFields;
use crate::semconv::{Kind, connect, grpc, grpc_web};
use crate::time::nanos;
use std::time::Duration;

/// In which protocol a request is a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// gRPC: the status is in the trailers, or in headers that are all there is.
    Grpc,
    /// gRPC-Web: the status is in the body's last frame, or in headers that are all there is.
    GrpcWeb,
    /// Connect with one message each way: the status is the HTTP status, and an error says
    /// more in its body.
    ConnectUnary,
    /// Connect with streams of messages: the status is in the body's last envelope.
    ConnectStream,
}

/// How a call ended. gRPC and Connect mean the same by their statuses, and have names of
/// their own for them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Status {
    code: u8,
    is_connect: bool,
}

/// What is known of a response when its call has ended.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// Its headers.
    pub headers: Headers<'a>,
    /// The HTTP status.
    pub http_status: Option<u16>,
    /// What was kept of its body, as [`Piece`](super::piece::Piece) has it.
    pub body: &'a [u8],
    /// Whether it was sent to its end.
    pub is_complete: bool,
}

/// Stands for a method that the server does not know.
pub const OTHER: &str = "_OTHER";

const CANCELLED: u8 = 1;
pub(super) const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
pub(super) const PERMISSION_DENIED: u8 = 7;
pub(super) const UNIMPLEMENTED: u8 = 12;
pub(super) const INTERNAL: u8 = 13;
pub(super) const UNAVAILABLE: u8 = 14;
pub(super) const UNAUTHENTICATED: u8 = 16;

// === impl Protocol ===

impl Protocol {
    /// The protocol of a request that is a call.
    ///
    /// ```text
    /// gRPC:           content-type = "application/grpc" [("+proto" / "+json" / {custom})]
    /// gRPC-Web:       content-type = "application/grpc-web" ["-text"] [("+proto" / ..)]
    /// Connect, unary: ":method POST" "connect-protocol-version" "1" "content-type" "application/" ..
    ///              or ":method GET" and a query with "connect=v1"
    /// Connect:        content-type = "application/connect+" ("proto" / "json" / {custom})
    /// ```
    /// Spec: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>,
    /// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>,
    /// <https://connectrpc.com/docs/protocol>
    pub fn of(fields: &RequestFields<'_>) -> Option<Self> {
        match fields.content_type.strip_prefix(b"application/") {
            Some(format) => match format.strip_prefix(b"grpc") {
                Some(rest) if ends_name(rest) => Some(Self::Grpc),
                Some(rest) => {
                    let rest = rest.strip_prefix(b"-web")?;
                    let rest = rest.strip_prefix(b"-text").unwrap_or(rest);
                    ends_name(rest).then_some(Self::GrpcWeb)
                }
                None if format.starts_with(b"connect+") => Some(Self::ConnectStream),
                None => {
                    let speaks_connect = fields.connect_protocol_version == b"1";
                    (speaks_connect && fields.method == b"POST").then_some(Self::ConnectUnary)
                }
            },
            None if fields.method == b"GET" => {
                let (_, query) = fields.path_and_query();
                let mut parameters = query?.split(|&b| b == b'&');
                parameters.any(|it| it == b"connect=v1").then_some(Self::ConnectUnary)
            }
            None => None,
        }
    }

    /// `rpc.system.name`
    pub fn system(self) -> &'static str {
        if self.is_connect() { "connectrpc" } else { "grpc" }
    }

    /// `package.Service/Method`, of a path that ends so.
    ///
    /// ```text
    /// gRPC:    Path = "/" Service-Name "/" {method name}
    /// Connect: Path = "/" [Routing-Prefix "/"] Procedure-Name
    /// ```
    pub fn method(self, path: &[u8]) -> Option<&[u8]> {
        let slash = |it: &[u8]| it.iter().rposition(|&b| b == b'/');
        let last = slash(path)?;
        let (before, method) = path.split_at_checked(last)?;
        let first = slash(before)?;
        let (prefix, service) = before.split_at_checked(first)?;
        let is_whole = method.len() > 1 && service.len() > 1;
        let is_one = is_whole && (self.is_connect() || prefix.is_empty());
        path.get(first.saturating_add(1)..).filter(|_| is_one)
    }

    /// How long the client was going to wait, in the words of its request.
    pub fn timeout(self, fields: &RequestFields<'_>) -> Option<Duration> {
        if self.is_connect() {
            connect::timeout(fields.connect_timeout_ms)
        } else {
            grpc::timeout(fields.grpc_timeout)
        }
    }

    /// Whether a status in the headers or trailers is called `grpc-status`.
    pub fn has_grpc_status(self) -> bool {
        !self.is_connect()
    }

    /// The status that the response's own words give the call; `None` if it has none, or if it
    /// cannot be read.
    pub fn status(
        self,
        response: Response<'_>,
        trailer: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<Status> {
        let Response { headers, http_status, body, is_complete } = response;
        match self {
            Self::ConnectUnary => connect::unary(http_status?, is_complete, body),
            Self::ConnectStream => connect::stream(http_status?, body),
            Self::Grpc | Self::GrpcWeb => {
                if let Some(status) = headers.get(b"grpc-status") {
                    return grpc::status(status);
                }
                let status = if self == Self::Grpc {
                    trailer().map(|it| grpc::status(&it))
                } else {
                    let content_type = headers.get(b"content-type").unwrap_or_default();
                    grpc_web::status(content_type, body)
                };
                // A status that gRPC does not know is not replaced by a guess.
                status.unwrap_or_else(|| grpc::of_http(http_status?))
            }
        }
    }

    /// The status of a call whose client went away before there was one. It had its reasons: it
    /// had waited as long as it was going to, or it lost interest.
    pub fn given_up(self, timeout: Option<Duration>, waited: Duration) -> Status {
        // The client began to count before we did: a twentieth counts as the way to us.
        let enough = timeout.map(nanos).map(|it| it.saturating_sub(it / 20));
        let code = if enough.is_some_and(|it| nanos(waited) >= it) {
            DEADLINE_EXCEEDED
        } else {
            CANCELLED
        };
        Status { code, is_connect: self.is_connect() }
    }

    fn is_connect(self) -> bool {
        matches!(self, Self::ConnectUnary | Self::ConnectStream)
    }
}

/// Whether a content type has been read to the end of its name.
fn ends_name(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b'+' | b';'))
}

// === impl Status ===

impl Status {
    pub(super) const fn grpc(code: u8) -> Self {
        Self { code, is_connect: false }
    }

    pub(super) const fn connect(code: u8) -> Self {
        Self { code, is_connect: true }
    }

    /// The status by its name, as `rpc.response.status_code` holds it; empty for a Connect call
    /// that ended well, which has none.
    pub fn name(self) -> &'static str {
        let code = usize::from(self.code);
        let name = if self.is_connect {
            code.checked_sub(1).and_then(|it| connect::NAMES.get(it))
        } else {
            grpc::NAMES.get(code)
        };
        name.copied().unwrap_or_default()
    }

    /// Whether a span of this kind failed: a server is not to blame for what its client
    /// asked, a client got no answer that it can use.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>,
    /// <https://opentelemetry.io/docs/specs/semconv/rpc/connect-rpc/>
    pub fn is_error(self, kind: Kind) -> bool {
        match kind {
            Kind::Client => self.code != 0,
            Kind::Server => matches!(self.code, 2 | 4 | 12 | 13 | 14 | 15),
        }
    }

    /// Whether the server does not know the method: it may be anything that a client made up.
    pub fn is_unimplemented(self) -> bool {
        self.code == UNIMPLEMENTED
    }
}

#[cfg(test)]
mod tests;
