use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::*;
use crate::store::Counts;
use crate::trace::tests::span;

/// A span of `service` from `start` to `end` (in units of 10 µs), with attributes.
fn at(
    id: u8,
    parent: u8,
    service: &str,
    kind: SpanKind,
    (start, end): (u64, u64),
    attributes: &[(&str, Value)],
) -> Span {
    let attributes = attributes
        .iter()
        .map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue { value: Some(value.clone()) }),
            ..Default::default()
        })
        .collect();
    Span {
        service: service.to_owned(),
        name: "GET".to_owned(),
        kind,
        start_unix_nano: start * 10_000,
        end_unix_nano: end * 10_000,
        attributes,
        ..span(id, parent, 0)
    }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.to_owned())
}

fn times(proxy: i64, upstream: i64) -> [(&'static str, Value); 2] {
    [(key::PROXY_TIME, Value::IntValue(proxy)), (key::UPSTREAM_TIME, Value::IntValue(upstream))]
}

fn code(code: i64) -> (&'static str, Value) {
    (key::STATUS_CODE, Value::IntValue(code))
}

/// Gateway with two spans, a shop that asks the cart twice, the first time in vain.
fn shop() -> Trace {
    let server = SpanKind::Server;
    // The outer of a gateway's two spans says where both go to.
    let root = [
        code(200),
        (key::METHOD, text("GET")),
        (key::PATH, text("/carts/7")),
        (key::CLUSTER, text("shop")),
    ];
    let client = [code(200)];
    let tries = [
        code(200),
        (key::CLUSTER, text("cart")),
        (key::ATTEMPTS, Value::IntValue(2)),
        (key::PROXY_TIME_UPPER_BOUND, Value::BoolValue(true)),
    ];
    let failed = [code(503), (key::RESPONSE_FLAGS, text("UF,URX"))];
    let spans = vec![
        at(1, 0, "gateway", server, (100, 1100), &[&root[..], &times(500_000, 9_500_000)].concat()),
        Span {
            parent_is_remote: false,
            ..at(2, 1, "gateway", SpanKind::Client, (125, 1075), &client)
        },
        at(
            3,
            2,
            "shop",
            server,
            (130, 1070),
            &[&[code(200)], &times(400_000, 9_000_000)[..]].concat(),
        ),
        at(
            4,
            3,
            "shop",
            SpanKind::Client,
            (200, 1000),
            &[&tries[..], &times(6_000_000, 2_000_000)].concat(),
        ),
        Span { failed: true, ..at(5, 4, "cart", server, (210, 400), &failed) },
        at(
            6,
            4,
            "cart",
            server,
            (790, 990),
            &[&[code(200)], &times(100_000, 1_900_000)[..]].concat(),
        ),
    ];
    Trace { id: spans[0].trace_id, spans }
}

#[track_caller]
fn check(trace: &Trace, width: usize, want: &str) {
    let got = tree(trace, Medium { width, colour: false });
    assert_eq!(got, want, "got:\n{got}\nwant:\n{want}");
}

#[test]
fn draws_tree_columns_and_time_line() {
    check(
        &shop(),
        120,
        "\
GET /carts/7: 200 in 10.00 ms, 6 spans of 3 services, proxies held it at most 7.00 ms (70.0 %)
trace 01010101010101010101010101010101
service and span                 kind    status            duration   in proxy  upstream
gateway GET                      SERVER  200               10.00 ms    0.50 ms   9.50 ms  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
└ gateway GET → shop             CLIENT  200                9.50 ms                       ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
  └ shop GET                     SERVER  200                9.40 ms    0.40 ms   9.00 ms  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    └ shop GET → cart (2 tries)  CLIENT  200                8.00 ms  ≤ 6.00 ms   2.00 ms     ━━━━━━━━━━━━━━━━━━━━━━━━
      ├ cart GET                 SERVER  503 error UF,URX   1.90 ms                          ━━━━━━
      └ cart GET                 SERVER  200                2.00 ms    0.10 ms   1.90 ms                      ━━━━━━━
",
    );
}

#[test]
fn leaves_the_time_line_out_where_there_is_no_room() {
    let spans = vec![at(1, 0, "shop", SpanKind::Server, (0, 5), &[code(200)])];
    let want = "\
GET: 200 in 0.05 ms, 1 span of 1 service
trace 01010101010101010101010101010101
service and span  kind    status  duration  in proxy  upstream
shop GET          SERVER  200      0.05 ms
";
    check(&Trace { id: spans[0].trace_id, spans }, 70, want);
}

#[test]
fn says_what_is_missing() {
    let want_tail = |trace: &Trace| {
        let text = tree(trace, Medium::PLAIN);
        text.lines().nth(1).unwrap().rsplit_once(", ").unwrap().1.to_owned()
    };
    let mut no_middle = shop();
    no_middle.spans.retain(|span| span.name == "GET" && span.start_unix_nano != 2_000_000);
    assert_eq!(want_tail(&no_middle), "incomplete: the parent of 2 spans is not here");
    let mut two_roots = shop();
    two_roots.spans[2].parent = None;
    assert_eq!(want_tail(&two_roots), "incomplete: more than one root");
}

#[test]
fn says_why_a_trace_is_recorded_that_no_ratio_chose() {
    for (why, reasons, want) in [
        ("a ratio chose it", &[][..], None),
        ("as the root says", &[(0, "force")], Some("sampling reason: force")),
        (
            "as the hop says that caused it",
            &[(0, "below"), (3, "slow")],
            Some("sampling reason: slow"),
        ),
        ("that hop is not here", &[(0, "below")], Some("sampling reason: below")),
    ] {
        let mut trace = shop();
        for (place, reason) in reasons {
            let value = Some(AnyValue { value: Some(text(reason)) });
            let key = key::SAMPLING_REASON.to_owned();
            trace.spans[*place].attributes.push(KeyValue { key, value, ..Default::default() });
        }
        let heading = tree(&trace, Medium::PLAIN).lines().nth(1).unwrap().to_owned();
        assert_eq!(heading.split_once(", ").map(|(_, it)| it), want, "{why}");
    }
}

#[test]
fn text_of_others_cannot_steer_the_terminal_nor_break_the_table() {
    for (why, name, want) in [
        ("escape sequences", "a\x1b[2Jb\n", "a\u{fffd}[2Jb\u{fffd}".to_owned()),
        ("too long", &"x".repeat(50), "x".repeat(31) + "…"),
        ("two columns a letter", &"日".repeat(20), "日".repeat(15) + "…"),
        ("just short enough", &"x".repeat(32), "x".repeat(32)),
    ] {
        assert_eq!(clean(name, 32), want, "{why}");
    }
}

#[test]
fn colours_only_where_they_are_understood() {
    let colourful = tree(&shop(), Medium { width: 120, colour: true });
    assert!(colourful.contains("\x1b[31m503 error UF,URX\x1b[0m"), "{colourful:?}");
    assert!(!tree(&shop(), Medium::PLAIN).contains('\x1b'));
}

#[test]
fn sums_up_what_is_kept() {
    let counts = Counts { received: 40, ..Counts::default() };
    let calm = Summary { whole: 6, incomplete: 0, arriving: 0, counts };
    assert_eq!(summary(&calm), "6 traces kept: 6 whole, 0 incomplete; 40 spans received");
    let counts = Counts { received: 99, duplicates: 1, refused: 2, evicted: 3 };
    let busy = Summary { whole: 0, incomplete: 0, arriving: 1, counts };
    assert_eq!(
        summary(&busy),
        "1 trace kept: 0 whole, 0 incomplete, 1 arriving; 99 spans received, 1 sent twice, \
         2 refused (trace too long), 3 gone with their old traces"
    );
}
