//! A request and its response at their end: everything that spans are made of.

use super::Describe;
use super::about::About;
use super::custom::Attribute;
use super::name::{Placeholder, Template};
use super::request_text::RequestText;
use crate::request::host_and_port;
use crate::route::Route;
use crate::sampling::Reason;
use crate::semconv::flags::ResponseFlags;
use crate::semconv::rpc::{self, Status};
use crate::semconv::{self as names, Attributes, Kind, Outcome, http};
use crate::time::nanos;
use crate::timing::Breakdown;
use std::borrow::Cow;
use std::time::Duration;

/// What is known of one request when its stream has ended.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// What the request said.
    pub request: &'a RequestText,
    /// Status of the response; `None` if none was sent.
    pub status: Option<u16>,
    /// Status of a call.
    pub rpc: Option<Status>,
    /// Whether the response was sent to its end, as far as it has one.
    pub complete: bool,
    /// Of the client's connection: `HTTP/1.1`, ...; empty if unknown.
    pub protocol: Vec<u8>,
    /// The client.
    pub downstream: Peer,
    /// Cluster; empty if the route has none.
    pub cluster: Vec<u8>,
    /// The upstream host.
    pub upstream: Peer,
    /// Why its connection's transport failed; only read when something went wrong.
    pub transport_failure: Vec<u8>,
    /// The name of the proxy's route; empty if it has none.
    pub route_name: Vec<u8>,
    /// Attempts to reach an upstream, if known.
    pub attempts: Option<u64>,
    /// How often it was sent before, where it is known to be a single try.
    pub resends: u64,
    /// Response flags; only read when something went wrong.
    pub flags: ResponseFlags,
    /// The proxy's reason; only read when something went wrong.
    pub code_details: Vec<u8>,
    /// Where the time went.
    pub breakdown: Breakdown,
    /// How long the last attempt waited for a connection.
    pub pool_wait: Option<Duration>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
    /// Why the request is recorded, where no ratio says so.
    pub reason: Option<Reason>,
    /// What it was about.
    pub about: About,
    /// What is told of the request because somebody wants it.
    pub custom: &'a [Attribute],
    /// What else is told for that reason.
    pub custom_at_end: Vec<Attribute>,
}

/// Who is at the other end of a connection; empty where it is not known.
#[derive(Debug, Default)]
pub struct Peer {
    /// Address and port.
    pub address: Vec<u8>,
    /// `TLSv1.3`, ...
    pub tls_version: Vec<u8>,
    /// A subject alternative name of its certificate.
    pub name: Vec<u8>,
}

/// One of the spans that an exchange makes.
#[derive(Debug)]
pub struct Side<'a> {
    /// What happened.
    pub exchange: &'a Exchange<'a>,
    /// As seen by whom.
    pub kind: Kind,
    /// Which of the hop's spans it is.
    pub place: Place,
    /// Whether it failed, by its kind's rules.
    pub outcome: &'a Outcome<'a>,
}

/// Which of a hop's spans one is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The only one.
    Only,
    /// The server's, around a client's.
    Outer,
    /// The client's, in a server's.
    Inner,
}

// === impl Exchange ===

