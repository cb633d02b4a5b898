//! One hostcall: from the module's memory, through admission, back into it.

use crate::abi::Status;
use crate::guest::Guest;
use crate::headers::Headers;
use std::rc::Rc;
use wasmtime::{Caller, Error, Val, format_err};

/// How a hostcall ends, if not well.
pub(crate) enum Fault {
    /// The module gets this status.
    Status(Status),
    /// The module traps.
    Trap(Error),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Trap(error)
    }
}

/// The host as one running hostcall sees it.
pub(crate) struct Host<'a>(pub(crate) Caller<'a, Guest>);

/// What the module may call while it starts or allocates.
///
/// Source: `WasmBase::startVm` in proxy-wasm-cpp-host, `src/wasm.cc`.
const ALWAYS_ALLOWED: [&str; 10] = [
    "proxy_log",
    "fd_write",
    "args_get",
    "args_sizes_get",
    "environ_get",
    "environ_sizes_get",
    "fd_prestat_get",
    "fd_prestat_dir_name",
    "clock_time_get",
    "random_get",
];

impl Host<'_> {
    /// Counts the call, lets an injected status win, else runs `body`.
    pub(crate) fn answer(
        mut self,
        name: &'static str,
        about: impl Into<String>,
        body: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> wasmtime::Result<u32> {
        if self.guest().restricted && !ALWAYS_ALLOWED.contains(&name) {
            return Err(format_err!(
                "{name} was called while the module starts or allocates memory: restricted_callback"
            ));
        }
        let process = Rc::clone(&self.guest().process);
        process.interlude(name);
        let injected = process.hostcalls.borrow_mut().record(name, about.into());
        if let Some(status) = injected {
            return Ok(status.0);
        }
        match body(&mut self) {
            Ok(()) => Ok(Status::OK.0),
            Err(Fault::Status(status)) => Ok(status.0),
            Err(Fault::Trap(error)) => Err(error),
        }
    }

    pub(crate) fn guest(&mut self) -> &mut Guest {
        self.0.data_mut()
    }

    /// The `length` bytes at `at` in the module's memory.
    pub(crate) fn bytes(&self, at: u32, length: u32) -> Result<Vec<u8>, Fault> {
        let memory = self.0.data().memory.ok_or(Status::INVALID_MEMORY_ACCESS)?;
        let bytes =
            memory.data(&self.0).get(at as usize..).and_then(|it| it.get(..length as usize));
        Ok(bytes.ok_or(Status::INVALID_MEMORY_ACCESS)?.to_vec())
    }

    pub(crate) fn pairs(&self, at: u32, length: u32) -> Result<Headers, Fault> {
        self.bytes(at, length).map(|bytes| Headers::decode(&bytes))
    }

    /// Text for counting, whatever the module points at.
    pub(crate) fn subject(&self, at: u32, length: u32) -> String {
        let bytes = self.bytes(at, length).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let memory = self.0.data().memory.ok_or(Status::INVALID_MEMORY_ACCESS)?;
        let place = memory.data_mut(&mut self.0).get_mut(at as usize..);
        let place = place.and_then(|it| it.get_mut(..bytes.len()));
        place.ok_or(Status::INVALID_MEMORY_ACCESS)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn write_u32(&mut self, at: u32, number: u32) -> Result<(), Fault> {
        self.write(at, &number.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, at: u32, number: u64) -> Result<(), Fault> {
        self.write(at, &number.to_le_bytes())
    }

    /// Hands bytes over: the module allocates, and gets pointer and length.
    ///
    /// Nothing to hand over is (0, 0), without allocating.
    pub(crate) fn give(&mut self, bytes: &[u8], at: u32, length_at: u32) -> Result<(), Fault> {
        let length = u32::try_from(bytes.len()).map_err(|_| Status::INTERNAL_FAILURE)?;
        let place = if bytes.is_empty() { 0 } else { self.allocate(length)? };
        self.write(place, bytes)?;
        self.write_u32(at, place)?;
        self.write_u32(length_at, length)
    }

    /// Hands a map over, in the ABI's form; an empty one is (0, 0).
    pub(crate) fn give_map(&mut self, map: &Headers, at: u32, length: u32) -> Result<(), Fault> {
        let bytes = if map.is_empty() { Vec::new() } else { map.encode() };
        self.give(&bytes, at, length)
    }

    fn allocate(&mut self, length: u32) -> Result<u32, Fault> {
        let allocator = self.0.data().allocator.ok_or(Status::INVALID_MEMORY_ACCESS)?;
        let before = std::mem::replace(&mut self.guest().restricted, true);
        let mut place = [Val::I32(0)];
        allocator.call(&mut self.0, &[Val::I32(length.cast_signed())], &mut place)?;
        self.guest().restricted = before;
        match place {
            [Val::I32(place)] if place != 0 => Ok(place.cast_unsigned()),
            _ => Err(Status::INVALID_MEMORY_ACCESS.into()),
        }
    }
}
