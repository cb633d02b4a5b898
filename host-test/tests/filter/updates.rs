//! New configurations, new modules, the end of the proxy: every span is accounted for.

use crate::hopspan::{
    DELAY, Hopspan, INBOUND, OUTBOUND, UNCOUNTED_INBOUND, UNCOUNTED_OUTBOUND, builder, module,
    sampled_get,
};
use host_test::Answer;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::time::Duration;

fn calls(hopspan: &Hopspan, name: &str) -> u64 {
    hopspan.hostcalls().of(name)
}

#[track_caller]
fn assert_first_root_is_gone(hopspan: &Hopspan) {
    for vm in hopspan.vms() {
        let callbacks = vm.callbacks();
        let first = callbacks.iter().find(|it| it.name == "proxy_on_configure").unwrap().context;
        assert!(!vm.holds(first), "{vm:?}");
    }
}

#[test]
fn an_update_under_load_loses_nothing() {
    let hopspan = Hopspan::of(builder(INBOUND).workers(3));
    hopspan.collector.delay(Duration::from_millis(700));
    let mut made = 0;
    let mut open = Vec::new();
    for worker in 0..3 {
        hopspan.requests_on(worker, 20);
        let stream = hopspan.worker(worker).stream();
        stream.request_headers(sampled_get(), true);
        open.push(stream);
        made += 21;
    }
    hopspan.reconfigure(OUTBOUND).unwrap();
    for worker in 0..3 {
        hopspan.requests_on(worker, 10);
        made += 10;
    }
    // Old streams end on the old configuration while both tick.
    hopspan.run_for(DELAY + DELAY / 3);
    for stream in open {
        stream.respond(200);
        stream.finish();
    }
    hopspan.drained();
    assert_eq!(calls(&hopspan, "proxy_done"), 0, "three requests are still to be answered");
    hopspan.run_for(DELAY * 2);
    assert_eq!(calls(&hopspan, "proxy_done"), 3, "once for each old root context");
    let spans = hopspan.collector.taken();
    let of_kind = |kind| spans.iter().filter(|it| it.kind() == kind).count();
    assert_eq!((of_kind(SpanKind::Server), of_kind(SpanKind::Client)), (63, 30));
    assert_eq!(hopspan.accounts(), [made, made, 0, 0, 0]);
    assert_first_root_is_gone(&hopspan);
}

#[test]
fn a_root_context_with_nothing_to_do_is_done_at_once() {
    let hopspan = Hopspan::of(builder(UNCOUNTED_INBOUND).workers(2));
    hopspan.requests(3);
    assert_eq!(hopspan.spans().len(), 3);
    hopspan.reconfigure(UNCOUNTED_OUTBOUND).unwrap();
    hopspan.drained();
    assert_first_root_is_gone(&hopspan);
    assert_eq!(calls(&hopspan, "proxy_done"), 0);
    hopspan.requests(1);
    assert_eq!(hopspan.span().kind(), SpanKind::Client);
}

#[test]
fn a_refused_update_changes_nothing() {
    let hopspan = Hopspan::start(INBOUND);
    hopspan.requests(1);
    assert!(hopspan.reconfigure(r#"{"direction":"sideways"}"#).is_err());
    hopspan.requests(1);
    let kinds: Vec<_> = hopspan.spans().iter().map(|it| it.kind()).collect();
    assert_eq!(kinds, [SpanKind::Server; 2]);
}

/// Back-off is over when the configuration is: one last try, then it is the next one's.
#[test]
fn a_draining_root_tries_once_more_and_leaves_the_rest_to_its_successor() {
    let hopspan = Hopspan::start(UNCOUNTED_INBOUND);
    hopspan.collector.fail(Answer::status(503));
    hopspan.requests(2);
    hopspan.run_for(DELAY);
    hopspan.requests(1);
    hopspan.reconfigure(UNCOUNTED_OUTBOUND).unwrap();
    let before = hopspan.collector.requests().len();
    hopspan.drained();
    hopspan.run_for(DELAY * 2);
    assert_eq!(hopspan.collector.requests().len(), before + 2, "what waited and what was new");
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([3, 0, 0, 0, 0], [3, 0]));
    assert_eq!(calls(&hopspan, "proxy_done"), 1);
}

/// Nobody waits for a collector that says nothing.
#[test]
fn a_draining_root_gives_up_within_seconds() {
    let hopspan = Hopspan::start(UNCOUNTED_INBOUND);
    hopspan.collector.fail(Answer::silence());
    hopspan.requests(600);
    hopspan.reconfigure(UNCOUNTED_OUTBOUND).unwrap();
    hopspan.drained();
    assert_eq!(hopspan.callouts().len(), 2);
    hopspan.run_for(DELAY * 7);
    assert_eq!(calls(&hopspan, "proxy_done"), 1);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([600, 0, 0, 0, 0], [600, 0]));
    assert_eq!(hopspan.callouts().len(), 0, "the host has cancelled what was left");
}

