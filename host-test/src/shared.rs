//! Shared data and queues: of the process, apart by the `vm_id` of VMs.

use crate::abi::Status;
use crate::guest::Guest;
use crate::host::Host;
use crate::process::{Process, QueueReady};
use std::collections::{BTreeMap, VecDeque};
use wasmtime::{Caller, Linker, Result};

/// Values and their compare-and-swap numbers, by `vm_id` and key.
#[derive(Debug, Default)]
pub(crate) struct SharedData {
    pub(crate) values: BTreeMap<(String, Vec<u8>), (Vec<u8>, u32)>,
    last_cas: u32,
}

impl SharedData {
    /// Sets a value. A `cas` of 0 is not compared; nor is one for a new key.
    pub(crate) fn set(
        &mut self,
        vm_id: &str,
        key: &[u8],
        value: &[u8],
        cas: u32,
    ) -> Result<(), Status> {
        let key = (vm_id.to_owned(), key.to_vec());
        if self.values.get(&key).is_some_and(|(_, now)| cas != 0 && cas != *now) {
            return Err(Status::CAS_MISMATCH);
        }
        self.last_cas += 1;
        self.values.insert(key, (value.to_vec(), self.last_cas));
        Ok(())
    }
}

/// Queues by their tokens. Those of one `vm_id` are apart from those of others only by name:
/// whoever has a token may use it.
///
/// Source: <https://github.com/proxy-wasm/proxy-wasm-cpp-host/blob/main/src/shared_queue.cc>
#[derive(Debug, Default)]
pub(crate) struct Queues {
    last: u32,
    queues: BTreeMap<u32, Queue>,
}

#[derive(Debug)]
struct Queue {
    vm_id: String,
    name: Vec<u8>,
    items: VecDeque<Vec<u8>>,
    /// The last that registered it: VM and root context.
    registrant: (usize, u32),
}

impl Queues {
    /// Items stay, even those of a VM that is gone.
    fn register(&mut self, vm_id: &str, name: &[u8], registrant: (usize, u32)) -> u32 {
        let token = self.resolve(vm_id, name).unwrap_or_else(|| {
            self.last += 1;
            self.last
        });
        let (vm_id, name) = (vm_id.to_owned(), name.to_vec());
        let new = || Queue { vm_id, name, items: VecDeque::new(), registrant };
        self.queues.entry(token).or_insert_with(new).registrant = registrant;
        token
    }

    pub(crate) fn resolve(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        let found = self.queues.iter().find(|(_, it)| it.vm_id == vm_id && it.name == name);
        found.map(|(token, _)| *token)
    }

    /// The queues of one `vm_id` by name, with their items.
    pub(crate) fn of(&self, vm_id: &str) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
        let own = self.queues.values().filter(|it| it.vm_id == vm_id);
        own.map(|it| (it.name.clone(), it.items.iter().cloned().collect())).collect()
    }

    /// Those of this `vm_id` are gone, and what was in them.
    pub(crate) fn forget(&mut self, vm_id: &str) {
        self.queues.retain(|_, it| it.vm_id != vm_id);
    }
}

impl Process {
    /// Appends to a queue. Its registrant will hear of it.
    pub(crate) fn enqueue(&self, token: u32, item: Vec<u8>) -> Result<(), Status> {
        let mut queues = self.queues.borrow_mut();
        let queue = queues.queues.get_mut(&token).ok_or(Status::NOT_FOUND)?;
        queue.items.push_back(item);
        let (vm, root) = queue.registrant;
        self.posted.borrow_mut().push_back(QueueReady { vm, root, token });
        Ok(())
    }
}

