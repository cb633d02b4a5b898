//! VMs, configurations, ticks, ends, and traps.

use crate::guest::{guest, guest_with, said, start, started};
use host_test::{Action, Answer, Headers, Level, Module, Proxy, VmName};
use std::time::Duration;

const TICKING: (&str, &str) = (
    "configure",
    "(drop (call $proxy_set_tick_period_milliseconds (i32.const 100))) (i32.const 1)",
);

fn callbacks(proxy: &Proxy) -> Vec<&'static str> {
    let ran = proxy.worker(0).callbacks().into_iter().map(|it| it.name);
    ran.filter_map(|it| it.strip_prefix("proxy_on_")).collect()
}

#[test]
fn canary_main_and_workers_start_in_turn() {
    let configure = r#"
        (drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $size) @out))
        (call $show) (i32.const 1)"#;
    let builder = Proxy::builder(&guest(&[("configure", configure)]));
    let proxy = started(builder.workers(2).plugin_config("{}"));
    let lines: Vec<_> = proxy.log().iter().map(ToString::to_string).collect();
    let want =
        ["[canary] [info] {}", "[main] [info] {}", "[worker 0] [info] {}", "[worker 1] [info] {}"];
    assert_eq!(lines, want);
}

#[test]
fn the_configuration_can_be_read_in_its_callback_alone() {
    let read = r#"
        (call $say (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 9) @out))
        (call $say (call $proxy_get_buffer_bytes (i32.const 6) (i32.const 0) (i32.const 9) @out))"#;
    let proxy =
        start(&guest(&[("vm_start", &format!("{read} (i32.const 1)")), TICKING, ("tick", read)]));
    let before = said(&proxy).len();
    proxy.worker(0).tick();
    assert_eq!(said(&proxy)[..2], ["01", "00"], "in proxy_on_vm_start");
    assert_eq!(said(&proxy)[before..], ["01", "00"], "in proxy_on_tick");
}

#[test]
fn a_refusal_says_why() {
    let refuse = r#"(drop (call $proxy_log (i32.const 4) $"ratio: 0 to 1")) (i32.const 0)"#;
    let module = guest(&[("configure", refuse)]);
    let refused = Proxy::builder(&module).start().err().expect("a refusal");
    assert_eq!(refused.vm, VmName::Canary);
    let want = "proxy_on_configure returned false in VM canary\n[canary] [error] ratio: 0 to 1";
    assert_eq!(refused.to_string(), want);
}

#[test]
fn an_import_that_no_host_has_is_named() {
    let import = r#"(module (import "env" "proxy_make_coffee" (func)))"#;
    let module = Module::from_bytes(&wat::parse_str(import).unwrap()).unwrap();
    let refused = Proxy::builder(&module).start().err().expect("a refusal");
    assert!(refused.reason.contains("env.proxy_make_coffee"), "{refused}");
}

#[test]
fn a_module_without_the_marker_of_the_abi_is_refused() {
    let module = Module::from_bytes(&wat::parse_str("(module)").unwrap()).unwrap();
    let refused = Proxy::builder(&module).start().err().expect("a refusal");
    assert!(refused.reason.contains("proxy_abi_version_0_2_1"), "{refused}");
}

const ALLOCATOR: &str =
    r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))"#;

