//! One VM: callbacks into the module, and what happens when it traps.

use crate::callouts::Callout;
use crate::guest::Guest;
use crate::imports;
use crate::metrics::MetricIds;
use crate::module::Module;
use crate::process::{Process, VmSettings};
use crate::proxy::Plugin;
use crate::stream::Stream;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;
use wasmtime::{Instance, Store, StoreLimitsBuilder, Val};

/// Which VM of the proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VmName {
    /// Tries a configuration and is thrown away.
    Canary,
    /// Of the main thread: ticks, but sees no requests.
    Main,
    /// Of a worker thread, counted from 0.
    Worker(usize),
}

impl fmt::Display for VmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary => f.write_str("canary"),
            Self::Main => f.write_str("main"),
            Self::Worker(number) => write!(f, "worker {number}"),
        }
    }
}

/// A callback that ran.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Callback {
    /// The name of the export, such as `proxy_on_log`.
    pub name: &'static str,
    /// The context it was for.
    pub context: u32,
    /// The work it did, roughly in wasm instructions.
    pub fuel: u64,
}

/// What killed a VM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trap {
    /// The VM.
    pub vm: VmName,
    /// The callback that ran.
    pub callback: &'static str,
    /// The context it was for.
    pub context: u32,
    /// The engine's reason, with a backtrace.
    pub message: String,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vm, callback, context, message } = self;
        write!(f, "{callback} of context {context} trapped in VM {vm}: {message}")
    }
}

/// A VM of the proxy. Cheap to clone; all clones are the same VM.
#[derive(Clone)]
pub struct Vm(Rc<RefCell<Machine>>);

/// The engine's side of a VM.
pub(crate) struct Machine {
    store: Store<Guest>,
    instance: Instance,
}

/// How a callback went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Called {
    /// The module does not export it.
    Absent,
    /// What it returned; 0 if it returns nothing.
    Returned(u32),
    /// The VM was dead, or is now.
    Dead,
}

impl Vm {
    /// Instantiates and initialises the module.
    pub(crate) fn start(
        process: &Rc<Process>,
        vm: Rc<VmSettings>,
        name: VmName,
        module: &Module,
    ) -> wasmtime::Result<Self> {
        let number = process.vms.borrow().len();
        let limits = StoreLimitsBuilder::new().memory_size(process.settings.memory_limit).build();
        let guest = Guest {
            process: Rc::clone(process),
            vm,
            name,
            number,
            memory: None,
            allocator: None,
            limits,
            restricted: true,
            contexts: BTreeMap::new(),
            // Modules must not think that the root context is always 1.
            next_context: if name == VmName::Canary { 1 } else { 2 },
            next_token: 4,
            serving: 0,
            current: 0,
            effective: 0,
            metric_ids: MetricIds::default(),
            callbacks: Vec::new(),
            trap: None,
            retired: false,
            deletions: Vec::new(),
        };
        let linker = imports::link(module)?;
        let mut store = Store::new(&module.engine, guest);
        store.limiter(|guest| &mut guest.limits);
        store.set_fuel(process.settings.fuel_limit)?;
        let instance = linker.instantiate(&mut store, &module.code)?;
        let mut machine = Machine { store, instance };
        machine.initialise()?;
        let vm = Self(Rc::new(RefCell::new(machine)));
        process.vms.borrow_mut().push(Rc::downgrade(&vm.0));
        Ok(vm)
    }

    pub(crate) fn new(machine: Rc<RefCell<Machine>>) -> Self {
        Self(machine)
    }

    /// Which one it is.
    pub fn name(&self) -> VmName {
        self.0.borrow().store.data().name
    }

    /// A new stream on this VM, with the configuration that serves now. The
    /// module hears of it at the first callback.
    pub fn stream(&self) -> Stream {
        let serving = self.guest(|guest| guest.serving);
        Stream::new(self.clone(), serving)
    }

    /// A new stream on this VM, of a plugin beside the first.
    ///
    /// # Panics
    ///
    /// The plugin is not of this VM: an older one's, or another proxy's.
    pub fn stream_of(&self, plugin: &Plugin) -> Stream {
        let here = plugin.roots.iter().find(|(vm, _)| vm.is(self));
        let (_, root) = here.unwrap_or_else(|| panic!("no such plugin in {self:?}"));
        Stream::new(self.clone(), *root)
    }

    /// Runs `proxy_on_tick` in every root context that asked for ticks, as if
    /// its period were over. Returns how many there were.
    pub fn tick(&self) -> usize {
        let ticking = self.guest(|it| {
            it.roots()
                .filter(|(_, root)| root.tick_period > 0)
                .map(|(id, _)| id)
                .collect::<Vec<_>>()
        });
        ticking.iter().for_each(|root| self.tick_root(*root));
        ticking.len()
    }

