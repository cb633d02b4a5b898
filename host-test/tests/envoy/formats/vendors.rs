//! What vendors speak: Jaeger, AWS X-Ray, Datadog, Google Cloud. Each is read where it is listed.

use serde_json::json;

use super::readers::{Context, contexts};
use super::{PARENT, TRACE, ask, hop, traceparent};
use crate::client::{get, with};
use crate::hop::Hop;
use crate::received::Received;

/// The last 64 bits of `TRACE`, as a whole id.
const LOW: &str = "0000000000000000a3ce929d0e0e4736";
/// The same, as Datadog writes it: in decimal.
const DD_TRACE: (&str, &str) = ("x-datadog-trace-id", "11803532876627986230");
/// `PARENT` in decimal.
const DD_PARENT: (&str, &str) = ("x-datadog-parent-id", "67667974448284343");

/// A trace whose context came in this format.
struct Came {
    format: &'static str,
    trace_id: &'static str,
    parent: &'static str,
}

const JAEGER: Came = Came { format: "jaeger", trace_id: TRACE, parent: PARENT };
/// The example of AWS' own documentation.
const XRAY: Came = Came {
    format: "xray",
    trace_id: "5759e988bd862e3fe1be46a994272793",
    parent: "53995c3f42cd8ad8",
};
const DATADOG: Came = Came { format: "datadog", trace_id: TRACE, parent: PARENT };
/// The example of Google's own documentation.
const GCP: Came = Came {
    format: "gcp",
    trace_id: "105445aa7843bc8bf206b12000100000",
    parent: "0000000000000001",
};

