//! One VM from the inside: what hostcalls work on.

use crate::callouts::CallResponse;
use crate::expressions::Expressions;
use crate::metrics::MetricIds;
use crate::process::{Process, VmSettings};
use crate::stream_state::StreamState;
use crate::vm::{Callback, Trap, VmName};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use wasmtime::{Func, Memory, StoreLimits};

/// The host's side of a VM.
pub(crate) struct Guest {
    pub(crate) process: Rc<Process>,
    pub(crate) vm: Rc<VmSettings>,
    pub(crate) name: VmName,
    /// Its place in `Process::vms`.
    pub(crate) number: usize,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocator: Option<Func>,
    pub(crate) limits: StoreLimits,
    /// While the module starts or allocates, it may call next to nothing.
    pub(crate) restricted: bool,
    pub(crate) contexts: BTreeMap<u32, Context>,
    pub(crate) next_context: u32,
    pub(crate) next_token: u32,
    /// The root context of the configuration that new streams get.
    pub(crate) serving: u32,
    /// The context whose callback runs; 0 between callbacks.
    pub(crate) current: u32,
    /// Another context that the module chose to act for; 0 for none.
    pub(crate) effective: u32,
    pub(crate) metric_ids: MetricIds,
    pub(crate) callbacks: Vec<Callback>,
    pub(crate) trap: Option<Trap>,
    /// A VM that the proxy has let go of gets no more callbacks.
    pub(crate) retired: bool,
    /// Root contexts that said `proxy_done`.
    pub(crate) deletions: Vec<u32>,
}

/// A context that exists in a VM.
pub(crate) enum Context {
    Root(Box<Root>),
    Stream { root: u32, state: Rc<RefCell<StreamState>> },
}

/// The root context of one configuration.
pub(crate) struct Root {
    /// `plugin_name`, if it is not that of the proxy's first plugin.
    pub(crate) plugin: Option<String>,
    pub(crate) config: Vec<u8>,
    /// The configuration can be read only now.
    pub(crate) configuring: bool,
    pub(crate) life: Life,
    /// Nanoseconds; 0 for no ticks.
    pub(crate) tick_period: u64,
    /// By the monotonic clock.
    pub(crate) next_tick: u64,
    /// The answer that is being delivered.
    pub(crate) response: Option<CallResponse>,
    /// What it has created of them.
    pub(crate) expressions: Expressions,
    /// What `proxy_get_status` says.
    pub(crate) status: (u32, &'static str),
}

/// How far a root context is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Life {
    Serving,
    /// A newer configuration serves; in-flight streams end with this one.
    Draining,
    /// It answered `on_done` with false and will say `proxy_done`.
    Finishing,
}

impl Root {
    pub(crate) fn new(plugin: Option<&str>, config: &[u8]) -> Self {
        Self {
            plugin: plugin.map(str::to_owned),
            config: config.into(),
            configuring: false,
            life: Life::Serving,
            tick_period: 0,
            next_tick: 0,
            response: None,
            expressions: Expressions::default(),
            status: (0, ""),
        }
    }
}

impl Guest {
    /// The context that a hostcall acts for.
    pub(crate) fn acting(&self) -> u32 {
        let chosen = self.effective != 0 && self.contexts.contains_key(&self.effective);
        if chosen { self.effective } else { self.current }
    }

    /// The stream of the acting context, if it is one.
    pub(crate) fn stream(&self) -> Option<Rc<RefCell<StreamState>>> {
        match self.contexts.get(&self.acting()) {
            Some(Context::Stream { state, .. }) => Some(Rc::clone(state)),
            _ => None,
        }
    }

    /// The acting root context, or that of the acting stream.
    pub(crate) fn root_id(&self) -> u32 {
        match self.contexts.get(&self.acting()) {
            Some(Context::Stream { root, .. }) => *root,
            _ => self.acting(),
        }
    }

    /// `plugin_name` of the acting root context, if it is not the first plugin's.
    pub(crate) fn plugin(&self) -> Option<&str> {
        match self.contexts.get(&self.root_id()) {
            Some(Context::Root(root)) => root.plugin.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn root(&mut self, id: u32) -> Option<&mut Root> {
        match self.contexts.get_mut(&id) {
            Some(Context::Root(root)) => Some(root),
            _ => None,
        }
    }

    /// Root contexts with their ids, oldest first.
    pub(crate) fn roots(&self) -> impl Iterator<Item = (u32, &Root)> {
        self.contexts.iter().filter_map(|(id, context)| match context {
            Context::Root(root) => Some((*id, &**root)),
            Context::Stream { .. } => None,
        })
    }

    pub(crate) fn add(&mut self, context: Context) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        self.contexts.insert(id, context);
        id
    }

    pub(crate) fn alive(&self) -> bool {
        self.trap.is_none() && !self.retired
    }
}
