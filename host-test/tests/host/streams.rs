//! Header maps, bodies and properties: there when Envoy has them.

use crate::guest::{guest, said, start, started};
use host_test::{Action, Headers, Proxy, Value};
use std::time::Duration;

/// Says the status of reading `:path` and, once it is there, of `x-t` in the response's trailers.
const READ: &str = r#"
    (call $say (call $proxy_get_header_map_value (i32.const 0) $":path" @out))
    (call $say (call $proxy_get_header_map_value (i32.const 3) $"x-t" @out))
"#;

#[test]
fn maps_are_there_only_in_their_callbacks() {
    let returning = format!("{READ} (i32.const 0)");
    let done = format!("{READ} (i32.const 1)");
    let module = guest(&[
        ("request_headers", &returning),
        ("request_body", &returning),
        ("response_headers", &returning),
        ("response_trailers", &returning),
        ("log", READ),
        ("done", &done),
    ]);
    let proxy = start(&module);
    let stream = proxy.worker(0).stream();
    let mut seen = Vec::new();
    let mut note = |what: &str| {
        let lines = said(&proxy);
        let new = lines[lines.len() - 2..].join(" ");
        seen.push(format!("{what} {new}"));
    };
    stream.request_headers(Headers::plain_get("/"), false);
    note("request_headers");
    stream.request_body(b"x", true);
    note("request_body");
    stream.response_headers([(":status", "200")], false);
    note("response_headers");
    stream.response_trailers([("x-t", "1")]);
    note("response_trailers");
    stream.finish();
    let lines = said(&proxy);
    seen.push(format!("log {} {}", lines[lines.len() - 4], lines[lines.len() - 3]));
    seen.push(format!("done {} {}", lines[lines.len() - 2], lines[lines.len() - 1]));
    assert_eq!(
        seen,
        [
            "request_headers 00 02",
            "request_body 02 02",
            "response_headers 02 02",
            "response_trailers 02 00",
            "log 00 00",
            "done 02 02",
        ]
    );
}

#[test]
fn a_map_that_never_was_is_not_found_in_the_log() {
    let proxy = start(&guest(&[("log", READ)]));
    proxy.worker(0).stream().refused(Headers::new(), [(":status", "400")]);
    assert_eq!(said(&proxy), ["01", "01"], "no request headers, no trailers");
}

#[test]
fn all_pairs_of_an_absent_map_are_none_and_no_error() {
    let body = r#"
        (i32.store (i32.const 4) (i32.const 77))
        (call $say (call $proxy_get_header_map_pairs (i32.const 0) @out))
        (call $say (i32.load (i32.const 4)))
        (i32.const 0)"#;
    let proxy = start(&guest(&[("response_headers", body)]));
    let stream = proxy.worker(0).stream();
    stream.request_headers(Headers::plain_get("/"), true);
    stream.respond(200);
    assert_eq!(said(&proxy), ["00", "00"], "status, then a length of 0");
}

#[test]
fn pairs_are_counted_lengths_and_zero_ended() {
    let body = r#"
        (drop (call $proxy_get_header_map_pairs (i32.const 0) @out))
        (call $show) (i32.const 0)"#;
    let proxy = start(&guest(&[("request_headers", body)]));
    proxy.worker(0).stream().request_headers([("X-A", "1"), ("x-a", "")], true);
    let want = "\u{2}\0\0\0\u{3}\0\0\0\u{1}\0\0\0\u{3}\0\0\0\0\0\0\0x-a\x001\0x-a\0\0";
    assert_eq!(said(&proxy), [want]);
}

#[test]
fn the_getter_gives_the_first_of_several_values_as_bytes() {
    let body = r#"
        (call $say (call $proxy_get_header_map_value (i32.const 0) $"X-Many" @out))
        (call $say (i32.load8_u (i32.load (i32.const 0))))
        (i32.store (i32.const 0) (i32.const 55))
        (call $say (call $proxy_get_header_map_value (i32.const 0) $"x-empty" @out))
        (call $say (i32.load (i32.const 0)))
        (call $say (call $proxy_get_header_map_value (i32.const 0) $"x-none" @out))
        (call $say (call $proxy_get_header_map_value (i32.const 9) $"x-none" @out))
        (i32.const 0)"#;
    let proxy = start(&guest(&[("request_headers", body)]));
    let headers = [("x-many", &b"\xff\xfe"[..]), ("x-many", b"second"), ("x-empty", b"")];
    proxy.worker(0).stream().request_headers(headers, true);
    assert_eq!(said(&proxy), ["00", "55", "00", "00", "01", "02"], "0xff is 255; null for empty");
}

#[test]
fn edits_reach_the_upstream() {
    let body = r#"
        (drop (call $proxy_replace_header_map_value (i32.const 0) $"x-many" $"one"))
        (drop (call $proxy_add_header_map_value (i32.const 0) $"X-New" $"new"))
        (drop (call $proxy_remove_header_map_value (i32.const 0) $"accept"))
        (drop (call $proxy_replace_header_map_value (i32.const 0) $"host" $"other"))
        (call $say (call $proxy_add_header_map_value (i32.const 2) $"x-too-early" $"new"))
        (i32.const 0)"#;
    let log = r#"(call $say (call $proxy_add_header_map_value (i32.const 0) $"x-late" $"new"))"#;
    let proxy = start(&guest(&[("request_headers", body), ("log", log)]));
    let stream = proxy.worker(0).stream();
    let headers = [(":authority", "a"), ("x-many", "1"), ("accept", "*/*"), ("x-many", "2")];
    stream.request_headers(headers, true);
    stream.finish();
    let want = Headers::from([(":authority", "other"), ("x-many", "one"), ("x-new", "new")]);
    assert_eq!(stream.upstream_headers(), want);
    assert_eq!(said(&proxy), ["02", "02"], "no response yet; nothing is written in the log");
}

