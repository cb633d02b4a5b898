//! What a worker holds between callbacks.

use crate::facts::CurrentStream;
use crate::host::{self, Buffer, Level, Map, Status};
use crate::root::Root;
use crate::say;
use crate::shared::SharedData;
use hopspan_config::{self as config, Surroundings};
use hopspan_core::id::Generator;
use hopspan_core::request::{Headers, RequestHead};
use hopspan_core::shared::{ABSENT, Shared, Written};
use hopspan_core::span::active::ActiveSpan;
use hopspan_core::stats::{Stat, StatKind};
use hopspan_core::tracer::Tracer;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::cell::RefCell;

/// One worker: its configurations, its streams, and what they share.
#[derive(Debug, Default)]
pub struct Vm {
    ids: Option<Generator>,
    /// Ids of the host's metrics by name, `None` where it has none: each definition takes
    /// memory of the host for good. Only configurations look there.
    metrics: Vec<(Cow<'static, str>, Option<u32>)>,
    /// A configuration that was not read yet is `None`.
    roots: FxHashMap<u32, Option<Root>>,
    streams: FxHashMap<u32, StreamState>,
    /// Whether the host knows `xds.*` properties by their old, bare names.
    old_names: bool,
}

#[derive(Debug)]
struct StreamState {
    root: u32,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// The request has not been shown.
    New,
    /// It is under way; `None` where it is not traced.
    Open(Option<ActiveSpan>),
    /// It was written out.
    Ended,
}

thread_local! {
    static VM: RefCell<Option<Vm>> = const { RefCell::new(None) };
}

// === impl Vm ===

impl Vm {
    /// Runs `callback`, unless the host has called us back from within one of our own host
    /// calls: then nothing happens, and the answer is `otherwise`.
    pub(crate) fn with<T>(otherwise: T, callback: impl FnOnce(&mut Self) -> T) -> T {
        VM.with(|vm| match vm.try_borrow_mut() {
            Ok(mut vm) => callback(vm.get_or_insert_default()),
            Err(_) => otherwise,
        })
    }

    pub(crate) fn create(&mut self, context: u32, root: u32) {
        if root == 0 {
            self.roots.insert(context, None);
        } else {
            self.streams.insert(context, StreamState { root, phase: Phase::New });
        }
    }

    /// Reads the configuration. Returns whether it is a good one.
    pub(crate) fn configure(&mut self, root: u32, size: usize) -> bool {
        let document = host::buffer(Buffer::PluginConfiguration, size).unwrap_or_default();
        if document.len() < size {
            let text =
                format!("hopspan: the host does not hand over its {size} bytes of configuration");
            say::once(Level::Error, &text);
        }
        self.old_names = host::property("xds\0node\0id").is_none();
        let node = |name| {
            let path = if self.old_names { "" } else { "xds\0" };
            let value = host::property(&format!("{path}node\0{name}")).unwrap_or_default();
            String::from_utf8_lossy(&value).into_owned()
        };
        let environment = host::environment();
        let around = Surroundings {
            node_id: &node("id"),
            node_cluster: &node("cluster"),
            env: &|name| {
                let value =
                    |it: &String| Some(it.strip_prefix(name)?.strip_prefix('=')?.to_owned());
                environment.iter().find_map(value)
            },
        };
        let config = match config::read(&document, &around) {
            Ok(config) => config,
            Err(problems) => {
                host::log(Level::Error, &format!("hopspan: configuration refused: {problems}"));
                return false;
            }
        };
        for warning in &config.warnings {
            say::once(Level::Warn, &format!("hopspan: {warning}"));
        }
        let nothing = if config.collector.is_none() && config.enabled {
            "; no collector.cluster is set, so nothing is exported"
        } else {
            ""
        };
        let effective = &config.effective;
        say::once(Level::Info, &format!("hopspan: configuration {effective}{nothing}"));
        let metrics = Stat::ALL.map(|it| self.metric(it, config.resource.service_name()));
        let (unknown_keys, delay) = (config.unknown_keys, config.batch.schedule_delay);
        let mut it = Root::new(Tracer::new(config), metrics);
        it.set(Stat::ConfigUnknownKeys, unknown_keys);
        it.wake_after(delay);
        self.roots.insert(root, Some(it));
        true
    }

    pub(crate) fn tick(&mut self, root: u32) {
        let ids = self.ids.get_or_insert_with(seeded);
        if let Some(Some(root)) = self.roots.get_mut(&root) {
            root.tick(ids);
            root.tell_stats();
        }
    }

    pub(crate) fn request_headers(&mut self, context: u32, end_of_stream: bool) {
        let Self { ids, roots, streams, old_names, .. } = self;
        let Some(stream) = streams.get_mut(&context) else { return };
        let Some(Some(Root { tracer, .. })) = roots.get_mut(&stream.root) else { return };
        if !tracer.config().enabled {
            stream.phase = Phase::Open(None);
            return;
        }
        let now = host::monotonic();
        let Some(headers) = host::header_map(Map::RequestHeaders) else {
            stream.phase = Phase::Open(None);
            tracer.stats.count(Stat::Degraded);
            return;
        };
        let head = RequestHead { headers: Headers::new(&headers), end_of_stream, now };
        let mut current = CurrentStream { old_names: *old_names };
        let ids = ids.get_or_insert_with(seeded);
        let started = tracer.start(&head, &mut current, ids);
        for edit in &started.edits {
            if host::edit(Map::RequestHeaders, edit) != Status::OK {
                tracer.stats.count(Stat::Degraded);
            }
        }
        stream.phase = Phase::Open(started.span);
    }

