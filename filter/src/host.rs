//! The proxy-wasm ABI 0.2.1 as bytes in and a status out: the one place with `unsafe`.
//!
//! Every call can fail in every way and none of them panics. A host may refuse any call
//! (a capability that was not granted, a map that is not there in this phase), and one
//! panic would answer users with 503.
//!
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>
#![expect(unsafe_code, reason = "the boundary to the host; each block says why it is sound")]

use hopspan_core::metrics::host::Form;
use hopspan_core::propagation::Edit;
use hopspan_core::time::{Monotonic, Now, UnixNanos};
use std::alloc::{Layout, alloc};
use std::ptr::{NonNull, null_mut};

/// What a host call answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Status(i32);

impl Status {
    /// It was done.
    pub const OK: Self = Self(0);
    /// An argument was wrong, such as the name of a cluster.
    pub const BAD_ARGUMENT: Self = Self(2);
    /// The queue has no item.
    pub const EMPTY: Self = Self(7);
    /// Somebody else was faster.
    pub const CAS_MISMATCH: Self = Self(8);
}

/// A header map of the stream or callout that the host is calling about.
#[derive(Clone, Copy, Debug)]
pub enum Map {
    /// Of the request.
    RequestHeaders = 0,
    /// Of the response.
    ResponseHeaders = 2,
    /// After the response's body.
    ResponseTrailers = 3,
    /// Of the answer to a callout.
    CallResponseHeaders = 6,
}

/// A buffer of the host.
#[derive(Clone, Copy, Debug)]
pub enum Buffer {
    /// The part of the response's body that is passing.
    ResponseBody = 1,
    /// The answer to a callout.
    CallResponseBody = 4,
    /// The configuration of the VM, which plugins may share.
    VmConfiguration = 6,
    /// The configuration, while it is being handed over.
    PluginConfiguration = 7,
}

/// Levels of the proxy's log.
#[derive(Clone, Copy, Debug)]
pub enum Level {
    /// For the curious.
    Info = 2,
    /// Something is not as it should be.
    Warn = 3,
    /// Something was refused.
    Error = 4,
}

mod abi;

/// Writes a line into the proxy's log.
pub fn log(level: Level, text: &str) {
    // SAFETY: the host reads `text.len()` bytes at `text` and keeps nothing. There is
    // nobody to tell if it cannot log.
    let _ = unsafe { abi::proxy_log(level as i32, text.as_ptr(), text.len()) };
}

/// Both clocks; a clock that fails stands at zero.
pub fn now() -> Now {
    Now { wall: wall(), mono: monotonic() }
}

/// The wall clock alone.
pub fn wall() -> UnixNanos {
    let mut wall = 0;
    // SAFETY: the host writes eight bytes at the pointer, which live that long.
    let status = unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut wall) };
    UnixNanos(if status == 0 { wall } else { 0 })
}

/// The monotonic clock alone.
pub fn monotonic() -> Monotonic {
    const CLOCK_MONOTONIC: i32 = 1;
    let mut mono = 0;
    // SAFETY: the host writes eight bytes at the pointer, which live that long.
    let status = unsafe { abi::clock_time_get(CLOCK_MONOTONIC, 1, &raw mut mono) };
    Monotonic(if status == 0 { mono } else { 0 })
}

/// Random bytes of the host, `None` if it has none.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: the host writes `N` bytes into the array.
    (unsafe { abi::random_get(bytes.as_mut_ptr(), N) } == 0).then_some(bytes)
}

/// The environment that the proxy's configuration gives this VM, as `NAME=value` strings;
/// nothing if the host fails. (The standard library would trap.)
pub fn environment() -> Vec<String> {
    let (mut count, mut len) = (0, 0);
    // SAFETY: the host writes one size at each pointer.
    let sizes = unsafe { abi::environ_sizes_get(&raw mut count, &raw mut len) };
    if sizes != 0 || count > MAX_ENVIRONMENT || len > MAX_ENVIRONMENT {
        return Vec::new();
    }
    let (mut entries, mut bytes) = (vec![null_mut(); count], vec![0; len]);
    // SAFETY: the host writes `count` pointers and `len` bytes, as it has just said.
    if unsafe { abi::environ_get(entries.as_mut_ptr(), bytes.as_mut_ptr()) } != 0 {
        return Vec::new();
    }
    // The entries stand one behind the other; where the host put them is not followed.
    let entries = bytes.split(|&byte| byte == 0).filter(|it| !it.is_empty());
    entries.map(|it| String::from_utf8_lossy(it).into_owned()).collect()
}

