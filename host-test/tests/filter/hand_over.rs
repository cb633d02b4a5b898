//! Ends of configurations and VMs, and what becomes of the spans that they hold.

use crate::hopspan::{
    DELAY, GATEWAY, Hopspan, INBOUND, OUTBOUND, UNSAMPLED, builder, module, sampled_get,
};
use crate::received::Received;
use host_test::{Answer, HostcallCounts};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an ended configuration waits for answers, and a little more.
const LAST: Duration = Duration::from_secs(7);
/// A configuration that exports nothing.
const SILENT: &str = r#"{"direction":"inbound"}"#;

fn watched(config: &str, workers: usize) -> Hopspan {
    Hopspan::of(builder(config).workers(workers)).watched()
}

/// New VMs, whose old ones are not at their end yet.
fn new_vms(hopspan: &Hopspan, vm_id: &str, config: &str) {
    hopspan.set_vm_config(vm_id, "2");
    hopspan.replace(module(), config).unwrap();
}

/// A request without a span, so that the worker has had one.
fn unsampled(hopspan: &Hopspan, worker: usize) {
    let stream = hopspan.worker(worker).stream();
    stream.request_headers(sampled_get().with("traceparent", UNSAMPLED), true);
    stream.respond(200);
    stream.finish();
}

/// How often each span arrived.
fn arrivals(spans: &[Received]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    spans.iter().for_each(|it| *times.entry(it.span_id()).or_default() += 1);
    times
}

/// Calls of queues, by name.
fn queue_calls(calls: &HostcallCounts) -> [u64; 3] {
    ["register", "enqueue", "dequeue"].map(|it| calls.of(&format!("proxy_{it}_shared_queue")))
}

/// The bytes that are noted to be in queues.
pub(crate) fn held(hopspan: &Hopspan) -> u64 {
    let noted = hopspan.shared_data("hopspan.handed_over.0").unwrap_or_default();
    noted.last_chunk().map_or(0, |it| u64::from_le_bytes(*it))
}

/// What Envoy 1.40 was seen to do at each event, and what hopspan makes of it.
#[test]
fn at_each_end_every_span_is_somewhere_and_none_is_claimed() {
    type Event = fn(&Hopspan);
    let same_vms: Event = |it| {
        it.reconfigure(OUTBOUND).unwrap();
        it.drained();
    };
    let vm_config: Event = |it| {
        new_vms(it, "hopspan", OUTBOUND);
        it.drained();
    };
    let vm_config_alone: Event = |it| {
        new_vms(it, "hopspan", INBOUND);
        it.drained();
    };
    let vm_id: Event = |it| {
        new_vms(it, "other", OUTBOUND);
        it.drained();
    };
    let silent: Event = |it| {
        new_vms(it, "hopspan", SILENT);
        it.drained();
    };
    let removed: Event = |it| it.remove_first();
    let exit: Event = |it| it.exit();
    // Exported; dropped, as shutdown; handed over and taken over.
    for (why, event, goes_on, want) in [
        ("the plugin's configuration changed", same_vms, true, (5, 0, [0, 0])),
        ("vm_config changed", vm_config, true, (5, 0, [5, 5])),
        ("vm_config alone changed", vm_config_alone, true, (5, 0, [5, 5])),
        ("vm_id changed", vm_id, true, (0, 5, [0, 0])),
        ("the next one exports nothing", silent, true, (0, 5, [0, 0])),
        ("the listener is gone", removed, false, (0, 5, [0, 0])),
        ("the proxy ends", exit, false, (0, 5, [0, 0])),
    ] {
        let hopspan = watched(INBOUND, 2);
        hopspan.requests_on(0, 3);
        hopspan.requests_on(1, 2);
        event(&hopspan);
        if goes_on {
            unsampled(&hopspan, 1);
        }
        hopspan.run_for(DELAY * 4);
        let [created, exported, dropped, queued, in_flight] = hopspan.accounts();
        assert_eq!([created, queued, in_flight], [5, 0, 0], "{why}");
        assert_eq!((exported, dropped, hopspan.moved()), want, "{why}");
        assert_eq!(dropped, hopspan.dropped("shutdown"), "{why}");
        let arrived = arrivals(&hopspan.collector.taken());
        assert_eq!(arrived.len(), 5, "{why}: all was sent, and this collector is near");
        assert!(arrived.values().all(|it| *it == 1), "{why}: {arrived:?}");
        assert_eq!(held(&hopspan), 0, "{why}");
    }
}

