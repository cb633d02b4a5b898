//! The other hostcalls: log, time, ticks, the life of contexts and streams,
//! functions of the host.

use crate::abi::{Level, Status};
use crate::clock::nanos;
use crate::compress;
use crate::expressions;
use crate::guest::{Guest, Life};
use crate::host::Host;
use crate::process::Settings;
use crate::stream_state::LocalResponse;
use std::rc::Rc;
use std::time::Duration;
use wasmtime::{Caller, Linker, Result};

pub(crate) fn define(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    match name {
        "proxy_log" => linker.func_wrap("env", name, log)?,
        "proxy_get_log_level" => linker.func_wrap("env", name, log_level)?,
        "proxy_get_current_time_nanoseconds" => linker.func_wrap("env", name, time)?,
        "proxy_set_tick_period_milliseconds" => linker.func_wrap("env", name, tick_period)?,
        "proxy_get_status" => linker.func_wrap("env", name, status)?,
        "proxy_set_effective_context" => linker.func_wrap("env", name, effective_context)?,
        "proxy_done" => linker.func_wrap("env", name, done)?,
        "proxy_continue_stream" => linker.func_wrap("env", name, continue_stream)?,
        "proxy_close_stream" => linker.func_wrap("env", name, close_stream)?,
        "proxy_send_local_response" => linker.func_wrap("env", name, local_response)?,
        "proxy_call_foreign_function" => linker.func_wrap("env", name, foreign)?,
        _ => return grpc(linker, name),
    };
    Ok(true)
}

fn log(caller: Caller<'_, Guest>, level: u32, at: u32, length: u32) -> Result<u32> {
    let named = Level::from_number(level);
    let about = named.map_or_else(|| format!("level_{level}"), |level| level.to_string());
    Host(caller).answer("proxy_log", about, |host| {
        let text = host.bytes(at, length)?;
        let level = named.ok_or(Status::BAD_ARGUMENT)?;
        let guest = host.guest();
        guest.process.log.borrow_mut().write(guest.name, level, &text);
        Ok(())
    })
}

fn log_level(caller: Caller<'_, Guest>, at: u32) -> Result<u32> {
    Host(caller).answer("proxy_get_log_level", "", |host| {
        let level = host.guest().process.log.borrow().level;
        host.write_u32(at, level as u32)
    })
}

fn time(caller: Caller<'_, Guest>, at: u32) -> Result<u32> {
    Host(caller).answer("proxy_get_current_time_nanoseconds", "", |host| {
        let now = host.guest().process.clock.wall_nanos();
        host.write_u64(at, now)
    })
}

fn tick_period(caller: Caller<'_, Guest>, milliseconds: u32) -> Result<u32> {
    Host(caller).answer("proxy_set_tick_period_milliseconds", milliseconds.to_string(), |host| {
        let guest = host.guest();
        let now = guest.process.clock.monotonic_nanos();
        let id = guest.root_id();
        let root = guest.root(id).ok_or(Status::BAD_ARGUMENT)?;
        root.tick_period = nanos(Duration::from_millis(milliseconds.into()));
        root.next_tick = now.saturating_add(root.tick_period);
        Ok(())
    })
}

fn status(caller: Caller<'_, Guest>, code_at: u32, at: u32, length_at: u32) -> Result<u32> {
    Host(caller).answer("proxy_get_status", "", |host| {
        let id = host.guest().root_id();
        let (code, text) = host.guest().root(id).map_or((0, ""), |root| root.status);
        host.write_u32(code_at, code)?;
        host.give(text.as_bytes(), at, length_at)
    })
}

fn effective_context(caller: Caller<'_, Guest>, id: u32) -> Result<u32> {
    Host(caller).answer("proxy_set_effective_context", "", |host| {
        if !host.guest().contexts.contains_key(&id) {
            return Err(Status::BAD_ARGUMENT.into());
        }
        host.guest().effective = id;
        Ok(())
    })
}

fn done(caller: Caller<'_, Guest>) -> Result<u32> {
    Host(caller).answer("proxy_done", "", |host| {
        let guest = host.guest();
        let id = guest.acting();
        let root = guest.root(id).filter(|root| root.life == Life::Finishing);
        root.ok_or(Status::NOT_FOUND)?;
        guest.deletions.push(id);
        Ok(())
    })
}

