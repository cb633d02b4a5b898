//! Root contexts: one for each configuration of a VM, from its start to its end.

use crate::callouts::CallResponse;
use crate::guest::{Context, Guest, Life, Root};
use crate::host::{Fault, Host};
use crate::vm::{Callback, Called, Vm};
use wasmtime::Val;

impl Vm {
    /// Gives new streams a root context with this configuration: a new one, unless an older
    /// one that has it still drains, which then serves again, without hearing of it.
    ///
    /// Source: `getOrCreateThreadLocalPlugin` in proxy-wasm-cpp-host, `src/wasm.cc`.
    pub(crate) fn configure(&self, config: &[u8]) -> Result<(), String> {
        let is_same = |root: &Root| root.life == Life::Draining && root.config == config;
        let old = self.guest(|it| it.roots().find(|(_, root)| is_same(root)).map(|(id, _)| id));
        let id = old.map_or_else(|| self.add_root(None, config), Ok)?;
        self.guest(|guest| {
            let before = std::mem::replace(&mut guest.serving, id);
            guest.root(before).into_iter().for_each(|it| it.life = Life::Draining);
            guest.root(id).into_iter().for_each(|it| it.life = Life::Serving);
        });
        Ok(())
    }

    /// Creates and configures a root context beside those that there are.
    pub(crate) fn add_root(&self, plugin: Option<&str>, config: &[u8]) -> Result<u32, String> {
        let root = Context::Root(Box::new(Root::new(plugin, config)));
        let id = self.guest(|guest| guest.add(root));
        let vm_config = self.guest(|guest| guest.vm.config.len());
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let configuring = |on: bool| {
            self.guest(|guest| guest.root(id).into_iter().for_each(|it| it.configuring = on));
        };
        let created = self.run("proxy_on_context_create", id, &[id, 0]);
        let started = self.run("proxy_on_vm_start", id, &[id, length(vm_config)]);
        configuring(true);
        let configured = self.run("proxy_on_configure", id, &[id, length(config.len())]);
        configuring(false);
        let refusal = match (created, started, configured) {
            (Called::Dead, ..) | (_, Called::Dead, _) | (.., Called::Dead) => {
                self.trap().map_or_else(|| "the VM is dead".into(), |trap| trap.to_string())
            }
            (_, Called::Returned(0), _) => "proxy_on_vm_start returned false".to_owned(),
            (.., Called::Returned(0)) => "proxy_on_configure returned false".to_owned(),
            _ => return Ok(id),
        };
        self.forget_root(id);
        Err(refusal)
    }

    pub(crate) fn tick_root(&self, id: u32) {
        self.run("proxy_on_tick", id, &[id]);
        self.guest(|guest| {
            let now = guest.process.clock.monotonic_nanos();
            if let Some(root) = guest.root(id) {
                root.next_tick = now.saturating_add(root.tick_period);
            }
        });
    }

    pub(crate) fn queue_ready(&self, root: u32, token: u32) {
        if self.guest(|guest| guest.root(root).is_some()) {
            self.run("proxy_on_queue_ready", root, &[root, token]);
        }
    }

    /// Delivers the end of a callout; false if the root context is gone.
    pub(crate) fn call_response(
        &self,
        root: u32,
        token: u32,
        response: CallResponse,
        status: (u32, &'static str),
    ) -> bool {
        let args = response_args(root, token, &response);
        let found = self.guest(|guest| {
            let alive = guest.alive();
            guest.root(root).filter(|_| alive).map(|root| {
                root.response = Some(response);
                root.status = status;
            })
        });
        if found.is_some() {
            self.run("proxy_on_http_call_response", root, &args);
            self.guest(|guest| guest.root(root).into_iter().for_each(|it| it.response = None));
        }
        found.is_some()
    }

    /// Ends those root contexts of which `which` is true, and which have not ended before.
    pub(crate) fn end_roots(&self, which: impl Fn(u32, &Root) -> bool) {
        let ends = |id, root: &Root| root.life != Life::Finishing && which(id, root);
        let ending: Vec<_> = self.guest(|guest| {
            guest.roots().filter(|(id, root)| ends(*id, root)).map(|(id, _)| id).collect()
        });
        for id in ending {
            match self.run("proxy_on_done", id, &[id]) {
                Called::Returned(0) => self.guest(|guest| {
                    guest.root(id).into_iter().for_each(|it| it.life = Life::Finishing);
                }),
                _ => self.delete_root(id),
            }
        }
    }

    /// Whether a root context is left that has not ended: only those keep a VM alive.
    ///
    /// Source: `PluginHandleBase` in proxy-wasm-cpp-host, `include/proxy-wasm/wasm.h`.
    pub(crate) fn is_in_use(&self) -> bool {
        self.guest(|guest| guest.roots().any(|(_, root)| root.life != Life::Finishing))
    }

    /// The proxy lets go of the VM: no more callbacks, callouts are cancelled.
    pub(crate) fn retire(&self) {
        self.guest(|guest| {
            guest.retired = true;
            guest.cancel_callouts(None);
        });
    }

    pub(crate) fn delete_root(&self, id: u32) {
        self.run("proxy_on_delete", id, &[id]);
        self.forget_root(id);
    }

    fn forget_root(&self, id: u32) {
        self.guest(|guest| {
            guest.contexts.remove(&id);
            guest.cancel_callouts(Some(id));
        });
    }
}

impl Guest {
    /// Cancels what one root context waits for, or the whole VM.
    pub(crate) fn cancel_callouts(&self, root: Option<u32>) {
        for call in self.process.callouts.borrow().iter() {
            if call.vm == self.number && root.is_none_or(|root| call.root == root) {
                call.waiting.set(false);
            }
        }
    }
}

/// Delivers the answer of a callout while the call itself still runs.
pub(crate) fn reenter(
    host: &mut Host<'_>,
    root: u32,
    token: u32,
    response: CallResponse,
) -> Result<(), Fault> {
    const NAME: &str = "proxy_on_http_call_response";
    let export = host.0.get_export(NAME).and_then(wasmtime::Extern::into_func);
    let Some(function) = export else { return Ok(()) };
    let args = response_args(root, token, &response).map(|it| Val::I32(it.cast_signed()));
    let guest = host.guest();
    let (current, effective) = (guest.current, guest.effective);
    (guest.current, guest.effective) = (root, 0);
    guest.callbacks.push(Callback { name: NAME, context: root, fuel: 0 });
    guest.root(root).into_iter().for_each(|it| it.response = Some(response.clone()));
    let end = function.call(&mut host.0, &args, &mut []);
    let guest = host.guest();
    guest.root(root).into_iter().for_each(|it| it.response = None);
    (guest.current, guest.effective) = (current, effective);
    Ok(end?)
}

/// Context, token, and how many headers, bytes of body and trailers came.
fn response_args(root: u32, token: u32, response: &CallResponse) -> [u32; 5] {
    let CallResponse { headers, body, trailers } = response;
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    [
        root,
        token,
        headers.as_ref().map_or(0, |it| length(it.len())),
        body.as_ref().map_or(0, |it| length(it.len())),
        trailers.as_ref().map_or(0, |it| length(it.len())),
    ]
}
