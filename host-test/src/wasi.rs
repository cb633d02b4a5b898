//! The part of WASI preview 1 that Envoy gives to modules.
//!
//! Source: `src/exports.cc` of proxy-wasm-cpp-host; errno values are WASI's.

use crate::abi::Level;
use crate::abi::Status;
use crate::guest::Guest;
use crate::host::{Fault, Host};
use wasmtime::{Caller, Linker, Result};

pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

const BADF: Status = Status(8);
const INVAL: Status = Status(28);
const NOSYS: Status = Status(52);
const NOTSUP: Status = Status(58);

/// The most that one `random_get` may ask for.
const RANDOM_LIMIT: u32 = 64 * 1024;

/// Bytes that look random, the same in every run of a test.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `SplitMix64`: <https://prng.di.unimi.it/splitmix64.c>
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, count: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count as usize {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(count as usize);
        bytes
    }
}

pub(crate) fn define(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    match name {
        "random_get" => linker.func_wrap(MODULE, name, random)?,
        "clock_time_get" => linker.func_wrap(MODULE, name, clock_time)?,
        "clock_res_get" => linker.func_wrap(MODULE, name, clock_resolution)?,
        "environ_sizes_get" => linker.func_wrap(MODULE, name, environ_sizes)?,
        "environ_get" => linker.func_wrap(MODULE, name, environ)?,
        "args_sizes_get" => linker.func_wrap(MODULE, name, args_sizes)?,
        "args_get" => linker.func_wrap(MODULE, name, args)?,
        "fd_write" => linker.func_wrap(MODULE, name, fd_write)?,
        "proc_exit" => linker.func_wrap(MODULE, name, proc_exit)?,
        _ => return files(linker, name),
    };
    Ok(true)
}

/// No files: a module that reads them gets an errno.
fn files(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    macro_rules! fails {
        ($name:literal, $errno:expr, $($argument:ty),*) => {
            linker.func_wrap(MODULE, $name, |caller: Caller<'_, Guest>, $(_: $argument),*| {
                Host(caller).answer($name, "", |_| Err($errno.into()))
            })?
        };
    }
    match name {
        "fd_read" => fails!("fd_read", NOSYS, u32, u32, u32, u32),
        "fd_seek" => fails!("fd_seek", NOSYS, u32, i64, u32, u32),
        "fd_close" => fails!("fd_close", NOSYS, u32),
        "fd_fdstat_get" => fails!("fd_fdstat_get", BADF, u32, u32),
        "fd_prestat_get" => fails!("fd_prestat_get", BADF, u32, u32),
        "fd_prestat_dir_name" => fails!("fd_prestat_dir_name", BADF, u32, u32, u32),
        "path_open" => fails!("path_open", NOSYS, u32, u32, u32, u32, u32, i64, i64, u32, u32),
        "poll_oneoff" => fails!("poll_oneoff", NOSYS, u32, u32, u32, u32),
        "sched_yield" => fails!("sched_yield", NOSYS,),
        _ => return Ok(false),
    };
    Ok(true)
}

fn random(caller: Caller<'_, Guest>, at: u32, count: u32) -> Result<u32> {
    Host(caller).answer("random_get", "", |host| {
        if count > RANDOM_LIMIT {
            return Err(INVAL.into());
        }
        let bytes = host.guest().process.random.borrow_mut().bytes(count);
        host.write(at, &bytes)
    })
}

fn clock_time(caller: Caller<'_, Guest>, clock: u32, _precision: i64, at: u32) -> Result<u32> {
    Host(caller).answer("clock_time_get", clock_name(clock), |host| {
        let time = match clock {
            0 => host.guest().process.clock.wall_nanos(),
            1 => host.guest().process.clock.monotonic_nanos(),
            _ => return Err(NOTSUP.into()),
        };
        host.write_u64(at, time)
    })
}

fn clock_resolution(caller: Caller<'_, Guest>, clock: u32, at: u32) -> Result<u32> {
    Host(caller).answer("clock_res_get", clock_name(clock), |host| host.write_u64(at, 1))
}

fn clock_name(clock: u32) -> String {
    match clock {
        0 => "realtime".into(),
        1 => "monotonic".into(),
        _ => format!("clock_{clock}"),
    }
}

/// `NAME=value` and a zero each.
fn variables(host: &mut Host<'_>) -> Vec<Vec<u8>> {
    let env = host.guest().process.settings.env.clone();
    env.iter().map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

fn environ_sizes(caller: Caller<'_, Guest>, count_at: u32, size_at: u32) -> Result<u32> {
    Host(caller).answer("environ_sizes_get", "", |host| {
        let variables = variables(host);
        let size = variables.iter().map(Vec::len).sum();
        host.write_u32(count_at, number(variables.len()))?;
        host.write_u32(size_at, number(size))
    })
}

fn environ(caller: Caller<'_, Guest>, pointers: u32, text: u32) -> Result<u32> {
    Host(caller).answer("environ_get", "", |host| {
        let (mut pointer, mut place) = (pointers, text);
        for variable in variables(host) {
            host.write_u32(pointer, place)?;
            host.write(place, &variable)?;
            pointer = pointer.wrapping_add(4);
            place = place.wrapping_add(number(variable.len()));
        }
        Ok(())
    })
}

fn args_sizes(caller: Caller<'_, Guest>, count_at: u32, size_at: u32) -> Result<u32> {
    Host(caller).answer("args_sizes_get", "", |host| {
        host.write_u32(count_at, 0)?;
        host.write_u32(size_at, 0)
    })
}

fn args(caller: Caller<'_, Guest>, _pointers: u32, _text: u32) -> Result<u32> {
    Host(caller).answer("args_get", "", |_| Ok(()))
}

/// Standard output and error go to the log, as one line a call.
fn fd_write(
    caller: Caller<'_, Guest>,
    fd: u32,
    parts: u32,
    count: u32,
    written_at: u32,
) -> Result<u32> {
    Host(caller).answer("fd_write", fd.to_string(), |host| {
        let level = match fd {
            1 => Level::Info,
            2 => Level::Error,
            _ => return Err(BADF.into()),
        };
        let mut text = Vec::new();
        for part in 0..count {
            let at = parts.wrapping_add(part.wrapping_mul(8));
            let (start, length) = (read_u32(host, at)?, read_u32(host, at.wrapping_add(4))?);
            text.extend(host.bytes(start, length)?);
        }
        let written = number(text.len());
        if !text.is_empty() {
            let line = text.strip_suffix(b"\n").unwrap_or(&text);
            let guest = host.guest();
            guest.process.log.borrow_mut().write(guest.name, level, line);
        }
        host.write_u32(written_at, written)
    })
}

/// Only logs, and returns: the module runs into whatever it has after it.
fn proc_exit(caller: Caller<'_, Guest>, code: u32) -> Result<()> {
    let exit = Host(caller).answer("proc_exit", code.to_string(), |host| {
        let guest = host.guest();
        let text = format!("proc_exit({code})");
        guest.process.log.borrow_mut().write(guest.name, Level::Error, text.as_bytes());
        Ok(())
    });
    exit.map(drop)
}

fn read_u32(host: &Host<'_>, at: u32) -> Result<u32, Fault> {
    let bytes = host.bytes(at, 4)?;
    Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte)))
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