    /// How often the serving root context ticks, if it does.
    pub fn tick_period(&self) -> Option<Duration> {
        let period = self.guest(|it| it.root(it.serving).map_or(0, |root| root.tick_period));
        (period > 0).then(|| Duration::from_nanos(period))
    }

    /// The callouts of this VM that wait for their end, oldest first.
    pub fn callouts(&self) -> Vec<Callout> {
        let (process, number) = self.guest(|it| (Rc::clone(&it.process), it.number));
        let calls = process.callouts.borrow();
        let own = calls.iter().filter(|it| it.vm == number && it.waiting.get());
        own.map(|it| Callout { process: Rc::clone(&process), record: Rc::clone(it) }).collect()
    }

    /// Every callback that ran, in order.
    pub fn callbacks(&self) -> Vec<Callback> {
        self.guest(|guest| guest.callbacks.clone())
    }

    /// Whether the host still has a context of this number.
    pub fn holds(&self, context: u32) -> bool {
        self.guest(|guest| guest.contexts.contains_key(&context))
    }

    /// What killed the VM, if it is dead.
    pub fn trap(&self) -> Option<Trap> {
        self.guest(|guest| guest.trap.clone())
    }

    /// Bytes of linear memory, which never shrinks.
    pub fn memory_bytes(&self) -> usize {
        let machine = self.0.borrow();
        machine.store.data().memory.map_or(0, |memory| memory.data_size(&machine.store))
    }

    fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn guest<T>(&self, look: impl FnOnce(&mut Guest) -> T) -> T {
        look(self.0.borrow_mut().store.data_mut())
    }

    /// Runs a callback, and what follows from it.
    pub(crate) fn run(&self, name: &'static str, context: u32, args: &[u32]) -> Called {
        let called = self.0.borrow_mut().call(name, context, args);
        let process = self.guest(|guest| Rc::clone(&guest.process));
        process.show();
        while let Some(root) = self.guest(|guest| guest.deletions.pop()) {
            self.delete_root(root);
        }
        process.deliver_posted();
        called
    }
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vm({})", self.name())
    }
}

impl Machine {
    /// `_initialize`, during which the module may call next to nothing.
    fn initialise(&mut self) -> wasmtime::Result<()> {
        let Self { store, instance } = self;
        let markers = ["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0"];
        if markers.iter().all(|marker| instance.get_export(&mut *store, marker).is_none()) {
            wasmtime::bail!("the module exports neither {} nor {}", markers[0], markers[1]);
        }
        let allocators = ["malloc", "proxy_on_memory_allocate"];
        let allocator = allocators.iter().find_map(|it| instance.get_func(&mut *store, it));
        if allocator.is_none() {
            wasmtime::bail!("the module exports neither {} nor {}", allocators[0], allocators[1]);
        }
        let memory = instance.get_memory(&mut *store, "memory");
        store.data_mut().memory = memory;
        store.data_mut().allocator = allocator;
        if let Called::Dead = self.call("_initialize", 0, &[]) {
            let trap = self.store.data().trap.as_ref();
            wasmtime::bail!("{}", trap.map(ToString::to_string).unwrap_or_default());
        }
        self.store.data_mut().restricted = false;
        Ok(())
    }

    fn call(&mut self, name: &'static str, context: u32, args: &[u32]) -> Called {
        let Self { store, instance } = self;
        if !store.data().alive() {
            return Called::Dead;
        }
        let Some(function) = instance.get_func(&mut *store, name) else { return Called::Absent };
        store.data_mut().current = context;
        store.data_mut().effective = 0;
        let limit = store.data().process.settings.fuel_limit;
        let args: Vec<Val> = args.iter().map(|it| Val::I32(it.cast_signed())).collect();
        let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
        let end =
            store.set_fuel(limit).and_then(|()| function.call(&mut *store, &args, &mut results));
        let fuel = limit.saturating_sub(store.get_fuel().unwrap_or_default());
        let guest = store.data_mut();
        guest.current = 0;
        guest.effective = 0;
        guest.callbacks.push(Callback { name, context, fuel });
        if let Err(error) = end {
            let message = format!("{error:#}");
            guest.trap = Some(Trap { vm: guest.name, callback: name, context, message });
            guest.cancel_callouts(None);
            return Called::Dead;
        }
        match results.first() {
            Some(Val::I32(number)) => Called::Returned(number.cast_unsigned()),
            _ => Called::Returned(1),
        }
    }
}
