//! Clocks, randomness, environment, standard output.

use crate::guest::{guest, said, start, started};
use host_test::{Headers, Injection, Proxy, Status};
use std::time::Duration;

/// Says the low byte of both clocks, and of the host's time.
const CLOCKS: &str = r#"
    (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 8)))
    (call $say (i32.load8_u (i32.const 8)))
    (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 8)))
    (call $say (i32.load8_u (i32.const 8)))
    (drop (call $proxy_get_current_time_nanoseconds (i32.const 8)))
    (call $say (i32.load8_u (i32.const 8)))
    (call $say (call $clock_time_get (i32.const 7) (i64.const 0) (i32.const 8)))
    (i32.const 0)"#;

#[test]
fn the_clocks_move_as_the_test_says() {
    let proxy = start(&guest(&[("request_headers", CLOCKS)]));
    proxy.clock().set_wall_nanos(10);
    proxy.clock().set_monotonic_nanos(20);
    let check = |why: &str, want: [&str; 4]| {
        proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
        let lines = said(&proxy);
        assert_eq!(lines[lines.len() - 4..], want, "{why}");
    };
    check("as set", ["10", "20", "10", "58"]);
    proxy.clock().advance(Duration::from_nanos(5));
    check("both", ["15", "25", "15", "58"]);
    proxy.clock().advance_monotonic(Duration::from_nanos(5));
    check("one", ["15", "30", "15", "58"]);
    proxy.clock().jump_wall(-14);
    check("back", ["01", "30", "01", "58"]);
    proxy.run_for(Duration::from_nanos(2));
    check("the event loop's way", ["03", "32", "03", "58"]);
}

#[test]
fn random_bytes_repeat_by_seed_and_can_fail() {
    let random = r#"
        (call $say (call $random_get (i32.const 32) (i32.const 9)))
        (i32.store (i32.const 0) (i32.const 32))
        (i32.store (i32.const 4) (i32.const 9))
        (call $show)
        (call $say (call $random_get (i32.const 32) (i32.const 65537)))
        (i32.const 1)"#;
    let module = guest(&[("configure", random)]);
    let run = |seed| said(&started(Proxy::builder(&module).workers(0).random_seed(seed)));
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    let lines = run(7);
    assert_ne!(lines[1], lines[4], "canary and main draw on");
    assert_eq!((&*lines[0], &*lines[2]), ("00", "28"), "64 KiB at most");
    let failing = Injection::always("random_get", Status(52));
    let failed = started(Proxy::builder(&module).workers(0).inject(failing));
    assert_eq!(said(&failed)[0], "52");
}

#[test]
fn the_environment_is_the_tests() {
    let environ = r#"
        (drop (call $environ_sizes_get (i32.const 8) (i32.const 12)))
        (call $say (i32.load (i32.const 8)))
        (call $say (i32.load (i32.const 12)))
        (drop (call $environ_get (i32.const 512) (i32.const 600)))
        (i32.store (i32.const 0) (i32.load (i32.const 516)))
        (i32.store (i32.const 4) (i32.const 4))
        (call $show)
        (i32.const 1)"#;
    let builder = Proxy::builder(&guest(&[("configure", environ)])).workers(0);
    let proxy = started(builder.env("POD", "a-1").env("B", "2"));
    assert_eq!(said(&proxy)[3..], ["02", "12", "B=2\0"]);
}

#[test]
fn what_is_printed_is_logged() {
    let print = r#"
        (i32.store (i32.const 512) (i32.const 600)) (i32.store (i32.const 516) (i32.const 2))
        (i32.store (i32.const 520) (i32.const 602)) (i32.store (i32.const 524) (i32.const 2))
        (i32.store (i32.const 600) (i32.const 0x0a636261))
        (call $say (call $fd_write (i32.const 2) (i32.const 512) (i32.const 2) (i32.const 8)))
        (call $say (i32.load (i32.const 8)))
        (call $say (call $fd_write (i32.const 3) (i32.const 512) (i32.const 2) (i32.const 8)))
        (i32.const 1)"#;
    let proxy = started(Proxy::builder(&guest(&[("configure", print)])).workers(0));
    let lines: Vec<_> = proxy.log()[4..].iter().map(ToString::to_string).collect();
    let want = ["[main] [error] abc", "[main] [info] 00", "[main] [info] 04", "[main] [info] 08"];
    assert_eq!(lines, want, "one line for two pieces, without its line end");
}

#[test]
fn pointers_outside_of_memory_are_status_6() {
    let bad = r#"
        (call $say (call $proxy_log (i32.const 2) (i32.const -1) (i32.const 4)))
        (call $say (call $proxy_get_property (i32.const 0x7fffffff) (i32.const 4) @out))
        (call $say (call $proxy_get_current_time_nanoseconds (i32.const 262140)))
        (i32.const 0)"#;
    let proxy = start(&guest(&[("request_headers", bad)]));
    proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    assert_eq!(said(&proxy), ["06", "06", "06"]);
    assert_eq!(proxy.traps(), []);
}
