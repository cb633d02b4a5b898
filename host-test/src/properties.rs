//! Properties: hostcalls, and which of them exist when.
//!
//! What a test sets wins; else they follow from the stream and the clocks.

use crate::abi::{MapType, Status};
use crate::guest::{Context, Guest};
use crate::headers::Headers;
use crate::host::Host;
use crate::stream_state::{Phase, StreamState};
use crate::value::Value;
use std::time::Duration;
use wasmtime::{Caller, Linker, Result};

pub(crate) fn define(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    match name {
        "proxy_get_property" => linker.func_wrap("env", name, property)?,
        "proxy_set_property" => linker.func_wrap("env", name, set_property)?,
        _ => return Ok(false),
    };
    Ok(true)
}

fn property(
    caller: Caller<'_, Guest>,
    path: u32,
    path_length: u32,
    at: u32,
    length_at: u32,
) -> Result<u32> {
    let host = Host(caller);
    let about = host.subject(path, path_length).trim_end_matches('\0').replace('\0', ".");
    host.answer("proxy_get_property", about, |host| {
        let path = host.bytes(path, path_length)?;
        let path = path.strip_suffix(b"\0").unwrap_or(&path);
        let value = read(host.guest(), path).ok_or(Status::NOT_FOUND)?;
        let wire = value.wire().ok_or(Status::SERIALIZATION_FAILURE)?;
        host.give(&wire, at, length_at)
    })
}

fn set_property(
    caller: Caller<'_, Guest>,
    path: u32,
    path_length: u32,
    value: u32,
    value_length: u32,
) -> Result<u32> {
    let host = Host(caller);
    let about = host.subject(path, path_length).replace('\0', ".");
    host.answer("proxy_set_property", about, |host| {
        let (path, value) = (host.bytes(path, path_length)?, host.bytes(value, value_length)?);
        let stream = host.guest().stream().ok_or(Status::NOT_FOUND)?;
        stream.borrow_mut().filter_state.insert(path, value);
        Ok(())
    })
}

/// A path as tests write it, with dots, in the ABI's form. One that already has
/// zeros is left alone, so that parts may contain dots.
pub(crate) fn path(written: &str) -> Vec<u8> {
    let written = written.as_bytes();
    if written.contains(&0) {
        return written.to_vec();
    }
    written.iter().map(|&byte| if byte == b'.' { 0 } else { byte }).collect()
}

/// The phases that know a property: request, response, log, done. The first
/// entry that begins the path counts; what is not listed is there in all of them.
///
/// Measured in Envoy 1.40; `request.duration` and the backend latency need the
/// end of the request, the upstream's side its choice.
const PHASES: &[(&str, &[Phase])] = &[
    ("request.duration", &[Phase::Log, Phase::Done]),
    ("request.time", ANY),
    ("request.protocol", ANY),
    ("request.size", ANY),
    ("request.total_size", ANY),
    ("request.", &[Phase::Request, Phase::Log]),
    ("response.flags", ANY),
    ("response.backend_latency", &[Phase::Log, Phase::Done]),
    ("response.headers", &[Phase::Response, Phase::Log]),
    ("response.trailers", &[Phase::Response, Phase::Log]),
    ("response.", RESPONDED),
    ("upstream.request_attempt_count", ANY),
    ("upstream.transport_failure_reason", &[Phase::Log, Phase::Done]),
    ("upstream.", RESPONDED),
    ("xds.upstream_host_metadata", RESPONDED),
];
const ANY: &[Phase] = &[Phase::Request, Phase::Response, Phase::Log, Phase::Done];
const RESPONDED: &[Phase] = &[Phase::Response, Phase::Log, Phase::Done];

/// What root contexts know besides `plugin_name` and its like.
const NODE: [&[u8]; 2] = [b"xds\0node\0", b"node\0"];
const PLUGIN: [&[u8]; 3] = [b"plugin_name", b"plugin_root_id", b"plugin_vm_id"];

/// The property as it stands now.
pub(crate) fn read(guest: &Guest, path: &[u8]) -> Option<Value> {
    let of_process = || {
        let own = match path {
            b"plugin_name" => guest.plugin().map(Value::from),
            b"plugin_vm_id" => Some(guest.vm.id.as_str().into()),
            _ => None,
        };
        own.or_else(|| guest.process.properties.borrow().get(path).cloned())
    };
    let Some(Context::Stream { state, .. }) = guest.contexts.get(&guest.acting()) else {
        let everywhere = NODE.iter().any(|it| path.starts_with(it)) || PLUGIN.contains(&path);
        return of_process().filter(|_| everywhere);
    };
    let stream = state.borrow();
    if !exists(&stream, path) || stream.unset.contains(path) {
        return None;
    }
    if let Some(value) = stream.properties.get(path) {
        return Some(value.clone());
    }
    let derived = || derive(&stream, path, guest.process.clock.monotonic_nanos());
    let of_filter = || {
        let key = path.strip_prefix(b"filter_state\0wasm\0".as_slice()).unwrap_or(path);
        stream.filter_state.get(key).map(|bytes| Value::Bytes(bytes.clone()))
    };
    of_process().or_else(derived).or_else(of_filter)
}

