//! Spans in the encoding that the configuration names, and answers in that encoding.

use crate::collector::plain;
use crate::hopspan::{DELAY, Hopspan};
use host_test::Answer;
use serde_json::{Value, json};

/// An inbound listener whose collector is spoken to in this way.
fn config(collector: &str) -> String {
    format!(r#"{{"direction":"inbound","collector":{{"cluster":"otel",{collector}}}}}"#)
}

fn json_answer(body: &Value) -> Answer {
    Answer::new(200, [("content-type", "application/json")], body.to_string())
}

#[test]
fn otlp_in_json_is_read_by_the_official_types() {
    for (collector, encoding) in [
        (r#""protocol":"http/json""#, None),
        (r#""protocol":"http/json","compression":"gzip""#, Some("gzip")),
    ] {
        let hopspan = Hopspan::start(&config(collector));
        hopspan.requests(3);
        hopspan.run_for(DELAY);
        let [request] = hopspan.collector.requests().try_into().unwrap();
        assert_eq!(request.headers.text("content-type"), Some("application/json"));
        assert_eq!(request.headers.text("content-encoding"), encoding);
        assert_eq!(request.headers.text(":path"), Some("/v1/traces"));
        let taken = hopspan.collector.taken();
        assert_eq!(taken.len(), 3);
        assert!(taken.iter().all(|it| it.text("url.path") == Some("/cart")), "{taken:#?}");
    }
}

#[test]
fn a_partial_success_in_json_counts_what_was_rejected() {
    for (why, rejected, count) in [
        ("an int64 in JSON is a string", json!("2"), 2),
        ("or a number", json!(2), 2),
        ("or nonsense", json!([2]), 0),
    ] {
        let hopspan = Hopspan::start(&config(r#""protocol":"http/json""#));
        let partial = json!({ "rejectedSpans": rejected, "errorMessage": "too old" });
        hopspan.collector.next([json_answer(&json!({ "partialSuccess": partial }))]);
        hopspan.requests(5);
        hopspan.run_for(DELAY);
        assert_eq!(hopspan.accounts(), [5, 5 - count, count, 0, 0], "{why}");
        assert_eq!(hopspan.said("\"too old\"").len(), 1, "{why}: {:#?}", hopspan.log());
    }
}

/// Zipkin answers 202 and nothing, or 200; what else it says is for nobody.
#[test]
fn any_2xx_of_zipkin_is_a_yes() {
    let rejects = json!({ "partialSuccess": { "rejectedSpans": 2, "errorMessage": "no" } });
    for answer in [Answer::status(202), Answer::status(204), json_answer(&rejects)] {
        let hopspan = Hopspan::start(&config(r#""protocol":"zipkin/json""#));
        hopspan.collector.next([answer]);
        hopspan.requests(2);
        hopspan.run_for(DELAY);
        assert_eq!((hopspan.accounts(), hopspan.outcome("ok")), ([2, 2, 0, 0, 0], 1));
        let [request] = hopspan.collector.requests().try_into().unwrap();
        assert_eq!(request.headers.text("content-type"), Some("application/json"));
        assert_eq!(request.headers.text(":path"), Some("/api/v2/spans"));
        let spans: Value = serde_json::from_slice(&plain(&request)).unwrap();
        let ids: Vec<_> = spans.as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
        assert_eq!(ids.len(), 2);
        assert!(ids[0] != ids[1] && ids[0].as_str().is_some_and(|it| it.len() == 16), "{ids:?}");
        assert_eq!(hopspan.said("collector.cluster \"otel\"").len(), 0);
    }
}

/// JSON is larger: what fits as protobuf may be more than a request may have.
#[test]
fn what_grows_beyond_a_request_is_sent_in_halves() {
    for protocol in ["http/json", "zipkin/json"] {
        let collector = format!(
            r#"{{"direction":"inbound","collector":{{"cluster":"otel","protocol":"{protocol}"}},
            "batch":{{"max_export_batch_bytes":16384}}}}"#
        );
        let hopspan = Hopspan::start(&collector);
        hopspan.requests(30);
        hopspan.run_for(DELAY * 3);
        assert_eq!(hopspan.accounts(), [30, 30, 0, 0, 0], "{protocol}");
        let requests = hopspan.collector.requests();
        assert!(requests.len() >= 2, "{protocol}: {}", requests.len());
        assert!(requests.iter().all(|it| it.body.len() <= 16_384), "{protocol}");
    }
}
