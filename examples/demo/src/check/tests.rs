use hopspan_lens::span::{Span, SpanId, SpanKind, TraceId};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::*;
use crate::load::Answer;
use crate::scenario::{Hop, Scenario};

mod requests;

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

/// The traces that a filter without faults sends when all are recorded.
fn good(scenario: Scenario) -> Vec<Trace> {
    scenario.pieces().iter().zip(1..).map(|(it, id)| trace(scenario, &it.whole, id)).collect()
}

/// Those that it sends when none is sampled, but errors are kept.
fn kept(scenario: Scenario) -> Vec<Trace> {
    let pieces = scenario.pieces();
    pieces
        .iter()
        .zip(1..)
        .filter_map(|(it, id)| Some(trace(scenario, it.kept.as_ref()?, id)))
        .collect()
}

/// A trace: every level begins 1 ms after the one above and ends 1 ms before it.
fn trace(scenario: Scenario, top: &Hop, id: u8) -> Trace {
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
        if let Some(reason) = hop.reason {
            attributes.push(pair(key::SAMPLING_REASON, Value::StringValue(reason.to_owned())));
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

    let parent = top.adrift.then(|| SpanId::from_slice(&[7; 8]).unwrap());
    let mut spans = Vec::new();
    add(top, parent, (1_000_000_000, 1_090_000_000), &mut spans);
    set(&mut spans[0], key::METHOD, Value::StringValue(scenario.method().to_string()));
    let path = scenario.path(NUMBER);
    match top.kind {
        SpanKind::Server => set(&mut spans[0], key::PATH, Value::StringValue(path)),
        _ => {
            let url = format!("http://stock/stock/{NUMBER}/forgetful");
            set(&mut spans[0], key::URL, Value::StringValue(url));
        }
    }
    let id = TraceId::from_slice(&[id; 16]).unwrap();
    spans.iter_mut().for_each(|span| span.trace_id = id);
    Trace { id, spans }
}

fn sent(scenario: Scenario) -> Sent {
    let answer = Answer { status: scenario.code(), ..Answer::default() };
    Sent { scenario, number: NUMBER, asks: false, answer: Ok(answer) }
}

/// All problems of one request with these traces.
fn problems_of(request: Sent, sampling: Sampling, traces: &[Trace]) -> Vec<String> {
    let verdict = judge(&[request], sampling, traces.iter());
    verdict.broken.into_iter().flat_map(|broken| broken.problems).collect()
}

/// All problems if the first trace was changed by `change`.
fn problems(scenario: Scenario, change: impl FnOnce(&mut Vec<Span>)) -> Vec<String> {
    let mut traces = good(scenario);
    change(&mut traces[0].spans);
    problems_of(sent(scenario), Sampling::ALL, &traces)
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