pub(crate) fn define(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    match name {
        "proxy_get_shared_data" => linker.func_wrap("env", name, data)?,
        "proxy_set_shared_data" => linker.func_wrap("env", name, set_data)?,
        "proxy_register_shared_queue" => linker.func_wrap("env", name, register)?,
        "proxy_resolve_shared_queue" => linker.func_wrap("env", name, resolve)?,
        "proxy_enqueue_shared_queue" => linker.func_wrap("env", name, enqueue)?,
        "proxy_dequeue_shared_queue" => linker.func_wrap("env", name, dequeue)?,
        _ => return Ok(false),
    };
    Ok(true)
}

fn data(
    caller: Caller<'_, Guest>,
    key: u32,
    key_length: u32,
    at: u32,
    length_at: u32,
    cas_at: u32,
) -> Result<u32> {
    let host = Host(caller);
    let about = host.subject(key, key_length);
    host.answer("proxy_get_shared_data", about, |host| {
        let key = host.bytes(key, key_length)?;
        let guest = host.guest();
        let key = (guest.vm.id.clone(), key);
        let found = guest.process.shared.borrow().values.get(&key).cloned();
        let (value, cas) = found.ok_or(Status::NOT_FOUND)?;
        host.give(&value, at, length_at)?;
        host.write_u32(cas_at, cas)
    })
}

fn set_data(
    caller: Caller<'_, Guest>,
    key: u32,
    key_length: u32,
    value: u32,
    value_length: u32,
    cas: u32,
) -> Result<u32> {
    let host = Host(caller);
    let about = host.subject(key, key_length);
    host.answer("proxy_set_shared_data", about, |host| {
        let (key, value) = (host.bytes(key, key_length)?, host.bytes(value, value_length)?);
        let guest = host.guest();
        guest.process.shared.borrow_mut().set(&guest.vm.id, &key, &value, cas)?;
        Ok(())
    })
}

fn register(caller: Caller<'_, Guest>, name: u32, length: u32, token_at: u32) -> Result<u32> {
    let host = Host(caller);
    let about = host.subject(name, length);
    host.answer("proxy_register_shared_queue", about, |host| {
        let name = host.bytes(name, length)?;
        let guest = host.guest();
        let registrant = (guest.number, guest.root_id());
        let mut queues = guest.process.queues.borrow_mut();
        let token = queues.register(&guest.vm.id, &name, registrant);
        drop(queues);
        host.write_u32(token_at, token)
    })
}

fn resolve(
    caller: Caller<'_, Guest>,
    vm_id: u32,
    vm_id_length: u32,
    name: u32,
    length: u32,
    token_at: u32,
) -> Result<u32> {
    let host = Host(caller);
    let about = host.subject(name, length);
    host.answer("proxy_resolve_shared_queue", about, |host| {
        let (vm_id, name) = (host.bytes(vm_id, vm_id_length)?, host.bytes(name, length)?);
        let guest = host.guest();
        let other = String::from_utf8_lossy(&vm_id);
        let vm_id = if vm_id.is_empty() { guest.vm.id.as_str() } else { &other };
        let token = guest.process.queues.borrow().resolve(vm_id, &name);
        let token = token.ok_or(Status::NOT_FOUND)?;
        host.write_u32(token_at, token)
    })
}

fn enqueue(caller: Caller<'_, Guest>, token: u32, at: u32, length: u32) -> Result<u32> {
    Host(caller).answer("proxy_enqueue_shared_queue", format!("queue_{token}"), |host| {
        let item = host.bytes(at, length)?;
        host.guest().process.enqueue(token, item)?;
        Ok(())
    })
}

fn dequeue(caller: Caller<'_, Guest>, token: u32, at: u32, length_at: u32) -> Result<u32> {
    Host(caller).answer("proxy_dequeue_shared_queue", format!("queue_{token}"), |host| {
        let mut queues = host.guest().process.queues.borrow_mut();
        let queue = queues.queues.get_mut(&token).ok_or(Status::NOT_FOUND)?;
        let item = queue.items.pop_front().ok_or(Status::EMPTY)?;
        drop(queues);
        host.give(&item, at, length_at)
    })
}
