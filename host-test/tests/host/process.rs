//! What VMs share: data, queues, metrics; and counting and injecting.

use crate::guest::{guest, said, start, started};
use flate2::read::ZlibDecoder;
use host_test::{Builder, Headers, Injection, Proxy, Status};
use std::cell::RefCell;
use std::io::Read;
use std::rc::Rc;

#[test]
fn compare_and_swap_lets_one_win() {
    let race = r#"
        (call $say (call $proxy_set_shared_data $"k" $"first" (i32.const 9)))
        (drop (call $proxy_get_shared_data $"k" @out (i32.const 8)))
        (call $show)
        (call $say (call $proxy_set_shared_data $"k" $"second" (i32.load (i32.const 8))))
        (call $say (call $proxy_set_shared_data $"k" $"third" (i32.load (i32.const 8))))
        (drop (call $proxy_get_shared_data $"k" @out (i32.const 8)))
        (call $show)
        (i32.const 0)"#;
    let proxy = start(&guest(&[("request_headers", race)]));
    proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    assert_eq!(said(&proxy), ["00", "first", "00", "08", "second"], "a new key takes any number");
}

#[test]
fn queues_tell_the_last_that_registered() {
    let register = r#"
        (drop (call $proxy_register_shared_queue $"q" (i32.const 8))) (i32.const 1)"#;
    let send = r#"
        (call $say (call $proxy_resolve_shared_queue (i32.const 0) (i32.const 0) $"none" (i32.const 8)))
        (drop (call $proxy_resolve_shared_queue (i32.const 0) (i32.const 0) $"q" (i32.const 8)))
        (call $say (call $proxy_enqueue_shared_queue (i32.load (i32.const 8)) $"item"))
        (i32.const 0)"#;
    let ready = r#"
        (drop (call $proxy_dequeue_shared_queue (local.get $token) @out))
        (call $show)
        (call $say (call $proxy_dequeue_shared_queue (local.get $token) @out))
        (call $say (call $proxy_dequeue_shared_queue (i32.const 99) @out))"#;
    let module =
        guest(&[("configure", register), ("request_headers", send), ("queue_ready", ready)]);
    let proxy = started(Proxy::builder(&module).workers(2));
    proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    let lines: Vec<_> = proxy.log().iter().map(|it| format!("{}: {}", it.vm, it.text)).collect();
    let want = ["worker 0: 01", "worker 0: 00", "worker 1: item", "worker 1: 07", "worker 1: 01"];
    assert_eq!(lines, want, "empty is 7, unknown is 1");
}

#[test]
fn metrics_are_of_the_process_and_ids_of_a_definition() {
    let define = r#"
        (drop (call $proxy_define_metric (i32.const 0) $"c" (i32.const 8)))
        (call $say (i32.load (i32.const 8)))
        (drop (call $proxy_increment_metric (i32.load (i32.const 8)) (i64.const 2)))
        (call $say (call $proxy_increment_metric (i32.load (i32.const 8)) (i64.const 0)))
        (drop (call $proxy_define_metric (i32.const 0) $"c" (i32.const 8)))
        (call $say (i32.load (i32.const 8)))
        (drop (call $proxy_define_metric (i32.const 1) $"g" (i32.const 8)))
        (call $say (i32.load (i32.const 8)))
        (drop (call $proxy_increment_metric (i32.load (i32.const 8)) (i64.const -1)))
        (drop (call $proxy_define_metric (i32.const 2) $"h" (i32.const 8)))
        (call $say (i32.load (i32.const 8)))
        (drop (call $proxy_record_metric (i32.load (i32.const 8)) (i64.const 5)))
        (call $say (call $proxy_get_metric (i32.load (i32.const 8)) (i32.const 8)))
        (call $say (call $proxy_define_metric (i32.const 3) $"x" (i32.const 8)))
        (call $say (call $proxy_increment_metric (i32.const 400) (i64.const 1)))
        (call $say (call $proxy_get_metric (i32.const 4) (i32.const 8)))
        (call $say (i32.load (i32.const 8)))
        (i32.const 1)"#;
    let proxy = started(Proxy::builder(&guest(&[("configure", define)])).workers(0));
    let main = &said(&proxy)[10..];
    assert_eq!(main, ["04", "02", "08", "05", "06", "02", "02", "01", "00", "04"]);
    assert_eq!(proxy.metric("c"), Some(4), "the canary's and main's");
    assert_eq!(
        proxy.metrics().into_iter().collect::<Vec<_>>(),
        [("c".into(), 4), ("g".into(), -2)]
    );
    assert_eq!(proxy.histogram("h"), [5, 5]);
    assert_eq!(proxy.metric("h"), None);
}

const TWO_READS: &str = r#"
    (call $say (call $proxy_get_property $"request\00protocol" @out))
    (call $say (call $proxy_get_property $"source\00address" @out))
    (drop (call $proxy_get_header_map_pairs (i32.const 0) @out))
    (i32.const 0)"#;

#[test]
fn hostcalls_are_counted_by_name_and_subject() {
    let proxy = start(&guest(&[("request_headers", TWO_READS)]));
    let before = proxy.hostcalls();
    proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    let counts = proxy.hostcalls().since(&before);
    assert_eq!(counts.of("proxy_get_property"), 2);
    assert_eq!(counts.about("proxy_get_property", "source.address"), 1);
    assert_eq!(counts.about("proxy_get_header_map_pairs", "request_headers"), 1);
    assert_eq!(counts.total(), 5);
    assert_eq!(counts.names(), ["proxy_get_header_map_pairs", "proxy_get_property", "proxy_log"]);
}

