//! `max_per_second` and `min_per_minute`: of the whole process, however many workers it has.

use crate::hopspan::{DELAY, Hopspan, SAMPLED, builder, sent};
use host_test::{Headers, Injection, Status, Vm};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const WORKERS: usize = 8;
const SECOND: u64 = 1_000_000_000;

fn config(settings: &str) -> String {
    format!(
        r#"{{"direction":"inbound","collector":{{"cluster":"otel"}},
        "batch":{{"max_queue_size":100000}},"sampling":{{{settings}}}}}"#
    )
}

fn eight(settings: &str) -> Hopspan {
    Hopspan::of(builder(config(settings)).workers(WORKERS))
}

/// A whole request without context, of this route. Returns whether it was sampled.
fn request(worker: &Vm, route: &str) -> bool {
    let stream = worker.stream();
    stream.set_property("xds.route_name", route);
    stream.request_headers(Headers::plain_get("/"), true);
    let sampled = sent(&stream).flags.ends_with(['1', '3']);
    assert_eq!(stream.upstream_headers().value("tracestate"), None, "no probability is told");
    stream.respond(200);
    stream.finish();
    sampled
}

/// The most of these moments that are in any one second.
fn most_in_a_second(moments: &[u64]) -> usize {
    let within = |from: u64| moments.iter().filter(|it| (from..from + SECOND).contains(it)).count();
    moments.iter().map(|from| within(*from)).max().unwrap_or_default()
}

/// What the documentation allows: a burst and leases on top.
fn allowed(per_second: usize) -> usize {
    per_second * 125 / 100 + 1
}

