//! What a request says of itself and of those who forwarded it, and whether it is believed.

use crate::bootstrap::Direction;
use crate::client::{Client, get, raw, read_until, with};
use crate::hop::Hop;
use crate::received::Received;
use crate::upstream::Answer;

#[tokio::test]
async fn a_trusted_caller_says_what_was_asked_for() {
    let cases = [
        ("nothing was forwarded", vec![], "http", "shop.test", 80),
        ("another scheme", vec![("x-forwarded-proto", "https")], "https", "shop.test", 443),
        ("another host", vec![("x-forwarded-host", "www.example")], "http", "www.example", 80),
        (
            "both, with a port",
            vec![("x-forwarded-proto", "https"), ("x-forwarded-host", "www.example:8443")],
            "https",
            "www.example",
            8443,
        ),
        (
            "the first of several hosts",
            vec![("x-forwarded-host", "www.example, inner.test")],
            "http",
            "www.example",
            80,
        ),
    ];
    let headers: Vec<_> = cases.iter().map(|it| it.1.clone()).collect();
    let spans = forwarded(Direction::Inbound, false, headers).await;
    for ((why, _, scheme, address, port), span) in cases.into_iter().zip(spans) {
        let found = (span.text("url.scheme"), span.text("server.address"), span.int("server.port"));
        assert_eq!(found, (Some(scheme), Some(address), Some(port)), "{why}");
    }
}

#[tokio::test]
async fn a_stranger_says_nothing_for_others() {
    let headers = vec![("x-forwarded-proto", "https"), ("x-forwarded-host", "www.example:8443")];
    let [span] = &forwarded(Direction::Unspecified, true, vec![headers]).await[..] else {
        panic!("one request")
    };
    let found = (span.text("url.scheme"), span.text("server.address"), span.int("server.port"));
    assert_eq!(found, (Some("http"), Some("shop.test"), Some(80)));
}

#[tokio::test]
async fn the_client_behind_proxies_is_not_whom_the_connection_is_with() {
    let headers = || vec![vec![("x-forwarded-for", "203.0.113.7, 198.51.100.1")]];

    // Envoy believes the address that came last, and knows no port of it.
    let span = &forwarded(Direction::Inbound, false, headers()).await[0];
    assert_eq!(span.text("client.address"), Some("198.51.100.1"));
    assert_eq!(span.int("client.port"), None);
    assert_eq!((span.text("network.peer.address"), span.int("network.peer.port")), (None, None));

    // At an edge it believes its own connection.
    let span = &forwarded(Direction::Inbound, true, headers()).await[0];
    assert_eq!(span.text("client.address"), Some("127.0.0.1"));
    assert_eq!(span.text("network.peer.address"), Some("127.0.0.1"));
    assert!(span.int("client.port").is_some_and(|it| it > 0));
    assert_eq!(span.int("client.port"), span.int("network.peer.port"));
}

#[tokio::test]
async fn a_user_agent_may_be_anything() {
    let hop = Hop::start(Direction::Inbound).await;
    let cases: [(&str, &[u8], Option<&str>); 6] = [
        ("none", b"", None),
        ("one", b"user-agent: curl/8\r\n", Some("curl/8")),
        ("UTF-8", "user-agent: caf\u{e9}/1\r\n".as_bytes(), Some("caf\u{e9}/1")),
        ("Latin-1", b"user-agent: caf\xe9/1\r\n", Some("caf\u{fffd}/1")),
        ("several", b"user-agent: a/1\r\nuser-agent: b/2\r\n", Some("a/1,b/2")),
        ("an empty one", b"user-agent:\r\n", None),
    ];
    for (index, (_, lines, _)) in cases.iter().enumerate() {
        let head = format!("GET /{index} HTTP/1.1\r\nhost: shop.test\r\n");
        let bytes = [head.as_bytes(), lines, b"\r\n"].concat();
        let mut connection = raw(hop.proxy.address(), &bytes).await;
        assert!(read_until(&mut connection, "hello").await.starts_with("HTTP/1.1 200"));
    }

    let spans = hop.spans(cases.len()).await;
    for (index, (why, _, want)) in cases.into_iter().enumerate() {
        let path = format!("/{index}");
        let span = spans.iter().find(|it| it.text("url.path") == Some(&path)).expect(why);
        assert_eq!(span.text("user_agent.original"), want, "{why}");
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_clients_connection() {
    // The upstream is spoken to in the one version.
    let hop = Hop::start(Direction::Unspecified).await;
    assert_eq!(hop.client().await.ask(get("/1.1")).await.status, 200);
    assert_eq!(Client::http2(hop.proxy.address()).await.ask(get("/2")).await.status, 200);

    for span in hop.spans(4).await {
        // Of the outer span alone, which has the path.
        let version = span.text("url.path").map(|it| &it[1..]);
        assert_eq!(span.text("network.protocol.version"), version, "{span:#?}");
    }
}

/// Headers of a request.
type Headers = Vec<(&'static str, &'static str)>;

/// The outermost spans of requests with these headers, to a proxy that is at the edge or not.
async fn forwarded(
    direction: Direction,
    at_the_edge: bool,
    requests: Vec<Headers>,
) -> Vec<Received> {
    let answer = |_: &_| Answer::status(200);
    let hop = Hop::start_with(direction, answer, |it| it.use_remote_address = at_the_edge).await;
    let mut client = hop.client().await;
    let count = requests.len() * if direction == Direction::Unspecified { 2 } else { 1 };
    for headers in requests {
        let request = headers.into_iter().fold(get("/"), |it, (name, value)| with(it, name, value));
        assert_eq!(client.ask(request).await.status, 200);
    }
    let mut spans = hop.spans(count).await;
    spans.retain(|it| it.text("url.path").is_some());
    spans.sort_by_key(|it| it.span.start_time_unix_nano);
    spans
}
