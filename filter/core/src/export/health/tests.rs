use super::*;
use crate::encode::Compression;
use crate::time::UnixNanos;

fn health(naming: ClusterNaming, protocol: Protocol) -> Health {
    Health::new(&Collector {
        cluster: "otel".into(),
        naming,
        protocol,
        compression: Compression::None,
        authority: "otel".into(),
        traces_path: "/".into(),
        metrics_path: "/".into(),
        headers: vec![("authorization".into(), "Bearer s3cr3t-t0ken".into())],
        timeout: Duration::from_secs(1),
    })
}

/// All that is said after each of these answers, at these seconds.
fn said(answers: &[(u64, Answer<'_>)]) -> Vec<String> {
    let mut health = health(ClusterNaming::Envoy, Protocol::HttpJson);
    let mut note = |(second, answer): &(u64, Answer<'_>)| {
        let now = Monotonic::default().plus(Duration::from_secs(*second));
        health.note(answer, &answer.verdict(Protocol::HttpJson, UnixNanos(0)), now);
        let notices = std::iter::from_fn(|| health.notice());
        notices.map(|it| it.text + &it.detail).collect::<Vec<_>>().join("\n")
    };
    answers.iter().map(&mut note).collect()
}

fn response(status: u16) -> Answer<'static> {
    Answer::Response { status, retry_after: b"", body: b"" }
}

fn yes(body: &'static str) -> Answer<'static> {
    Answer::Response { status: 200, retry_after: b"", body: body.as_bytes() }
}

#[test]
fn says_the_first_failure_then_once_a_minute_then_the_recovery() {
    let got = said(&[
        (100, response(200)),
        (101, response(503)),
        (130, response(503)),
        (160, response(504)),
        (170, Answer::None),
        (175, response(200)),
        (176, response(200)),
        (177, response(400)),
    ]);
    assert_eq!(
        got,
        [
            "",
            "export fails: collector.cluster \"otel\" answered 503, or cannot be reached; its spans wait to be sent again (1 failed so far)",
            "",
            "",
            "export fails: collector.cluster \"otel\" broke the connection; its spans wait to be sent again (4 failed so far)",
            "export works again after 4 failed requests in 74 s",
            "",
            "export fails: collector.cluster \"otel\" answered 400; its spans are dropped (1 failed so far)",
        ]
    );
}

#[test]
fn says_which_setting_an_answer_is_about() {
    for (status, key) in [
        (401, "collector.headers"),
        (403, "collector.headers"),
        (404, "collector.traces_path"),
        (405, "collector.protocol"),
        (415, "collector.compression"),
        (413, "batch.max_export_batch_bytes or batch.max_export_batch_size"),
    ] {
        let line = said(&[(1, response(status))]).concat();
        assert!(line.contains(&format!("answered {status}")) && line.contains(key), "{line}");
    }
}

#[test]
fn requests_that_are_too_large_are_no_failure_of_the_collector() {
    let halves = "collector.cluster \"otel\" answered 413: requests are too large for it, and are \
        sent again in halves; lower batch.max_export_batch_bytes or batch.max_export_batch_size, \
        or let it take more";
    let got = said(&[
        (100, response(413)),
        (101, response(200)),
        (102, response(413)),
        (159, response(413)),
        (160, response(413)),
        (161, response(503)),
        (162, response(413)),
        (163, response(200)),
    ]);
    assert_eq!(got[0], format!("{halves} (such requests so far: 1)"));
    assert_eq!(got[1..4], ["", "", ""], "neither a recovery nor twice in a minute");
    assert_eq!(got[4], format!("{halves} (such requests so far: 4)"));
    assert!(got[5].starts_with("export fails"), "{}", got[5]);
    assert_eq!(got[6..], ["", "export works again after 1 failed requests in 2 s"]);
}

#[test]
fn a_partial_success_is_told_once_and_a_warning_once() {
    let rejects = "collector.cluster \"otel\" rejects spans of requests that it takes";
    let counted = "this time; further ones are only counted)";
    let got = said(&[
        (1, yes(r#"{"partialSuccess":{"rejectedSpans":0}}"#)),
        (2, yes(r#"{"partialSuccess":{"errorMessage":"slow\ndown"}}"#)),
        (3, yes(r#"{"partialSuccess":{"errorMessage":"slower"}}"#)),
        (4, yes(r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"s3cr3t-t0ken?"}}"#)),
        (400, yes(r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"others"}}"#)),
    ]);
    assert_eq!(
        got,
        [
            "",
            "collector.cluster \"otel\" takes all spans, and warns: \"slow down\"",
            "",
            &format!("{rejects}: \"***?\" (2 {counted}"),
            "",
        ]
    );
    let silent = said(&[(1, yes(r#"{"partialSuccess":{"rejectedSpans":5}}"#))]);
    assert_eq!(silent, [format!("{rejects} without a word (5 {counted}")]);
}

#[test]
fn a_recovery_and_a_warning_are_both_said() {
    let warning = yes(r#"{"partialSuccess":{"errorMessage":"slow down"}}"#);
    let got = said(&[(1, response(503)), (2, warning)]);
    let lines: Vec<_> = got[1].lines().collect();
    assert!(matches!(lines[..], [first, second]
        if first.starts_with("export works again") && second.ends_with("\"slow down\"")));
}

/// A worker says what others say only if all of its words but the details are the same.
#[test]
fn what_is_different_in_each_worker_is_a_detail() {
    let mut health = health(ClusterNaming::Envoy, Protocol::HttpJson);
    let (one, other) = (
        yes(r#"{"partialSuccess":{"rejectedSpans":1,"errorMessage":"one"}}"#),
        yes(r#"{"partialSuccess":{"rejectedSpans":2,"errorMessage":"other"}}"#),
    );
    let mut text = |answer: &Answer<'_>| {
        health.said_rejects = false;
        let verdict = answer.verdict(Protocol::HttpJson, UnixNanos(0));
        health.note(answer, &verdict, Monotonic::default());
        let notice = health.notice().unwrap();
        assert!(notice.once && notice.is_warning);
        notice.text
    };
    assert_eq!(text(&one), text(&other));
}

#[test]
fn a_host_that_cannot_compress_is_told_of_once() {
    let mut health = health(ClusterNaming::Envoy, Protocol::HttpProtobuf);
    health.cannot_compress();
    let notice = health.notice().unwrap();
    assert!(notice.once && notice.is_warning && notice.text.contains("\"compress\""), "{notice:?}");
    health.cannot_compress();
    assert_eq!(health.notice(), None);
}

#[test]
fn a_missing_cluster_is_named_in_the_form_that_the_proxy_expects() {
    for (naming, form) in
        [(ClusterNaming::Envoy, "static_resources"), (ClusterNaming::Istio, "outbound|4318||")]
    {
        let mut health = health(naming, Protocol::HttpProtobuf);
        let answer = Answer::NoSuchCluster;
        let verdict = answer.verdict(Protocol::HttpProtobuf, UnixNanos(0));
        health.note(&answer, &verdict, Monotonic::default());
        let text = health.notice().unwrap().text;
        assert!(text.contains("no cluster \"otel\"") && text.contains(form), "{text}");
    }
}

#[test]
fn no_secret_is_in_what_developers_print() {
    let health = health(ClusterNaming::Envoy, Protocol::HttpProtobuf);
    assert!(!format!("{health:?}").contains("s3cr3t"), "{health:?}");
}
