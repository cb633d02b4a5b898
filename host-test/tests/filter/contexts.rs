//! Who passes context on and who does not: what operators count.

use crate::hopspan::{DELAY, Hopspan, PARENT, SAMPLED, TRACE, UNSAMPLED, builder};
use host_test::Headers;

fn whole(hopspan: &Hopspan, worker: usize, request: Headers) {
    let stream = hopspan.worker(worker).stream();
    stream.request_headers(request, true);
    stream.respond(200);
    stream.finish();
}

/// An application that drops headers is every mesh's main complaint: one number names it.
#[test]
fn requests_of_an_application_are_counted_by_whether_they_carry_context() {
    let get = || Headers::plain_get("/");
    let b3 = format!("{TRACE}-{PARENT}");
    for (why, request, carries) in [
        ("none", get(), false),
        ("sampled", get().with("traceparent", SAMPLED), true),
        ("not sampled", get().with("traceparent", UNSAMPLED), true),
        ("another format", get().with("b3", &b3), true),
        ("a decision alone", get().with("b3", "0"), true),
        ("one that is broken", get().with("traceparent", "x"), false),
        ("a list without a parent", get().with("tracestate", "a=1"), false),
        ("a request's id is no trace", get().with("x-request-id", TRACE), false),
        ("a format that is not read", get().with("x-cloud-trace-context", "1"), false),
    ] {
        for (direction, set, is_counted) in [
            ("outbound", 2, true),
            ("auto", 2, true),
            ("inbound", 2, false),
            ("auto", 1, false),
            ("auto", 0, false),
            ("gateway", 2, false),
        ] {
            let config = format!(
                r#"{{"direction":"{direction}","service":{{"name":"Shop cart;1"}},
                "trust":{{"default":"restart"}}}}"#
            );
            let hopspan = Hopspan::of(builder(config).property("xds.listener_direction", set));
            whole(&hopspan, 0, request.clone());
            hopspan.run_for(DELAY);
            let count =
                |what: &str| hopspan.stat(&format!("context.{what}.service=.=Shop_cart_1;.;"));
            let want = [is_counted && !carries, is_counted && carries].map(i64::from);
            let found = ["missing", "present"].map(count);
            assert_eq!(found, want, "{why}, {direction}, listener {set}");
        }
    }
}

/// Each proxy has one service, and several configurations may name several.
#[test]
fn each_service_has_its_own_count() {
    let config =
        |name: &str| format!(r#"{{"direction":"outbound","service":{{"name":"{name}"}}}}"#);
    let hopspan = Hopspan::of(builder(config("cart")).workers(2));
    let other = hopspan.add_plugin(config("pay")).unwrap();
    for worker in [0, 0, 1] {
        whole(&hopspan, worker, Headers::plain_get("/"));
    }
    let stream = hopspan.worker(1).stream_of(&other);
    stream.request_headers(Headers::plain_get("/"), true);
    stream.finish();
    hopspan.run_for(DELAY);
    let missing = |name: &str| hopspan.stat(&format!("context.missing.service=.={name};.;"));
    assert_eq!((missing("cart"), missing("pay")), (3, 1));
    hopspan.reconfigure(config("cart2")).unwrap();
    whole(&hopspan, 0, Headers::plain_get("/"));
    hopspan.run_for(DELAY);
    assert_eq!((missing("cart"), missing("cart2"), missing("pay")), (3, 1, 1));
}

/// One of each reason, in each format that can be wrong in that way; what is wrong goes no
/// further, and all else of the request does.
#[test]
fn what_is_wrong_in_any_format_is_counted_and_goes_no_further() {
    let config = r#"{"direction":"inbound","collector":{"cluster":"otel"},
        "propagation":{"extract":["tracecontext","b3","b3multi","grpc-trace-bin","jaeger",
            "xray","datadog","gcp"]}}"#;
    let (zero, long) = ("0".repeat(32), "1".repeat(5000));
    let values: [(&str, &str, String, &str); 20] = [
        ("traceparent", "ff", format!("ff-{TRACE}-{PARENT}-01"), "version"),
        ("traceparent", "zero", format!("00-{zero}-{PARENT}-01"), "zero_id"),
        ("traceparent", "long", format!("{SAMPLED}-01"), "too_long"),
        ("traceparent", "syntax", format!("00-{TRACE}-{PARENT}-0g"), "syntax"),
        ("b3", "zero", format!("{zero}-{PARENT}-1"), "zero_id"),
        ("b3", "long", long.clone(), "too_long"),
        ("b3", "syntax", format!("{TRACE}-{PARENT}-x"), "syntax"),
        ("x-b3-traceid", "alone", TRACE.to_owned(), "incomplete"),
        ("x-b3-spanid", "alone", PARENT.to_owned(), "incomplete"),
        ("grpc-trace-bin", "base64", "!!!".to_owned(), "syntax"),
        ("uber-trace-id", "zero", format!("{zero}:{PARENT}:0:1"), "zero_id"),
        ("uber-trace-id", "syntax", format!("{TRACE}:{PARENT}:0:x"), "syntax"),
        ("uber-trace-id", "long", long.clone(), "too_long"),
        ("x-amzn-trace-id", "syntax", "Root=1-x-y;Parent=z".to_owned(), "syntax"),
        (
            "x-amzn-trace-id",
            "version",
            "Root=2-67891233-abcdef012345678912345678".to_owned(),
            "version",
        ),
        ("x-datadog-trace-id", "syntax", "x".to_owned(), "syntax"),
        ("x-datadog-trace-id", "zero", "0".to_owned(), "zero_id"),
        ("x-cloud-trace-context", "zero", format!("{zero}/1;o=1"), "zero_id"),
        ("x-cloud-trace-context", "syntax", "x/1;o=1".to_owned(), "syntax"),
        ("x-cloud-trace-context", "long", long, "too_long"),
    ];
    for (name, why, value, reason) in values {
        let hopspan = Hopspan::start(config);
        let stream = hopspan.stream();
        let plain = Headers::plain_get("/").with("x-other", "1");
        stream.request_headers(plain.clone().with(name, &value), true);
        let out = stream.upstream_headers();
        assert_ne!(out.text(name), Some(value.as_str()), "{name}, {why}");
        assert_ne!(crate::hopspan::sent(&stream).trace_id, TRACE, "{name}, {why}");
        let others = [
            "traceparent",
            "tracestate",
            "b3",
            "x-b3-traceid",
            "x-b3-spanid",
            "x-b3-sampled",
            "grpc-trace-bin",
            "uber-trace-id",
            "x-amzn-trace-id",
            "x-datadog-trace-id",
            "x-datadog-parent-id",
            "x-datadog-sampling-priority",
            "x-datadog-tags",
            "x-cloud-trace-context",
        ];
        assert_eq!(others.iter().fold(out, |it, name| it.without(name)), plain, "{name}, {why}");
        stream.respond(200);
        stream.finish();
        assert_eq!(hopspan.spans().len(), 1, "{name}, {why}: a new trace");
        let counted: Vec<_> = (hopspan.metrics().into_iter())
            .filter(|(name, count)| name.starts_with("hopspan.context.invalid.") && *count != 0)
            .collect();
        let want = format!("hopspan.context.invalid.reason=.={reason};.;");
        assert_eq!(counted, [(want, 1)], "{name}, {why}");
    }
}