/// Request, response, downstream, upstream; the last two are of TCP streams.
const LAST_STREAM_TYPE: u32 = 3;
const LAST_HTTP_STREAM_TYPE: u32 = 1;

fn continue_stream(caller: Caller<'_, Guest>, kind: u32) -> Result<u32> {
    Host(caller).answer("proxy_continue_stream", kind.to_string(), |host| {
        let stream = host.guest().stream().filter(|_| kind <= LAST_HTTP_STREAM_TYPE);
        let stream = stream.ok_or(Status::BAD_ARGUMENT)?;
        let mut stream = stream.borrow_mut();
        stream.continued.push(kind);
        stream.close_all();
        Ok(())
    })
}

fn close_stream(caller: Caller<'_, Guest>, kind: u32) -> Result<u32> {
    Host(caller).answer("proxy_close_stream", kind.to_string(), |host| {
        let stream = host.guest().stream().filter(|_| kind <= LAST_STREAM_TYPE);
        stream.ok_or(Status::BAD_ARGUMENT)?.borrow_mut().closed.push(kind);
        Ok(())
    })
}

#[expect(clippy::too_many_arguments, reason = "the ABI's signature")]
fn local_response(
    caller: Caller<'_, Guest>,
    status: u32,
    details: u32,
    details_length: u32,
    body: u32,
    body_length: u32,
    headers: u32,
    headers_length: u32,
    grpc_status: i32,
) -> Result<u32> {
    Host(caller).answer("proxy_send_local_response", status.to_string(), |host| {
        let response = LocalResponse {
            status,
            details: host.bytes(details, details_length)?,
            body: host.bytes(body, body_length)?,
            headers: host.pairs(headers, headers_length)?,
            grpc_status,
        };
        // Outside of a stream it is lost without an error, as in Envoy.
        if let Some(stream) = host.guest().stream() {
            stream.borrow_mut().local_response = Some(response);
        }
        Ok(())
    })
}

fn foreign(
    caller: Caller<'_, Guest>,
    name: u32,
    name_length: u32,
    argument: u32,
    argument_length: u32,
    at: u32,
    length_at: u32,
) -> Result<u32> {
    let host = Host(caller);
    let about = host.subject(name, name_length);
    host.answer("proxy_call_foreign_function", about.clone(), |host| {
        let argument = host.bytes(argument, argument_length)?;
        let process = Rc::clone(&host.guest().process);
        let given = process.foreign.borrow_mut().get_mut(&about).map(|it| it(&argument));
        let Settings { expressions, compression, .. } = process.settings;
        let own = || match about.as_str() {
            "compress" => compression.then(|| compress::zlib(&argument)),
            _ if expressions => expressions::call(host.guest(), &about, &argument),
            _ => None,
        };
        let result = given.or_else(own).ok_or(Status::NOT_FOUND)??;
        // A module that wants no result passes null.
        if at == 0 || length_at == 0 {
            return Ok(());
        }
        host.give(&result, at, length_at)
    })
}

/// gRPC callouts link, and fail as in a cluster without a host: status 10.
/// What is judged here talks HTTP; a made-up gRPC stack would prove nothing.
fn grpc(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    macro_rules! fails {
        ($name:literal, $($argument:ty),+) => {
            linker.func_wrap("env", $name, |caller: Caller<'_, Guest>, $(_: $argument),+| {
                Host(caller).answer($name, "", |_| Err(Status::INTERNAL_FAILURE.into()))
            })?
        };
    }
    match name {
        "proxy_grpc_call" => {
            fails!("proxy_grpc_call", u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32)
        }
        "proxy_grpc_stream" => {
            fails!("proxy_grpc_stream", u32, u32, u32, u32, u32, u32, u32, u32, u32)
        }
        "proxy_grpc_send" => fails!("proxy_grpc_send", u32, u32, u32, u32),
        "proxy_grpc_cancel" => fails!("proxy_grpc_cancel", u32),
        "proxy_grpc_close" => fails!("proxy_grpc_close", u32),
        _ => return Ok(false),
    };
    Ok(true)
}
