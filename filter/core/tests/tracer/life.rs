//! Ticks, and the end of a configuration.

use super::*;
use hopspan_core::export::Call;

#[test]
fn ticks_come_at_the_delay_and_at_once_when_a_request_is_full() {
    let mut tracer = tracer(
        r#"{"direction":"inbound","collector":{"cluster":"c"},"batch":{"schedule_delay_ms":1000,"max_export_batch_size":2}}"#,
    );
    assert_eq!(tracer.tick(at(0), 0), Duration::from_secs(1));
    let finish = |tracer: &mut Tracer| {
        let mut stream = Scripted::answered("200");
        let span = start(tracer, &[], &mut stream).span.unwrap();
        tracer.finish(span, &mut stream, || at(300))
    };
    assert!(!finish(&mut tracer), "one span waits");
    assert_eq!(tracer.tick(at(400), 0), Duration::from_millis(600), "a call too early");
    assert!(next_call(&mut tracer, 400).is_none());
    assert!(finish(&mut tracer), "a full request does not");
    assert_eq!(tracer.tick(at(401), 0), Duration::from_millis(599));
    assert!(next_call(&mut tracer, 401).is_some());
    finish(&mut tracer);
    assert_eq!(tracer.tick(at(1000), 0), Duration::from_secs(1));
    assert!(next_call(&mut tracer, 1000).is_some(), "the delay is over");
}

#[test]
fn a_clock_that_goes_back_makes_nothing_wait() {
    let mut tracer = inbound();
    tracer.tick(at(3_600_000), 0);
    exchange(&mut tracer, &[], Scripted::answered("200"));
    assert_eq!(tracer.tick(at(50), 0), Duration::from_secs(1));
    let id = next_call(&mut tracer, 50).unwrap().id;
    tracer.answered(id, &Answer::NoSuchCluster, at(90_000), 0);
    assert!(next_call(&mut tracer, 90_001).is_none());
    assert!(next_call(&mut tracer, 50).is_some());
}

#[test]
fn a_configuration_that_ends_waits_for_its_answers_but_not_for_ever() {
    let mut tracer = inbound();
    tracer.drain(ms(0));
    assert!(tracer.is_drained(ms(0)), "nothing to wait for");
    let mut tracer = inbound();
    exchange(&mut tracer, &[], Scripted::answered("200"));
    tracer.drain(ms(60));
    assert!(!tracer.is_drained(ms(60)));
    assert!(next_call(&mut tracer, 60).is_some());
    assert!(!tracer.is_drained(ms(5_059)), "in flight");
    assert!(tracer.is_drained(ms(5_060)));
    tracer.hand_over(|_| false);
    assert_eq!(tracer.stats.get(Stat::DroppedShutdown), 1);
}

#[test]
fn what_is_left_goes_to_the_successor() {
    let mut old = inbound();
    exchange(&mut old, &[], Scripted::answered("200"));
    old.drain(ms(60));
    let id = next_call(&mut old, 60).unwrap().id;
    old.answered(id, &Answer::Unsent, at(61), 0);
    assert!(next_call(&mut old, 61).is_none(), "nothing is tried twice");
    assert!(old.is_drained(ms(61)));
    let mut given = Vec::new();
    old.hand_over(|bytes| {
        given.push(bytes.to_vec());
        true
    });
    assert_eq!(old.stats.get(Stat::SpansHandedOver), 1);

    let mut new = inbound();
    let [bytes] = &given[..] else { panic!("one request") };
    assert!(new.wants_handed_over());
    new.take_over(bytes);
    assert_eq!(new.stats.get(Stat::SpansTakenOver), 1);
    new.take_over(b"something else");
    assert_eq!(new.stats.get(Stat::Degraded), 1);
    assert_eq!(exported(&mut new).len(), 1);
}

fn next_call(tracer: &mut Tracer, millis: u64) -> Option<Call<'_>> {
    tracer.next_call(ms(millis), |_| None)
}

#[test]
fn a_full_queue_asks_only_whether_a_request_failed() {
    let document = r#"{"direction":"gateway","collector":{"cluster":"c"},
        "batch":{"max_queue_size":8}}"#;
    let mut tracer = tracer(document);
    let asked = |tracer: &mut Tracer, status: &'static str, code| {
        let mut stream = Scripted::answered(status).number(Fact::ResponseCode, code);
        let mut span = start(tracer, &[], &mut stream).span.unwrap();
        span.response_ended(|| ms(51));
        tracer.finish(span, &mut stream, || at(52));
        stream.asked.len()
    };
    let whole = asked(&mut tracer, "200", 200);
    // Two of eight places are for what failed.
    for _ in 0..2 {
        assert_eq!(asked(&mut tracer, "200", 200), whole);
    }
    assert_eq!(asked(&mut tracer, "200", 200), 1, "the status");
    assert!(asked(&mut tracer, "503", 503) > whole);
    let stats = [Stat::SpansCreated, Stat::SpansQueued, Stat::DroppedQueueFull];
    assert_eq!(stats.map(|it| tracer.stats.get(it)), [10, 8, 2]);
    let spans = exported(&mut tracer);
    let failed = spans.iter().filter(|it| it.status.is_some()).count();
    assert_eq!((spans.len(), failed), (8, 2));
}
