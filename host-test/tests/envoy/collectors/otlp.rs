//! OTLP over HTTP, in both of its encodings, compressed and not.
//!
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use super::otelcol::Otelcol;
use super::scene::{AGENT, SPANS, Scene, comparable};
use super::wire::Wire;
use crate::collector::Collector;

/// Protocol, compression, and what is in the head of each request.
const WAYS: [(&str, &str, &str, Option<&str>); 4] = [
    ("http/protobuf", "none", "application/x-protobuf", None),
    ("http/protobuf", "gzip", "application/x-protobuf", Some("gzip")),
    ("http/json", "none", "application/json", None),
    ("http/json", "gzip", "application/json", Some("gzip")),
];

#[tokio::test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
async fn a_collector_reads_the_same_spans_from_every_encoding() {
    // What other tests judge: spans that come straight from the proxy, as protobuf.
    let direct = Collector::start().await;
    let played = Scene::play(direct.address(), "http/protobuf", "none", "shop").await;
    let expected = comparable(&direct.spans(SPANS).await);
    played.proxy.at_rest(SPANS as i64).await;

    for (protocol, compression, content_type, content_encoding) in WAYS {
        let way = format!("{protocol}, {compression}");
        let otelcol = Otelcol::start().await;
        let wire = Wire::to(otelcol.otlp()).await;
        let scene = Scene::play(wire.address(), protocol, compression, "shop").await;

        let spans = otelcol.backend.spans(SPANS).await;
        let stats = scene.proxy.at_rest(SPANS as i64).await;
        for (found, expected) in comparable(&spans).iter().zip(&expected) {
            assert_eq!(found, expected, "{way}");
        }
        scene.check_ids_and_times(&spans).await;
        let agent = spans.iter().filter(|it| it.text("user_agent.original") == Some(AGENT));
        assert_eq!(agent.count(), 1, "{way}: {spans:#?}");

        assert_eq!(stats.hopspan("spans.exported"), SPANS as i64, "{way}: {stats}");
        let requests = wire.requests();
        assert_eq!(stats.hopspan("export.requests.outcome=.=ok;.;"), requests.len() as i64);
        for request in requests {
            let has =
                |name: &str, value: &str| request.contains(&format!("\r\n{name}: {value}\r\n"));
            assert!(request.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{way}: {request}");
            assert!(has("content-type", content_type), "{way}: {request}");
            match content_encoding {
                Some(it) => assert!(has("content-encoding", it), "{way}: {request}"),
                None => assert!(!request.contains("content-encoding"), "{way}: {request}"),
            }
        }
        for answer in wire.answers() {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{way}: {answer}");
        }
    }
}