#[test]
fn a_starting_module_may_log_but_not_ask() {
    for (why, call, starts) in [
        ("the log", r#"(drop (call $proxy_log (i32.const 2) $"hi"))"#, true),
        ("random bytes", "(drop (call $random_get (i32.const 0) (i32.const 8)))", true),
        ("a property", r#"(drop (call $proxy_get_property $"plugin_name" @out))"#, false),
        ("ticks", "(drop (call $proxy_set_tick_period_milliseconds (i32.const 1)))", false),
    ] {
        let extra = format!("{ALLOCATOR} (func (export \"_initialize\") {call})");
        let result = Proxy::builder(&guest_with(&extra, &[])).start();
        assert_eq!(result.is_ok(), starts, "{why}");
        if let Err(refused) = result {
            assert!(refused.reason.contains("restricted_callback"), "{why}: {refused}");
        }
    }
}

#[test]
fn an_allocator_that_asks_the_host_kills_its_vm() {
    let extra = r#"
        (func (export "proxy_on_memory_allocate") (param i32) (result i32)
            (drop (call $proxy_done)) (i32.const 65536))"#;
    let read = r#"(drop (call $proxy_get_property $"plugin_name" @out)) (i32.const 1)"#;
    let refused = Proxy::builder(&guest_with(extra, &[("configure", read)])).start().err().unwrap();
    assert!(refused.reason.contains("restricted_callback"), "{refused}");
}

#[test]
fn streams_get_the_callbacks_that_envoy_makes() {
    let names = [
        "context_create",
        "request_headers",
        "request_body",
        "request_trailers",
        "response_headers",
        "response_body",
        "response_trailers",
        "log",
        "done",
        "delete",
    ];
    let body = |name: &str| {
        if ["context_create", "log", "delete"].contains(&name) { "" } else { "(i32.const 0)" }
    };
    let exports: Vec<_> = names.iter().map(|name| (*name, body(name))).collect();
    let module = guest(&exports);
    let run = |script: fn(&host_test::Stream)| {
        let proxy = start(&module);
        let stream = proxy.worker(0).stream();
        assert_eq!(callbacks(&proxy), ["context_create"], "of the root: streams are created late");
        script(&stream);
        callbacks(&proxy)[1..].join(" ")
    };
    for (want, script) in [
        (
            "context_create request_headers response_headers response_body response_body log done delete",
            (|it| {
                it.request_headers(Headers::plain_get("/"), true);
                it.respond(200);
                it.finish();
            }) as fn(&host_test::Stream),
        ),
        ("context_create log done delete", |it| {
            it.refused(Headers::plain_get("/"), [(":status", "403")]);
        }),
        ("context_create request_headers done delete", |it| {
            it.request_headers(Headers::plain_get("/"), true);
            it.finish_without_log();
        }),
        ("context_create request_headers done log delete", |it| {
            it.request_headers(Headers::plain_get("/"), true);
            it.finish_done_first();
        }),
        ("context_create request_headers delete", |it| {
            it.request_headers(Headers::plain_get("/"), true);
            it.finish_with_delete_alone();
        }),
        (
            "context_create request_headers request_body request_trailers response_headers \
             response_trailers log done delete",
            |it| {
                it.request_headers(Headers::grpc("/a.B/C"), false);
                it.request_body("x", false);
                it.request_trailers([("x-t", "1")]);
                it.response_headers([(":status", "200")], false);
                it.response_trailers([("grpc-status", "0")]);
                it.finish();
            },
        ),
    ] {
        assert_eq!(run(script), want);
    }
}

#[test]
fn every_vm_ticks_and_periods_can_change() {
    let tick = r#"(drop (call $proxy_set_tick_period_milliseconds (i32.const 1000)))"#;
    let proxy = start(&guest(&[TICKING, ("tick", tick)]));
    let ticks =
        |vm: host_test::Vm| vm.callbacks().iter().filter(|it| it.name == "proxy_on_tick").count();
    proxy.run_for(Duration::from_millis(99));
    assert_eq!((ticks(proxy.main()), ticks(proxy.worker(0))), (0, 0));
    proxy.run_for(Duration::from_millis(1));
    assert_eq!((ticks(proxy.main()), ticks(proxy.worker(0))), (1, 1));
    proxy.run_for(Duration::from_millis(2000));
    assert_eq!((ticks(proxy.main()), ticks(proxy.worker(0))), (3, 3));
    assert_eq!(proxy.worker(0).tick_period(), Some(Duration::from_secs(1)));
}

#[test]
fn a_trap_kills_its_vm_and_no_other() {
    let trap = "(unreachable)";
    let proxy = started(
        Proxy::builder(&guest(&[TICKING, ("tick", ""), ("request_headers", trap)])).workers(2),
    );
    let stream = proxy.worker(0).stream();
    assert_eq!(stream.request_headers(Headers::plain_get("/"), true), Action::Failed);
    let trap = proxy.worker(0).trap().expect("a trap");
    assert_eq!((trap.callback, trap.vm), ("proxy_on_request_headers", VmName::Worker(0)));
    assert!(trap.message.contains("unreachable"), "{trap}");
    assert_eq!(proxy.traps(), [trap]);

    let ran = proxy.worker(0).callbacks().len();
    proxy.run_for(Duration::from_secs(1));
    stream.finish();
    assert_eq!(proxy.worker(0).stream().respond(200), Action::Failed, "later streams fail too");
    assert_eq!(proxy.worker(0).callbacks().len(), ran, "nothing ran in a dead VM");
    assert!(proxy.worker(1).callbacks().len() > 1, "the other one ticks");
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    let proxy = started(
        Proxy::builder(&guest(&[("request_headers", "(loop (br 0)) (i32.const 0)")]))
            .fuel_limit(10_000),
    );
    let action = proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    assert_eq!(action, Action::Failed);
    assert!(proxy.traps()[0].message.contains("fuel"), "{}", proxy.traps()[0]);
}

#[test]
fn the_work_of_a_callback_is_measured() {
    let work = "(local $left i32) (local.set $left (i32.const 1000))
        (loop (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 0)";
    let proxy = start(&guest(&[("request_headers", work), ("response_headers", "(i32.const 0)")]));
    let stream = proxy.worker(0).stream();
    stream.request_headers(Headers::plain_get("/"), true);
    stream.response_headers([(":status", "200")], true);
    let fuel: Vec<_> = proxy.worker(0).callbacks().iter().map(|it| it.fuel).collect();
    assert!((4000..8000).contains(&fuel[0]), "a thousand rounds: {fuel:?}");
    assert!((1..10).contains(&fuel[1]), "next to nothing: {fuel:?}");
}

#[test]
fn memory_ends_where_the_test_says() {
    let grow = "(call $say (i32.add (memory.grow (i32.const 16)) (i32.const 2))) (i32.const 1)";
    let module = guest(&[("configure", grow)]);
    let small = started(Proxy::builder(&module).workers(0).memory_limit(1 << 20));
    assert_eq!(said(&small)[1], "01", "refused: -1");
    assert_eq!(small.main().memory_bytes(), 4 << 16);
    let large = started(Proxy::builder(&module).workers(0));
    assert_eq!(said(&large)[1], "06", "the 4 pages that there were");
    assert_eq!(large.main().memory_bytes(), 20 << 16);
}

/// Calls out in `done`, answers it with `answer`, says `proxy_done` at the response.
fn ending(answer: u32) -> Module {
    let done = format!(
        r#"(drop (call $proxy_http_call $"otel"
            $"\03\00\00\00\07\00\00\00\04\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00POST\00:path\00/\00:authority\00c\00"
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 900) (i32.const 8)))
           (call $say (call $proxy_done))
           (i32.const {answer})"#
    );
    let response = "(call $say (call $proxy_done))";
    guest(&[
        TICKING,
        ("tick", ""),
        ("done", &done),
        ("http_call_response", response),
        ("delete", ""),
    ])
}

