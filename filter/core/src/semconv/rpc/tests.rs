use super::*;
use crate::request::encode_headers;

#[test]
fn a_call_is_known_by_its_headers() {
    use Protocol::{ConnectStream, ConnectUnary, Grpc, GrpcWeb};
    let get = "/a.B/C?encoding=json&message=%7B%7D&connect=v1";
    for (method, path, content_type, connect, want) in [
        ("POST", "/a.B/C", "application/grpc", "", Some(Grpc)),
        ("POST", "/a.B/C", "application/grpc+proto", "", Some(Grpc)),
        ("POST", "/a.B/C", "application/grpc;charset=utf-8", "", Some(Grpc)),
        ("POST", "/a.B/C", "application/grpcx", "", None),
        ("POST", "/a.B/C", "application/grpc-web", "", Some(GrpcWeb)),
        ("POST", "/a.B/C", "application/grpc-web+json", "", Some(GrpcWeb)),
        ("POST", "/a.B/C", "application/grpc-web-text", "", Some(GrpcWeb)),
        ("POST", "/a.B/C", "application/grpc-web-text+proto", "", Some(GrpcWeb)),
        ("POST", "/a.B/C", "application/grpc-webs", "", None),
        ("POST", "/a.B/C", "application/connect+proto", "", Some(ConnectStream)),
        ("POST", "/a.B/C", "application/connect+json", "1", Some(ConnectStream)),
        ("POST", "/a.B/C", "application/connect", "", None),
        ("POST", "/a.B/C", "application/json", "1", Some(ConnectUnary)),
        ("POST", "/a.B/C", "application/proto", "1", Some(ConnectUnary)),
        ("POST", "/a.B/C", "application/json", "", None),
        ("POST", "/a.B/C", "application/json", "2", None),
        ("PUT", "/a.B/C", "application/json", "1", None),
        ("POST", "/a.B/C", "text/plain", "1", None),
        ("GET", get, "", "", Some(ConnectUnary)),
        ("GET", "/a.B/C?connect=v1", "", "", Some(ConnectUnary)),
        ("GET", "/a.B/C?connect=v12", "", "", None),
        ("GET", "/a.B/C?x=connect=v1", "", "", None),
        ("GET", "/a.B/C", "", "1", None),
        ("POST", get, "", "", None),
        ("POST", "/a.B/C", "", "", None),
    ] {
        let fields = RequestFields {
            method: method.as_bytes(),
            path: path.as_bytes(),
            content_type: content_type.as_bytes(),
            connect_protocol_version: connect.as_bytes(),
            ..RequestFields::default()
        };
        assert_eq!(Protocol::of(&fields), want, "{method} {path} {content_type} {connect}");
    }
}

#[test]
fn a_method_is_the_end_of_the_path() {
    for (why, path, grpc, connect) in [
        (
            "a service in a package",
            "/shop.v1.Cart/Add",
            Some("shop.v1.Cart/Add"),
            Some("shop.v1.Cart/Add"),
        ),
        ("no package", "/Cart/Add", Some("Cart/Add"), Some("Cart/Add")),
        ("behind a prefix", "/api/v2/shop.Cart/Add", None, Some("shop.Cart/Add")),
        ("no service", "/Add", None, None),
        ("an empty service", "//Add", None, None),
        ("an empty method", "/Cart/", None, None),
        ("a root", "/", None, None),
        ("no path", "", None, None),
        ("of a server", "*", None, None),
    ] {
        let method = |it: Protocol| it.method(path.as_bytes());
        assert_eq!(method(Protocol::Grpc), grpc.map(str::as_bytes), "{why}");
        assert_eq!(method(Protocol::GrpcWeb), grpc.map(str::as_bytes), "{why}");
        assert_eq!(method(Protocol::ConnectUnary), connect.map(str::as_bytes), "{why}");
    }
}

/// A response with these headers, complete unless it has none.
fn status(
    protocol: Protocol,
    http: Option<u16>,
    headers: &[(&str, &str)],
    body: &[u8],
    trailer: Option<&str>,
) -> Option<&'static str> {
    let bytes = encode_headers(headers);
    let response = Response {
        headers: Headers::new(&bytes),
        http_status: http,
        body,
        is_complete: http.is_some(),
    };
    protocol.status(response, || trailer.map(|it| it.as_bytes().to_vec())).map(Status::name)
}