impl Exchange<'_> {
    /// Whether the proxy's reasons are worth reading: no whole, good response was sent.
    pub fn may_have_failed(&self) -> bool {
        self.status.is_none_or(|it| it >= 400)
            || self.request.rpc.is_some() && self.rpc.is_none_or(|it| it.is_error(Kind::Client))
            || !self.complete
    }

    /// Whether the proxy made the response itself because it got none: why.
    fn made_here(&self) -> Option<&'static str> {
        let is_late = self.code_details.starts_with(b"upstream_reset_after_response_started");
        let is_bad = self.status.is_none_or(|it| it >= 400) || self.rpc.is_some();
        let is_answer = is_late || self.code_details == b"via_upstream" || !is_bad;
        self.flags.failure(&self.code_details).filter(|_| !is_answer)
    }

    /// Whether the answer was received: on the client's side what the proxy answers is none.
    pub fn was_received(&self, place: Place) -> bool {
        place != Place::Inner || self.made_here().is_none()
    }

    /// The span's name: the one that the route wants, or what the template makes of the request.
    pub fn name(&self, template: &Template, service: &str) -> Cow<'_, [u8]> {
        let (request, About { route, span_name, .. }) = (self.request, &self.about);
        if !span_name.is_empty() {
            return span_name.into();
        }
        let rpc_method = request.rpc.map(|rpc| match rpc.method(request.path()) {
            Some(method) if !self.is_unimplemented() => method,
            _ => rpc.system().as_bytes(),
        });
        let name = template.write(|place| match (place, rpc_method) {
            (Placeholder::Method, None) => self.method_name(),
            (Placeholder::Method, Some(_)) => b"",
            (Placeholder::Route, Some(method)) => method,
            (Placeholder::Route, None) => route.as_ref().map_or(b"", Route::text),
            (Placeholder::Host, _) => host_and_port(self.request.authority()).0,
            (Placeholder::Cluster, _) => &self.cluster,
            (Placeholder::Service, _) => service.as_bytes(),
        });
        match name.is_empty() {
            true => self.method_name().into(),
            false => name.into(),
        }
    }

    /// The HTTP method as names of spans have it.
    fn method_name(&self) -> &[u8] {
        http::known_method(self.request.method()).unwrap_or("HTTP").as_bytes()
    }

    /// Whether a call was for a method that the server does not know.
    fn is_unimplemented(&self) -> bool {
        self.rpc.is_some_and(Status::is_unimplemented)
    }

    /// Whether the hop failed, seen from one side.
    pub fn outcome(&self, kind: Kind, place: Place) -> Outcome<'static> {
        let made_here = self.made_here();
        let is_gone = self.flags.client_gone();
        let by = |status: Cow<'static, str>| {
            Outcome::Failed(made_here.filter(|_| !is_gone).map_or(status, Cow::Borrowed))
        };
        match (self.rpc, self.status) {
            (Some(rpc), _) if rpc.is_error(kind) => by(rpc.name().into()),
            (None, Some(status)) if http::is_error(status, kind) => by(status.to_string().into()),
            // What the proxy answered itself, it did not receive.
            _ if place == Place::Inner && !is_gone && made_here.is_some() => by("".into()),
            (Some(_), _) => Outcome::Fine,
            _ if self.complete || is_gone => Outcome::Fine,
            _ => match self.flags.failure(&self.code_details) {
                Some(class) => Outcome::Failed(class.into()),
                None => Outcome::Failed(self.failure()),
            },
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
        let Self { exchange, kind, place, outcome } = self;
        exchange.describe_request(*kind, out);
        exchange.describe_response(*place, out);
        if let Outcome::Failed(class) = outcome {
            out.text(names::ERROR_TYPE, class.as_bytes());
        }
        // On each span: who counts some of them must know which of them count for how many.
        if let Some(reason) = exchange.reason {
            out.text(names::SAMPLING_REASON, reason.name().as_bytes());
        }
        if *place != Place::Inner {
            exchange.describe_downstream(out);
            exchange.describe_hop(out);
        }
        exchange.describe_upstream(*place, out);
        // Last, so that it is these that a limit drops.
        for (key, value) in exchange.custom.iter().chain(&exchange.custom_at_end) {
            value.describe(key, out);
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
            }
            Kind::Client => {
                out.text(names::URL_FULL, &self.url());
                let (peer, port) = host_and_port(&self.upstream.address);
                present(out, names::NETWORK_PEER_ADDRESS, peer);
                if let Some(port) = port {
                    out.integer(names::NETWORK_PEER_PORT, port.into());
                }
                if self.resends > 0 {
                    out.integer(names::HTTP_REQUEST_RESEND_COUNT, saturating(self.resends));
                }
            }
        }
        self.about.describe(kind, out);
        let Some(rpc) = request.rpc else { return };
        out.text(names::RPC_SYSTEM_NAME, rpc.system().as_bytes());
        if let Some(method) = rpc.method(request.path()) {
            if self.is_unimplemented() {
                out.text(names::RPC_METHOD, rpc::OTHER.as_bytes());
                out.text(names::RPC_METHOD_ORIGINAL, method);
            } else {
                out.text(names::RPC_METHOD, method);
            }
        }
    }

    fn describe_response(&self, place: Place, out: &mut impl Attributes) {
        // What the proxy answers is nothing that its own call was answered.
        let was_received = self.was_received(place);
        if let Some(status) = self.status.filter(|_| was_received) {
            out.integer(names::HTTP_RESPONSE_STATUS_CODE, status.into());
        }
        if let Some(rpc) = self.rpc.filter(|_| was_received) {
            present(out, names::RPC_RESPONSE_STATUS_CODE, rpc.name().as_bytes());
        }
    }

    /// What the outermost span of a hop says of the client and its connection.
    fn describe_downstream(&self, out: &mut impl Attributes) {
        let request = self.request;
        let (client, port) = host_and_port(&self.downstream.address);
        present(out, names::CLIENT_ADDRESS, client);
        // An address out of x-forwarded-for has no port, and is not who the connection is with.
        if let Some(port) = port.filter(|it| *it != 0) {
            out.integer(names::CLIENT_PORT, port.into());
            out.text(names::NETWORK_PEER_ADDRESS, client);
            out.integer(names::NETWORK_PEER_PORT, port.into());
        }
        present(out, names::NETWORK_PROTOCOL_VERSION, http::protocol_version(&self.protocol));
        present(out, names::DOWNSTREAM_TLS_VERSION, &self.downstream.tls_version);
        present(out, names::DOWNSTREAM_PEER, &self.downstream.name);
        present(out, names::USER_AGENT_ORIGINAL, request.user_agent());
        if !request.request_id().is_empty() {
            out.list_of_one(names::HTTP_REQUEST_HEADER_X_REQUEST_ID, request.request_id());
        }
        for (name, bytes) in [
            (names::HTTP_REQUEST_BODY_SIZE, self.request_bytes),
            (names::HTTP_RESPONSE_BODY_SIZE, self.response_bytes),
        ] {
            if bytes > 0 {
                out.integer(name, saturating(bytes));
            }
        }
    }

    /// The proxy's own view, which no other service has.
    fn describe_hop(&self, out: &mut impl Attributes) {
        present(out, names::ROUTE_NAME, &self.route_name);
        if let Some(attempts) = self.attempts.filter(|it| *it > 1) {
            out.integer(names::ATTEMPTS, saturating(attempts));
        }
        let Breakdown {
            proxy,
            upper_bound,
            upstream,
            request_receive,
            first_byte,
            response_send,
            ..
        } = self.breakdown;
        for (name, part) in [
            (names::PROXY_TIME, proxy),
            (names::UPSTREAM_TIME, upstream),
            (names::POOL_WAIT, self.pool_wait),
            (names::FIRST_BYTE, first_byte),
            (names::REQUEST_RECEIVE, request_receive),
            (names::RESPONSE_SEND, response_send),
        ] {
            if let Some(part) = part {
                out.integer(name, saturating(nanos(part)));
            }
        }
        if proxy.is_some() && upper_bound {
            out.flag(names::PROXY_TIME_UPPER_BOUND, true);
        }
        if self.flags != ResponseFlags::default() {
            out.text(names::RESPONSE_FLAGS, self.flags.names().as_bytes());
            out.text(names::RESPONSE_FLAGS_LONG, self.flags.long_names().as_bytes());
        }
        // The upstream's own answer needs no explanation by the proxy.
        if self.code_details != b"via_upstream" {
            present(out, names::RESPONSE_CODE_DETAILS, &self.code_details);
        }
    }

    /// Where the request went: on the span that is nearest to it, cluster and address on all.
    fn describe_upstream(&self, place: Place, out: &mut impl Attributes) {
        present(out, names::UPSTREAM_CLUSTER, &self.cluster);
        present(out, names::UPSTREAM_ADDRESS, &self.upstream.address);
        if place != Place::Outer {
            present(out, names::UPSTREAM_TLS_VERSION, &self.upstream.tls_version);
            present(out, names::UPSTREAM_PEER, &self.upstream.name);
            present(out, names::UPSTREAM_TRANSPORT_FAILURE, &self.transport_failure);
        }
    }

    fn url(&self) -> Vec<u8> {
        let request = self.request;
        let mut url = Vec::with_capacity(64);
        if !request.authority().is_empty() {
            url.extend_from_slice(request.scheme());
            url.extend_from_slice(b"://");
            url.extend_from_slice(request.userinfo());
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