#[test]
fn any_status_can_be_injected_into_any_call() {
    use Injection as I;
    let module = guest(&[("request_headers", TWO_READS)]);
    for (why, injection, want, times) in [
        ("every call", I::always("proxy_get_property", Status(12)), ["12", "12"], 2),
        ("the second call", I::nth("proxy_get_property", 2, Status(5)), ["00", "05"], 1),
        ("no third call", I::nth("proxy_get_property", 3, Status(5)), ["00", "00"], 0),
        (
            "one path",
            I::always("proxy_get_property", Status(3)).about("request.protocol"),
            ["03", "00"],
            1,
        ),
        ("another call", I::always("proxy_set_property", Status(3)), ["00", "00"], 0),
    ] {
        let proxy = start(&module);
        proxy.inject(injection);
        proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
        assert_eq!(said(&proxy), want, "{why}");
        assert_eq!(proxy.injected(), times, "{why}");
        proxy.heal();
        proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
        assert_eq!(said(&proxy)[2..], ["00", "00"], "{why}: healed");
    }
}

#[test]
fn foreign_functions_are_those_that_a_test_gives() {
    let call = r#"
        (call $say (call $proxy_call_foreign_function $"echo" $"hi" (i32.const 8) (i32.const 12)))
        (drop (call $proxy_log (i32.const 2) (i32.load (i32.const 8)) (i32.load (i32.const 12))))
        (call $say (call $proxy_call_foreign_function $"echo" $"hi" (i32.const 0) (i32.const 0)))
        (call $say (call $proxy_call_foreign_function $"other" $"hi" @out))
        (i32.const 0)"#;
    let builder = Proxy::builder(&guest(&[("request_headers", call)]));
    let proxy = started(builder.foreign_function("echo", |it| Ok(it.repeat(2))));
    proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    assert_eq!(said(&proxy), ["00", "hihi", "00", "01"], "null: the result is not wanted");
}

/// Envoy's `compress` is zlib's function: bytes alone are its argument, without a word about how.
#[test]
fn a_module_can_have_bytes_compressed_where_the_host_has_zlib() {
    let text = "spans".repeat(10);
    let call = format!(
        r#"(call $say (call $proxy_call_foreign_function
            $"compress" $"{text}" (i32.const 8) (i32.const 12)))
        (drop (call $proxy_call_foreign_function $"look"
            (i32.load (i32.const 8)) (i32.load (i32.const 12)) (i32.const 0) (i32.const 0)))
        (i32.const 0)"#
    );
    let module = guest(&[("request_headers", &call)]);
    let broken = Injection::always("proxy_call_foreign_function", Status::SERIALIZATION_FAILURE);
    let started_by = |builder: Builder| {
        let unpacked = Rc::new(RefCell::new(Vec::new()));
        let look = unpacked.clone();
        let proxy = started(builder.foreign_function("look", move |packed| {
            let read = ZlibDecoder::new(packed).read_to_end(&mut look.borrow_mut());
            read.map(|_| Vec::new()).map_err(|_| Status::PARSE_FAILURE)
        }));
        proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
        (said(&proxy).concat(), String::from_utf8(unpacked.take()).unwrap())
    };
    for (why, builder, want) in [
        ("Envoy", Proxy::builder(&module), ("00", text.as_str())),
        ("without zlib", Proxy::builder(&module).without_compression(), ("01", "")),
        ("it fails", Proxy::builder(&module).inject(broken.about("compress")), ("03", "")),
    ] {
        let (status, unpacked) = started_by(builder);
        assert_eq!((status.as_str(), unpacked.as_str()), want, "{why}");
    }
}

#[test]
fn another_worker_can_come_in_before_a_call() {
    let race = r#"
        (drop (call $proxy_get_shared_data $"k" @out (i32.const 8)))
        (call $say (call $proxy_set_shared_data $"k" $"x" (i32.load (i32.const 8))))
        (i32.const 0)"#;
    let proxy = started(Proxy::builder(&guest(&[("request_headers", race)])).workers(2));
    let request = |it: host_test::Vm| it.stream().request_headers(Headers::plain_get("/"), true);
    proxy.set_shared_data("k", "v");
    let other = proxy.worker(1);
    proxy.before("proxy_set_shared_data", move || {
        request(other.clone());
    });
    for _ in 0..2 {
        request(proxy.worker(0));
    }
    assert_eq!(said(&proxy), ["00", "08", "00", "08"], "the other one is always faster");
}

#[test]
fn plugins_of_one_vm_have_root_contexts_beside_each_other() {
    let read = r#"
        (drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $size) @out))
        (call $show) (i32.const 1)"#;
    let tell = "(call $say (local.get $id)) (i32.const 0)";
    let root = "(call $say (local.get $parent))";
    let module = guest(&[("configure", read), ("context_create", root), ("request_headers", tell)]);
    let proxy = started(Proxy::builder(&module).plugin_config("first"));
    let second = proxy.add_plugin("second").unwrap();
    let before = said(&proxy).len();
    let worker = proxy.worker(0);
    for stream in [worker.stream(), worker.stream_of(&second), worker.stream()] {
        stream.request_headers(Headers::plain_get("/"), true);
    }
    // Context 2 is the first root of a worker, and 3 the second.
    assert_eq!(said(&proxy)[before..], ["02", "04", "03", "05", "02", "06"]);
    let refuse = r#"(i32.lt_u (local.get $size) (i32.const 3))"#;
    let proxy = started(Proxy::builder(&guest(&[("configure", refuse)])).plugin_config("ok"));
    assert!(proxy.add_plugin("not ok").is_err());
}
