//! The proxy: a module in a canary VM, a main VM and workers.

use crate::abi::Level;
use crate::builder::{Builder, Refused};
use crate::callouts::{Answer, Callout, Request};
use crate::clock::Clock;
use crate::hostcalls::{HostcallCounts, Injection};
use crate::http_call::Clusters;
use crate::log::LogLine;
use crate::metrics::Kind;
use crate::module::Module;
use crate::process::Process;
use crate::properties;
use crate::value::Value;
use crate::vm::{Trap, Vm, VmName};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A running proxy. It lives in one thread; tests make one each.
pub struct Proxy {
    pub(crate) process: Rc<Process>,
    module: RefCell<Module>,
    config: RefCell<Vec<u8>>,
    workers: usize,
    /// The main VM, then the workers.
    vms: RefCell<Vec<Vm>>,
    /// VMs of an older module that drain.
    retiring: RefCell<Vec<Vm>>,
}

/// A plugin beside the proxy's first: see [`Proxy::add_plugin`].
#[derive(Debug)]
pub struct Plugin {
    /// Its root contexts: of the main VM, then of the workers.
    pub(crate) roots: Vec<u32>,
}

impl Proxy {
    /// A proxy that will run `module`.
    pub fn builder(module: &Module) -> Builder {
        Builder::new(module)
    }

    pub(crate) fn start(
        process: Process,
        module: &Module,
        workers: usize,
        config: Vec<u8>,
    ) -> Result<Self, Refused> {
        let proxy = Self {
            process: Rc::new(process),
            module: RefCell::new(module.clone()),
            config: RefCell::new(config),
            workers,
            vms: RefCell::default(),
            retiring: RefCell::default(),
        };
        let vms = proxy.start_vms()?;
        *proxy.vms.borrow_mut() = vms;
        Ok(proxy)
    }

    /// The VM of a worker, counted from 0.
    ///
    /// # Panics
    ///
    /// There are not that many workers.
    pub fn worker(&self, number: usize) -> Vm {
        self.vms.borrow()[number + 1].clone()
    }

    /// The VM of the main thread.
    pub fn main(&self) -> Vm {
        self.vms.borrow()[0].clone()
    }

    /// All VMs that run: main, workers, then those that drain.
    pub fn vms(&self) -> Vec<Vm> {
        self.vms.borrow().iter().chain(self.retiring.borrow().iter()).cloned().collect()
    }

    /// [`Vm::tick`] in every VM. Returns how many root contexts ticked.
    pub fn tick(&self) -> usize {
        self.vms().iter().map(Vm::tick).sum()
    }

    /// Configures the plugin anew in the same VMs, after a canary accepted it.
    /// New streams get the new root contexts; old ones keep theirs, which go on
    /// ticking until [`Proxy::drained`]. The same configuration again changes nothing.
    ///
    /// # Errors
    ///
    /// The module refused; the old configuration goes on.
    pub fn reconfigure(&self, config: impl AsRef<[u8]>) -> Result<(), Refused> {
        let config = config.as_ref();
        if *self.config.borrow() == config {
            return Ok(());
        }
        self.canary(&self.module.borrow(), config)?;
        for vm in self.vms.borrow().iter() {
            vm.configure(config).map_err(|reason| self.refused(vm.name(), reason))?;
        }
        *self.config.borrow_mut() = config.to_vec();
        Ok(())
    }

    /// Adds a plugin with the same module and `vm_id`, such as that of a second listener: each
    /// VM gets a root context for it, beside that of the first. Its streams are those of
    /// [`Vm::stream_of`]. [`Proxy::reconfigure`] and [`Proxy::replace`] are about the first.
    ///
    /// # Errors
    ///
    /// The module refused.
    pub fn add_plugin(&self, config: impl AsRef<[u8]>) -> Result<Plugin, Refused> {
        let config = config.as_ref();
        self.canary(&self.module.borrow(), config)?;
        let added = |vm: &Vm| vm.add_root(config).map_err(|it| self.refused(vm.name(), it));
        let roots: Result<_, _> = self.vms.borrow().iter().map(added).collect();
        roots.map(|roots| Plugin { roots })
    }

    /// Starts new VMs with the same `vm_id`; the old ones serve their streams
    /// until [`Proxy::drained`], and die then. Shared data and queues stay.
    ///
    /// # Errors
    ///
    /// The module refused; the old VMs go on.
    pub fn replace(&self, module: &Module, config: impl AsRef<[u8]>) -> Result<(), Refused> {
        let module_before = self.module.replace(module.clone());
        let config_before = self.config.replace(config.as_ref().to_vec());
        match self.start_vms() {
            Ok(vms) => {
                let old = self.vms.replace(vms);
                self.retiring.borrow_mut().extend(old);
                Ok(())
            }
            Err(refused) => {
                self.module.replace(module_before);
                self.config.replace(config_before);
                Err(refused)
            }
        }
    }

    /// The drain time is over (finish old streams first): replaced root contexts
    /// get `proxy_on_done`. One that answers false goes on until it calls
    /// `proxy_done`, if its VM does; old VMs die at once.
    pub fn drained(&self) {
        self.vms.borrow().iter().for_each(|vm| vm.end_roots(true));
        for vm in self.retiring.take() {
            vm.end_roots(false);
            vm.retire();
        }
    }

    /// The proxy is told to end: every root context gets `proxy_on_done`. What
    /// answers false goes on for as long as the test likes.
    pub fn shut_down(&self) {
        self.vms().iter().for_each(|vm| vm.end_roots(false));
    }