/// A VM that ends cannot hear answers: what was in flight may arrive twice, and nothing else may.
#[test]
fn only_what_is_in_flight_can_arrive_twice() {
    let hopspan = watched(
        r#"{"direction":"inbound","collector":{"cluster":"otel"},"retry":
        {"initial_backoff_ms":30000}}"#,
        1,
    );
    hopspan.collector.next([Answer::new(503, [("retry-after", "1")], b"")]);
    hopspan.requests(1);
    hopspan.run_for(DELAY);
    hopspan.collector.delay(DELAY * 5);
    hopspan.requests(2);
    hopspan.run_for(DELAY);
    hopspan.requests(4);
    assert_eq!(hopspan.accounts(), [3, 0, 0, 2, 1], "the first asks alone whether it is back");
    let in_flight: Vec<_> = hopspan.collector.taken().iter().map(Received::span_id).collect();
    new_vms(&hopspan, "hopspan", OUTBOUND);
    hopspan.drained();
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([7, 0, 0, 0, 0], [7, 0]));
    hopspan.collector.delay(Duration::ZERO);
    unsampled(&hopspan, 0);
    hopspan.run_for(DELAY * 4);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([7, 7, 0, 0, 0], [7, 7]));
    let arrived = arrivals(&hopspan.collector.taken());
    assert_eq!(arrived.len(), 7);
    assert!(arrived.values().all(|it| *it == 1));
    assert_eq!(in_flight.iter().filter(|it| arrived.contains_key(*it)).count(), in_flight.len());
}

/// The collector is down when the configuration ends, and back when the next one is at work.
#[test]
fn what_a_draining_root_could_not_send_its_successor_sends() {
    let hopspan = watched(INBOUND, 2);
    hopspan.collector.fail(Answer::status(503));
    hopspan.requests_on(0, 700);
    hopspan.requests_on(1, 3);
    hopspan.run_for(DELAY);
    hopspan.reconfigure(OUTBOUND).unwrap();
    hopspan.drained();
    hopspan.run_for(LAST);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([703, 0, 0, 0, 0], [703, 0]));
    assert_eq!(hopspan.hostcalls().of("proxy_done"), 2);
    hopspan.collector.recover();
    unsampled(&hopspan, 0);
    hopspan.run_for(DELAY * 4);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([703, 703, 0, 0, 0], [703, 703]));
    let spans = hopspan.collector.taken();
    assert_eq!(arrivals(&spans).len(), 703);
    let kinds = spans.iter().filter(|it| it.kind() as i32 == 2).count();
    assert_eq!(kinds, 703, "as they were made: inbound");
}

#[test]
fn without_a_successor_what_a_draining_root_could_not_send_is_lost_and_counted() {
    let hopspan = watched(INBOUND, 1);
    let second = hopspan.add_plugin_named("second", OUTBOUND).unwrap();
    hopspan.collector.fail(Answer::status(503));
    hopspan.requests(3);
    hopspan.remove_first();
    assert_eq!(hopspan.accounts(), [3, 0, 0, 0, 3], "the VM lives on");
    hopspan.run_for(LAST);
    assert_eq!((hopspan.accounts(), hopspan.dropped("shutdown")), ([3, 0, 3, 0, 0], 3));
    assert_eq!(hopspan.moved(), [0, 0], "the other plugin is another one's");
    hopspan.remove(&second);
}

/// Two listeners of one plugin in one VM: whichever is left takes what the other leaves, also
/// when it was configured first.
#[test]
fn listeners_of_one_plugin_leave_to_each_other() {
    for (why, first_goes) in [("the first goes", true), ("the second goes", false)] {
        let hopspan = watched(INBOUND, 1);
        let worker = hopspan.worker(0);
        let second = hopspan.add_plugin(OUTBOUND).unwrap();
        let request = |is_first: bool| {
            let stream = if is_first { worker.stream() } else { worker.stream_of(&second) };
            stream.request_headers(sampled_get(), true);
            stream.respond(200);
            stream.finish();
        };
        request(true);
        request(false);
        hopspan.run_for(DELAY);
        assert_eq!(hopspan.accounts(), [2, 2, 0, 0, 0], "{why}");
        hopspan.collector.fail(Answer::status(503));
        request(first_goes);
        if first_goes {
            hopspan.remove_first();
        } else {
            hopspan.remove(&second);
        }
        hopspan.run_for(Duration::ZERO);
        hopspan.collector.recover();
        hopspan.run_for(DELAY * 3);
        assert_eq!((hopspan.accounts(), hopspan.moved()), ([3, 3, 0, 0, 0], [1, 1]), "{why}");
    }
}

