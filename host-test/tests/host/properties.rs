//! Properties: typed as in Envoy, and there when Envoy has them.

use crate::guest::{guest, said, start, started};
use host_test::{Headers, Proxy, Value};
use std::time::Duration;

/// Reads a property and says status and bytes.
fn property(path: &str) -> String {
    format!(
        "(i64.store (i32.const 0) (i64.const 0))
         (call $say (call $proxy_get_property $\"{path}\" @out)) (call $show)"
    )
}

/// What `path`, with zeros as `\00`, is in each phase: status and bytes.
#[track_caller]
fn check(why: &str, path: &str, set: Option<(&str, Value)>, want: [&str; 4]) {
    let read = property(path);
    let returning = format!("{read} (i32.const 0)");
    let module = guest(&[
        ("request_headers", &returning),
        ("response_headers", &returning),
        ("log", &read),
        ("done", &format!("{read} (i32.const 1)")),
    ]);
    let proxy = start(&module);
    let stream = proxy.worker(0).stream();
    if let Some((path, value)) = set {
        stream.set_property(path, value);
    }
    stream.request_headers(Headers::plain_get("/cart?id=7"), true);
    proxy.clock().advance(Duration::from_nanos(0x3132));
    stream.response_headers([(":status", "200")], true);
    stream.finish();
    let got: Vec<_> = said(&proxy).chunks(2).map(|it| it.concat()).collect();
    assert_eq!(got, want, "{why}: {path}");
}

#[test]
fn properties_have_their_types_and_phases() {
    let number = |bytes: &str| format!("00{bytes}\0\0\0\0\0\0");
    let (latency, ok) = (number("21"), number("\u{48}\0"));
    let seven = number("\u{7}\0");
    let none = "01";
    for (why, path, set, want) in [
        ("from the headers", "request\\00path", None, ["00/cart?id=7", none, "00/cart?id=7", none]),
        ("without the query", "request\\00url_path", None, ["00/cart", none, "00/cart", none]),
        ("the query alone", "request\\00query", None, ["00id=7", none, "00id=7", none]),
        ("a header", "request\\00headers\\00accept", None, ["00*/*", none, "00*/*", none]),
        ("always there", "request\\00protocol", None, ["00HTTP/1.1"; 4]),
        ("known at the end", "request\\00duration", None, [none, none, &latency, &latency]),
        ("the same here", "response\\00backend_latency", None, [none, none, &latency, &latency]),
        (
            "set by the test, in its phases",
            "response\\00code",
            Some(("response.code", Value::Int(0x48))),
            [none, &ok, &ok, &ok],
        ),
        (
            "once chosen",
            "upstream\\00address",
            None,
            [none, "00192.0.2.9:8080", "00192.0.2.9:8080", "00192.0.2.9:8080"],
        ),
        (
            "empty is no error",
            "upstream\\00transport_failure_reason",
            None,
            [none, none, "00", "00"],
        ),
        ("nobody knows it", "no\\00such", None, [none; 4]),
        ("no wire form", "filter_state", None, ["03"; 4]),
        ("a zero at the end is fine", "request\\00protocol\\00", None, ["00HTTP/1.1"; 4]),
        (
            "not while the headers are out of reach",
            "request\\00host",
            Some(("request.host", Value::from("shop"))),
            ["00shop", none, "00shop", none],
        ),
        (
            "a part with dots",
            "xds\\00route_metadata\\00filter_metadata\\00a.b\\00k",
            Some(("xds\0route_metadata\0filter_metadata\0a.b\0k", Value::Uint(7))),
            [&*seven; 4],
        ),
    ] {
        check(why, path, set, want);
    }
}

#[test]
fn wire_forms_are_little_endian() {
    for (value, want) in [
        (Value::Bool(true), &b"\x01"[..]),
        (Value::from(1.0), b"\0\0\0\0\0\0\xf0\x3f"),
        (Value::Timestamp(1), b"\x01\0\0\0\0\0\0\0"),
        (Value::from(Duration::from_nanos(258)), b"\x02\x01\0\0\0\0\0\0"),
        (Value::from(-1), b"\xff\xff\xff\xff\xff\xff\xff\xff"),
    ] {
        let read = property("custom") + "(i32.const 0)";
        let proxy = start(&guest(&[("request_headers", &read)]));
        let stream = proxy.worker(0).stream();
        stream.set_property("custom", value.clone());
        stream.request_headers(Headers::plain_get("/"), true);
        assert_eq!(said(&proxy)[1], String::from_utf8_lossy(want), "{value:?}");
    }
}

#[test]
fn a_filter_can_leave_state_for_the_access_log() {
    let set = r#"(call $say (call $proxy_set_property $"trace" $"abc")) (i32.const 0)"#;
    let log = property("filter_state\\00wasm\\00trace") + &property("trace");
    let tick = r#"(call $say (call $proxy_set_property $"trace" $"abc"))"#;
    let start_ticks =
        "(drop (call $proxy_set_tick_period_milliseconds (i32.const 9))) (i32.const 1)";
    let module = guest(&[
        ("request_headers", set),
        ("log", &log),
        ("tick", tick),
        ("configure", start_ticks),
    ]);
    let proxy = start(&module);
    let stream = proxy.worker(0).stream();
    stream.request_headers(Headers::plain_get("/"), true);
    stream.finish();
    assert_eq!(stream.filter_state("trace").as_deref(), Some(&b"abc"[..]));
    proxy.worker(0).tick();
    assert_eq!(
        said(&proxy),
        ["00", "00", "abc", "00", "abc", "01"],
        "a root context has no stream"
    );
}

#[test]
fn root_contexts_know_node_and_plugin_alone() {
    let configure = property("xds\\00node\\00id")
        + &property("plugin_name")
        + &property("xds\\00listener_direction")
        + "(i32.const 1)";
    let builder = Proxy::builder(&guest(&[("configure", &configure)]));
    let proxy =
        started(builder.workers(0).node_id("sidecar~1").property("xds.listener_direction", 1));
    let main = &said(&proxy)[6..];
    assert_eq!(main, ["00", "sidecar~1", "00", "test", "01", ""]);
}

#[test]
fn a_local_reply_has_no_upstream() {
    let log = property("upstream\\00address")
        + &property("response\\00backend_latency")
        + &property("response\\00code_details");
    let proxy = start(&guest(&[("log", &log)]));
    let stream = proxy.worker(0).stream();
    stream.request_headers(Headers::plain_get("/"), true);
    stream.local_reply(503, 1 << 24, "cluster_not_found");
    stream.finish();
    assert_eq!(said(&proxy), ["01", "", "01", "", "00", "cluster_not_found"]);
}

#[test]
fn a_root_context_can_act_for_a_stream() {
    let create = "(i32.store (i32.const 512) (local.get $id))";
    let ticks = "(drop (call $proxy_set_tick_period_milliseconds (i32.const 9))) (i32.const 1)";
    let tick = property("connection\\00id")
        + "(call $say (call $proxy_set_effective_context (i32.load (i32.const 512))))"
        + &property("connection\\00id")
        + "(call $say (call $proxy_set_effective_context (i32.const 99)))
           (call $say (call $proxy_close_stream (i32.const 0)))";
    let module = guest(&[("configure", ticks), ("context_create", create), ("tick", &tick)]);
    let proxy = start(&module);
    let stream = proxy.worker(0).stream();
    stream.request_headers(Headers::plain_get("/"), false);
    proxy.worker(0).tick();
    let id = "\u{1}\0\0\0\0\0\0\0";
    assert_eq!(said(&proxy), ["01", "", "00", "00", id, "02", "00"]);
    assert!(stream.reset_by_filter());
}

#[test]
fn an_upstream_filter_knows_its_host_from_the_start() {
    let read = property("upstream\\00address") + "(i32.const 0)";
    let module = guest(&[("request_headers", &read)]);
    for (upstream, want) in [(false, "01"), (true, "00")] {
        let proxy = start(&module);
        let stream = proxy.worker(0).stream();
        let stream = if upstream { stream.as_upstream() } else { stream };
        stream.request_headers(Headers::plain_get("/"), true);
        assert_eq!(said(&proxy)[0], want, "upstream: {upstream}");
    }
}