#[test]
fn a_limit_holds_for_all_workers_together() {
    type Spread = fn(usize) -> usize;
    let in_turn: Spread = |number| number % WORKERS;
    let skewed: Spread = |number| if number % 10 < 7 { 0 } else { number % WORKERS };
    let alone: Spread = |_| 3;
    let one_after_another: Spread = |number| number / 400 % WORKERS;
    for (why, per_second, every_us, spread) in [
        ("each worker in turn", 40, 1000, in_turn),
        ("one has most", 40, 1000, skewed),
        ("one has all", 40, 1000, alone),
        ("one after another", 40, 1000, one_after_another),
        ("few traces, slow requests", 5, 2500, in_turn),
        ("many traces", 400, 500, skewed),
    ] {
        let hopspan = eight(&format!(r#""max_per_second":{per_second},"ratio":0.99"#));
        let mut sampled = Vec::new();
        let count = 2_500;
        for number in 0..count {
            if request(&hopspan.worker(spread(number)), "all") {
                sampled.push(hopspan.clock().monotonic_nanos());
            }
            hopspan.pass(every_us);
        }
        let most = most_in_a_second(&sampled);
        assert!(most <= allowed(per_second), "{why}: {most} in one second");
        let seconds = count as f64 * every_us as f64 / 1e6;
        let least = (per_second as f64 * seconds * 0.85) as usize;
        assert!(sampled.len() >= least, "{why}: {} in {seconds} s, not {least}", sampled.len());
        let spans = hopspan.spans();
        assert_eq!(spans.len(), sampled.len(), "{why}");
        for it in spans {
            assert_eq!(it.text("hopspan.sampling.reason"), Some("max_per_second"), "{why}");
        }
        let [dropped, limited] =
            ["sampling.dropped", "sampling.limited"].map(|it| hopspan.stat(it));
        assert_eq!(dropped + i64::try_from(sampled.len()).unwrap(), count as i64, "{why}");
        assert!(limited < dropped && limited > dropped * 9 / 10, "{why}: {limited} of {dropped}");
    }
}

/// What workers have leased and not used is worth nothing after a pause.
#[test]
fn leases_do_not_outlive_a_pause() {
    let hopspan = eight(r#""max_per_second":400"#);
    let flood = |moments: &mut Vec<u64>| {
        for number in 0..2000 {
            if request(&hopspan.worker(number % WORKERS), "all") {
                moments.push(hopspan.clock().monotonic_nanos());
            }
            hopspan.pass(500);
        }
    };
    let leases = || hopspan.hostcalls().of("proxy_set_shared_data");
    flood(&mut Vec::new());
    for worker in 0..WORKERS {
        let before = leases();
        while leases() == before {
            request(&hopspan.worker(worker), "all");
            hopspan.pass(500);
        }
    }
    hopspan.pass(3_000_000);
    let mut sampled = Vec::new();
    flood(&mut sampled);
    let most = most_in_a_second(&sampled);
    assert!(most <= allowed(400) - 40, "{most} in one second: 400, and a burst of 60");
}

#[test]
fn below_the_limit_nothing_is_lost() {
    let hopspan = eight(r#""max_per_second":40"#);
    for number in 0..200 {
        assert!(request(&hopspan.worker(number % WORKERS), "all"), "{number}");
        hopspan.pass(40_000);
    }
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.stat("sampling.limited"), 0);
}

/// Between a worker's look at the shared number and its writing, another has its own turn.
#[test]
fn a_limit_holds_when_workers_race() {
    let hopspan = eight(r#""max_per_second":30"#);
    let (moments, races) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(0_usize)));
    let others: Vec<_> = (1..WORKERS).map(|it| hopspan.worker(it)).collect();
    let proxy = Rc::new(hopspan);
    let now = {
        let proxy = Rc::downgrade(&proxy);
        move || proxy.upgrade().map_or(0, |it| it.clock().monotonic_nanos())
    };
    let (in_between, counted) = (Rc::clone(&moments), Rc::clone(&races));
    let moment = now.clone();
    proxy.before("proxy_set_shared_data", move || {
        let number = counted.replace_with(|it| *it + 1);
        if request(&others[number % others.len()], "all") {
            in_between.borrow_mut().push(moment());
        }
    });
    for _ in 0..3000 {
        if request(&proxy.worker(0), "all") {
            moments.borrow_mut().push(now());
        }
        proxy.pass(1000);
    }
    let most = most_in_a_second(&moments.borrow());
    assert!(most <= allowed(30), "{most} in one second");
    assert!(moments.borrow().len() >= 75, "{} in three seconds", moments.borrow().len());
    assert!(*races.borrow() > 50, "{} races", races.borrow());
}

#[test]
fn a_host_without_shared_data_limits_each_worker() {
    for (why, call, status, allowed_in_all) in [
        (
            "none to read or write",
            "proxy_get_shared_data",
            Status::UNIMPLEMENTED,
            WORKERS * allowed(10),
        ),
        ("no writing", "proxy_set_shared_data", Status::INTERNAL_FAILURE, WORKERS * allowed(10)),
        ("always raced", "proxy_set_shared_data", Status::CAS_MISMATCH, 0),
    ] {
        let hopspan = eight(r#""max_per_second":10"#);
        assert!(request(&hopspan.worker(0), "all"), "{why}");
        hopspan.pass(1_000_000);
        hopspan.inject(Injection::always(call, status));
        if call == "proxy_get_shared_data" {
            hopspan.inject(Injection::always("proxy_set_shared_data", status));
        }
        let mut sampled = Vec::new();
        for number in 0..2000 {
            if request(&hopspan.worker(number % WORKERS), "all") {
                sampled.push(hopspan.clock().monotonic_nanos());
            }
            hopspan.pass(1000);
        }
        let most = most_in_a_second(&sampled);
        assert!(most <= allowed_in_all, "{why}: {most}");
        assert!(allowed_in_all == 0 || sampled.len() >= 80, "{why}: {}", sampled.len());
        hopspan.heal();
        hopspan.pass(2_000_000);
        assert!(request(&hopspan.worker(0), "all"), "{why}: it works again");
    }
}

/// What somebody else decided takes no token.
#[test]
fn a_limit_is_for_traces_that_begin_here() {
    let hopspan = eight(r#""max_per_second":1,"force":{"header":"x-force"}"#);
    for request in [("traceparent", SAMPLED), ("x-force", ""), ("b3", "1")] {
        for _ in 0..5 {
            let stream = hopspan.stream();
            stream.request_headers(Headers::plain_get("/").with(request.0, request.1), true);
            assert!(sent(&stream).flags.ends_with(['1', '3']), "{request:?}");
            stream.finish();
        }
    }
    assert!(request(&hopspan.worker(0), "all"), "the token is still there");
}

#[test]
fn each_route_has_its_floor_in_all_workers_together() {
    for settings in [
        r#""min_per_minute":3,"ratio":0"#,
        r#""min_per_minute":3,"ratio":0.000000001"#,
        r#""min_per_minute":3,"rules":[{"match":{},"ratio":0}]"#,
    ] {
        let hopspan = eight(settings);
        for minute in 0..3 {
            for number in 0..WORKERS * 6 {
                for (route, share) in [("cart", 1), ("pay", 2), ("", 8)] {
                    if number % share == 0 {
                        request(&hopspan.worker(number % WORKERS), route);
                    }
                }
                hopspan.pass(1000);
            }
            let reasons: Vec<_> = hopspan
                .spans()
                .iter()
                .map(|it| it.text("hopspan.sampling.reason") == Some("min_per_minute"))
                .collect();
            assert_eq!(reasons, [true; 9], "minute {minute} of {settings}");
            let into = hopspan.clock().monotonic_nanos() % (60 * SECOND);
            hopspan.clock().advance(Duration::from_nanos(60 * SECOND - into));
        }
        assert_eq!(hopspan.stat("sampling.forgotten"), 0);
    }
}

#[test]
fn a_floor_is_exact_when_workers_race_and_stands_above_a_limit() {
    let hopspan = eight(r#""min_per_minute":20,"max_per_second":1"#);
    let sampled = Rc::new(RefCell::new(0));
    let (other, counted) = (hopspan.worker(1), Rc::clone(&sampled));
    hopspan.before("proxy_set_shared_data", move || {
        let it = request(&other, "cart");
        counted.replace_with(|count| *count + i32::from(it));
    });
    for _ in 0..100 {
        let it = request(&hopspan.worker(0), "cart");
        sampled.replace_with(|count| *count + i32::from(it));
    }
    let limit = 2;
    assert!((20..=20 + limit).contains(&*sampled.borrow()), "{}", sampled.borrow());
}

/// Routes are configured, but there may be many of them: what had to be forgotten is counted.
#[test]
fn routes_that_find_no_room_are_counted() {
    let hopspan = Hopspan::start(&config(r#""min_per_minute":1,"ratio":0"#));
    for route in 0..2100 {
        request(&hopspan.worker(0), &format!("route-{route}"));
    }
    hopspan.run_for(DELAY);
    assert_eq!(hopspan.stat("sampling.sampled"), 2048, "others have no floor");
    assert!(hopspan.stat("sampling.forgotten") >= 52, "{}", hopspan.stat("sampling.forgotten"));
}
