use hopspan_lens::span::{SpanId, TraceId};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::*;

const NUMBER: u64 = 7;

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

fn set(span: &mut Span, key: &str, value: Value) {
    span.attributes.retain(|pair| pair.key != key);
    span.attributes.push(pair(key, value));
}

fn remove(span: &mut Span, key: &str) {
    span.attributes.retain(|pair| pair.key != key);
}

/// The trace that a filter without faults sends: every level begins 1 ms after the one
/// above and ends 1 ms before it.
fn good(scenario: Scenario) -> Trace {
    fn add(hop: &Hop, parent: Option<SpanId>, (start, end): (u64, u64), spans: &mut Vec<Span>) {
        let id = u64::try_from(spans.len() + 1).unwrap();
        let span_id = SpanId::from_slice(&id.to_be_bytes()).unwrap();
        let mut attributes = vec![pair(key::STATUS_CODE, Value::IntValue(hop.code.into()))];
        if hop.timed {
            attributes.push(pair(key::PROXY_TIME, Value::IntValue(200_000)));
            let upstream = i64::try_from(end - start - 300_000).unwrap();
            attributes.push(pair(key::UPSTREAM_TIME, Value::IntValue(upstream)));
        }
        // The outer of a hop's two spans says where both go to.
        let inner = hop.below.first().filter(|inner| !inner.timed);
        if let Some(to) = inner.unwrap_or(hop).to.filter(|_| hop.timed) {
            attributes.push(pair(key::CLUSTER, Value::StringValue(to.to_owned())));
        }
        if hop.tries > 1 {
            attributes.push(pair(key::ATTEMPTS, Value::IntValue(hop.tries.into())));
            attributes.push(pair(key::PROXY_TIME_UPPER_BOUND, Value::BoolValue(true)));
        }
        spans.push(Span {
            trace_id: TraceId::from_slice(&[1; 16]).unwrap(),
            span_id,
            parent,
            parent_is_remote: hop.timed,
            service: hop.service.to_owned(),
            name: "GET".to_owned(),
            kind: hop.kind,
            start_unix_nano: start,
            end_unix_nano: end,
            failed: hop.fails(),
            attributes,
        });
        let room = (end - start - 2_000_000) / u64::try_from(hop.below.len().max(1)).unwrap();
        for (hop, place) in hop.below.iter().zip(0..) {
            let start = start + 1_000_000 + place * room;
            add(hop, Some(span_id), (start, start + room), spans);
        }
    }

    let mut spans = Vec::new();
    add(&scenario.trace(), None, (1_000_000_000, 1_090_000_000), &mut spans);
    set(&mut spans[0], key::METHOD, Value::StringValue(scenario.method().to_string()));
    set(&mut spans[0], key::PATH, Value::StringValue(scenario.path(NUMBER)));
    Trace { id: spans[0].trace_id, spans }
}

fn sent(scenario: Scenario) -> Sent {
    Sent { scenario, number: NUMBER, answer: Ok(scenario.code()) }
}

/// All problems of a trace that was changed by `change`.
fn problems(scenario: Scenario, change: impl FnOnce(&mut Vec<Span>)) -> Vec<String> {
    let mut trace = good(scenario);
    change(&mut trace.spans);
    let verdict = judge(&[sent(scenario)], [&trace].into_iter());
    verdict.broken.into_iter().flat_map(|broken| broken.problems).collect()
}

#[test]
fn a_trace_without_faults_passes() {
    for scenario in Scenario::ALL {
        assert_eq!(problems(scenario, |_| ()), [""; 0], "{scenario:?}");
        // Spans arrive in the order in which requests end, not in that in which they begin.
        assert_eq!(problems(scenario, |spans| spans.reverse()), [""; 0], "{scenario:?}");
    }
}

