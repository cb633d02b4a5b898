//! Shared data and queues: of the process, apart by the `vm_id` of VMs.

use crate::abi::Status;
use crate::guest::Guest;
use crate::host::Host;
use crate::process::QueueReady;
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

/// Queues; a token is the place in this list plus one.
#[derive(Debug, Default)]
pub(crate) struct Queues(Vec<Queue>);

#[derive(Debug)]
struct Queue {
    vm_id: Vec<u8>,
    name: Vec<u8>,
    items: VecDeque<Vec<u8>>,
    /// The last that registered it: VM and root context.
    registrant: (usize, u32),
}

impl Queues {
    /// Items stay, even those of a VM that is gone.
    fn register(&mut self, vm_id: &[u8], name: &[u8], registrant: (usize, u32)) -> u32 {
        match self.resolve(vm_id, name) {
            Some(token) => {
                if let Some(queue) = self.by_token(token) {
                    queue.registrant = registrant;
                }
                token
            }
            None => {
                let (vm_id, name) = (vm_id.to_vec(), name.to_vec());
                self.0.push(Queue { vm_id, name, items: VecDeque::new(), registrant });
                u32::try_from(self.0.len()).unwrap_or(u32::MAX)
            }
        }
    }

    fn resolve(&self, vm_id: &[u8], name: &[u8]) -> Option<u32> {
        let place = self.0.iter().position(|it| it.vm_id == vm_id && it.name == name)?;
        u32::try_from(place + 1).ok()
    }

    fn by_token(&mut self, token: u32) -> Option<&mut Queue> {
        self.0.get_mut((token as usize).checked_sub(1)?)
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
        let process = &host.guest().process;
        let key = (process.settings.vm_id.clone(), key);
        let found = process.shared.borrow().values.get(&key).cloned();
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
        let process = &host.guest().process;
        process.shared.borrow_mut().set(&process.settings.vm_id, &key, &value, cas)?;
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
        let vm_id = guest.process.settings.vm_id.as_bytes();
        let token = guest.process.queues.borrow_mut().register(vm_id, &name, registrant);
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
        let process = &host.guest().process;
        let own = process.settings.vm_id.as_bytes();
        let vm_id = if vm_id.is_empty() { own } else { &vm_id };
        let token = process.queues.borrow().resolve(vm_id, &name).ok_or(Status::NOT_FOUND)?;
        host.write_u32(token_at, token)
    })
}

fn enqueue(caller: Caller<'_, Guest>, token: u32, at: u32, length: u32) -> Result<u32> {
    Host(caller).answer("proxy_enqueue_shared_queue", format!("queue_{token}"), |host| {
        let item = host.bytes(at, length)?;
        let process = &host.guest().process;
        let mut queues = process.queues.borrow_mut();
        let queue = queues.by_token(token).ok_or(Status::NOT_FOUND)?;
        queue.items.push_back(item);
        let (vm, root) = queue.registrant;
        process.posted.borrow_mut().push_back(QueueReady { vm, root, token });
        Ok(())
    })
}

fn dequeue(caller: Caller<'_, Guest>, token: u32, at: u32, length_at: u32) -> Result<u32> {
    Host(caller).answer("proxy_dequeue_shared_queue", format!("queue_{token}"), |host| {
        let mut queues = host.guest().process.queues.borrow_mut();
        let queue = queues.by_token(token).ok_or(Status::NOT_FOUND)?;
        let item = queue.items.pop_front().ok_or(Status::EMPTY)?;
        drop(queues);
        host.give(&item, at, length_at)
    })
}
