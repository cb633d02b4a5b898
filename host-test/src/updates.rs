//! What becomes of a running proxy: configurations and VMs that come and go.

use crate::builder::Refused;
use crate::guest::{Life, Root};
use crate::module::Module;
use crate::process::VmSettings;
use crate::proxy::{Plugin, Proxy};
use crate::vm::{Vm, VmName};
use std::rc::Rc;

impl Proxy {
    /// Configures the plugin anew in the same VMs, after a canary accepted it.
    /// New streams get the new root contexts; old ones keep theirs, which go on
    /// ticking until [`Proxy::drained`]. The same configuration again changes nothing, and
    /// one whose root contexts still drain has these serve again.
    ///
    /// # Errors
    ///
    /// The module refused; the old configuration goes on.
    pub fn reconfigure(&self, config: impl AsRef<[u8]>) -> Result<(), Refused> {
        let config = config.as_ref();
        if *self.config.borrow() == config {
            return Ok(());
        }
        self.canary(&self.module.borrow(), None, config)?;
        for vm in self.vms.borrow().iter() {
            vm.configure(config).map_err(|reason| self.refused(vm.name(), reason))?;
        }
        *self.config.borrow_mut() = config.to_vec();
        Ok(())
    }

    /// Adds a plugin with the same module, name and `vm_id`, such as that of a second
    /// listener: each VM gets a root context for it, beside that of the first. Its streams are
    /// those of [`Vm::stream_of`]. All of [`Proxy::reconfigure`], [`Proxy::replace`] and
    /// [`Proxy::remove_first`] are about the first.
    ///
    /// # Errors
    ///
    /// The module refused.
    pub fn add_plugin(&self, config: impl AsRef<[u8]>) -> Result<Plugin, Refused> {
        self.add(None, config.as_ref())
    }

    /// The same with a `plugin_name` of its own.
    ///
    /// # Errors
    ///
    /// The module refused.
    pub fn add_plugin_named(
        &self,
        name: &str,
        config: impl AsRef<[u8]>,
    ) -> Result<Plugin, Refused> {
        self.add(Some(name), config.as_ref())
    }

    fn add(&self, name: Option<&str>, config: &[u8]) -> Result<Plugin, Refused> {
        self.canary(&self.module.borrow(), name, config)?;
        let added = |vm: &Vm| match vm.add_root(name, config) {
            Ok(root) => Ok((vm.clone(), root)),
            Err(reason) => Err(self.refused(vm.name(), reason)),
        };
        let roots: Result<_, _> = self.vms.borrow().iter().map(added).collect();
        roots.map(|roots| Plugin { roots })
    }

    /// The listener of a plugin beside the first is gone, and has drained: its root contexts
    /// get `proxy_on_done`.
    pub fn remove(&self, plugin: &Plugin) {
        for (vm, root) in &plugin.roots {
            vm.end_roots(|id, _| id == *root);
        }
        self.bury();
    }

    /// The listener of the first plugin is gone without another in its place, and has drained:
    /// its root contexts get `proxy_on_done`. VMs that have no other plugin die at once.
    pub fn remove_first(&self) {
        for vm in self.vms() {
            let serving = vm.guest(|guest| guest.serving);
            vm.end_roots(|id, root| id == serving || root.life == Life::Draining);
        }
        self.bury();
    }

    /// Starts new VMs; the old ones serve their streams until [`Proxy::drained`], and die then
    /// unless they have another plugin. Shared data and queues stay, as long as a VM with
    /// their `vm_id` does.
    ///
    /// # Errors
    ///
    /// The module refused; the old VMs go on.
    pub fn replace(&self, module: &Module, config: impl AsRef<[u8]>) -> Result<(), Refused> {
        let module_before = self.module.replace(module.clone());
        let config_before = self.config.replace(config.as_ref().to_vec());
        let accepted_before = self.accepted.take();
        match self.start_vms() {
            Ok(vms) => {
                let old = self.vms.replace(vms);
                self.retiring.borrow_mut().extend(old);
                Ok(())
            }
            Err(refused) => {
                self.module.replace(module_before);
                self.config.replace(config_before);
                self.accepted.replace(accepted_before);
                Err(refused)
            }
        }
    }

