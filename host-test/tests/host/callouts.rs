//! Callouts: refused at once, answered, timed out, reset, cancelled.

use crate::guest::{guest, said, start, started};
use host_test::{Answer, Callout, Headers, Injection, Module, Proxy, Status};
use std::time::Duration;

/// Calls cluster `otel` in each tick and says the status; says of the answer:
/// headers, body's length, trailers, the status of its getter, and the code.
fn caller(timeout: u32) -> Module {
    calling("otel", timeout, true)
}

fn calling(cluster: &str, timeout: u32, with_path: bool) -> Module {
    // :method, :path, :authority with one letter each, in the ABI's form.
    let path = if with_path { ":path" } else { ":peth" };
    let headers = format!(
        "\\03\\00\\00\\00\\07\\00\\00\\00\\04\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00\
         :method\\00POST\\00{path}\\00/\\00:authority\\00c\\00"
    );
    let tick = format!(
        r#"(call $say (call $proxy_http_call $"{cluster}" $"{headers}" $"span"
            (i32.const 0) (i32.const 0) (i32.const {timeout}) (i32.const 8)))
           (call $say (i32.load (i32.const 8)))"#
    );
    let response = r#"
        (call $say (local.get $token))
        (call $say (local.get $headers))
        (call $say (local.get $body))
        (call $say (local.get $trailers))
        (call $say (call $proxy_get_header_map_value (i32.const 6) $":status" @out))
        (call $say (call $proxy_get_buffer_bytes (i32.const 4) (i32.const 0) (i32.const 9) @out))
        (drop (call $proxy_get_status (i32.const 8) @out))
        (call $say (i32.load (i32.const 8)))
        (call $show)"#;
    let configure = "(drop (call $proxy_set_tick_period_milliseconds (i32.const 1000)))
                     (i32.const 1)";
    guest(&[("configure", configure), ("tick", &tick), ("http_call_response", response)])
}

/// The only callout that waits.
#[track_caller]
fn callout(proxy: &Proxy) -> Callout {
    let [call] = <[Callout; 1]>::try_from(proxy.callouts()).expect("one callout");
    call
}

#[test]
fn a_callout_shows_what_is_asked() {
    let proxy = start(&caller(5000));
    proxy.worker(0).tick();
    let call = callout(&proxy);
    assert_eq!(call.request().cluster, "otel");
    assert_eq!(call.request().body, b"span");
    assert_eq!(call.request().timeout, Some(Duration::from_secs(5)));
    assert_eq!(call.request().headers.text(":method"), Some("POST"));
    assert_eq!(call.request().headers.text("content-length"), Some("4"), "the host sets it");
    assert_eq!(call.token(), 4);
    proxy.worker(0).tick();
    assert_eq!(proxy.callouts()[1].token(), 8);
}

/// How an answer looks to the module: all that it says.
#[track_caller]
fn check(why: &str, answer: Answer, want: [&str; 8]) {
    let proxy = start(&caller(5000));
    proxy.worker(0).tick();
    assert!(callout(&proxy).answer(answer), "{why}: the module waits");
    assert_eq!(said(&proxy)[2..], want, "{why}");
    assert!(proxy.callouts().is_empty(), "{why}: the call is over");
}

#[test]
fn every_end_of_a_callout_looks_as_in_envoy() {
    let full = Answer::new(200, [("retry-after", "1")], "hello").with_trailers([("x", "1")]);
    check("a response", full, ["04", "02", "05", "01", "00", "00", "00", ""]);
    check("no body", Answer::status(204), ["04", "01", "00", "00", "00", "00", "00", ""]);
    let reset = ["04", "00", "00", "00", "02", "01", "11", "reset"];
    check("reset: no headers, and a status", Answer::reset(), reset);
    let local = Answer::refused_connection();
    check("the host's 503, with 167 bytes", local, ["04", "03", "67", "00", "00", "00", "00", ""]);
    check("the host's 504", Answer::timed_out(), ["04", "03", "24", "00", "00", "00", "00", ""]);
}

#[test]
fn a_callout_ends_once() {
    let proxy = start(&caller(5000));
    proxy.worker(0).tick();
    let call = callout(&proxy);
    assert!(call.answer(Answer::status(200)));
    assert!(!call.answer(Answer::status(200)), "nobody waits any more");
}

