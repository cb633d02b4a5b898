//! Hostcalls on header maps.
//!
//! Which map a module can reach when follows Envoy's filter, not the letter of
//! the ABI: a map outside of its callback is status 2, but asking for all of
//! its pairs is answered with none and no error; a map that was never there is
//! status 1 in `on_log`.
//!
//! Source: `Context::getMap` and `getConstMap` in Envoy's
//! `source/extensions/common/wasm/context.cc`.

use crate::abi::{MapType, Status};
use crate::guest::Guest;
use crate::headers::Headers;
use crate::host::{Fault, Host};
use crate::stream_state::Phase;
use wasmtime::{Caller, Linker, Result};

pub(crate) fn define(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    match name {
        "proxy_get_header_map_value" => linker.func_wrap("env", name, value)?,
        "proxy_get_header_map_pairs" => linker.func_wrap("env", name, pairs)?,
        "proxy_get_header_map_size" => linker.func_wrap("env", name, size)?,
        "proxy_set_header_map_pairs" => linker.func_wrap("env", name, set_pairs)?,
        "proxy_add_header_map_value" => linker.func_wrap("env", name, add)?,
        "proxy_replace_header_map_value" => linker.func_wrap("env", name, replace)?,
        "proxy_remove_header_map_value" => linker.func_wrap("env", name, remove)?,
        _ => return Ok(false),
    };
    Ok(true)
}

fn value(
    caller: Caller<'_, Guest>,
    map: u32,
    key: u32,
    key_length: u32,
    at: u32,
    length_at: u32,
) -> Result<u32> {
    Host(caller).answer("proxy_get_header_map_value", MapType::name(map), |host| {
        let kind = MapType::from_number(map).ok_or(Status::BAD_ARGUMENT)?;
        let key = host.bytes(key, key_length)?;
        let value = match read(host.guest(), kind) {
            Readable::Map(map) => map.value(&key).map(<[u8]>::to_vec).ok_or(Status::NOT_FOUND)?,
            Readable::NeverThere => return Err(Status::NOT_FOUND.into()),
            Readable::NotNow => return Err(Status::BAD_ARGUMENT.into()),
        };
        host.give(&value, at, length_at)
    })
}

fn pairs(caller: Caller<'_, Guest>, map: u32, at: u32, length_at: u32) -> Result<u32> {
    Host(caller).answer("proxy_get_header_map_pairs", MapType::name(map), |host| {
        let kind = MapType::from_number(map).ok_or(Status::BAD_ARGUMENT)?;
        let map = match read(host.guest(), kind) {
            Readable::Map(map) => map,
            Readable::NeverThere | Readable::NotNow => Headers::new(),
        };
        host.give_map(&map, at, length_at)
    })
}

fn size(caller: Caller<'_, Guest>, map: u32, at: u32) -> Result<u32> {
    Host(caller).answer("proxy_get_header_map_size", MapType::name(map), |host| {
        let mut size = 0;
        change(host, map, |map| size = map.byte_size())?;
        host.write_u32(at, u32::try_from(size).unwrap_or(u32::MAX))
    })
}

fn set_pairs(caller: Caller<'_, Guest>, map: u32, at: u32, length: u32) -> Result<u32> {
    Host(caller).answer("proxy_set_header_map_pairs", MapType::name(map), |host| {
        let pairs = host.pairs(at, length)?;
        change(host, map, |map| *map = pairs)
    })
}

fn add(
    caller: Caller<'_, Guest>,
    map: u32,
    key: u32,
    key_length: u32,
    value: u32,
    value_length: u32,
) -> Result<u32> {
    Host(caller).answer("proxy_add_header_map_value", MapType::name(map), |host| {
        let (key, value) = (host.bytes(key, key_length)?, host.bytes(value, value_length)?);
        change(host, map, |map| map.add(&key, &value))
    })
}

fn replace(
    caller: Caller<'_, Guest>,
    map: u32,
    key: u32,
    key_length: u32,
    value: u32,
    value_length: u32,
) -> Result<u32> {
    Host(caller).answer("proxy_replace_header_map_value", MapType::name(map), |host| {
        let (key, value) = (host.bytes(key, key_length)?, host.bytes(value, value_length)?);
        change(host, map, |map| map.replace(&key, &value))
    })
}

fn remove(caller: Caller<'_, Guest>, map: u32, key: u32, key_length: u32) -> Result<u32> {
    Host(caller).answer("proxy_remove_header_map_value", MapType::name(map), |host| {
        let key = host.bytes(key, key_length)?;
        change(host, map, |map| map.remove(&key))
    })
}

enum Readable {
    Map(Headers),
    /// The stream ended without it.
    NeverThere,
    /// This callback does not have it.
    NotNow,
}

fn read(guest: &mut Guest, map: MapType) -> Readable {
    let found = match map {
        MapType::CallResponseHeaders | MapType::CallResponseTrailers => {
            let root = guest.root_id();
            guest.root(root).and_then(|root| root.response.as_ref()).and_then(
                |response| match map {
                    MapType::CallResponseHeaders => response.headers.clone(),
                    _ => response.trailers.clone(),
                },
            )
        }
        MapType::Grpc => None,
        _ => match guest.stream() {
            Some(stream) => {
                let stream = stream.borrow();
                match stream.readable(map) {
                    None if stream.phase == Phase::Log => return Readable::NeverThere,
                    found => found.cloned(),
                }
            }
            None => None,
        },
    };
    found.map_or(Readable::NotNow, Readable::Map)
}

fn change(host: &mut Host<'_>, map: u32, edit: impl FnOnce(&mut Headers)) -> Result<(), Fault> {
    let map = MapType::from_number(map).ok_or(Status::BAD_ARGUMENT)?;
    let stream = host.guest().stream().ok_or(Status::BAD_ARGUMENT)?;
    let mut stream = stream.borrow_mut();
    edit(stream.writable(map).ok_or(Status::BAD_ARGUMENT)?);
    Ok(())
}