    /// The clocks.
    pub fn clock(&self) -> &Clock {
        &self.process.clock
    }

    /// The clusters for callouts.
    pub fn clusters(&self) -> &Clusters {
        &self.process.clusters
    }

    /// The callouts that wait for their end, of all VMs, oldest first.
    pub fn callouts(&self) -> Vec<Callout> {
        self.callouts_made().into_iter().filter(Callout::waits).collect()
    }

    /// All callouts ever made, oldest first.
    pub fn callouts_made(&self) -> Vec<Callout> {
        let calls = self.process.callouts.borrow();
        let callout = |it| Callout { process: Rc::clone(&self.process), record: Rc::clone(it) };
        calls.iter().map(callout).collect()
    }

    /// Plays the servers behind callouts: each call from now on ends as `server`
    /// says, during [`Proxy::run_for`] (with zero delay too; `run_for(ZERO)` is
    /// enough). It must not use the VM that calls.
    pub fn serve(&self, server: impl FnMut(&Request) -> Answer + 'static) {
        *self.process.server.borrow_mut() = Some(Box::new(server));
    }

    /// Runs `turn` before each call of the hostcall `name` takes effect, as another thread
    /// might: between a module's reading and its writing of shared data, for instance. Calls
    /// of `turn` itself are left alone. It must not use the VM that calls.
    pub fn before(&self, name: &str, turn: impl FnMut() + 'static) {
        *self.process.interlude.borrow_mut() = Some((name.into(), Box::new(turn)));
    }

    /// Makes hostcalls fail from now on.
    pub fn inject(&self, injection: Injection) {
        self.process.hostcalls.borrow_mut().injections.push(injection);
    }

    /// Ends all injections.
    pub fn heal(&self) {
        self.process.hostcalls.borrow_mut().injections.clear();
    }

    /// How many hostcalls injections have answered.
    pub fn injected(&self) -> u64 {
        self.process.hostcalls.borrow().injected
    }

    /// How often each hostcall was made, the canary's and start's included.
    pub fn hostcalls(&self) -> HostcallCounts {
        self.process.hostcalls.borrow().counts.clone()
    }

    /// Counters and gauges by name; a gauge that went below zero is negative.
    pub fn metrics(&self) -> BTreeMap<String, i64> {
        let metrics = self.process.metrics.borrow();
        metrics
            .values
            .iter()
            .map(|((_, name), value)| (name.clone(), value.cast_signed()))
            .collect()
    }

    /// A counter or gauge; `None` if no VM has defined it.
    pub fn metric(&self, name: &str) -> Option<i64> {
        let metrics = self.process.metrics.borrow();
        let kinds = [Kind::Counter, Kind::Gauge].into_iter();
        let mut found = kinds.filter_map(|kind| metrics.values.get(&(kind, name.to_owned())));
        found.next().map(|value| value.cast_signed())
    }

    /// What was recorded in a histogram, in order.
    pub fn histogram(&self, name: &str) -> Vec<u64> {
        self.process.metrics.borrow().histograms.get(name).cloned().unwrap_or_default()
    }

    /// A value in the shared data of this proxy's `vm_id`.
    pub fn shared_data(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let key = (self.process.settings.vm_id.clone(), key.as_ref().to_vec());
        self.process.shared.borrow().values.get(&key).map(|(value, _)| value.clone())
    }

    /// Sets shared data, as another VM with this `vm_id` would.
    pub fn set_shared_data(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let vm_id = &self.process.settings.vm_id;
        let mut shared = self.process.shared.borrow_mut();
        let set = shared.set(vm_id, key.as_ref(), value.as_ref(), 0);
        debug_assert!(set.is_ok(), "without a number to compare, it cannot fail");
    }

    /// Sets a property of the whole proxy, such as `xds.node.metadata.NAME`.
    pub fn set_property(&self, path: &str, value: impl Into<Value>) {
        self.process.properties.borrow_mut().insert(properties::path(path), value.into());
    }

    /// What modules have logged, at or above the level that is on.
    pub fn log(&self) -> Vec<LogLine> {
        self.process.log.borrow().lines.clone()
    }

    /// Sets the lowest level that is logged; `Info` until then.
    pub fn set_log_level(&self, level: Level) {
        self.process.log.borrow_mut().level = level;
    }

    /// What killed VMs that still ran or drained.
    pub fn traps(&self) -> Vec<Trap> {
        self.vms().iter().filter_map(Vm::trap).collect()
    }

    fn start_vms(&self) -> Result<Vec<Vm>, Refused> {
        let (module, config) = (self.module.borrow(), self.config.borrow());
        self.canary(&module, &config)?;
        let workers = (0..self.workers).map(VmName::Worker);
        [VmName::Main].into_iter().chain(workers).map(|it| self.vm(it, &module, &config)).collect()
    }

    /// Tries the configuration in a VM of its own.
    fn canary(&self, module: &Module, config: &[u8]) -> Result<(), Refused> {
        self.vm(VmName::Canary, module, config).map(|canary| canary.retire())
    }

    fn vm(&self, name: VmName, module: &Module, config: &[u8]) -> Result<Vm, Refused> {
        let vm = Vm::start(&self.process, name, module)
            .map_err(|error| self.refused(name, format!("{error:#}")))?;
        vm.configure(config).map_err(|reason| self.refused(name, reason))?;
        Ok(vm)
    }

    fn refused(&self, vm: VmName, reason: String) -> Refused {
        Refused { vm, reason, log: self.log() }
    }
}