#[test]
fn calls_that_cannot_be_made_fail_at_once() {
    let no_path = calling("otel", 1, false);
    for (why, module, prepare, want) in [
        ("all is well", caller(1), (|_| ()) as fn(&Proxy), "00"),
        ("no such cluster", caller(1), |proxy| proxy.clusters().only(["other"]), "02"),
        ("no healthy host", caller(1), |proxy| proxy.clusters().take_down("otel"), "10"),
        ("a pseudo-header is missing", no_path, |_| (), "02"),
        (
            "injected",
            caller(1),
            |it| it.inject(Injection::always("proxy_http_call", Status(9))),
            "09",
        ),
    ] {
        let proxy = start(&module);
        prepare(&proxy);
        proxy.worker(0).tick();
        assert_eq!(said(&proxy)[0], want, "{why}");
        assert_eq!(proxy.callouts().is_empty(), want != "00", "{why}");
    }
}

#[test]
fn the_circuit_breaker_counts_all_threads() {
    let proxy = started(Proxy::builder(&caller(5000)).workers(2));
    for _ in 0..600 {
        proxy.worker(0).tick();
        proxy.worker(1).tick();
    }
    assert_eq!(proxy.callouts().len(), 1024);
    assert_eq!(said(&proxy).iter().filter(|it| *it == "10").count(), 176, "refused");
}

#[test]
fn a_timeout_is_504_and_none_is_for_ever() {
    for (timeout, want) in [(1500, Some("24")), (0, None)] {
        let proxy = start(&caller(timeout));
        proxy.worker(0).tick();
        proxy.inject(Injection::always("proxy_http_call", Status::INTERNAL_FAILURE));
        proxy.run_for(Duration::from_millis(1499));
        assert_eq!(proxy.callouts().len(), 1, "still waits");
        proxy.run_for(Duration::from_secs(3600));
        let body = said(&proxy).iter().position(|it| it == "24").map(|_| "24");
        assert_eq!(body, want, "timeout {timeout}: the body of the 504 has 24 bytes");
    }
}

#[test]
fn scheduled_answers_come_in_time() {
    let proxy = start(&caller(5000));
    proxy.serve(|request| {
        assert_eq!(request.body, b"span");
        Answer::status(200).after(Duration::from_millis(300))
    });
    proxy.worker(0).tick();
    proxy.run_for(Duration::from_millis(299));
    assert_eq!(proxy.callouts().len(), 1);
    proxy.run_for(Duration::from_millis(1));
    assert_eq!(proxy.callouts().len(), 0);
    assert_eq!(said(&proxy)[2], "04", "answered");
}

#[test]
fn answers_of_a_callout_exist_only_in_its_callback() {
    let read = r#"
        (call $say (call $proxy_get_header_map_value (i32.const 6) $":status" @out))
        (call $say (call $proxy_get_buffer_bytes (i32.const 4) (i32.const 0) (i32.const 9) @out))
        (i32.const 0)"#;
    let proxy = start(&guest(&[("request_headers", read)]));
    proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    assert_eq!(said(&proxy), ["02", "01"]);
}

#[test]
fn a_reentrant_host_answers_inside_the_call() {
    let module = caller(5000);
    for (reentrant, want) in [(false, ["00", "04"]), (true, ["04", "01"])] {
        let builder = Proxy::builder(&module);
        let builder = if reentrant { builder.reentrant_callouts() } else { builder };
        let proxy = started(builder);
        proxy.serve(|_| Answer::status(200));
        proxy.worker(0).tick();
        assert_eq!(said(&proxy)[..2], want, "re-entrant: {reentrant}");
        let waiting = proxy.callouts().len();
        assert_eq!(waiting, usize::from(!reentrant));
        assert_eq!(proxy.traps(), []);
    }
}

#[test]
fn grpc_callouts_link_and_fail() {
    let zero = "(i32.const 0)";
    let call = format!(
        "(call $say (call $proxy_grpc_call {}))
         (call $say (call $proxy_grpc_cancel {zero}))
         (i32.const 0)",
        [zero; 12].join(" ")
    );
    let proxy = start(&guest(&[("request_headers", &call)]));
    proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    assert_eq!(said(&proxy), ["10", "10"]);
}

#[test]
fn callouts_of_a_vm_that_trapped_are_cancelled() {
    let trap = "(unreachable)";
    let tick = r#"(drop (call $proxy_http_call $"otel"
        $"\03\00\00\00\07\00\00\00\01\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00G\00:path\00/\00:authority\00c\00"
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 900) (i32.const 8)))"#;
    let ticks = "(drop (call $proxy_set_tick_period_milliseconds (i32.const 9))) (i32.const 1)";
    let module = guest(&[("configure", ticks), ("tick", tick), ("request_headers", trap)]);
    let proxy = start(&module);
    proxy.tick();
    assert_eq!(proxy.callouts().len(), 2);
    proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    assert_eq!(proxy.callouts().len(), 1, "main's is left");
    assert_eq!(proxy.worker(0).callouts().len(), 0);
}