#[test]
fn the_status_is_where_the_protocol_has_it() {
    use Protocol::{ConnectStream, ConnectUnary, Grpc, GrpcWeb};
    let web: &[u8] = b"\x80\0\0\0\x0fgrpc-status:5\r\n";
    let text: &[u8] = b"gAAAAA9ncnBjLXN0YXR1czo1DQo=";
    let (is_text, none) = (&[("content-type", "application/grpc-web-text")][..], &[][..]);
    let (bad, odd) = (&[("grpc-status", "13")][..], &[("grpc-status", "99")][..]);
    let ends: &[u8] = b"\x02\0\0\0\x02{}";
    let json: &[u8] = br#"{"code":"not_found"}"#;
    for (why, protocol, http, headers, body, trailer, want) in [
        ("trailers", Grpc, Some(200), none, &b""[..], Some("5"), Some("NOT_FOUND")),
        ("headers alone", Grpc, Some(200), bad, b"", None, Some("INTERNAL")),
        ("headers win", Grpc, Some(200), bad, b"", Some("5"), Some("INTERNAL")),
        ("a status that is none", Grpc, Some(200), odd, b"", None, None),
        ("it is not replaced", Grpc, Some(503), odd, b"", None, None),
        ("nor in trailers", Grpc, Some(503), none, b"", Some("99"), None),
        ("no gRPC on the way", Grpc, Some(503), none, b"", None, Some("UNAVAILABLE")),
        ("a status wins over HTTP", Grpc, Some(503), none, b"", Some("0"), Some("OK")),
        ("no status", Grpc, Some(200), none, b"", None, None),
        ("no answer", Grpc, None, none, b"", None, None),
        ("a body is no place", Grpc, Some(200), none, web, None, None),
        ("a frame", GrpcWeb, Some(200), none, web, None, Some("NOT_FOUND")),
        ("a frame in text", GrpcWeb, Some(200), is_text, text, None, Some("NOT_FOUND")),
        ("text that is not called so", GrpcWeb, Some(200), none, text, None, None),
        ("headers alone", GrpcWeb, Some(200), bad, b"", None, Some("INTERNAL")),
        ("trailers are no place", GrpcWeb, Some(200), none, b"", Some("5"), None),
        ("no gRPC on the way", GrpcWeb, Some(404), none, b"", None, Some("UNIMPLEMENTED")),
        ("an error", ConnectUnary, Some(404), none, json, None, Some("not_found")),
        ("a success", ConnectUnary, Some(200), none, b"{}", None, Some("")),
        ("gRPC's is no place", ConnectUnary, Some(200), bad, b"", Some("5"), Some("")),
        ("no answer", ConnectUnary, None, none, json, None, None),
        ("the end of a stream", ConnectStream, Some(200), none, ends, None, Some("")),
        ("no end of a stream", ConnectStream, Some(200), none, b"", None, None),
        ("no stream", ConnectStream, Some(503), none, b"", None, Some("unavailable")),
    ] {
        assert_eq!(status(protocol, http, headers, body, trailer), want, "{why}, {protocol:?}");
    }
}

#[test]
fn a_client_gives_up_by_its_deadline_or_by_its_will() {
    let millis = Duration::from_millis;
    for (why, timeout, waited, grpc, connect) in [
        ("it was going to wait for ever", None, 60_000, "CANCELLED", "canceled"),
        ("it could have waited", Some(1000), 900, "CANCELLED", "canceled"),
        ("its time was up", Some(1000), 1000, "DEADLINE_EXCEEDED", "deadline_exceeded"),
        ("it began to count before us", Some(1000), 950, "DEADLINE_EXCEEDED", "deadline_exceeded"),
        ("just not", Some(1000), 949, "CANCELLED", "canceled"),
        ("it was slow to say so", Some(1000), 3000, "DEADLINE_EXCEEDED", "deadline_exceeded"),
    ] {
        let name = |it: Protocol| it.given_up(timeout.map(millis), millis(waited)).name();
        assert_eq!(name(Protocol::Grpc), grpc, "{why}");
        assert_eq!(name(Protocol::GrpcWeb), grpc, "{why}");
        assert_eq!(name(Protocol::ConnectUnary), connect, "{why}");
        assert_eq!(name(Protocol::ConnectStream), connect, "{why}");
    }
}

#[test]
fn each_protocol_reads_its_own_timeout() {
    let fields = RequestFields {
        grpc_timeout: b"2S",
        connect_timeout_ms: b"3000",
        ..RequestFields::default()
    };
    let seconds = |it: Protocol| it.timeout(&fields).map(|it| it.as_secs());
    assert_eq!(seconds(Protocol::Grpc), Some(2));
    assert_eq!(seconds(Protocol::GrpcWeb), Some(2));
    assert_eq!(seconds(Protocol::ConnectUnary), Some(3));
    assert_eq!(seconds(Protocol::ConnectStream), Some(3));
    assert_eq!(Protocol::Grpc.timeout(&RequestFields::default()), None);
}

#[test]
fn systems_have_the_registrys_names() {
    assert_eq!((Protocol::Grpc.system(), Protocol::GrpcWeb.system()), ("grpc", "grpc"));
    assert_eq!(Protocol::ConnectUnary.system(), "connectrpc");
    assert_eq!(Protocol::ConnectStream.system(), "connectrpc");
}
