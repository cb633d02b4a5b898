//! What a proxy is started with, and how that can fail.

use crate::abi::{Level, Status};
use crate::hostcalls::Injection;
use crate::log::LogLine;
use crate::module::Module;
use crate::process::{Foreign, Process, Settings, VmSettings};
use crate::properties;
use crate::proxy::Proxy;
use crate::value::Value;
use crate::vm::VmName;
use std::fmt;
use std::time::Duration;

/// What a proxy and its streams have, unless a test says otherwise.
const PROPERTIES: &[(&str, &str)] = &[
    ("plugin_name", "test"),
    ("plugin_root_id", ""),
    ("xds.node.id", "test-node"),
    ("xds.node.cluster", "test-cluster"),
    ("xds.cluster_name", "upstream"),
    ("xds.route_name", "default"),
    ("xds.virtual_host_name", "all"),
    ("source.address", "192.0.2.7:51234"),
    ("destination.address", "192.0.2.1:10000"),
    ("upstream.address", "192.0.2.9:8080"),
    ("upstream.local_address", "192.0.2.1:43210"),
    ("upstream.transport_failure_reason", ""),
];

/// A proxy to be.
#[must_use]
pub struct Builder {
    module: Module,
    workers: usize,
    config: Vec<u8>,
    settings: Settings,
    vm: VmSettings,
    seed: u64,
    level: Level,
    injections: Vec<Injection>,
    properties: Vec<(String, Value)>,
    foreign: Vec<(String, Foreign)>,
}

impl Builder {
    pub(crate) fn new(module: &Module) -> Self {
        let settings = Settings {
            env: Vec::new(),
            fuel_limit: 1_000_000_000,
            memory_limit: 1 << 30,
            reentrant: false,
            expressions: true,
            compression: true,
        };
        let properties = PROPERTIES.iter().map(|(path, value)| ((*path).into(), (*value).into()));
        let builder = Self {
            module: module.clone(),
            workers: 1,
            config: Vec::new(),
            settings,
            vm: VmSettings::default(),
            seed: 1,
            level: Level::Info,
            injections: Vec::new(),
            properties: properties.collect(),
            foreign: Vec::new(),
        };
        builder
            .property("source.port", 51234)
            .property("destination.port", 10000)
            .property("connection.mtls", false)
            .property("upstream.port", 8080)
            .property("upstream.cx_pool_ready_duration", Duration::from_micros(30))
    }

    /// The number of worker VMs, 1 unless set. The main VM comes on top.
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// The plugin's configuration, empty unless set.
    pub fn plugin_config(self, config: impl AsRef<[u8]>) -> Self {
        Self { config: config.as_ref().to_vec(), ..self }
    }

    /// The VM's configuration, empty unless set.
    pub fn vm_config(mut self, config: impl AsRef<[u8]>) -> Self {
        self.vm.config = config.as_ref().to_vec();
        self
    }

    /// The VM's id, which keeps shared data and queues apart; empty unless set.
    pub fn vm_id(mut self, id: &str) -> Self {
        self.vm.id = id.into();
        self
    }

    /// The node's id, such as `sidecar~10.0.0.1~cart.shop~shop.svc`.
    pub fn node_id(self, id: &str) -> Self {
        self.property("xds.node.id", id)
    }

    /// An environment variable of the VMs.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.settings.env.push((name.into(), value.into()));
        self
    }

    /// A property of the whole proxy: of its node or plugin, which root contexts
    /// have too, or of every stream, such as `xds.listener_direction` (1 inbound,
    /// 2 outbound).
    pub fn property(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.properties.push((path.into(), value.into()));
        self
    }

    /// The lowest level that is logged, `Info` unless set.
    pub fn log_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Makes a hostcall fail from the very start.
    pub fn inject(mut self, injection: Injection) -> Self {
        self.injections.push(injection);
        self
    }

    /// A function that modules can call by name, besides or instead of the host's own
    /// `compress`, `expr_create`, `expr_evaluate` and `expr_delete`. Others are status 1.
    pub fn foreign_function(
        mut self,
        name: &str,
        function: impl FnMut(&[u8]) -> Result<Vec<u8>, Status> + 'static,
    ) -> Self {
        self.foreign.push((name.into(), Box::new(function)));
        self
    }

    /// Without `expr_create`, `expr_evaluate` and `expr_delete`, as on hosts other than Envoy.
    pub fn without_expressions(mut self) -> Self {
        self.settings.expressions = false;
        self
    }

    /// Without `compress`, as on hosts that were built without zlib.
    pub fn without_compression(mut self) -> Self {
        self.settings.compression = false;
        self
    }

    /// Where the random bytes start. Equal seeds give equal runs.
    pub fn random_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The most fuel for one callback, 10⁹ unless set: more is a trap.
    pub fn fuel_limit(mut self, fuel: u64) -> Self {
        self.settings.fuel_limit = fuel;
        self
    }

    /// The most memory for one VM, 1 GiB as in Envoy unless set.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.settings.memory_limit = bytes;
        self
    }

    /// Answers of [`Proxy::serve`] without delay come before `proxy_http_call`
    /// returns, as on some hosts other than Envoy.
    pub fn reentrant_callouts(mut self) -> Self {
        self.settings.reentrant = true;
        self
    }

    /// Starts canary, main and workers.
    ///
    /// # Errors
    ///
    /// The module cannot be linked, traps, or refuses its configuration. A
    /// proxy with such a static configuration would not start.
    pub fn start(self) -> Result<Proxy, Refused> {
        let process = Process::new(self.settings, self.seed);
        process.log.borrow_mut().level = self.level;
        process.hostcalls.borrow_mut().injections = self.injections;
        process.foreign.borrow_mut().extend(self.foreign);
        let properties = self.properties.into_iter();
        let properties = properties.map(|(path, value)| (properties::path(&path), value));
        process.properties.borrow_mut().extend(properties);
        Proxy::start(process, self.vm, &self.module, self.workers, self.config)
    }
}

/// A module that did not start, or did not take its configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The VM in which that happened; the canary, as a rule.
    pub vm: VmName,
    /// What happened.
    pub reason: String,
    /// All that was logged until then.
    pub log: Vec<LogLine>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in VM {}", self.reason, self.vm)?;
        self.log.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl std::error::Error for Refused {}