/// All root contexts of a dying VM, also those that waited for answers.
#[test]
fn every_root_of_a_dying_vm_hands_over() {
    let hopspan = watched(INBOUND, 1);
    let second = hopspan.add_plugin(GATEWAY).unwrap();
    hopspan.collector.fail(Answer::silence());
    hopspan.requests(2);
    let stream = hopspan.worker(0).stream_of(&second);
    stream.request_headers(sampled_get(), true);
    stream.respond(200);
    stream.finish();
    new_vms(&hopspan, "hopspan", OUTBOUND);
    hopspan.drained();
    assert_eq!(hopspan.accounts(), [2, 0, 0, 0, 2], "the first drains in the VM of the second");
    hopspan.remove(&second);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([4, 0, 0, 0, 0], [4, 0]));
    hopspan.collector.recover();
    unsampled(&hopspan, 0);
    hopspan.run_for(DELAY * 4);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([4, 4, 0, 0, 0], [4, 4]));
}

/// An old configuration comes back while it drains: Envoy has its root contexts serve again and
/// does not tell them. The one between was the last to be configured, and is no successor.
#[test]
fn a_configuration_that_came_back_is_nobodys_predecessor() {
    for (why, in_new_vm) in [("in the same VMs", false), ("from new VMs", true)] {
        let hopspan = watched(INBOUND, 1);
        hopspan.requests(1);
        hopspan.run_for(DELAY);
        if in_new_vm {
            // The listener of the new VMs is gone again; that of the old ones has not drained.
            let old = hopspan.worker(0);
            new_vms(&hopspan, "hopspan", OUTBOUND);
            hopspan.requests(1);
            hopspan.take_back();
            assert_eq!(hopspan.dropped("shutdown"), 1, "{why}");
            let stream = old.stream();
            stream.request_headers(sampled_get(), true);
            stream.respond(200);
            stream.finish();
        } else {
            hopspan.reconfigure(OUTBOUND).unwrap();
            hopspan.requests(1);
            hopspan.reconfigure(INBOUND).unwrap();
            hopspan.drained();
            hopspan.run_for(Duration::ZERO);
            assert_eq!(hopspan.accounts(), [2, 2, 0, 0, 0], "{why}");
            hopspan.requests(1);
        }
        hopspan.exit();
        assert_eq!(hopspan.moved(), [0, 0], "{why}");
        assert_eq!(hopspan.collector.taken().len(), 3, "{why}: all were sent");
    }
}

/// The one between fails while the old one, which never heard that it serves again, could take.
#[test]
fn a_configuration_that_came_back_takes_over_in_its_vm() {
    let hopspan = watched(INBOUND, 1);
    unsampled(&hopspan, 0);
    hopspan.reconfigure(OUTBOUND).unwrap();
    hopspan.collector.fail(Answer::status(503));
    hopspan.requests(2);
    hopspan.reconfigure(INBOUND).unwrap();
    hopspan.drained();
    hopspan.run_for(Duration::ZERO);
    hopspan.collector.recover();
    hopspan.run_for(DELAY * 3);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([2, 2, 0, 0, 0], [2, 2]));
}

/// The process ends while old VMs drain: whoever dies first, nothing stays in the queue.
#[test]
fn an_exit_in_the_middle_of_a_replacement_leaves_nothing_behind() {
    for (why, old_first) in [("old VMs first", true), ("new VMs first", false)] {
        let hopspan = watched(INBOUND, 1);
        hopspan.requests(2);
        new_vms(&hopspan, "hopspan", OUTBOUND);
        hopspan.requests(3);
        if old_first {
            hopspan.drained();
            assert_eq!(hopspan.moved(), [2, 0], "{why}");
        }
        hopspan.exit();
        let [created, _, _, queued, in_flight] = hopspan.accounts();
        assert_eq!([created, queued, in_flight], [5, 0, 0], "{why}");
        let [handed_over, taken_over] = hopspan.moved();
        assert_eq!(handed_over, taken_over, "{why}");
        assert_eq!(hopspan.collector.taken().len(), 5, "{why}");
    }
}

/// The main thread has root contexts and ticks, but no requests; a canary has not even ticks.
#[test]
fn only_a_worker_that_has_requests_takes_over() {
    let hopspan = watched(INBOUND, 3);
    hopspan.requests_on(0, 4);
    new_vms(&hopspan, "hopspan", OUTBOUND);
    hopspan.drained();
    assert_eq!(hopspan.moved(), [4, 0]);
    let (before, made) = (hopspan.hostcalls(), hopspan.callouts_made().len());
    hopspan.run_for(DELAY * 5);
    assert_eq!(queue_calls(&hopspan.hostcalls().since(&before)), [0; 3]);
    assert_eq!((hopspan.moved(), hopspan.callouts_made().len()), ([4, 0], made));
    unsampled(&hopspan, 2);
    hopspan.run_for(DELAY * 3);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([4, 4, 0, 0, 0], [4, 4]));
    assert_eq!(hopspan.callouts_made().len(), made + 1);
    assert!(hopspan.main().callouts().is_empty() && hopspan.worker(1).callouts().is_empty());
}