fn exists(stream: &StreamState, path: &[u8]) -> bool {
    // An upstream filter runs once the host is chosen.
    if stream.upstream_role && path.starts_with(b"upstream\0") && !path.ends_with(b"_reason") {
        return true;
    }
    let dotted = String::from_utf8_lossy(path).replace('\0', ".");
    let listed = PHASES.iter().find(|(start, _)| dotted.starts_with(start));
    listed.is_none_or(|(_, phases)| phases.contains(&stream.phase))
}

/// What follows from headers, bodies and clocks.
fn derive(stream: &StreamState, path: &[u8], now: u64) -> Option<Value> {
    let mut parts = path.splitn(3, |&byte| byte == 0);
    let part = |it: Option<&[u8]>| it.map(|it| String::from_utf8_lossy(it).into_owned());
    let (group, field) = (part(parts.next())?, part(parts.next()));
    match (group.as_str(), field.as_deref(), parts.next()) {
        ("request", Some("headers"), name) => header(stream, MapType::RequestHeaders, name),
        ("response", Some("headers"), name) => header(stream, MapType::ResponseHeaders, name),
        ("response", Some("trailers"), name) => header(stream, MapType::ResponseTrailers, name),
        ("request", Some(field), None) => request(stream, field, now),
        ("response", Some(field), None) => response(stream, field),
        ("upstream", Some("request_attempt_count"), None) => {
            Some(Value::Uint(u64::from(stream.upstream_role || stream.phase != Phase::Request)))
        }
        ("filter_state" | "upstream_filter_state", None, None) => Some(Value::Unserialisable),
        _ => None,
    }
}

fn header(stream: &StreamState, map: MapType, name: Option<&[u8]>) -> Option<Value> {
    let map = stream.readable(map)?;
    match name {
        Some(name) => map.joined(name).map(Value::Bytes),
        None => Some(Value::Map(map.clone())),
    }
}

fn request(stream: &StreamState, field: &str, now: u64) -> Option<Value> {
    let times = &stream.times;
    let text = |name: &str| {
        let map = stream.readable(MapType::RequestHeaders)?;
        map.value(name).map(Value::from)
    };
    let target = || stream.readable(MapType::RequestHeaders)?.text(":path");
    match field {
        "path" => text(":path"),
        "url_path" => target()?.split('?').next().map(Value::from),
        "query" => Some(Value::from(target()?.split_once('?').map_or("", |(_, query)| query))),
        "host" => text(":authority"),
        "scheme" => text(":scheme"),
        "method" => text(":method"),
        "useragent" => text("user-agent"),
        "referer" => text("referer"),
        "id" => text("x-request-id"),
        "time" => Some(Value::Timestamp(times.start_wall)),
        "duration" => {
            let end = times.complete.unwrap_or(now);
            Some(Duration::from_nanos(end.saturating_sub(times.start)).into())
        }
        "protocol" => Some("HTTP/1.1".into()),
        "size" => Some(Value::Int(size(stream, 0).cast_signed())),
        "total_size" => {
            let head = stream.readable(MapType::RequestHeaders).map_or(0, Headers::byte_size);
            Some(Value::Int(size(stream, 0).saturating_add(head as u64).cast_signed()))
        }
        _ => None,
    }
}

fn size(stream: &StreamState, side: usize) -> u64 {
    let announced = stream.readable(MapType::RequestHeaders);
    let announced = announced.filter(|_| side == 0).and_then(|map| map.text("content-length"));
    let received = stream.received.get(side).copied().unwrap_or_default();
    announced.and_then(|text| text.parse().ok()).unwrap_or(received)
}

fn response(stream: &StreamState, field: &str) -> Option<Value> {
    let headers = stream.map(MapType::ResponseHeaders);
    let code = || headers?.text(":status")?.parse::<i64>().ok();
    match field {
        "code" => code().map(Value::Int),
        "code_details" => code().map(|_| "via_upstream".into()),
        "flags" => Some(Value::Int(0)),
        "grpc_status" => grpc_status(stream, code()),
        "size" => Some(Value::Int(size(stream, 1).cast_signed())),
        "total_size" => {
            let head = headers.map_or(0, Headers::byte_size) as u64;
            Some(Value::Int(size(stream, 1).saturating_add(head).cast_signed()))
        }
        // From the first byte to the upstream, which the request's head is, to
        // the last from it. An upgraded connection has none.
        "backend_latency" if code() != Some(101) => {
            let end = stream.times.response_end?;
            Some(Duration::from_nanos(end.saturating_sub(stream.times.request)).into())
        }
        _ => None,
    }
}

/// From trailers, else headers, else guessed from the HTTP status, as Envoy does.
///
/// Source: `Grpc::Utility::httpToGrpcStatus`.
fn grpc_status(stream: &StreamState, code: Option<i64>) -> Option<Value> {
    let said = [MapType::ResponseTrailers, MapType::ResponseHeaders].into_iter().find_map(|map| {
        stream.map(map).and_then(|map| map.text("grpc-status")).and_then(|it| it.parse().ok())
    });
    let guessed = code.map(|code| match code {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    });
    said.or(guessed).map(Value::Int)
}