#[test]
fn several_batches_leave_one_after_the_other_while_draining() {
    let config = r#"{"direction":"inbound","collector":{"cluster":"otel"},"metrics":{"to":[]},
        "batch":{"max_export_batch_size":10,"max_in_flight":1}}"#;
    let hopspan = Hopspan::start(config);
    hopspan.collector.delay(Duration::from_millis(50));
    hopspan.requests(95);
    hopspan.reconfigure(UNCOUNTED_OUTBOUND).unwrap();
    hopspan.drained();
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.collector.requests().len(), 10);
    assert_eq!(hopspan.accounts(), [95, 95, 0, 0, 0]);
    assert_eq!(calls(&hopspan, "proxy_done"), 1);
}

#[test]
fn at_the_end_of_the_proxy_everything_that_waits_goes_out() {
    let hopspan = Hopspan::of(builder(UNCOUNTED_INBOUND).workers(2));
    hopspan.requests_on(0, 5);
    hopspan.requests_on(1, 7);
    hopspan.shut_down();
    assert_eq!(hopspan.callouts().len(), 2, "without waiting for a tick");
    assert_eq!(hopspan.collector.taken().len(), 12);
    // As a rule the answers find nobody: they are not waited for to count.
    assert_eq!((hopspan.accounts(), hopspan.dropped("shutdown")), ([12, 0, 12, 0, 0], 12));
    hopspan.run_for(Duration::ZERO);
    assert_eq!(hopspan.accounts(), [12, 0, 12, 0, 0]);
    assert_eq!(calls(&hopspan, "proxy_done"), 2, "but a host that waits for them may");
}

#[test]
fn streams_that_end_after_the_proxys_end_are_no_harm() {
    let hopspan = Hopspan::start(INBOUND);
    let stream = hopspan.stream();
    stream.request_headers(sampled_get(), true);
    hopspan.shut_down();
    stream.respond(200);
    stream.finish();
    let late = hopspan.stream();
    late.request_headers(sampled_get(), true);
    late.finish();
    hopspan.tick();
}

/// Old VMs die with what they hold: Envoy does not wait for a `proxy_on_done` that said no.
#[test]
fn a_new_module_takes_over_and_the_accounts_stay_whole() {
    let hopspan = Hopspan::of(builder(INBOUND).workers(2));
    hopspan.requests_on(0, 3);
    assert_eq!(hopspan.spans().len(), 3);
    let old = hopspan.vms();
    hopspan.replace(module(), OUTBOUND).unwrap();
    hopspan.requests_on(1, 2);
    hopspan.drained();
    assert!(old.iter().all(|vm| vm.trap().is_none()));
    let kinds: Vec<_> = hopspan.spans().iter().map(|it| it.kind()).collect();
    assert_eq!(kinds, [SpanKind::Client; 2]);
    assert_eq!(hopspan.accounts(), [5, 5, 0, 0, 0]);
}

#[test]
fn what_a_dying_vm_had_in_flight_is_not_counted_as_delivered() {
    let hopspan = Hopspan::start(INBOUND);
    hopspan.collector.fail(Answer::silence());
    hopspan.requests(3);
    hopspan.run_for(DELAY);
    hopspan.requests(2);
    hopspan.replace(module(), INBOUND.replace("inbound", "outbound")).unwrap();
    hopspan.drained();
    hopspan.run_for(DELAY * 30);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([5, 0, 0, 0, 0], [5, 0]));
}
