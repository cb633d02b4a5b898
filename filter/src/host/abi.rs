//! The functions that the host offers, as the linker must know them.
//!
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1#functions-exposed-by-the-host>
#![expect(unsafe_code, reason = "declarations; what each call needs is said where it is made")]

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    pub(super) fn proxy_log(level: i32, text: *const u8, len: usize) -> i32;
    pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> i32;
    pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> i32;
    pub(super) fn proxy_get_buffer_bytes(
        buffer: i32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> i32;
    pub(super) fn proxy_get_header_map_pairs(map: i32, data: *mut *mut u8, len: *mut usize) -> i32;
    pub(super) fn proxy_get_header_map_value(
        map: i32,
        name: *const u8,
        name_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> i32;
    pub(super) fn proxy_replace_header_map_value(
        map: i32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> i32;
    pub(super) fn proxy_add_header_map_value(
        map: i32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> i32;
    pub(super) fn proxy_remove_header_map_value(map: i32, name: *const u8, name_len: usize) -> i32;
    pub(super) fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> i32;
    pub(super) fn proxy_set_property(
        path: *const u8,
        path_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> i32;
    pub(super) fn proxy_call_foreign_function(
        name: *const u8,
        name_len: usize,
        argument: *const u8,
        argument_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> i32;
    pub(super) fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
        cas: *mut u32,
    ) -> i32;
    pub(super) fn proxy_set_shared_data(
        key: *const u8,
        key_len: usize,
        data: *const u8,
        len: usize,
        cas: u32,
    ) -> i32;
    pub(super) fn proxy_register_shared_queue(name: *const u8, len: usize, token: *mut u32) -> i32;
    pub(super) fn proxy_enqueue_shared_queue(token: u32, data: *const u8, len: usize) -> i32;
    pub(super) fn proxy_dequeue_shared_queue(
        token: u32,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> i32;
    pub(super) fn proxy_define_metric(kind: i32, name: *const u8, len: usize, id: *mut u32) -> i32;
    pub(super) fn proxy_increment_metric(id: u32, by: i64) -> i32;
    pub(super) fn proxy_record_metric(id: u32, value: u64) -> i32;
    pub(super) fn proxy_http_call(
        cluster: *const u8,
        cluster_len: usize,
        headers: *const u8,
        headers_len: usize,
        body: *const u8,
        body_len: usize,
        trailers: *const u8,
        trailers_len: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> i32;
    pub(super) fn proxy_done() -> i32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    pub(super) fn clock_time_get(clock: i32, precision: i64, time: *mut u64) -> i32;
    pub(super) fn random_get(bytes: *mut u8, len: usize) -> i32;
    pub(super) fn environ_sizes_get(count: *mut usize, len: *mut usize) -> i32;
    pub(super) fn environ_get(entries: *mut *mut u8, bytes: *mut u8) -> i32;
}

#[cfg(target_family = "wasm")]
unsafe extern "C" {
    pub(super) fn __wasm_call_ctors();
}
