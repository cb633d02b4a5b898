//! OpenTelemetry's semantic conventions: names as constants, and what a proxy's facts
//! mean by them.
//!
//! Spec: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>

pub mod reference;
pub mod flags;
pub mod http;
pub mod rpc;
pub mod grpc;
pub mod grpc_web;
pub mod connect;
pub mod piece;

use reference::{Attribute, On, Type};

/// Declares attributes: their keys as constants, and what the reference says of them. Those of
/// OpenTelemetry's registry name a test that compares them with it.
macro_rules! names {
    (
        $list:ident, $reference:ident $(checked by $test:ident)?:
        $(
            $(#[doc = $doc:literal])*
            $constant:ident = $name:literal: $kind:ident on $on:ident $(if $when:literal)?;
        )*
    ) => {
        $($(#[doc = $doc])* pub const $constant: &str = $name;)*
        const $list: &[&str] = &[$($name),*];
        const $reference: &[Attribute] = &[$(Attribute {
            key: $name,
            kind: Type::$kind,
            on: On::$on,
            meaning: concat!($($doc),*),
            when: concat!($($when)?),
        }),*];
        names! { @test $($test)?: $($constant)* }
    };
    (@test: $($constant:ident)*) => {};
    (@test $test:ident: $($constant:ident)*) => {
        #[test]
        fn $test() {
            use opentelemetry_semantic_conventions::attribute;
            $(assert_eq!($constant, attribute::$constant);)*
        }
    };
}

// Of the registry: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>
names! { STANDARD, STANDARD_REFERENCE checked by the_registry_has_the_attributes_of_spans:
    /// Address of the client as the proxy trusts it: behind trusted proxies that of
    /// `x-forwarded-for`.
    CLIENT_ADDRESS = "client.address": Text on Server if "the proxy knows it";
    /// Port of the client.
    CLIENT_PORT = "client.port": Integer on Server if "the address is that of the connection";
    /// Class of the error the operation ended with.
    ERROR_TYPE = "error.type": Text on Each
        if "the operation failed, by the rules for its kind of span";
    /// Size of the request's body as it came, in bytes.
    HTTP_REQUEST_BODY_SIZE = "http.request.body.size": Integer on Outermost if "there was a body";
    /// Method, or `_OTHER` for one that the conventions do not know.
    HTTP_REQUEST_METHOD = "http.request.method": Text on Each;
    /// The method as sent, where the other says `_OTHER`.
    HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original": Text on Each
        if "it says `_OTHER`";
    /// How many times the request was sent before this try, where tries are seen one by one.
    HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count": Integer on Innermost
        if "it was not the first";
    /// Size of the response's body as it went to the client, in bytes.
    HTTP_RESPONSE_BODY_SIZE = "http.response.body.size": Integer on Outermost if "there was a body";
    /// Status of the response.
    HTTP_RESPONSE_STATUS_CODE = "http.response.status_code": Integer on Each
        if "a response was sent; on a CLIENT span inside a SERVER span, if one was received";
    /// The route by its template, as `routes.patterns` or the proxy's own route has it.
    HTTP_ROUTE = "http.route": Text on Server if "it is configured";
    /// Address of the other end of the network connection: SERVER the client, CLIENT the upstream
    /// host of the last attempt.
    NETWORK_PEER_ADDRESS = "network.peer.address": Text on Each
        if "it is known: of a client, if its address is that of the connection";
    /// Port of that end.
    NETWORK_PEER_PORT = "network.peer.port": Integer on Each if "the address is";
    /// Version of HTTP on the client's connection: `1.1`, `2`, ...
    NETWORK_PROTOCOL_VERSION = "network.protocol.version": Text on Server;
    /// Full name of the called method, or `_OTHER` for one that the server does not know.
    RPC_METHOD = "rpc.method": Text on Each if "the request is a call";
    /// The method as the client wrote it, where the other says `_OTHER`.
    RPC_METHOD_ORIGINAL = "rpc.method_original": Text on Each if "it says `_OTHER`";
    /// Status of the call, as text: `NOT_FOUND`.
    RPC_RESPONSE_STATUS_CODE = "rpc.response.status_code": Text on Each
        if "the call had a status, or was cancelled";
    /// `grpc` or `connectrpc`.
    RPC_SYSTEM_NAME = "rpc.system.name": Text on Each if "the request is a call";
    /// Host that was asked for: of `:authority`, or of a trusted caller's `x-forwarded-host`.
    SERVER_ADDRESS = "server.address": Text on Each if "the request names one";
    /// Port of that host, or the one that the scheme stands for.
    SERVER_PORT = "server.port": Integer on Each if "there is a host";
    /// The logical name of the service at the other end: SERVER who calls, CLIENT who is called.
    SERVICE_PEER_NAME = "service.peer.name": Text on Each if "one of `services` fits";
    /// The whole URL, values of the query masked.
    URL_FULL = "url.full": Text on Client;
    /// Path of the URL as it came.
    URL_PATH = "url.path": Text on Server;
    /// Query of the URL, values masked.
    URL_QUERY = "url.query": Text on Server if "there is one";
    /// `http` or `https`: of `:scheme`, or of a trusted caller's `x-forwarded-proto`.
    URL_SCHEME = "url.scheme": Text on Server;
    /// The path without what differs from request to request: learned, and on CLIENT spans also
    /// configured.
    URL_TEMPLATE = "url.template": Text on Each if "it is known";
    /// The `user-agent` header.
    USER_AGENT_ORIGINAL = "user_agent.original": Text on Outermost if "the request has one";
}

// Of the registry, by a template of its own.
names! { CAPTURED, CAPTURED_REFERENCE:
    /// The id that the proxy gives each request, for its logs: `x-request-id`.
    HTTP_REQUEST_HEADER_X_REQUEST_ID = "http.request.header.x-request-id": Texts on Outermost
        if "the request has one";
}

// hopspan's own: the proxy's view of the hop.
names! { OWN, OWN_REFERENCE:
    /// Time that this proxy held the request, in nanoseconds.
    PROXY_TIME = "hopspan.proxy_time_ns": Integer on Outermost if "it can be known";
    /// True where the proxy time may be too much: of several attempts that were not seen one by
    /// one, or of a request that an earlier filter answered.
    PROXY_TIME_UPPER_BOUND = "hopspan.proxy_time_upper_bound": Flag on Outermost if "it is";
    /// From the first byte sent upstream to the last byte received, of the last attempt, in
    /// nanoseconds.
    UPSTREAM_TIME = "hopspan.upstream_time_ns": Integer on Outermost if "an upstream answered";
    /// Time that the last attempt waited for a connection, in nanoseconds: part of the proxy time.
    POOL_WAIT = "hopspan.pool_wait_ns": Integer on Outermost if "an attempt had a connection";
    /// From the request's headers to those of the response, in nanoseconds.
    FIRST_BYTE = "hopspan.first_byte_ns": Integer on Outermost if "a response was sent";
    /// From the request's headers to its end, in nanoseconds.
    REQUEST_RECEIVE = "hopspan.request_receive_ns": Integer on Outermost
        if "there was more than headers";
    /// From the response's headers to the end of the stream, in nanoseconds.
    RESPONSE_SEND = "hopspan.response_send_ns": Integer on Outermost if "a response was sent";
    /// Cluster that the request was routed to.
    UPSTREAM_CLUSTER = "hopspan.upstream.cluster": Text on Each if "an attempt was made";
    /// Address and port of the upstream host of the last attempt.
    UPSTREAM_ADDRESS = "hopspan.upstream.address": Text on Each if "a host was chosen";
    /// Version of TLS on the connection to it: `TLSv1.3`.
    UPSTREAM_TLS_VERSION = "hopspan.upstream.tls_version": Text on Innermost
        if "it has TLS, and is not the service beside an inbound listener";
    /// Who it is by its certificate: the first URI, else the first DNS name.
    UPSTREAM_PEER = "hopspan.upstream.peer": Text on Innermost if "it has one there";
    /// Why the transport of the connection to it failed, in the proxy's words.
    UPSTREAM_TRANSPORT_FAILURE = "hopspan.upstream.transport_failure": Text on Innermost
        if "it failed";
    /// Version of TLS on the client's connection: `TLSv1.3`.
    DOWNSTREAM_TLS_VERSION = "hopspan.downstream.tls_version": Text on Server if "it has TLS";
    /// Who the client is by its certificate: the first URI, else the first DNS name.
    DOWNSTREAM_PEER = "hopspan.downstream.peer": Text on Server if "it has one";
    /// Attempts to send the request.
    ATTEMPTS = "hopspan.attempts": Integer on Outermost if "there was more than one";
    /// The path without what differs from request to request, configured or learned; `_other`
    /// where there was no more room to learn.
    ROUTE = "hopspan.route": Text on Each if "it is known";
    /// The name of the route that the proxy chose.
    ROUTE_NAME = "hopspan.route_name": Text on Outermost if "the route has one";
    /// The proxy's response flags by their short names, with commas: `UF,URX`.
    RESPONSE_FLAGS = "hopspan.response_flags": Text on Outermost
        if "the request may have failed, and the proxy set any";
    /// The same by their long names: `UpstreamConnectionFailure,UpstreamRetryLimitExceeded`.
    RESPONSE_FLAGS_LONG = "hopspan.response_flags_long": Text on Outermost if "the same";
    /// The proxy's reason for the response.
    RESPONSE_CODE_DETAILS = "hopspan.response_code_details": Text on Outermost
        if "the request may have failed, and it is not that the upstream said so";
    /// Why the trace is recorded: `debug`, `force`, `minimum`, `error`, `slow`, `below`.
    SAMPLING_REASON = "hopspan.sampling.reason": Text on Each if "no ratio says so";
}

// What all spans have in common. Who makes them is no distribution of an SDK but one itself, so
// `telemetry.distro.*` says nothing:
// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/telemetry/>
names! { RESOURCE, RESOURCE_REFERENCE checked by the_registry_has_the_attributes_of_the_resource:
    /// The logical name of the service.
    SERVICE_NAME = "service.name": Text on Resource;
    /// Which of the service's instances.
    SERVICE_INSTANCE_ID = "service.instance.id": Text on Resource if "it is known";
    /// What the service's name is unique in.
    SERVICE_NAMESPACE = "service.namespace": Text on Resource if "it is known";
    /// Version of the service.
    SERVICE_VERSION = "service.version": Text on Resource if "it is known";
    /// Language of the SDK: `rust`.
    TELEMETRY_SDK_LANGUAGE = "telemetry.sdk.language": Text on Resource;
    /// Name of the SDK: `hopspan`.
    TELEMETRY_SDK_NAME = "telemetry.sdk.name": Text on Resource;
    /// Version of the SDK.
    TELEMETRY_SDK_VERSION = "telemetry.sdk.version": Text on Resource;
}

// The same, where the proxy's node says it.
names! { NODE, NODE_REFERENCE checked by the_registry_has_the_attributes_of_the_node:
    /// The cluster by Istio's name for it.
    K8S_CLUSTER_NAME = "k8s.cluster.name": Text on Resource if "it is known";
    /// The proxy's container, which is not the application's.
    K8S_CONTAINER_NAME = "k8s.container.name": Text on Resource if "it is known";
    /// The controller of the pod, if it is one of these.
    K8S_CRONJOB_NAME = "k8s.cronjob.name": Text on Resource if "it is known";
    /// The controller of the pod, if it is one of these.
    K8S_DAEMONSET_NAME = "k8s.daemonset.name": Text on Resource if "it is known";
    /// The controller of the pod, if it is one of these.
    K8S_DEPLOYMENT_NAME = "k8s.deployment.name": Text on Resource if "it is known";
    /// The controller of the pod, if it is one of these.
    K8S_JOB_NAME = "k8s.job.name": Text on Resource if "it is known";
    /// The namespace of the pod.
    K8S_NAMESPACE_NAME = "k8s.namespace.name": Text on Resource if "it is known";
    /// The node that the pod runs on.
    K8S_NODE_NAME = "k8s.node.name": Text on Resource if "it is known";
    /// The pod.
    K8S_POD_NAME = "k8s.pod.name": Text on Resource if "it is known";
    /// The controller of the pod, if it is one of these.
    K8S_REPLICASET_NAME = "k8s.replicaset.name": Text on Resource if "it is known";
    /// The controller of the pod, if it is one of these.
    K8S_STATEFULSET_NAME = "k8s.statefulset.name": Text on Resource if "it is known";
    /// The machine, by its cloud.
    HOST_ID = "host.id": Text on Resource if "it is known";
    /// The machine, where the proxy runs in no pod.
    HOST_NAME = "host.name": Text on Resource if "it is known";
}

/// Attributes that spans or resources have of themselves.
pub fn taken() -> impl Iterator<Item = &'static str> {
    [STANDARD, CAPTURED, OWN, RESOURCE, NODE].into_iter().flatten().copied()
}

/// All attributes that hopspan writes of itself, for the reference in the docs.
pub fn reference() -> impl Iterator<Item = &'static Attribute> {
    [STANDARD_REFERENCE, CAPTURED_REFERENCE, OWN_REFERENCE, RESOURCE_REFERENCE, NODE_REFERENCE]
        .into_iter()
        .flatten()
}

/// Which side of a call a span describes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// A request was received.
    Server,
    /// A request was sent.
    Client,
}