#[test]
fn bodies_can_be_read_and_replaced_in_their_callback() {
    let body = r#"
        (call $say (call $proxy_get_buffer_bytes
            (i32.const 0) (i32.const 1) (i32.const 100) @out))
        (call $show)
        (drop (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 2) $"J"))
        (i32.const 0)"#;
    let proxy = start(&guest(&[("request_body", body)]));
    let stream = proxy.worker(0).stream();
    stream.request_headers(Headers::plain_get("/"), false);
    stream.request_body("hello", true);
    assert_eq!(said(&proxy), ["00", "ello"]);
    assert_eq!(stream.upstream_body(), b"Jllo");
}

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
fn a_paused_stream_keeps_its_map_until_it_is_resumed() {
    let hold = "(i32.const 1)";
    let read = r#"
        (call $say (call $proxy_get_header_map_value (i32.const 0) $":path" @out))
        (drop (call $proxy_continue_stream (i32.const 0)))
        (call $say (call $proxy_get_header_map_value (i32.const 0) $":path" @out))
        (i32.const 0)"#;
    let proxy = start(&guest(&[("request_headers", hold), ("request_body", read)]));
    let stream = proxy.worker(0).stream();
    assert_eq!(stream.request_headers(Headers::plain_get("/"), false), Action::Pause);
    assert_eq!(stream.request_body("x", true), Action::Continue);
    assert_eq!(said(&proxy), ["00", "02"]);
    assert_eq!(stream.resumed(0), 1);
}

#[test]
fn a_local_response_is_kept_for_the_test() {
    let body = r#"
        (drop (call $proxy_send_local_response (i32.const 403) $"no_entry" $"go away"
            (i32.const 0) (i32.const 0) (i32.const -1)))
        (i32.const 1)"#;
    let proxy = start(&guest(&[("request_headers", body)]));
    let stream = proxy.worker(0).stream();
    stream.request_headers(Headers::plain_get("/"), true);
    let response = stream.local_response().expect("a response");
    assert_eq!((response.status, response.grpc_status), (403, -1));
    assert_eq!((&response.details[..], &response.body[..]), (&b"no_entry"[..], &b"go away"[..]));
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
fn whole_maps_can_be_set_and_measured() {
    let body = r#"
        (drop (call $proxy_get_header_map_size (i32.const 0) (i32.const 8)))
        (call $say (i32.load (i32.const 8)))
        (call $say (call $proxy_set_header_map_pairs (i32.const 0)
            $"\01\00\00\00\03\00\00\00\01\00\00\00x-b\002\00"))
        (call $say (call $proxy_get_header_map_size (i32.const 2) (i32.const 8)))
        (i32.const 0)"#;
    let proxy = start(&guest(&[("request_headers", body)]));
    let stream = proxy.worker(0).stream();
    stream.request_headers([("x-a", "1"), ("x-a", "22")], true);
    assert_eq!(said(&proxy), ["09", "00", "02"], "names and values alone");
    assert_eq!(stream.upstream_headers(), Headers::from([("x-b", "2")]));
}

#[test]
fn pairs_that_do_not_fit_are_none() {
    for pairs in
        ["\\01\\00\\00", "\\ff\\ff\\ff\\ff", "\\01\\00\\00\\00\\09\\00\\00\\00\\01\\00\\00\\00x"]
    {
        let set = format!(
            "(call $say (call $proxy_set_header_map_pairs (i32.const 0) $\"{pairs}\"))
             (i32.const 0)"
        );
        let proxy = start(&guest(&[("request_headers", &set)]));
        let stream = proxy.worker(0).stream();
        stream.request_headers([("x-a", "1")], true);
        assert_eq!(
            (said(&proxy), stream.upstream_headers().len()),
            (vec!["00".into()], 0),
            "{pairs}"
        );
    }
}

#[test]
fn callbacks_are_told_how_much_there_is() {
    let two = |first: &str, second: &str| {
        format!("(call $say (local.get {first})) (call $say (local.get {second})) (i32.const 0)")
    };
    let (head, body) = (two("$count", "$eos"), two("$size", "$eos"));
    let trailers = two("$count", "$id");
    let proxy = start(&guest(&[
        ("request_headers", &head),
        ("request_body", &body),
        ("request_trailers", &trailers),
        ("response_headers", &head),
        ("response_body", &body),
    ]));
    let stream = proxy.worker(0).stream();
    stream.request_headers(Headers::plain_get("/"), false);
    stream.request_body("seven..", false);
    stream.request_trailers([("a", "1"), ("b", "2")]);
    stream.response_headers([(":status", "200")], false);
    stream.response_body("", true);
    let want = ["11", "00", "07", "00", "02", "03", "01", "00", "00", "01"];
    assert_eq!(said(&proxy), want, "3 is the id of the stream");
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
