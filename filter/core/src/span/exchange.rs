//! A request and its response at their end: everything that spans are made of.

use super::Describe;
use super::active::RequestText;
use crate::request::host_and_port;
use crate::sampling::Reason;
use crate::semconv::flags::ResponseFlags;
use crate::semconv::grpc::GrpcStatus;
use crate::semconv::{self as names, Attributes, Kind, Outcome, http};
use crate::time::nanos;
use crate::timing::Breakdown;
use std::borrow::Cow;
use std::rc::Rc;

/// What is known of one request when its stream has ended.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// What the request said.
    pub request: &'a RequestText,
    /// Status of the response; `None` if none was sent.
    pub status: Option<u16>,
    /// Status of a gRPC call.
    pub grpc: Option<GrpcStatus>,
    /// Whether the response was sent to its end.
    pub complete: bool,
    /// `HTTP/1.1`, ...; empty if unknown.
    pub protocol: Vec<u8>,
    /// Address and port of the client; empty if unknown.
    pub client: Vec<u8>,
    /// Cluster; empty if the route has none.
    pub cluster: Vec<u8>,
    /// Address and port of the upstream host; empty if there was none.
    pub upstream: Vec<u8>,
    /// Attempts to reach an upstream, if known.
    pub attempts: Option<u64>,
    /// Response flags; only read when something went wrong.
    pub flags: ResponseFlags,
    /// The proxy's reason; only read when something went wrong.
    pub code_details: Vec<u8>,
    /// Where the time went.
    pub breakdown: Breakdown,
    /// Why the request is recorded, where no ratio says so.
    pub reason: Option<Reason>,
    /// What is told of the request's baggage.
    pub baggage: &'a [(Rc<str>, Vec<u8>)],
}

/// One of the spans that an exchange makes.
#[derive(Debug)]
pub struct Side<'a> {
    /// What happened.
    pub exchange: &'a Exchange<'a>,
    /// As seen by whom.
    pub kind: Kind,
    /// Whether this is the hop's outermost span, which carries the proxy's own view.
    pub outermost: bool,
    /// Whether it failed, by its kind's rules.
    pub outcome: &'a Outcome<'a>,
}

// === impl Exchange ===

impl Exchange<'_> {
    /// Whether the connection became something else, whose end has no sign of its own.
    fn is_upgrade(&self) -> bool {
        self.status == Some(101)
    }

    /// Whether the proxy's reasons are worth reading: no whole, good response was sent.
    pub fn went_wrong(status: Option<u16>, grpc: Option<GrpcStatus>, complete: bool) -> bool {
        status.is_none_or(|it| it >= 400)
            || grpc.is_some_and(|it| it.is_error(Kind::Client))
            || !(complete || status == Some(101))
    }

    /// The low-cardinality span name: the called method of an RPC, else the HTTP method.
    pub fn name(&self) -> &[u8] {
        match self.rpc_method() {
            Some(method) => method,
            None => http::known_method(self.request.method()).unwrap_or("HTTP").as_bytes(),
        }
    }

    /// `package.Service/Method` of a gRPC call.
    ///
    /// ```text
    /// Path = ":path" "/" Service-Name "/" {method name}
    /// ```
    fn rpc_method(&self) -> Option<&[u8]> {
        let method = self.request.path().strip_prefix(b"/")?;
        let one_slash = method.iter().filter(|&&b| b == b'/').count() == 1;
        (self.request.is_grpc && one_slash).then_some(method)
    }

    /// Whether the hop failed, seen from one side.
    pub fn outcome(&self, kind: Kind) -> Outcome<'static> {
        if let Some(grpc) = self.grpc {
            return if grpc.is_error(kind) {
                Outcome::Failed(grpc.name().into())
            } else {
                Outcome::Fine
            };
        }
        match self.status {
            Some(status) if http::is_error(status, kind) => {
                Outcome::Failed(status.to_string().into())
            }
            _ if self.complete || self.is_upgrade() || self.flags.client_gone() => Outcome::Fine,
            _ => Outcome::Failed(self.failure()),
        }
    }

    /// The proxy's reason without its particulars: `response_timeout`,
    /// `upstream_reset_after_response_started`, ...
    fn failure(&self) -> Cow<'static, str> {
        let class = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let class: Vec<u8> = self.code_details.iter().copied().take_while(class).collect();
        match String::from_utf8(class) {
            Ok(class) if !class.is_empty() => class.into(),
            _ => "incomplete".into(),
        }
    }
}

// === impl Side ===

