//! Hostcalls on buffers: bodies, answers of callouts, configurations.

use crate::abi::Status;
use crate::guest::Guest;
use crate::host::Host;
use wasmtime::{Caller, Linker, Result};

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CALL_RESPONSE_BODY: u32 = 4;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const LAST: u32 = 8;

pub(crate) fn define(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    match name {
        "proxy_get_buffer_bytes" => linker.func_wrap("env", name, bytes)?,
        "proxy_get_buffer_status" => linker.func_wrap("env", name, status)?,
        "proxy_set_buffer_bytes" => linker.func_wrap("env", name, set_bytes)?,
        _ => return Ok(false),
    };
    Ok(true)
}

fn bytes(
    caller: Caller<'_, Guest>,
    buffer: u32,
    start: u32,
    length: u32,
    at: u32,
    length_at: u32,
) -> Result<u32> {
    Host(caller).answer("proxy_get_buffer_bytes", name(buffer), |host| {
        let content = content(host.guest(), buffer)?;
        start.checked_add(length).ok_or(Status::BAD_ARGUMENT)?;
        // What is not there is left out, without an error.
        let rest = content.get(start as usize..).unwrap_or_default();
        let part = rest.get(..length as usize).unwrap_or(rest);
        host.give(part, at, length_at)
    })
}

fn status(caller: Caller<'_, Guest>, buffer: u32, length_at: u32, flags_at: u32) -> Result<u32> {
    Host(caller).answer("proxy_get_buffer_status", name(buffer), |host| {
        let length = content(host.guest(), buffer)?.len();
        host.write_u32(length_at, u32::try_from(length).unwrap_or(u32::MAX))?;
        host.write_u32(flags_at, 0)
    })
}

fn set_bytes(
    caller: Caller<'_, Guest>,
    buffer: u32,
    start: u32,
    length: u32,
    at: u32,
    size: u32,
) -> Result<u32> {
    Host(caller).answer("proxy_set_buffer_bytes", name(buffer), |host| {
        content(host.guest(), buffer)?;
        let bytes = host.bytes(at, size)?;
        let stream = host.guest().stream().ok_or(Status::BAD_ARGUMENT)?;
        let mut stream = stream.borrow_mut();
        let body = stream.body.get_mut(buffer as usize).and_then(Option::as_mut);
        let body = body.ok_or(Status::BAD_ARGUMENT)?;
        let start = (start as usize).min(body.len());
        let end = start.saturating_add(length as usize).min(body.len());
        body.splice(start..end, bytes);
        Ok(())
    })
}

/// The bytes of a buffer. A body outside of its callback is empty, not an error.
fn content(guest: &mut Guest, buffer: u32) -> Result<Vec<u8>, Status> {
    let root = guest.root_id();
    match buffer {
        REQUEST_BODY | RESPONSE_BODY => {
            let stream = guest.stream();
            let body = stream.and_then(|stream| stream.borrow().body[buffer as usize].clone());
            Ok(body.unwrap_or_default())
        }
        CALL_RESPONSE_BODY => {
            let response = guest.root(root).and_then(|root| root.response.as_ref());
            response.and_then(|it| it.body.clone()).ok_or(Status::NOT_FOUND)
        }
        VM_CONFIGURATION => Ok(guest.vm.config.clone()),
        PLUGIN_CONFIGURATION => {
            let acting = guest.acting();
            let root = guest.root(acting).filter(|root| root.configuring);
            root.map(|root| root.config.clone()).ok_or(Status::NOT_FOUND)
        }
        0..=LAST => Err(Status::NOT_FOUND),
        _ => Err(Status::BAD_ARGUMENT),
    }
}

fn name(buffer: u32) -> String {
    match buffer {
        REQUEST_BODY => "request_body".into(),
        RESPONSE_BODY => "response_body".into(),
        CALL_RESPONSE_BODY => "call_response_body".into(),
        VM_CONFIGURATION => "vm_configuration".into(),
        PLUGIN_CONFIGURATION => "plugin_configuration".into(),
        _ => format!("buffer_{buffer}"),
    }
}