/// What everybody pays who has nothing to take: one call a tick.
#[test]
fn a_tick_with_nothing_to_do_asks_the_host_once() {
    let hopspan = watched(INBOUND, 1);
    unsampled(&hopspan, 0);
    hopspan.run_for(DELAY * 2);
    for _ in 0..10 {
        let before = hopspan.hostcalls();
        hopspan.worker(0).tick();
        let calls = hopspan.hostcalls().since(&before);
        let clocks = ["clock_time_get", "proxy_get_current_time_nanoseconds"];
        let others: Vec<_> = calls.iter().filter(|(name, ..)| !clocks.contains(name)).collect();
        assert_eq!(others, [("proxy_dequeue_shared_queue", "queue_1", 1)]);
    }
}

/// What does not fit into the queue of the one that takes stays where it is.
#[test]
fn nobody_takes_over_more_than_there_is_room_for() {
    let small = r#"{"direction":"outbound","collector":{"cluster":"otel"},
        "batch":{"max_export_batch_size":10,"max_queue_size":40}}"#;
    let hopspan = watched(&small.replace("outbound", "inbound"), 4);
    hopspan.collector.fail(Answer::silence());
    for worker in 0..4 {
        hopspan.requests_on(worker, 25);
    }
    new_vms(&hopspan, "hopspan", small);
    hopspan.drained();
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([100, 0, 0, 0, 0], [100, 0]));
    let all = held(&hopspan);
    unsampled(&hopspan, 0);
    hopspan.run_for(DELAY * 3);
    let [_, taken] = hopspan.moved();
    assert!((31..=40).contains(&taken), "{taken}");
    assert_eq!(hopspan.accounts()[2], 0, "nothing is dropped");
    assert!((1..all).contains(&held(&hopspan)), "{} of {all}", held(&hopspan));
    hopspan.collector.recover();
    hopspan.run_for(DELAY * 60);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([100, 100, 0, 0, 0], [100, 100]));
    assert_eq!(held(&hopspan), 0);
}

/// A request is as large as the queue then.
#[test]
fn a_small_queue_takes_over_too() {
    let small = r#"{"direction":"outbound","collector":{"cluster":"otel"},
        "batch":{"max_queue_size":8}}"#;
    let hopspan = watched(INBOUND, 2);
    hopspan.requests_on(0, 8);
    hopspan.requests_on(1, 9);
    new_vms(&hopspan, "hopspan", small);
    hopspan.drained();
    unsampled(&hopspan, 0);
    hopspan.run_for(DELAY * 3);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([17, 8, 9, 0, 0], [17, 17]));
    assert_eq!(hopspan.dropped("queue_full"), 9, "nine never fit");
}

/// However seldom it ticks otherwise.
#[test]
fn a_draining_root_keeps_the_host_waiting_for_seconds_only() {
    let hopspan = watched(&INBOUND.replace("}}", r#"},"batch":{"schedule_delay_ms":60000}}"#), 1);
    hopspan.collector.fail(Answer::silence());
    hopspan.requests(1);
    hopspan.reconfigure(OUTBOUND).unwrap();
    hopspan.drained();
    hopspan.run_for(LAST);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([1, 0, 0, 0, 0], [1, 0]));
}

#[test]
fn a_queue_holds_so_much_and_the_rest_is_lost_and_counted() {
    let hopspan = watched(INBOUND, 2);
    hopspan.requests_on(0, 1);
    new_vms(&hopspan, "hopspan", OUTBOUND);
    hopspan.drained();
    assert_eq!(hopspan.moved(), [1, 0]);
    // As if others had left 32 MiB.
    let mut noted = hopspan.shared_data("hopspan.handed_over.0").unwrap();
    *noted.last_chunk_mut().unwrap() = ((32_u64 << 20) - 10).to_le_bytes();
    hopspan.set_shared_data("hopspan.handed_over.0", noted);
    hopspan.requests_on(1, 2);
    hopspan.set_vm_config("hopspan", "3");
    hopspan.replace(module(), GATEWAY).unwrap();
    hopspan.drained();
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([3, 0, 2, 0, 0], [1, 0]));
    assert_eq!(hopspan.dropped("shutdown"), 2);
    unsampled(&hopspan, 0);
    hopspan.run_for(DELAY * 4);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([3, 1, 2, 0, 0], [1, 1]));
}

#[test]
fn a_refused_update_is_no_successor() {
    let hopspan = watched(INBOUND, 1);
    assert!(hopspan.reconfigure(r#"{"direction":"sideways"}"#).is_err());
    hopspan.requests(2);
    hopspan.exit();
    assert_eq!((hopspan.dropped("shutdown"), hopspan.moved()), (2, [0, 0]));
    assert_eq!(hopspan.collector.taken().len(), 2);
}
