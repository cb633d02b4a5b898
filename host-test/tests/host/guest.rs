//! Small guests, written as text.

use host_test::{Builder, Module, Proxy};

/// Every import that a module of proxy-wasm 0.2.1 may have.
const IMPORTS: &[(&str, &str, &str)] = &[
    ("env", "proxy_log", "iii"),
    ("env", "proxy_get_log_level", "i"),
    ("env", "proxy_get_current_time_nanoseconds", "i"),
    ("env", "proxy_set_tick_period_milliseconds", "i"),
    ("env", "proxy_get_status", "iii"),
    ("env", "proxy_set_effective_context", "i"),
    ("env", "proxy_done", ""),
    ("env", "proxy_continue_stream", "i"),
    ("env", "proxy_close_stream", "i"),
    ("env", "proxy_send_local_response", "iiiiiiii"),
    ("env", "proxy_call_foreign_function", "iiiiii"),
    ("env", "proxy_get_property", "iiii"),
    ("env", "proxy_set_property", "iiii"),
    ("env", "proxy_get_buffer_bytes", "iiiii"),
    ("env", "proxy_get_buffer_status", "iii"),
    ("env", "proxy_set_buffer_bytes", "iiiii"),
    ("env", "proxy_get_header_map_value", "iiiii"),
    ("env", "proxy_get_header_map_pairs", "iii"),
    ("env", "proxy_get_header_map_size", "ii"),
    ("env", "proxy_set_header_map_pairs", "iii"),
    ("env", "proxy_add_header_map_value", "iiiii"),
    ("env", "proxy_replace_header_map_value", "iiiii"),
    ("env", "proxy_remove_header_map_value", "iii"),
    ("env", "proxy_http_call", "iiiiiiiiii"),
    ("env", "proxy_grpc_call", "iiiiiiiiiiii"),
    ("env", "proxy_grpc_stream", "iiiiiiiii"),
    ("env", "proxy_grpc_send", "iiii"),
    ("env", "proxy_grpc_cancel", "i"),
    ("env", "proxy_grpc_close", "i"),
    ("env", "proxy_get_shared_data", "iiiii"),
    ("env", "proxy_set_shared_data", "iiiii"),
    ("env", "proxy_register_shared_queue", "iii"),
    ("env", "proxy_resolve_shared_queue", "iiiii"),
    ("env", "proxy_enqueue_shared_queue", "iii"),
    ("env", "proxy_dequeue_shared_queue", "iii"),
    ("env", "proxy_define_metric", "iiii"),
    ("env", "proxy_increment_metric", "il"),
    ("env", "proxy_record_metric", "il"),
    ("env", "proxy_get_metric", "ii"),
    ("wasi_snapshot_preview1", "random_get", "ii"),
    ("wasi_snapshot_preview1", "clock_time_get", "ili"),
    ("wasi_snapshot_preview1", "clock_res_get", "ii"),
    ("wasi_snapshot_preview1", "environ_sizes_get", "ii"),
    ("wasi_snapshot_preview1", "environ_get", "ii"),
    ("wasi_snapshot_preview1", "args_sizes_get", "ii"),
    ("wasi_snapshot_preview1", "args_get", "ii"),
    ("wasi_snapshot_preview1", "fd_write", "iiii"),
    ("wasi_snapshot_preview1", "fd_read", "iiii"),
    ("wasi_snapshot_preview1", "fd_seek", "ilii"),
    ("wasi_snapshot_preview1", "fd_close", "i"),
    ("wasi_snapshot_preview1", "fd_fdstat_get", "ii"),
    ("wasi_snapshot_preview1", "fd_prestat_get", "ii"),
    ("wasi_snapshot_preview1", "fd_prestat_dir_name", "iii"),
    ("wasi_snapshot_preview1", "path_open", "iiiiillii"),
    ("wasi_snapshot_preview1", "poll_oneoff", "iiii"),
    ("wasi_snapshot_preview1", "sched_yield", ""),
];

