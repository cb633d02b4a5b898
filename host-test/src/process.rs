//! What all VMs of a proxy share.

use crate::abi::{Level, Status};
use crate::callouts::{Answer, CallRecord, Request};
use crate::clock::Clock;
use crate::hostcalls::Hostcalls;
use crate::http_call::Clusters;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::shared::{Queues, SharedData};
use crate::value::Value;
use crate::vm::Vm;
use crate::wasi::Random;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

/// A function that plays the servers behind callouts.
pub(crate) type Server = Box<dyn FnMut(&Request) -> Answer>;
/// What another thread does before each call of a name.
pub(crate) type Interlude = (String, Box<dyn FnMut()>);
/// What a test looks at after each callback: counters and gauges.
pub(crate) type Look = Box<dyn FnMut(&BTreeMap<String, i64>)>;
/// A function of the host that modules call by name.
pub(crate) type Foreign = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, Status>>;

/// The proxy's process, as far as modules can see it.
pub(crate) struct Process {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) log: RefCell<Log>,
    pub(crate) hostcalls: RefCell<Hostcalls>,
    pub(crate) metrics: RefCell<Metrics>,
    pub(crate) shared: RefCell<SharedData>,
    pub(crate) queues: RefCell<Queues>,
    pub(crate) clusters: Clusters,
    pub(crate) callouts: RefCell<Vec<Rc<CallRecord>>>,
    pub(crate) server: RefCell<Option<Server>>,
    pub(crate) interlude: RefCell<Option<Interlude>>,
    pub(crate) look: RefCell<Option<Look>>,
    pub(crate) foreign: RefCell<BTreeMap<String, Foreign>>,
    pub(crate) random: RefCell<Random>,
    /// Properties of the whole proxy, by path with zeros between the parts.
    pub(crate) properties: RefCell<BTreeMap<Vec<u8>, Value>>,
    pub(crate) next_connection: Cell<u64>,
    /// What other VMs must be told once the running callback is over.
    pub(crate) posted: RefCell<VecDeque<QueueReady>>,
    /// Every VM ever started; its place is its number.
    pub(crate) vms: RefCell<Vec<Weak<RefCell<crate::vm::Machine>>>>,
}

/// What does not change while a proxy runs.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) fuel_limit: u64,
    pub(crate) memory_limit: usize,
    pub(crate) reentrant: bool,
    /// Whether there are `expr_create` and its like.
    pub(crate) expressions: bool,
    /// Whether there is `compress`.
    pub(crate) compression: bool,
}

/// `vm_config` of a plugin: which VM it runs in.
#[derive(Clone, Debug, Default)]
pub(crate) struct VmSettings {
    /// Keeps shared data and queues apart.
    pub(crate) id: String,
    pub(crate) config: Vec<u8>,
}

/// A queue has a new item: its registrant will hear of it.
pub(crate) struct QueueReady {
    pub(crate) vm: usize,
    pub(crate) root: u32,
    pub(crate) token: u32,
}

impl Process {
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            clock: Clock::new(),
            log: RefCell::new(Log { level: Level::Info, lines: Vec::new() }),
            hostcalls: RefCell::default(),
            metrics: RefCell::default(),
            shared: RefCell::default(),
            queues: RefCell::default(),
            clusters: Clusters::default(),
            callouts: RefCell::default(),
            server: RefCell::default(),
            interlude: RefCell::default(),
            look: RefCell::default(),
            foreign: RefCell::default(),
            random: RefCell::new(Random::new(seed)),
            properties: RefCell::default(),
            next_connection: Cell::new(1),
            posted: RefCell::default(),
            vms: RefCell::default(),
        }
    }

    /// The VM with this number, if it still exists.
    pub(crate) fn vm(&self, number: usize) -> Option<Vm> {
        self.vms.borrow().get(number).and_then(Weak::upgrade).map(Vm::new)
    }

    /// No VM with this `vm_id` is left: what they shared goes with them.
    ///
    /// Source: `VmIdHandle` in proxy-wasm-cpp-host, `src/vm_id_handle.cc`.
    pub(crate) fn forget(&self, vm_id: &str) {
        self.shared.borrow_mut().values.retain(|(it, _), _| it != vm_id);
        self.queues.borrow_mut().forget(vm_id);
    }

    /// Lets another thread come in before a call of `name`, if a test wants one there.
    pub(crate) fn interlude(&self, name: &str) {
        // Taken out first: what runs now makes calls, too.
        let taken = self.interlude.borrow_mut().take_if(|(wanted, _)| wanted == name);
        if let Some((name, mut turn)) = taken {
            turn();
            self.interlude.borrow_mut().get_or_insert((name, turn));
        }
    }

    /// Shows a test that wants to see it how counters and gauges stand.
    pub(crate) fn show(&self) {
        if let Some(look) = self.look.borrow_mut().as_mut() {
            look(&self.metrics.borrow().all());
        }
    }

    /// Tells registrants of queues what came while a callback ran.
    pub(crate) fn deliver_posted(&self) {
        loop {
            // Taken out first: what is delivered may post more.
            let Some(ready) = self.posted.borrow_mut().pop_front() else { return };
            if let Some(vm) = self.vm(ready.vm) {
                vm.queue_ready(ready.root, ready.token);
            }
        }
    }
}