    /// The update that started new VMs is taken back before the old ones have drained: the new
    /// ones get `proxy_on_done` and die at once, the old ones go on.
    pub fn take_back(&self) {
        let old = self.retiring.take();
        let new = self.vms.replace(old);
        self.retiring.replace(new);
        self.drained();
    }

    /// Changes the `vm_id` and the configuration of VMs that [`Proxy::replace`] starts.
    pub fn set_vm_config(&self, vm_id: &str, config: impl AsRef<[u8]>) {
        let settings = VmSettings { id: vm_id.to_owned(), config: config.as_ref().to_vec() };
        *self.vm.borrow_mut() = Rc::new(settings);
    }

    /// The drain time is over (finish old streams first): replaced root contexts
    /// get `proxy_on_done`. One that answers false goes on until it calls
    /// `proxy_done`, if its VM does; old VMs die at once.
    pub fn drained(&self) {
        let is_draining = |_, root: &Root| root.life == Life::Draining;
        self.vms.borrow().iter().for_each(|vm| vm.end_roots(is_draining));
        for vm in self.retiring.borrow().iter() {
            let serving = vm.guest(|guest| guest.serving);
            vm.end_roots(|id, root| id == serving || is_draining(id, root));
        }
        self.bury();
    }

    /// The proxy is told to end: every root context gets `proxy_on_done`. What
    /// answers false goes on for as long as the test likes.
    pub fn shut_down(&self) {
        self.vms().iter().for_each(|vm| vm.end_roots(|_, _| true));
    }

    /// The same, and VMs die right after it, as they do in Envoy: the main thread's last.
    pub fn exit(&self) {
        let (main, workers): (Vec<_>, Vec<_>) =
            self.vms().into_iter().partition(|it| it.name() == VmName::Main);
        for vm in workers.into_iter().chain(main) {
            vm.end_roots(|_, _| true);
            vm.retire();
        }
    }

    /// VMs without a root context that has not ended die, whatever those that have ended wait
    /// for. What they shared goes with the last of a `vm_id`.
    fn bury(&self) {
        let mut dead = Vec::new();
        for vms in [&self.vms, &self.retiring] {
            dead.extend(vms.borrow_mut().extract_if(.., |vm| !vm.is_in_use()));
        }
        let id = |vm: &Vm| vm.guest(|guest| guest.vm.id.clone());
        for vm in dead {
            vm.retire();
            let gone = id(&vm);
            if self.vms().iter().all(|vm| id(vm) != gone) {
                self.process.forget(&gone);
            }
        }
    }

    pub(crate) fn start_vms(&self) -> Result<Vec<Vm>, Refused> {
        let (module, config) = (self.module.borrow(), self.config.borrow());
        self.canary(&module, None, &config)?;
        let workers = (0..self.workers).map(VmName::Worker);
        let configured = |name| {
            let vm = self.vm(name, &module)?;
            vm.configure(&config).map_err(|reason| self.refused(name, reason))?;
            Ok(vm)
        };
        [VmName::Main].into_iter().chain(workers).map(configured).collect()
    }

    /// Tries a configuration in a VM of its own, unless one has accepted it.
    ///
    /// Source: `WasmHandleBase::canary` in proxy-wasm-cpp-host, `src/wasm.cc`.
    fn canary(&self, module: &Module, plugin: Option<&str>, config: &[u8]) -> Result<(), Refused> {
        let key = [plugin.unwrap_or_default().as_bytes(), b"\0", config].concat();
        if self.accepted.borrow().contains(&key) {
            return Ok(());
        }
        let canary = self.vm(VmName::Canary, module)?;
        let added = canary.add_root(plugin, config);
        added.map_err(|reason| self.refused(VmName::Canary, reason))?;
        canary.retire();
        self.accepted.borrow_mut().insert(key);
        Ok(())
    }

    fn vm(&self, name: VmName, module: &Module) -> Result<Vm, Refused> {
        let settings = Rc::clone(&self.vm.borrow());
        Vm::start(&self.process, settings, name, module)
            .map_err(|error| self.refused(name, format!("{error:#}")))
    }

    fn refused(&self, vm: VmName, reason: String) -> Refused {
        Refused { vm, reason, log: self.log() }
    }
}
