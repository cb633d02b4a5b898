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
use crate::process::{Process, VmSettings};
use crate::properties;
use crate::value::Value;
use crate::vm::{Trap, Vm};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A running proxy. It lives in one thread; tests make one each.
pub struct Proxy {
    pub(crate) process: Rc<Process>,
    pub(crate) module: RefCell<Module>,
    pub(crate) config: RefCell<Vec<u8>>,
    /// Configurations that a canary of the present VMs has accepted.
    pub(crate) accepted: RefCell<BTreeSet<Vec<u8>>>,
    /// Of VMs that start from now on.
    pub(crate) vm: RefCell<Rc<VmSettings>>,
    pub(crate) workers: usize,
    /// The main VM, then the workers.
    pub(crate) vms: RefCell<Vec<Vm>>,
    /// VMs of an older module that drain.
    pub(crate) retiring: RefCell<Vec<Vm>>,
}

/// A plugin beside the proxy's first: see [`Proxy::add_plugin`].
#[derive(Debug)]
pub struct Plugin {
    /// Its root context in each VM.
    pub(crate) roots: Vec<(Vm, u32)>,
}

impl Proxy {
    /// A proxy that will run `module`.
    pub fn builder(module: &Module) -> Builder {
        Builder::new(module)
    }

    pub(crate) fn start(
        process: Process,
        vm: VmSettings,
        module: &Module,
        workers: usize,
        config: Vec<u8>,
    ) -> Result<Self, Refused> {
        let proxy = Self {
            process: Rc::new(process),
            module: RefCell::new(module.clone()),
            config: RefCell::new(config),
            accepted: RefCell::default(),
            vm: RefCell::new(Rc::new(vm)),
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

    /// Shows `look` the counters and gauges after each callback from now on.
    pub fn after_each_callback(&self, look: impl FnMut(&BTreeMap<String, i64>) + 'static) {
        *self.process.look.borrow_mut() = Some(Box::new(look));
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
        self.process.metrics.borrow().all()
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
        let key = (self.vm.borrow().id.clone(), key.as_ref().to_vec());
        self.process.shared.borrow().values.get(&key).map(|(value, _)| value.clone())
    }

    /// Sets shared data, as another VM with this `vm_id` would.
    pub fn set_shared_data(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let mut shared = self.process.shared.borrow_mut();
        let set = shared.set(&self.vm.borrow().id, key.as_ref(), value.as_ref(), 0);
        debug_assert!(set.is_ok(), "without a number to compare, it cannot fail");
    }

    /// The names of this `vm_id`'s queues, and what waits in each.
    pub fn queues(&self) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
        self.process.queues.borrow().of(&self.vm.borrow().id)
    }

    /// Puts an item into a queue, as another VM with this `vm_id` would. False if none has
    /// registered it.
    pub fn enqueue(&self, name: impl AsRef<[u8]>, item: impl AsRef<[u8]>) -> bool {
        let token = self.process.queues.borrow().resolve(&self.vm.borrow().id, name.as_ref());
        let put = token.map(|it| self.process.enqueue(it, item.as_ref().to_vec()));
        self.process.deliver_posted();
        put == Some(Ok(()))
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
}
