//! Header maps and bodies: there when Envoy has them.

use crate::guest::{guest, said, start};
use host_test::{Action, Headers};

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
