//! Ticks, and the end of a configuration.

use super::*;

#[test]
fn ticks_come_at_the_delay_and_at_once_when_a_request_is_full() {
    let mut tracer = tracer(
        r#"{"direction":"inbound","collector":{"cluster":"c"},"batch":{"schedule_delay_ms":1000,"max_export_batch_size":2}}"#,
    );
    assert_eq!(tracer.tick(ms(0), 0), Duration::from_secs(1));
    let finish = |tracer: &mut Tracer| {
        let mut stream = Scripted::answered("200");
        let span = start(tracer, &[], &mut stream).span.unwrap();
        tracer.finish(span, &mut stream, || at(300))
    };
    assert!(!finish(&mut tracer), "one span waits");
    assert_eq!(tracer.tick(ms(400), 0), Duration::from_millis(600), "a call too early");
    assert!(tracer.next_call(ms(400)).is_none());
    assert!(finish(&mut tracer), "a full request does not");
    assert_eq!(tracer.tick(ms(401), 0), Duration::from_millis(599));
    assert!(tracer.next_call(ms(401)).is_some());
    finish(&mut tracer);
    assert_eq!(tracer.tick(ms(1000), 0), Duration::from_secs(1));
    assert!(tracer.next_call(ms(1000)).is_some(), "the delay is over");
}

#[test]
fn a_clock_that_goes_back_makes_nothing_wait() {
    let mut tracer = inbound();
    tracer.tick(ms(3_600_000), 0);
    exchange(&mut tracer, &[], Scripted::answered("200"));
    assert_eq!(tracer.tick(ms(50), 0), Duration::from_secs(1));
    let id = tracer.next_call(ms(50)).unwrap().id;
    tracer.answered(id, &Answer::NoSuchCluster, ms(90_000), 0);
    assert!(tracer.next_call(ms(90_001)).is_none());
    assert!(tracer.next_call(ms(50)).is_some());
}

#[test]
fn a_configuration_that_ends_waits_for_its_answers_but_not_for_ever() {
    let mut tracer = inbound();
    assert!(tracer.drain(ms(0)), "nothing to wait for");
    let mut tracer = inbound();
    exchange(&mut tracer, &[], Scripted::answered("200"));
    assert!(!tracer.drain(ms(60)));
    assert!(tracer.next_call(ms(60)).is_some());
    assert!(!tracer.is_drained(), "in flight");
    tracer.tick(ms(5_061), 0);
    assert!(tracer.is_drained());
    assert_eq!(tracer.stats.get(Stat::DroppedShutdown), 1);
}
