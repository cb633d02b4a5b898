//! Hosts without queues or shared data, and queues with what no hopspan has put there.

use crate::hand_over::held;
use crate::hopspan::{DELAY, Hopspan, INBOUND, OUTBOUND, builder, module};
use host_test::{Answer, Builder, HostcallCounts, Injection, Status};

/// All that the life cycle asks of a host besides what requests do.
const CALLS: [&str; 7] = [
    "proxy_register_shared_queue",
    "proxy_enqueue_shared_queue",
    "proxy_dequeue_shared_queue",
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_get_property",
    "proxy_done",
];

fn host() -> Builder {
    builder(INBOUND).workers(2)
}

/// Updates of every kind while the collector fails, then some quiet time, then the end.
fn live(builder: Builder) -> Hopspan {
    let hopspan = Hopspan::of(builder).watched();
    let request = |count| [0, 1].into_iter().for_each(|it| hopspan.requests_on(it, count));
    request(2);
    hopspan.collector.fail(Answer::status(503));
    hopspan.reconfigure(OUTBOUND).unwrap();
    hopspan.drained();
    request(1);
    hopspan.run_for(DELAY);
    hopspan.set_vm_config("hopspan", "2");
    hopspan.replace(module(), INBOUND).unwrap();
    hopspan.drained();
    request(1);
    hopspan.collector.recover();
    hopspan.run_for(DELAY * 70);
    hopspan
}

#[track_caller]
fn assert_rested(hopspan: &Hopspan, why: &str) {
    let [created, exported, dropped, queued, in_flight] = hopspan.accounts();
    let [handed_over, taken_over] = hopspan.moved();
    assert_eq!([created, queued, in_flight], [8, 0, 0], "{why}");
    assert_eq!(exported + dropped, created + taken_over - handed_over, "{why}");
}

fn calls(hopspan: &Hopspan) -> HostcallCounts {
    hopspan.hostcalls()
}

#[test]
fn with_a_whole_host_nothing_is_lost() {
    let hopspan = live(host());
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([8, 8, 0, 0, 0], [10, 10]));
    let calls = calls(&hopspan);
    assert!(CALLS.iter().all(|it| calls.of(it) > 0), "the life is whole: {calls}");
}

/// What the host does not keep is counted as lost, whatever it says.
#[test]
fn a_host_that_keeps_nothing_loses_what_could_not_be_sent_and_no_more() {
    let [register, enqueue, dequeue, get, set, property, done] = CALLS;
    for (name, lost_at_most) in
        [(register, 8), (enqueue, 8), (dequeue, 0), (get, 8), (set, 8), (property, 0), (done, 0)]
    {
        for status in 1..=12 {
            let why = format!("{name} is {status}");
            let hopspan = live(host().inject(Injection::always(name, Status(status))));
            assert_rested(&hopspan, &why);
            let [_, exported, dropped, ..] = hopspan.accounts();
            assert_eq!(dropped, hopspan.dropped("shutdown"), "{why}");
            assert!(dropped <= lost_at_most, "{why}: {dropped} lost");
            assert!(exported >= 2, "{why}: tracing goes on");
            let [handed_over, taken_over] = hopspan.moved();
            assert!(
                handed_over == taken_over || name == dequeue,
                "{why}: none was given to nobody"
            );
            assert!(held(&hopspan) == 0 || [dequeue, get].contains(&name), "{why}");
        }
    }
}

/// Each single call, in turn: what worked before and works after is the harder case.
#[test]
fn no_single_failure_makes_a_span_vanish() {
    let whole = calls(&live(host()));
    // Properties are read at a configuration alone: that they fail now and then is no case.
    for name in CALLS.into_iter().filter(|it| *it != "proxy_get_property") {
        for nth in 1..=whole.of(name) {
            let statuses = match name {
                "proxy_set_shared_data" => &[8, 10][..],
                "proxy_dequeue_shared_queue" => &[1, 7],
                _ => &[1],
            };
            for status in statuses {
                let hopspan = live(host().inject(Injection::nth(name, nth, Status(*status))));
                let why = format!("{name}, call {nth}, is {status}");
                assert_rested(&hopspan, &why);
                let [handed_over, taken_over] = hopspan.moved();
                assert_eq!(handed_over, taken_over, "{why}");
            }
        }
    }
}

/// It will not delete the root context either.
#[test]
fn a_host_that_does_not_hear_of_the_end_is_no_reason_to_keep_spans() {
    let hopspan = Hopspan::of(host()).watched();
    hopspan.inject(Injection::always("proxy_done", Status::UNIMPLEMENTED));
    hopspan.collector.fail(Answer::status(503));
    hopspan.requests(3);
    hopspan.reconfigure(OUTBOUND).unwrap();
    hopspan.drained();
    hopspan.run_for(DELAY);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([3, 0, 0, 0, 0], [3, 0]));
}

/// Another version of hopspan, another program, or bytes that broke.
#[test]
fn what_is_in_the_queue_and_nothing_that_we_know_is_passed_over() {
    let hopspan = Hopspan::of(host()).watched();
    hopspan.requests(3);
    hopspan.set_vm_config("hopspan", "2");
    hopspan.replace(module(), OUTBOUND).unwrap();
    hopspan.drained();
    let queues = hopspan.queues();
    let (name, items) = queues.iter().find(|(_, items)| !items.is_empty()).unwrap();
    assert_eq!(name.as_slice(), b"hopspan.handover.test\0");
    let [ours] = items.as_slice() else { panic!("one request: {items:?}") };
    let another_version = [&[ours[0] + 1], &ours[1..]].concat();
    let hostile = [
        another_version,
        ours[..ours.len() - 1].to_vec(),
        ours[..9].to_vec(),
        ours[1..].to_vec(),
        Vec::new(),
        vec![0xff; 1 << 16],
        [&[ours[0]], &[0xff; 64][..]].concat(),
        b"PRI * HTTP/2.0\r\n".to_vec(),
    ];
    let count = i64::try_from(hostile.len()).unwrap();
    for it in hostile {
        assert!(hopspan.enqueue(name, it));
    }
    hopspan.requests(1);
    hopspan.run_for(DELAY * 3);
    assert_eq!((hopspan.accounts(), hopspan.moved()), ([4, 4, 0, 0, 0], [3, 3]));
    assert_eq!(hopspan.stat("degraded"), count, "each is counted");
    assert!(hopspan.queues().values().all(Vec::is_empty));
}