/// More than any environment has, in entries or bytes.
const MAX_ENVIRONMENT: usize = 1 << 20;

/// How often `on_tick` is called from now on.
pub fn set_tick_period(millis: u32) -> Status {
    // SAFETY: no pointers.
    Status(unsafe { abi::proxy_set_tick_period_milliseconds(millis) })
}

/// At most `max` bytes of a buffer.
pub fn buffer(buffer: Buffer, max: usize) -> Option<Vec<u8>> {
    buffer_from(buffer, 0, max)
}

/// At most `max` bytes of a buffer, from `start` on.
pub fn buffer_from(buffer: Buffer, start: usize, max: usize) -> Option<Vec<u8>> {
    let buffer = buffer as i32;
    // SAFETY: `returned` says what the two pointers are for.
    returned(|data, len| unsafe { abi::proxy_get_buffer_bytes(buffer, start, max, data, len) })
}

/// A whole header map, in the form that core's `Headers` reads.
pub fn header_map(map: Map) -> Option<Vec<u8>> {
    // SAFETY: `returned` says what the two pointers are for.
    returned(|data, len| unsafe { abi::proxy_get_header_map_pairs(map as i32, data, len) })
}

/// The first header of this name.
pub fn header(map: Map, name: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads the name; `returned` says what the two pointers are for.
    returned(|data, len| unsafe {
        abi::proxy_get_header_map_value(map as i32, name.as_ptr(), name.len(), data, len)
    })
}

/// A property by its path, whose parts are separated by NUL.
pub fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads the path; `returned` says what the two pointers are for.
    returned(|data, len| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, len) })
}

/// Leaves a text with the stream, for its access log: Envoy's filter state `wasm.NAME`.
pub fn set_property(name: &str, text: &[u8]) -> Status {
    // SAFETY: the host reads name and text and keeps copies.
    Status(unsafe { abi::proxy_set_property(name.as_ptr(), name.len(), text.as_ptr(), text.len()) })
}

/// Calls a function that only some hosts have, by its name.
pub fn foreign(name: &str, argument: &[u8]) -> Option<Vec<u8>> {
    let (name, name_len) = (name.as_ptr(), name.len());
    // SAFETY: the host reads name and argument; `returned` says what the two pointers are for.
    returned(|data, len| unsafe {
        let (argument, argument_len) = (argument.as_ptr(), argument.len());
        abi::proxy_call_foreign_function(name, name_len, argument, argument_len, data, len)
    })
}

/// Changes one header.
pub fn edit(map: Map, edit: &Edit) -> Status {
    let map = map as i32;
    match edit {
        Edit::Replace(name, value) => replace_header(map, name, value),
        Edit::ReplaceChosen(name, value) => replace_header(map, name, value),
        Edit::Add(name, value) => add_header(map, name, value),
        Edit::AddChosen(name, value) => add_header(map, name, value),
        Edit::Remove(name) => remove_header(map, name),
        Edit::RemoveChosen(name) => remove_header(map, name),
    }
}

fn replace_header(map: i32, name: &str, value: &[u8]) -> Status {
    let (name, name_len) = (name.as_ptr(), name.len());
    // SAFETY: the host reads name and value and keeps copies.
    Status(unsafe {
        abi::proxy_replace_header_map_value(map, name, name_len, value.as_ptr(), value.len())
    })
}

fn add_header(map: i32, name: &str, value: &[u8]) -> Status {
    let (name, name_len) = (name.as_ptr(), name.len());
    // SAFETY: the host reads name and value and keeps copies.
    Status(unsafe {
        abi::proxy_add_header_map_value(map, name, name_len, value.as_ptr(), value.len())
    })
}