#[test]
fn a_replaced_configuration_ends_when_it_is_done() {
    let proxy = started(Proxy::builder(&ending(0)).workers(1).plugin_config("old"));
    proxy.reconfigure("new").unwrap();
    assert_eq!(proxy.worker(0).tick(), 2, "the old root context ticks while it drains");
    proxy.drained();
    assert_eq!(said(&proxy), ["01", "01"], "main and worker: proxy_done comes too early");
    assert_eq!(proxy.worker(0).tick(), 2, "it goes on");
    let calls = proxy.callouts();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|it| it.answer(Answer::status(200))));
    assert_eq!(said(&proxy)[2..], ["00", "00"]);
    assert_eq!(callbacks(&proxy).last(), Some(&"delete"));
    assert_eq!(proxy.worker(0).tick(), 1, "only the new one is left");
}

#[test]
fn calls_of_a_context_that_is_gone_are_cancelled() {
    let proxy = started(Proxy::builder(&ending(1)).workers(1).plugin_config("old"));
    proxy.reconfigure("new").unwrap();
    proxy.drained();
    assert_eq!(proxy.callouts_made().len(), 2, "made in on_done");
    assert!(proxy.callouts().is_empty(), "but on_done returned true");
    assert!(!proxy.callouts_made()[0].answer(Answer::status(200)));
}