/// Callbacks: their parameters after the context's id, and whether they return something.
const CALLBACKS: &[(&str, &str, bool)] = &[
    ("context_create", "$parent", false),
    ("vm_start", "$size", true),
    ("configure", "$size", true),
    ("tick", "", false),
    ("queue_ready", "$token", false),
    ("http_call_response", "$token $headers $body $trailers", false),
    ("request_headers", "$count $eos", true),
    ("request_body", "$size $eos", true),
    ("request_trailers", "$count", true),
    ("response_headers", "$count $eos", true),
    ("response_body", "$size $eos", true),
    ("response_trailers", "$count", true),
    ("log", "", false),
    ("done", "", true),
    ("delete", "", false),
];

/// Where results go: pointer at 0, length at 4; other numbers at 8. `$say` logs
/// the last two digits of a number, `$show` the bytes that the last call gave.
const PRELUDE: &str = r#"
    (memory (export "memory") 4)
    (global $heap (mut i32) (i32.const 65536))
    (func (export "proxy_abi_version_0_2_1"))
    (func $say (param $number i32)
        (i32.store8 (i32.const 16) (i32.add (i32.const 48)
            (i32.rem_u (i32.div_u (local.get $number) (i32.const 10)) (i32.const 10))))
        (i32.store8 (i32.const 17) (i32.add (i32.const 48)
            (i32.rem_u (local.get $number) (i32.const 10))))
        (drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 2))))
    (func $show
        (drop (call $proxy_log (i32.const 2) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
"#;

const ALLOCATOR: &str = r#"
    (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
        (global.get $heap)
        (global.set $heap (i32.add (global.get $heap) (local.get $size))))
"#;

/// A guest with these callbacks: the name without `proxy_on_`, and its body.
///
/// In a body, `$"text"` is the pointer and length of a text, `@out` where a call
/// puts what it gives.
pub(crate) fn guest(callbacks: &[(&str, &str)]) -> Module {
    guest_with(ALLOCATOR, callbacks)
}

/// The same with other things at the module's top: `extra` has the allocator.
pub(crate) fn guest_with(extra: &str, callbacks: &[(&str, &str)]) -> Module {
    let mut text = String::from("(module\n");
    for (module, name, params) in IMPORTS {
        let params: Vec<_> =
            params.chars().map(|it| if it == 'l' { "i64" } else { "i32" }).collect();
        let params = params.join(" ");
        text += &format!(
            "(import \"{module}\" \"{name}\" (func ${name} (param {params}) (result i32)))\n"
        );
    }
    text += PRELUDE;
    text += extra;
    for (name, body) in callbacks {
        let known = CALLBACKS.iter().find(|(it, _, _)| it == name);
        let (_, params, returns) = known.unwrap_or_else(|| panic!("no callback {name}"));
        let params: String =
            params.split_whitespace().map(|it| format!("(param {it} i32)")).collect();
        let result = if *returns { "(result i32)" } else { "" };
        text += &format!(
            "(func (export \"proxy_on_{name}\") (param $id i32) {params} {result} {body})\n"
        );
    }
    let text = with_texts(&text.replace("@out", "(i32.const 0) (i32.const 4)")) + ")";
    let binary = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    Module::from_bytes(&binary).unwrap_or_else(|error| panic!("{error}"))
}

/// Replaces each `$"text"` by pointer and length of a data segment.
fn with_texts(text: &str) -> String {
    let (mut out, mut data, mut place) = (String::new(), String::new(), 1024);
    let mut parts = text.split("$\"");
    out += parts.next().unwrap_or_default();
    for part in parts {
        let (literal, rest) = part.split_once('"').unwrap_or_else(|| panic!("open text: {part}"));
        // An escape such as \00 is one byte.
        let length = literal.len() - 2 * literal.matches('\\').count();
        data += &format!("(data (i32.const {place}) \"{literal}\")\n");
        out += &format!("(i32.const {place}) (i32.const {length}){rest}");
        place += length;
    }
    out + &data
}

/// A proxy with one worker.
pub(crate) fn start(module: &Module) -> Proxy {
    started(Proxy::builder(module))
}

#[track_caller]
pub(crate) fn started(builder: Builder) -> Proxy {
    builder.start().unwrap_or_else(|refused| panic!("{refused}"))
}

/// The texts of all log lines.
pub(crate) fn said(proxy: &Proxy) -> Vec<String> {
    proxy.log().into_iter().map(|line| line.text).collect()
}