fn remove_header(map: i32, name: &str) -> Status {
    // SAFETY: the host reads the name.
    Status(unsafe { abi::proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

/// A value that all workers of the process share, and the number that says which state
/// of it this is.
pub fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut cas = 0;
    // SAFETY: the host reads the key and writes four bytes at `cas`; `returned` says what
    // the other two pointers are for.
    let data = returned(|data, len| unsafe {
        abi::proxy_get_shared_data(key.as_ptr(), key.len(), data, len, &raw mut cas)
    });
    data.map(|data| (data, cas))
}

/// Sets a shared value if it still is in the state `cas`; a value that is not there is
/// set in any case.
pub fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Status {
    // SAFETY: the host reads key and value and keeps copies.
    Status(unsafe {
        abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
    })
}

/// The token of the queue of this name, which is made if there is none. Whoever asked last is
/// told of new items.
pub fn shared_queue(name: &[u8]) -> Option<u32> {
    let mut token = 0;
    // SAFETY: the host reads the name and writes four bytes at `token`.
    let status =
        unsafe { abi::proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut token) };
    (status == 0).then_some(token)
}

/// Puts an item behind all others of a queue.
pub fn enqueue(token: u32, item: &[u8]) -> Status {
    // SAFETY: the host reads the item and keeps a copy.
    Status(unsafe { abi::proxy_enqueue_shared_queue(token, item.as_ptr(), item.len()) })
}

/// Takes the oldest item out of a queue.
///
/// # Errors
///
/// [`Status::EMPTY`], or there is no such queue.
pub fn dequeue(token: u32) -> Result<Vec<u8>, Status> {
    let mut status = Status::OK;
    // SAFETY: `returned` says what the two pointers are for.
    let item = returned(|data, len| unsafe {
        status = Status(abi::proxy_dequeue_shared_queue(token, data, len));
        status.0
    });
    item.ok_or(status)
}

/// A new id for a metric, which all workers share by its name. Each call makes the host remember
/// one more id: call once for each name.
pub fn define_metric(form: Form, name: &str) -> Option<u32> {
    let form = match form {
        Form::Counter => 0,
        Form::Gauge => 1,
        Form::Histogram => 2,
    };
    let mut id = 0;
    // SAFETY: the host reads the name and writes four bytes at `id`.
    let status = unsafe { abi::proxy_define_metric(form, name.as_ptr(), name.len(), &raw mut id) };
    (status == 0).then_some(id)
}

/// Moves a counter or gauge.
pub fn increment_metric(id: u32, by: i64) -> Status {
    // SAFETY: no pointers.
    Status(unsafe { abi::proxy_increment_metric(id, by) })
}

/// Sets a gauge, or records a value in a histogram.
pub fn record_metric(id: u32, value: u64) -> Status {
    // SAFETY: no pointers.
    Status(unsafe { abi::proxy_record_metric(id, value) })
}

/// Sends a request to a cluster; the answer comes by `proxy_on_http_call_response` with
/// the token that is returned here. A time-out of 0 would be none: it becomes 1 ms.
pub fn http_call(
    cluster: &str,
    headers: &[u8],
    body: &[u8],
    timeout_ms: u32,
) -> Result<u32, Status> {
    const NO_TRAILERS: [u8; 4] = 0_u32.to_le_bytes();
    let mut token = 0;
    // SAFETY: the host reads cluster, headers, body and trailers and keeps copies, and
    // writes four bytes at `token`.
    let status = Status(unsafe {
        abi::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            NO_TRAILERS.as_ptr(),
            NO_TRAILERS.len(),
            timeout_ms.max(1),
            &raw mut token,
        )
    });
    if status == Status::OK { Ok(token) } else { Err(status) }
}

/// Tells the host that a root context whose `proxy_on_done` said "not yet" is done now.
pub fn done() -> Status {
    // SAFETY: no pointers.
    Status(unsafe { abi::proxy_done() })
}

/// The bytes that a call returned: the host has allocated them by
/// [`proxy_on_memory_allocate`], they are ours now.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> i32) -> Option<Vec<u8>> {
    let (mut data, mut len) = (null_mut(), 0);
    if call(&raw mut data, &raw mut len) != 0 {
        return None;
    }
    if data.is_null() || len == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the host got `data` from `proxy_on_memory_allocate(len)`, wrote all of it, and
    // hands it over but once: an allocation of the global allocator, alignment 1, size `len`.
    Some(unsafe { Vec::from_raw_parts(data, len, len) })
}

/// Memory for bytes that a host call will return. Null if there is none, which the host
/// turns into a failure of that call.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(len: usize) -> *mut u8 {
    match Layout::array::<u8>(len) {
        Ok(layout) if len > 0 => {
            // SAFETY: the layout's size is not zero.
            unsafe { alloc(layout) }
        }
        Ok(_) => NonNull::dangling().as_ptr(),
        Err(_) => null_mut(),
    }
}

/// The first function that the host calls.
///
/// It names the constructors, so that the linker makes a reactor: otherwise each export
/// would run them again.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    #[cfg(target_family = "wasm")]
    // SAFETY: the linker's own function; run once, before anything else.
    unsafe {
        abi::__wasm_call_ctors();
    }
}

/// Tells the host which ABI this is.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}