#[test]
fn streams_keep_the_configuration_they_started_with() {
    let create = "(call $say (local.get $parent))";
    let module = guest(&[("context_create", create)]);
    let proxy = start(&module);
    let old = proxy.worker(0).stream();
    proxy.reconfigure("new").unwrap();
    let before = said(&proxy).len();
    proxy.worker(0).stream().refused(Headers::new(), Headers::new());
    old.refused(Headers::new(), Headers::new());
    assert_eq!(said(&proxy)[before..], ["03", "02"], "the new root context, the old one");
}

#[test]
fn a_refused_update_leaves_the_old_configuration() {
    let only_old = "(i32.eq (local.get $size) (i32.const 3))";
    let proxy = started(Proxy::builder(&guest(&[("configure", only_old)])).plugin_config("old"));
    assert_eq!(proxy.reconfigure("newer").unwrap_err().vm, VmName::Canary);
    assert_eq!(callbacks(&proxy), ["configure"], "workers never heard of it");
}

#[test]
fn a_replaced_vm_dies_and_leaves_its_shared_data() {
    let configure = r#"
        (call $say (call $proxy_get_shared_data $"k" @out (i32.const 8)))
        (drop (call $proxy_set_shared_data $"k" $"v" (i32.const 0)))
        (i32.const 1)"#;
    let module = guest(&[
        ("configure", configure),
        ("done", "(i32.const 0)"),
        ("request_headers", "(i32.const 0)"),
    ]);
    let proxy = started(Proxy::builder(&module).workers(1));
    assert_eq!(said(&proxy), ["01", "00", "00"], "canary first");
    let old = proxy.worker(0);
    proxy.replace(&module, "new").unwrap();
    assert_eq!(said(&proxy)[3..], ["00", "00", "00"]);
    assert_eq!(old.stream().request_headers(Headers::plain_get("/"), true), Action::Continue);
    proxy.drained();
    assert_eq!(old.callbacks().last().unwrap().name, "proxy_on_done");
    assert_eq!(old.stream().request_headers(Headers::plain_get("/"), true), Action::Failed);
    assert_eq!(proxy.shared_data("k").as_deref(), Some(&b"v"[..]));
}

#[test]
fn lines_below_the_level_are_not_kept() {
    let configure = r#"
        (drop (call $proxy_log (i32.const 1) $"debug"))
        (drop (call $proxy_log (i32.const 3) $"warn"))
        (call $say (call $proxy_log (i32.const 6) $"what"))
        (drop (call $proxy_get_log_level (i32.const 8)))
        (call $say (i32.load (i32.const 8)))
        (i32.const 1)"#;
    let module = guest(&[("configure", configure)]);
    let info = started(Proxy::builder(&module).workers(0));
    assert_eq!(said(&info)[3..], ["warn", "02", "02"]);
    let debug = started(Proxy::builder(&module).workers(0).log_level(Level::Debug));
    assert_eq!(said(&debug)[4..], ["debug", "warn", "02", "01"]);
}

#[test]
fn everything_ends_at_a_shut_down() {
    let proxy = started(Proxy::builder(&ending(0)).workers(1));
    proxy.shut_down();
    assert_eq!(callbacks(&proxy).last(), Some(&"done"));
    assert_eq!(proxy.callouts().len(), 2, "the last calls of main and worker");
    proxy.callouts().iter().for_each(|it| assert!(it.answer(Answer::status(200))));
    assert_eq!(callbacks(&proxy).last(), Some(&"delete"));
    assert_eq!(proxy.tick(), 0, "nothing is left");
}
