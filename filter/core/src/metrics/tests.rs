use super::*;
use crate::metrics::histogram::Buckets;
use proptest::prelude::*;
use std::collections::BTreeMap;

const GET: Labels<'static> = Labels {
    kind: Kind::Server,
    method: "GET",
    status: Some(200),
    error: "",
    route: b"/cart",
    is_configured: false,
    cluster: b"",
    call: None,
};

const CALL: CallLabels<'static> =
    CallLabels { system: "grpc", method: b"shop.Cart/Add", status: "OK" };

const SECOND: Measured = lasting(Duration::from_secs(1));

const fn lasting(took: Duration) -> Measured {
    Measured { took, bodies: [3, 5], attempts: 2, example: None }
}

#[test]
fn each_label_makes_another_series() {
    let mut store = Store::new(100, Shape::Explicit);
    for (why, labels) in [
        ("the first", GET),
        ("kind", Labels { kind: Kind::Client, ..GET }),
        ("method", Labels { method: "PUT", ..GET }),
        ("status", Labels { status: Some(201), ..GET }),
        ("no status", Labels { status: None, ..GET }),
        ("error", Labels { error: "timeout", ..GET }),
        ("route", Labels { route: b"/", ..GET }),
        ("who knows the route", Labels { is_configured: true, ..GET }),
        ("cluster", Labels { cluster: b"cart", ..GET }),
        ("a call", Labels { call: Some(CALL), ..GET }),
        ("its system", Labels { call: Some(CallLabels { system: "connectrpc", ..CALL }), ..GET }),
        ("its method", Labels { call: Some(CallLabels { method: b"", ..CALL }), ..GET }),
        ("its status", Labels { call: Some(CallLabels { status: "", ..CALL }), ..GET }),
    ] {
        for _ in 0..2 {
            assert!(!store.record(&labels, &SECOND), "{why}");
        }
        assert_eq!(store.series().last().map(Series::labels), Some(labels), "{why}");
    }
    assert!(store.series().iter().all(|it| it.histogram.count() == 2));
}

#[test]
fn what_finds_no_room_is_counted_by_its_side_and_kind() {
    let mut store = Store::new(OVERFLOWS + 1, Shape::Explicit);
    assert!(!store.record(&GET, &SECOND));
    for (why, labels) in [
        ("another path", Labels { route: b"/1", ..GET }),
        ("one more", Labels { route: b"/2", status: None, ..GET }),
        ("the client's side", Labels { kind: Kind::Client, cluster: b"a", ..GET }),
        ("its other cluster", Labels { kind: Kind::Client, cluster: b"b", ..GET }),
        ("a call", Labels { call: Some(CALL), ..GET }),
        ("a failed one", Labels { call: Some(CALL), error: "INTERNAL", ..GET }),
    ] {
        assert!(store.record(&labels, &SECOND), "{why}");
    }
    assert!(!store.record(&GET, &SECOND), "there is room for what is there");
    let counts: Vec<_> = store.series().iter().map(|it| it.histogram.count()).collect();
    assert_eq!(counts, [2, 2, 2, 2]);
    let other = store.series().get(1).unwrap().labels();
    assert_eq!(other, Labels { method: "_OTHER", status: None, route: b"_other", ..GET });
}

type Request = (bool, usize, Option<u16>, String, String, bool, u64);

fn request() -> impl Strategy<Value = Request> {
    (
        any::<bool>(),
        0_usize..3,
        prop::option::of(200_u16..203),
        "/[a-c]",
        "|timeout",
        any::<bool>(),
        0_u64..20_000,
    )
}

fn labels(request: &Request) -> Labels<'_> {
    let (is_client, method, status, route, error, is_call, _) = request;
    Labels {
        kind: if *is_client { Kind::Client } else { Kind::Server },
        method: ["GET", "PUT", "_OTHER"][*method],
        status: *status,
        error,
        route: route.as_bytes(),
        is_configured: false,
        cluster: b"",
        call: is_call.then_some(CALL),
    }
}

proptest! {
    /// Against lists of durations by the labels' text.
    #[test]
    fn agrees_with_a_naive_store(
        max in OVERFLOWS..30, requests in prop::collection::vec(request(), 0..120),
    ) {
        let mut store = Store::new(max, Shape::Explicit);
        let mut naive: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut overflowed = BTreeMap::new();
        let mut overflows = 0;
        for it in &requests {
            let labels = labels(it);
            let key = format!("{labels:?}");
            let has_room = naive.contains_key(&key) || naive.len() < max - OVERFLOWS;
            let is_overflow = store.record(&labels, &lasting(Duration::from_millis(it.6)));
            prop_assert_eq!(is_overflow, !has_room);
            if has_room {
                naive.entry(key).or_default().push(it.6);
            } else {
                overflows += 1;
                overflowed.entry((it.0, it.5)).or_insert_with(Vec::new).push(it.6);
            }
        }
        prop_assert!(store.series().len() <= max);
        prop_assert_eq!(store.series().len(), naive.len() + overflowed.len());
        prop_assert_eq!(overflows, overflowed.values().map(Vec::len).sum::<usize>());
        let bucket = |took: u64| {
            let seconds = took as f64 / 1000.0;
            histogram::seconds(&REQUESTS).filter(|bound| *bound < seconds).count()
        };
        for series in store.series() {
            let labels = series.labels();
            let took = naive.get(&format!("{labels:?}")).or_else(|| {
                overflowed.get(&(labels.kind == Kind::Client, labels.call.is_some()))
            });
            let took = took.expect("somebody made it");
            let mut counts = vec![0; 15];
            took.iter().for_each(|it| counts[bucket(*it)] += 1);
            let want = Buckets::Explicit(&REQUESTS, counts.try_into().unwrap());
            prop_assert_eq!(series.histogram.buckets(), &want);
            prop_assert_eq!(series.histogram.sum(), Duration::from_millis(took.iter().sum()));
            let count = took.len() as u64;
            prop_assert_eq!((series.bodies, series.attempts), ([3 * count, 5 * count], 2 * count));
        }
    }
}

#[test]
fn the_last_example_is_shown_once() {
    let example = |number| Example {
        trace_id: TraceId::from_bytes([number; 16]).unwrap(),
        span_id: SpanId::from_bytes([number; 8]).unwrap(),
        time: UnixNanos(number.into()),
        took: Duration::from_secs(1),
    };
    let mut store = Store::new(100, Shape::Explicit);
    for it in [Some(example(1)), Some(example(2)), None] {
        store.record(&GET, &Measured { example: it, ..SECOND });
    }
    let shown = |store: &Store| store.series().first().and_then(|it| it.example);
    assert_eq!(shown(&store), Some(example(2)));
    store.forget_examples();
    assert_eq!(shown(&store), None);
}
