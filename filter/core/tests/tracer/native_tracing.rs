//! Another tracer that writes over ours.

use super::*;

#[test]
fn native_tracing_is_noticed_and_said_once() {
    let mut tracer = inbound();
    let foreign = format!("00-{TRACE}-{PARENT}-01").into_bytes();
    for _ in 0..100 {
        let stream = Scripted { traceparent: Some(foreign.clone()), ..Scripted::answered("200") };
        exchange(&mut tracer, &[], stream);
    }
    assert_eq!(tracer.stats.get(Stat::NativeTracing), 16);
    let notice = tracer.notice().unwrap();
    assert!(notice.is_warning && notice.text.contains("overwrites traceparent"), "{notice:?}");
    assert_eq!(tracer.notice(), None);
}

#[test]
fn our_own_traceparent_is_no_native_tracing() {
    let mut tracer = inbound();
    let mut stream = Scripted::answered("200");
    let started = start(&mut tracer, &[], &mut stream);
    let (trace, parent, flags) = sent(&started);
    stream.traceparent = Some(format!("00-{trace}-{parent}-{flags}").into_bytes());
    tracer.finish(started.span.unwrap(), &mut stream, || at(1));
    assert_eq!(tracer.stats.get(Stat::NativeTracing), 0);
}

#[test]
fn who_writes_no_traceparent_looks_for_no_other_tracer() {
    let mut tracer = tracer(
        r#"{"direction":"inbound","collector":{"cluster":"c"},"propagation":{"inject":["b3"]}}"#,
    );
    let foreign = format!("00-{TRACE}-{PARENT}-01").into_bytes();
    let stream = Scripted { traceparent: Some(foreign), ..Scripted::answered("200") };
    exchange(&mut tracer, &[], stream);
    assert_eq!(tracer.stats.get(Stat::NativeTracing), 0);
}