/// Where attributes are written to, one by one.
pub trait Attributes {
    /// A string; bytes that are not UTF-8 become replacement characters.
    fn text(&mut self, key: &str, value: &[u8]);
    /// A 64-bit integer.
    fn integer(&mut self, key: &str, value: i64);
    /// A floating-point number.
    fn float(&mut self, key: &str, value: f64);
    /// A boolean.
    fn flag(&mut self, key: &str, value: bool);
    /// A list of one string, where the conventions want a list.
    fn list_of_one(&mut self, key: &str, value: &[u8]);
}

/// Whether a span's operation failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome<'a> {
    /// It did not, as far as this side of the hop is concerned: status Unset.
    Fine,
    /// It did: status Error, with this `error.type`.
    Failed(std::borrow::Cow<'a, str>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_semantic_conventions::attribute::HTTP_REQUEST_HEADER;
    use std::collections::BTreeSet;

    #[test]
    fn captured_headers_follow_the_registrys_template() {
        for name in CAPTURED {
            let header = name.strip_prefix(HTTP_REQUEST_HEADER).and_then(|it| it.strip_prefix('.'));
            assert!(header.is_some_and(|it| !it.is_empty()), "{name}");
        }
    }

    #[test]
    fn names_are_unique_and_ours_are_marked() {
        let all: BTreeSet<_> = reference().map(|it| it.key).collect();
        assert_eq!(all.len(), reference().count());
        for it in reference() {
            assert_eq!(it.key.starts_with("hopspan."), OWN.contains(&it.key), "{}", it.key);
        }
    }
}