/// The spans of a product: 0 gateway SERVER, 1 gateway CLIENT, 2 shop SERVER, 3 shop CLIENT,
/// 4 catalog SERVER, 5 catalog CLIENT, 6 stock SERVER. Of a flaky cart: 4 and 5 cart SERVER.
#[test]
fn every_fault_fails_and_is_named() {
    use Scenario::{Fail, Flaky, Product};

    type Change = fn(&mut Vec<Span>);
    let cases: [(&str, Scenario, Change, &str); 22] = [
        (
            "the last hop is missing",
            Product,
            |it| it.truncate(6),
            "below catalog CLIENT → stock: expected stock SERVER, found nothing",
        ),
        (
            "a hop in the middle is missing",
            Product,
            |it| drop(it.remove(3)),
            "there is no single root, but 2 spans at the top: gateway SERVER, catalog SERVER",
        ),
        (
            "the parent is that of the wrong span",
            Product,
            |it| it[3].parent = it[1].parent,
            "below gateway SERVER: expected gateway CLIENT → shop, \
             found gateway CLIENT → shop, shop CLIENT → catalog",
        ),
        (
            "siblings instead of parent and child",
            Product,
            |it| it[6].parent = Some(it[4].span_id),
            "below catalog SERVER: expected catalog CLIENT → stock, \
             found catalog CLIENT → stock, stock SERVER",
        ),
        (
            "a span more",
            Product,
            |it| {
                let span_id = SpanId::from_slice(&[9; 8]).unwrap();
                it.push(Span { span_id, parent: Some(it[6].span_id), ..it[6].clone() });
            },
            "below stock SERVER: expected nothing, found stock SERVER",
        ),
        (
            "the wrong kind",
            Product,
            |it| it[3].kind = SpanKind::Server,
            "expected shop CLIENT → catalog, found shop SERVER",
        ),
        (
            "the wrong service",
            Product,
            |it| it[4].service = "envoy".to_owned(),
            "expected catalog SERVER, found envoy SERVER",
        ),
        (
            "the wrong cluster",
            Product,
            |it| set(&mut it[3], key::CLUSTER, Value::StringValue("pay".into())),
            "shop CLIENT → pay: hopspan.upstream.cluster is pay, not catalog",
        ),
        (
            "the wrong status code",
            Product,
            |it| set(&mut it[6], key::STATUS_CODE, Value::IntValue(204)),
            "stock SERVER: status code is 204, not 200",
        ),
        (
            "no status code",
            Product,
            |it| remove(&mut it[6], key::STATUS_CODE),
            "stock SERVER: status code is 0, not 200",
        ),
        (
            "no proxy time",
            Product,
            |it| remove(&mut it[2], key::PROXY_TIME),
            "shop SERVER: has no hopspan.proxy_time_ns",
        ),
        (
            "no upstream time",
            Product,
            |it| remove(&mut it[2], key::UPSTREAM_TIME),
            "shop SERVER: has no hopspan.upstream_time_ns",
        ),
        (
            "a proxy time of zero",
            Product,
            |it| set(&mut it[2], key::PROXY_TIME, Value::IntValue(0)),
            "shop SERVER: the proxy held it no time at all",
        ),
        (
            "a negative proxy time",
            Product,
            |it| set(&mut it[2], key::PROXY_TIME, Value::IntValue(-5)),
            "shop SERVER: has no hopspan.proxy_time_ns",
        ),
        (
            "held longer than the span",
            Product,
            |it| set(&mut it[6], key::PROXY_TIME, Value::IntValue(80_000_000)),
            "stock SERVER: the proxy held it 80ms of 78ms",
        ),
        (
            "the parts are more than the whole",
            Product,
            |it| set(&mut it[6], key::PROXY_TIME, Value::IntValue(2_000_000)),
            "stock SERVER: proxy 2ms and upstream 77.7ms are more than 78ms",
        ),
        (
            "all proxies together longer than the root",
            Product,
            |it| {
                let timed = it.iter_mut().filter(|span| span.proxy_time().is_some());
                timed.for_each(|span| set(span, key::PROXY_TIME, Value::IntValue(50_000_000)));
            },
            "the proxies held it 300ms, but it took 90ms in all",
        ),
        (
            "the times on the inner span of two",
            Product,
            |it| {
                set(&mut it[1], key::PROXY_TIME, Value::IntValue(200_000));
            },
            "gateway CLIENT → shop: has hopspan.proxy_time_ns: that belongs to the outer span",
        ),
        (
            "a child long before its parent",
            Product,
            |it| it[6].start_unix_nano -= 30_000_000,
            "stock SERVER begins before its parent",
        ),
        (
            "the tries are not counted",
            Flaky,
            |it| remove(&mut it[3], key::ATTEMPTS),
            "shop CLIENT → cart: hopspan.attempts is 1, not 2",
        ),
        (
            "tries, but the time is not marked",
            Flaky,
            |it| remove(&mut it[3], key::PROXY_TIME_UPPER_BOUND),
            "shop CLIENT → cart: hopspan.proxy_time_upper_bound is false, not true",
        ),
        (
            "an error without error status",
            Fail,
            |it| it[0].failed = false,
            "gateway SERVER: error status is false, not true",
        ),
    ];
    for (why, scenario, change, want) in cases {
        let problems = problems(scenario, change);
        assert!(problems.iter().any(|it| it == want), "{why}: {want:?} is not in {problems:#?}");
    }
}

#[test]
fn every_request_needs_one_trace_and_every_trace_a_request() {
    let (product, order) = (good(Scenario::Product), good(Scenario::Order));
    let requests = [sent(Scenario::Product), sent(Scenario::Order)];
    let both = [&product, &order];
    assert!(judge(&requests, both.into_iter()).is_good());

    let missing = judge(&requests, [&product].into_iter());
    assert_eq!(missing.broken[0].problems, ["no trace arrived"]);
    assert_eq!(missing.broken[0].request, "POST /orders/7");

    let twice = judge(&requests, [&product, &order, &order].into_iter());
    assert_eq!(twice.broken[0].problems, ["2 traces arrived instead of one"]);

    let stranger = judge(&requests[..1], both.into_iter());
    assert!(!stranger.is_good());
    assert_eq!(stranger.strangers.len(), 1);
}

#[test]
fn a_wrong_answer_to_the_client_is_a_fault_too() {
    let trace = good(Scenario::Product);
    for (answer, want) in [
        (Ok(503), "the client got status 503, not 200"),
        (Err("refused".to_owned()), "the client got no answer: refused"),
    ] {
        let request = Sent { answer, ..sent(Scenario::Product) };
        assert_eq!(judge(&[request], [&trace].into_iter()).broken[0].problems, [want]);
    }
}

#[test]
fn sums_up_in_one_line() {
    let product = good(Scenario::Product);
    assert_eq!(
        judge(&[sent(Scenario::Product)], [&product].into_iter()).to_string(),
        "1 requests, 1 whole traces, 7 spans; \
         a proxy held a request 0.20 ms (median), 0.20 ms at most"
    );
}