type Headers = Vec<(&'static str, String)>;

fn jaeger(value: impl Into<String>) -> Headers {
    vec![("uber-trace-id", value.into())]
}

fn xray(others: &str) -> Headers {
    vec![("x-amzn-trace-id", format!("Root=1-5759e988-bd862e3fe1be46a994272793{others}"))]
}

fn datadog(tags: &str, priority: &str) -> Headers {
    let others = [("x-datadog-tags", tags), ("x-datadog-sampling-priority", priority)];
    let all = [DD_TRACE, DD_PARENT].into_iter().chain(others).filter(|it| !it.1.is_empty());
    all.map(|(name, value)| (name, value.to_owned())).collect()
}

fn gcp(rest: &str) -> Headers {
    vec![("x-cloud-trace-context", format!("105445aa7843bc8bf206b12000100000{rest}"))]
}

async fn that_reads_all_of_them() -> Hop {
    hop(|setup| {
        let formats = ["jaeger", "xray", "datadog", "gcp", "tracecontext"];
        setup.configure("propagation", json!({ "extract": formats }));
    })
    .await
}

/// Sends requests one after the other, each to a path of its own.
async fn send(hop: &Hop, requests: impl Iterator<Item = &Headers>) {
    let mut client = hop.client().await;
    for (index, headers) in requests.enumerate() {
        let request = get(&format!("/{index}"));
        let request = headers.iter().fold(request, |it, (name, value)| with(it, name, value));
        assert_eq!(client.ask(request).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn each_vendors_caller_and_a_w3c_service_are_of_one_trace() {
    let tid = "_dd.p.tid=4bf92f3577b34da6";
    let encoded = format!("{TRACE}%3A{PARENT}%3A0%3A1");
    let shuffled = "Sampled=1; Parent=53995c3f42cd8ad8; \
                    Root=1-5759e988-bd862e3fe1be46a994272793";
    let shuffled = vec![("x-amzn-trace-id", shuffled.to_owned())];
    let cases = [
        // Why, headers, what came, whether it is recorded.
        ("Jaeger", jaeger(format!("{TRACE}:{PARENT}:0:1")), JAEGER, true),
        ("no zeroes on the left", jaeger(format!("{TRACE}:f067aa0ba902b7:0:1")), JAEGER, true),
        ("encoded", jaeger(encoded), JAEGER, true),
        ("debug", jaeger(format!("{TRACE}:{PARENT}:0:3")), JAEGER, true),
        (
            "64 bits",
            jaeger("a3ce929d0e0e4736:f067aa0ba902b7:0:1"),
            Came { trace_id: LOW, ..JAEGER },
            true,
        ),
        ("not sampled", jaeger(format!("{TRACE}:{PARENT}:0:0")), JAEGER, false),
        ("X-Ray", xray(";Parent=53995c3f42cd8ad8;Sampled=1"), XRAY, true),
        ("in another order", shuffled, XRAY, true),
        ("of a load balancer", xray(""), Came { parent: "", ..XRAY }, true),
        ("not sampled", xray(";Parent=53995c3f42cd8ad8;Sampled=0"), XRAY, false),
        ("Datadog", datadog(tid, "1"), DATADOG, true),
        ("kept by a user", datadog(tid, "2"), DATADOG, true),
        ("undecided", datadog(tid, ""), DATADOG, true),
        ("64 bits", datadog("", "1"), Came { trace_id: LOW, ..DATADOG }, true),
        ("not sampled", datadog(tid, "0"), DATADOG, false),
        ("rejected by a user", datadog(tid, "-1"), DATADOG, false),
        ("Google", gcp("/1;o=1"), GCP, true),
        ("undecided", gcp("/1"), GCP, true),
        ("without a span", gcp(""), Came { parent: "", ..GCP }, true),
        ("not sampled", gcp("/1;o=0"), GCP, false),
    ];
    let hop = that_reads_all_of_them().await;

    send(&hop, cases.iter().map(|it| &it.1)).await;

    let spans = hop.spans(cases.iter().filter(|it| it.3).count()).await;
    let seen = hop.upstream.seen(cases.len()).await;
    for ((why, _, came, recorded), seen) in cases.into_iter().zip(seen) {
        let Came { format, trace_id, parent } = came;
        let why = format!("{format}: {why}");
        let span_id = seen.traceparent().parent_id;
        let sent = Context { trace_id: trace_id.to_owned(), span_id, sampled: recorded };
        assert_eq!(sent.span_id != parent, recorded, "{why}");
        // A form that did not come in is not sent.
        assert_eq!(contexts(&seen), sent.in_each(&["tracecontext", format]), "{why}");
        let span = spans.iter().find(|it| it.text("url.path") == Some(&seen.path));
        let ids = span.map(|it| (it.trace_id(), it.parent_id(), it.span_id()));
        let want = recorded.then_some((sent.trace_id, parent.to_owned(), sent.span_id));
        assert_eq!(ids, want, "{why}");
    }
    // The last request has no span, and is told with the next tick.
    let all = hop.proxy.stats_when("each request counted", |it| {
        it.hopspan("sampling.sampled") + it.hopspan("sampling.dropped") == 20
    });
    let stats = all.await;
    let counts =
        ["continued", "started", "invalid."].map(|it| stats.hopspan_sum(&format!("context.{it}")));
    assert_eq!(counts, [20, 0, 0], "{stats}");
}

#[tokio::test]
async fn a_vendors_broken_context_gives_way_to_a_new_trace() {
    let cases = [
        ("jaeger", jaeger(format!("{TRACE}:0:0:1"))),
        ("xray", xray(";Parent=1;Sampled=1")),
        ("datadog", datadog("", "3")),
        ("gcp", gcp("/1;o=2")),
    ];
    let hop = that_reads_all_of_them().await;

    send(&hop, cases.iter().map(|it| &it.1)).await;

    let spans = hop.spans(cases.len()).await;
    for ((format, _), seen) in cases.iter().zip(hop.upstream.seen(cases.len()).await) {
        let is_it = |it: &&Received| it.text("url.path") == Some(&seen.path);
        let span = spans.iter().find(is_it).expect(format);
        assert_eq!(span.parent_id(), "", "{format}");
        let (trace_id, span_id) = (span.trace_id(), span.span_id());
        assert!(![TRACE, LOW, XRAY.trace_id, GCP.trace_id].contains(&&*trace_id), "{format}");
        // What was broken is whole again.
        let sent = Context { trace_id, span_id, sampled: true };
        assert_eq!(contexts(&seen), sent.in_each(&["tracecontext", format]), "{format}");
    }
    assert_eq!(hop.proxy.stats().await.hopspan_sum("context.invalid."), 4);
}

#[tokio::test]
async fn what_datadog_says_beside_the_ids_passes() {
    let hop = that_reads_all_of_them().await;

    let others = [
        ("x-datadog-tags", "_dd.p.dm=-4,_dd.p.tid=4bf92f3577b34da6,_dd.p.usr.id=bWU="),
        ("x-datadog-sampling-priority", "2"),
        ("x-datadog-origin", "rum"),
    ];
    let (seen, span) = ask(&hop, &[&[DD_TRACE, DD_PARENT], &others[..]].concat()).await;

    assert_eq!(span.trace_id(), TRACE);
    for (name, value) in others {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_datadog_tracer_that_sends_two_formats_is_in_one_trace() {
    let hop = that_reads_all_of_them().await;

    // Datadog's own headers have but the half of the id that W3C's have.
    let w3c = traceparent(TRACE, PARENT);
    let others = [("x-datadog-tags", "_dd.p.dm=-1"), ("traceparent", &w3c)];
    let (seen, span) = ask(&hop, &[&[DD_TRACE, DD_PARENT], &others[..]].concat()).await;

    assert_eq!((span.trace_id(), span.parent_id()), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(span.span.links, []);
    let sent = Context { trace_id: TRACE.to_owned(), span_id: span.span_id(), sampled: true };
    assert_eq!(contexts(&seen), sent.in_each(&["tracecontext", "datadog"]));
    let tags: Vec<_> = seen.header("x-datadog-tags").unwrap().split(',').collect();
    assert!(tags.contains(&"_dd.p.dm=-1"), "{tags:?}");
    assert_eq!(hop.proxy.stats().await.hopspan("context.conflicts"), 0);
}

#[tokio::test]
async fn what_others_add_to_x_rays_header_passes() {
    let hop = that_reads_all_of_them().await;

    let came = "Self=1-67891234-12456789abcdef012345678;Lineage=a87bd80c:1|68fd508a:5;\
                Root=1-5759e988-bd862e3fe1be46a994272793;CalledFrom=app";
    let (seen, span) = ask(&hop, &[("x-amzn-trace-id", came)]).await;

    // `Self` is what a load balancer says of itself.
    let sent = format!(
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent={};Sampled=1;\
         Lineage=a87bd80c:1|68fd508a:5;CalledFrom=app",
        span.span_id()
    );
    assert_eq!(seen.header("x-amzn-trace-id"), Some(sent.as_str()));
}