impl Describe for Side<'_> {
    fn describe(&self, out: &mut impl Attributes) {
        let Self { exchange, kind, outermost, outcome } = self;
        exchange.describe_request(*kind, out);
        exchange.describe_response(out);
        for (key, value) in exchange.baggage {
            out.text(key, value);
        }
        if let Outcome::Failed(class) = outcome {
            out.text(names::ERROR_TYPE, class.as_bytes());
        }
        // On each span: who counts some of them must know which of them count for how many.
        if let Some(reason) = exchange.reason {
            out.text(names::SAMPLING_REASON, reason.name().as_bytes());
        }
        if *outermost {
            exchange.describe_hop(out);
        }
    }
}

impl Exchange<'_> {
    fn describe_request(&self, kind: Kind, out: &mut impl Attributes) {
        let request = self.request;
        match http::known_method(request.method()) {
            Some(method) => out.text(names::HTTP_REQUEST_METHOD, method.as_bytes()),
            None => {
                out.text(names::HTTP_REQUEST_METHOD, http::OTHER.as_bytes());
                present(out, names::HTTP_REQUEST_METHOD_ORIGINAL, request.method());
            }
        }
        let (host, port) = host_and_port(request.authority());
        present(out, names::SERVER_ADDRESS, host);
        let port = port.or(match request.scheme() {
            b"http" => Some(80),
            b"https" => Some(443),
            _ => None,
        });
        if let Some(port) = port.filter(|_| !host.is_empty()) {
            out.integer(names::SERVER_PORT, port.into());
        }
        match kind {
            Kind::Server => {
                present(out, names::URL_SCHEME, request.scheme());
                present(out, names::URL_PATH, request.path());
                present(out, names::URL_QUERY, request.query());
                let (client, port) = host_and_port(&self.client);
                present(out, names::CLIENT_ADDRESS, client);
                if let Some(port) = port {
                    out.integer(names::CLIENT_PORT, port.into());
                }
            }
            Kind::Client => {
                out.text(names::URL_FULL, &self.url());
                let (peer, port) = host_and_port(&self.upstream);
                present(out, names::NETWORK_PEER_ADDRESS, peer);
                if let Some(port) = port {
                    out.integer(names::NETWORK_PEER_PORT, port.into());
                }
            }
        }
        present(out, names::USER_AGENT_ORIGINAL, request.user_agent());
        if let Some(method) = self.rpc_method() {
            out.text(names::RPC_SYSTEM_NAME, b"grpc");
            out.text(names::RPC_METHOD, method);
        }
    }

    fn describe_response(&self, out: &mut impl Attributes) {
        if let Some(status) = self.status {
            out.integer(names::HTTP_RESPONSE_STATUS_CODE, status.into());
        }
        if let Some(grpc) = self.grpc {
            out.text(names::RPC_RESPONSE_STATUS_CODE, grpc.name().as_bytes());
        }
    }

    /// The proxy's own view, which no other service has.
    fn describe_hop(&self, out: &mut impl Attributes) {
        present(out, names::NETWORK_PROTOCOL_VERSION, http::protocol_version(&self.protocol));
        present(out, names::UPSTREAM_CLUSTER, &self.cluster);
        present(out, names::UPSTREAM_ADDRESS, &self.upstream);
        if let Some(attempts) = self.attempts.filter(|it| *it > 1) {
            out.integer(names::ATTEMPTS, saturating(attempts));
        }
        let Breakdown { proxy, upper_bound, upstream, upstream_started: _ } = self.breakdown;
        if let Some(proxy) = proxy {
            out.integer(names::PROXY_TIME, saturating(nanos(proxy)));
            if upper_bound {
                out.flag(names::PROXY_TIME_UPPER_BOUND, true);
            }
        }
        if let Some(upstream) = upstream {
            out.integer(names::UPSTREAM_TIME, saturating(nanos(upstream)));
        }
        present(out, names::RESPONSE_FLAGS, self.flags.names().as_bytes());
        // The upstream's own answer needs no explanation by the proxy.
        if self.code_details != b"via_upstream" {
            present(out, names::RESPONSE_CODE_DETAILS, &self.code_details);
        }
    }

    fn url(&self) -> Vec<u8> {
        let request = self.request;
        let mut url = Vec::with_capacity(64);
        if !request.authority().is_empty() {
            url.extend_from_slice(request.scheme());
            url.extend_from_slice(b"://");
            url.extend_from_slice(request.authority());
        }
        url.extend_from_slice(request.path());
        if !request.query().is_empty() {
            url.push(b'?');
            url.extend_from_slice(request.query());
        }
        url
    }
}

fn present(out: &mut impl Attributes, key: &str, value: &[u8]) {
    if !value.is_empty() {
        out.text(key, value);
    }
}

fn saturating(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
