//! The table against a naive one, and the proxy's time against the clock of a thousand ticks.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn id(number: u64) -> SpanId {
    SpanId::from_bytes((number + 1).to_be_bytes()).unwrap()
}

fn trace(number: u64) -> TraceId {
    TraceId::from_halves(1, number + 1).unwrap()
}

fn request(number: u64) -> Request {
    Request {
        trace_id: trace(number),
        span_id: id(number),
        flags: TraceFlags::SAMPLED,
        parent: None,
        is_free: false,
        on_wire: id(number),
        tries: Vec::new(),
    }
}

fn attempt(number: u64) -> Try {
    Try {
        span_id: id(number),
        resends: 0,
        request: RequestText::default(),
        marks: Marks::default(),
        address: Vec::new(),
        seen: Seen::default(),
        ended: None,
    }
}

#[derive(Clone, Debug)]
enum Event {
    Begin(u64),
    /// A try of one of those in flight, by place.
    Try(prop::sample::Index),
    End(prop::sample::Index),
}

fn event() -> impl Strategy<Value = Event> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        (0_u64..40).prop_map(Event::Begin),
        place().prop_map(Event::Try),
        place().prop_map(Event::End),
    ]
}

proptest! {
    #[test]
    fn finds_what_a_list_of_all_that_was_written_finds(
        events in prop::collection::vec(event(), 0..200),
    ) {
        let mut requests = Requests::default();
        // Each request in flight with the ids of its tries, the last one in its headers.
        let mut naive: Vec<(u64, Vec<u64>)> = Vec::new();
        let mut next = 1_000;
        for event in events {
            match event {
                Event::Begin(number) if naive.iter().all(|(it, _)| *it != number) => {
                    prop_assert!(requests.begin(request(number)));
                    naive.push((number, Vec::new()));
                }
                Event::Begin(_) => {}
                Event::Try(place) if !naive.is_empty() => {
                    let (number, tries) = place.get_mut(&mut naive);
                    let on_wire = id(*tries.last().unwrap_or(number));
                    let found = requests.find(trace(*number), on_wire).unwrap();
                    prop_assert_eq!(found.span_id, id(*number));
                    found.on_wire = id(next);
                    found.note(attempt(next));
                    tries.push(next);
                    next += 1;
                }
                Event::End(place) if !naive.is_empty() => {
                    let (number, tries) = naive.remove(place.index(naive.len()));
                    let Tried::Request(it) = requests.end(id(number)) else {
                        panic!("request {number} was begun");
                    };
                    let told: Vec<_> = it.tries.iter().map(|it| it.span_id).collect();
                    let all = tries.into_iter().map(id);
                    prop_assert_eq!(told, all.take(MAX_TRIES).collect::<Vec<_>>());
                    prop_assert!(matches!(requests.end(id(number)), Tried::Unseen));
                }
                Event::Try(_) | Event::End(_) => {}
            }
            for number in 0..40 {
                let known = naive.iter().find(|(it, _)| *it == number);
                let found = requests.find(trace(number), id(number)).map(|it| it.span_id);
                prop_assert_eq!(found, known.map(|(it, _)| id(*it)));
            }
            for past in 1_000..next {
                let known = naive.iter().find(|(_, tries)| tries.last() == Some(&past));
                let trace = trace(known.map_or(0, |(it, _)| *it));
                let found = requests.find(trace, id(past)).map(|it| it.span_id);
                prop_assert_eq!(found, known.map(|(it, _)| id(*it)), "the last one written counts");
            }
        }
    }

    #[test]
    fn the_proxys_time_is_when_nobody_else_had_the_request(
        tries in prop::collection::vec((0_u64..900, 0_u64..300, 0_u64..50, any::<bool>()), 1..8),
        backend in prop::option::of(0_u64..1_000),
        received in prop::option::of(0_u64..1_000),
    ) {
        let at = |tick: u64| Monotonic(7 + tick * 1_000_000);
        let end = 1_000;
        let mut it = request(1);
        for (start, length, waited, is_open) in &tries {
            let mut a_try = attempt(1);
            a_try.marks.started = at(*start);
            a_try.seen.pool_wait = Some(waited * 1_000_000);
            a_try.ended = (!is_open).then(|| at(start + length));
            it.tries.push(a_try);
        }
        let marks = Marks {
            started: at(0),
            request_end: received.map(at),
            response_end: Some(at(end)),
            ..Marks::default()
        };
        let backend_time = backend.map(Duration::from_millis);
        let got = it.proxy_time(&marks, backend_time).unwrap();

        // Tick by tick: who had it?
        let ends = |it: &(u64, u64, u64, bool)| if it.3 { u64::MAX } else { it.0 + it.1 };
        let last = (0..tries.len()).max_by_key(|it| (ends(&tries[*it]), *it)).unwrap();
        let spans: Vec<(u64, u64)> = (tries.iter().enumerate())
            .map(|(number, it)| match backend {
                Some(backend) if number == last => (end - backend, end),
                _ => (it.0 + it.2, ends(it).min(end)),
            })
            .collect();
        let first = spans.iter().map(|it| it.0).min().unwrap();
        let had = |tick: u64| spans.iter().any(|it| (it.0..it.1).contains(&tick));
        let nobody = (0..end).filter(|it| !had(*it)).count() as u64;
        // The client was still sending, and no upstream had seen a byte.
        let waited = received.filter(|it| *it >= 1 && first > *it).unwrap_or(0);
        prop_assert_eq!(got, Duration::from_millis(nobody.saturating_sub(waited)));
    }
}

#[test]
fn tables_have_their_bounds() {
    let mut requests = Requests::default();
    for number in 0..MAX_REQUESTS as u64 {
        assert!(requests.begin(request(number)));
    }
    let more = MAX_REQUESTS as u64;
    assert!(!requests.begin(request(more)), "full");
    assert!(requests.find(trace(more), id(more)).is_none());
    assert!(matches!(requests.end(id(5)), Tried::Request(_)));
    assert!(requests.begin(request(more)), "one left");

    let mut it = request(0);
    assert!((0..MAX_TRIES).all(|number| it.note(attempt(1)) == Some(number)));
    assert_eq!(it.note(attempt(1)), None);

    let parent = |number: u64| Some(id(number + 10_000));
    for number in 0..MAX_OWN as u64 + 3 {
        requests.remember(id(number), parent(number));
    }
    assert_eq!(requests.remembered(id(2)), None, "the oldest are forgotten");
    for number in 3..MAX_OWN as u64 + 3 {
        assert_eq!(requests.remembered(id(number)), Some(parent(number)));
    }
}

#[test]
fn another_trace_with_the_same_id_is_another_request() {
    let mut requests = Requests::default();
    requests.begin(request(1));
    assert!(requests.find(trace(2), id(1)).is_none());
    let narrow = TraceId::from_halves(0, 2).unwrap();
    assert!(requests.find(narrow, id(1)).is_some(), "some formats know but half of it");
}