    pub(crate) fn request_ended(&mut self, context: u32) {
        if let Some(span) = self.open_span(context) {
            span.request_ended(host::monotonic);
        }
    }

    pub(crate) fn response_headers(&mut self, context: u32, end_of_stream: bool) {
        let Self { roots, streams, old_names, .. } = self;
        let Some(stream) = streams.get_mut(&context) else { return };
        let Phase::Open(Some(span)) = &mut stream.phase else { return };
        if span.wants_response()
            && let Some(Some(Root { tracer, .. })) = roots.get_mut(&stream.root)
        {
            let mut current = CurrentStream { old_names: *old_names };
            for edit in tracer.respond(span, &mut current, host::monotonic) {
                if host::edit(Map::ResponseHeaders, &edit) != Status::OK {
                    tracer.stats.count(Stat::Degraded);
                }
            }
        }
        if end_of_stream {
            span.response_ended(host::monotonic);
        }
    }

    pub(crate) fn response_ended(&mut self, context: u32) {
        if let Some(span) = self.open_span(context) {
            span.response_ended(host::monotonic);
        }
    }

    fn open_span(&mut self, context: u32) -> Option<&mut ActiveSpan> {
        match &mut self.streams.get_mut(&context)?.phase {
            Phase::Open(span) => span.as_mut(),
            Phase::New | Phase::Ended => None,
        }
    }

    /// The stream is over: by `on_log`, `on_done` or `on_delete`, whichever is first.
    pub(crate) fn stream_ended(&mut self, context: u32) {
        let Self { ids, roots, streams, old_names, .. } = self;
        let Some(stream) = streams.get_mut(&context) else { return };
        let Some(Some(root)) = roots.get_mut(&stream.root) else { return };
        let mut current = CurrentStream { old_names: *old_names };
        let is_ready = match std::mem::replace(&mut stream.phase, Phase::Ended) {
            Phase::Ended | Phase::Open(None) => false,
            Phase::Open(Some(span)) => root.tracer.finish(span, &mut current, host::now),
            Phase::New => match host::header_map(Map::RequestHeaders) {
                Some(headers) if !headers.is_empty() => {
                    let ids = ids.get_or_insert_with(seeded);
                    root.tracer.refused(Headers::new(&headers), &mut current, ids, host::now())
                }
                _ => false,
            },
        };
        if is_ready {
            root.wake_soon();
        }
    }

    /// A context is done. Returns whether it may be deleted at once.
    pub(crate) fn done(&mut self, context: u32) -> bool {
        self.stream_ended(context);
        let ids = self.ids.get_or_insert_with(seeded);
        let Some(Some(root)) = self.roots.get_mut(&context) else { return true };
        let is_done = root.drain(ids);
        root.tell_stats();
        is_done
    }

    pub(crate) fn delete(&mut self, context: u32) {
        self.stream_ended(context);
        self.streams.remove(&context);
        if let Some(Some(root)) = self.roots.get_mut(&context) {
            root.tracer.abandon();
            root.tell_stats();
            self.roots.remove(&context);
        }
    }

    pub(crate) fn call_answered(&mut self, root: u32, token: u32, responded: bool, size: usize) {
        let ids = self.ids.get_or_insert_with(seeded);
        if let Some(Some(root)) = self.roots.get_mut(&root) {
            root.call_answered(token, responded, size, ids);
            root.tell_stats();
        }
    }

    /// The host's id of one of hopspan's own metrics.
    fn metric(&mut self, stat: Stat, service: &str) -> Option<u32> {
        let name = stat.name_for(service);
        if let Some((_, id)) = self.metrics.iter().find(|(it, _)| *it == name) {
            return *id;
        }
        let id = host::define_metric(stat.kind() != StatKind::Counter, &name);
        self.metrics.push((name, id));
        id
    }
}

/// A generator that no other worker shares. A host without randomness gives what it has:
/// time, and a number for each worker.
fn seeded() -> Generator {
    host::random().map_or_else(
        || {
            let now = host::now();
            Generator::from_numbers(&[now.wall.0, now.mono.0, worker_number()])
        },
        Generator::new,
    )
}

/// A number that no other worker of this process has, as far as the host can count.
fn worker_number() -> u64 {
    const KEY: &str = "hopspan.workers";
    for _ in 0..64 {
        let (value, cas) = SharedData.get(KEY).unwrap_or((Vec::new(), ABSENT));
        let number = value.try_into().map(u64::from_le_bytes).unwrap_or(0).wrapping_add(1);
        if SharedData.set(KEY, &number.to_le_bytes(), cas) != Written::Raced {
            return number;
        }
    }
    0
}
