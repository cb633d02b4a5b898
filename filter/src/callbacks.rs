//! The callbacks that the host knows this module by: its exports.
//!
//! Only those in use are here. A host calls each one that a module exports, for each
//! request, and every call costs. So there is no `proxy_on_delete`: what is done may be forgotten.
//!
//! Booleans are `i32` here: a host may pass any number for "yes".
//!
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1#callbacks-exposed-by-the-wasm-module>
#![expect(unsafe_code, reason = "exports by name; there is no unsafe block in this file")]

use crate::vm::Vm;

/// What a filter answers about headers, bodies and trailers: go on.
const CONTINUE: i32 = 0;

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    Vm::with((), |vm| vm.create(context, root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> i32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> i32 {
    Vm::with(true, |vm| vm.configure(root, size)).into()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    Vm::with((), |vm| vm.tick(root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: usize, end_of_stream: i32) -> i32 {
    Vm::with((), |vm| vm.request_headers(context, end_of_stream != 0));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, size: usize, end_of_stream: i32) -> i32 {
    Vm::with((), |vm| vm.request_body(context, size, end_of_stream != 0));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, _count: usize) -> i32 {
    Vm::with((), |vm| vm.request_ended(context));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _count: usize, end_of_stream: i32) -> i32 {
    Vm::with((), |vm| vm.response_headers(context, end_of_stream != 0));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context: u32, size: usize, end_of_stream: i32) -> i32 {
    Vm::with((), |vm| vm.response_body(context, size, end_of_stream != 0));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(context: u32, _count: usize) -> i32 {
    Vm::with((), |vm| vm.response_ended(context));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    root: u32,
    token: u32,
    headers: usize,
    body_size: usize,
    _trailers: usize,
) {
    Vm::with((), |vm| vm.call_answered(root, token, headers > 0, body_size));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    Vm::with((), |vm| vm.stream_ended(context));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(context: u32) -> i32 {
    Vm::with(true, |vm| vm.done(context)).into()
}
