//! What a worker holds between callbacks.

mod ending;

use crate::clock::Clock;
use crate::facts::CurrentStream;
use crate::hand_over::Lineage;
use crate::host::{self, Buffer, Level, Map, Status};
use crate::root::Root;
use crate::roots::Roots;
use crate::say;
use crate::shared::SharedData;
use crate::stats::ProxyStats;
use hopspan_config::{self as config, Surroundings};
use hopspan_core::attempt::{OpenTry, Requests, Tried};
use hopspan_core::id::Generator;
use hopspan_core::request::{Headers, RequestHead};
use hopspan_core::shared::{ABSENT, Shared, Written};
use hopspan_core::span::active::ActiveSpan;
use hopspan_core::stats::Stat;
use hopspan_core::tracer::Tracer;
use rustc_hash::FxHashMap;
use std::cell::RefCell;

/// One worker: its configurations, its streams, and what they share.
#[derive(Debug, Default)]
pub struct Vm {
    clock: Clock,
    ids: Option<Generator>,
    stats: ProxyStats,
    roots: Roots,
    streams: FxHashMap<u32, StreamState>,
    /// What tries must know of their requests.
    requests: Requests,
    /// Whether a configuration sees tries.
    sees_tries: bool,
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
    /// It is a try under way.
    Try(OpenTry),
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
            self.roots.put(context, None);
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
        let node = |path: &str| {
            let xds = if self.old_names { "" } else { "xds\0" };
            host::property(&format!("{xds}node\0{path}"))
        };
        let lossy = |it: Option<Vec<u8>>| {
            String::from_utf8_lossy(it.as_deref().unwrap_or_default()).into_owned()
        };
        let environment = host::environment();
        let around = Surroundings {
            node_id: &lossy(node("id")),
            node_cluster: &lossy(node("cluster")),
            metadata: &|keys| String::from_utf8(node(&format!("metadata\0{keys}"))?).ok(),
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
        let own = Stat::ALL.map(|it| {
            let name = it.name_for(config.resource.service_name());
            self.stats.id(it.kind().form(), name)
        });
        let (unknown_keys, delay) = (config.unknown_keys, config.batch.schedule_delay);
        let mut tracer = Tracer::new(config);
        for (_, other) in self.roots.all() {
            tracer.count_with(&other.tracer);
        }
        let mut it = Root::new(tracer, Lineage::new(&document), own);
        it.lineage.announce(it.takes_over());
        it.set(Stat::ConfigUnknownKeys, unknown_keys);
        it.wake_after(delay);
        self.sees_tries |= it.tracer.sees_tries();
        self.roots.put(root, Some(it));
        true
    }

    pub(crate) fn tick(&mut self, root: u32) {
        let ids = self.ids.get_or_insert_with(seeded);
        if let Some(it) = self.roots.get_mut(root) {
            it.tick(ids);
            self.sent(root);
        }
    }

    pub(crate) fn request_headers(&mut self, context: u32, end_of_stream: bool) {
        let Self { ids, roots, streams, requests, sees_tries, old_names, .. } = self;
        let Some(stream) = streams.get_mut(&context) else { return };
        let Some(Root { tracer, serves, .. }) = roots.get_mut(stream.root) else { return };
        *serves = true;
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
        let is_try = tracer.sees_tries();
        let mut current = match is_try {
            true => CurrentStream::of_try(*old_names),
            false => CurrentStream::under_way(*old_names),
        };
        let ids = ids.get_or_insert_with(seeded);
        let (phase, edits) = if is_try {
            let started = tracer.start_try(&head, &mut current, ids, requests);
            (started.it.map_or(Phase::Open(None), Phase::Try), started.edits)
        } else {
            let mut started = tracer.start(&head, &mut current, ids);
            if let Some(span) = started.span.as_mut().filter(|_| *sees_tries) {
                tracer.begin_tries(span, &mut current, requests);
            }
            (Phase::Open(started.span), started.edits)
        };
        for edit in &edits {
            if host::edit(Map::RequestHeaders, edit) != Status::OK {
                tracer.stats.count(Stat::Degraded);
            }
        }
        stream.phase = phase;
    }

    pub(crate) fn request_body(&mut self, context: u32, size: usize, end_of_stream: bool) {
        if let Some(span) = self.open_span(context) {
            span.request_body(size);
            if end_of_stream {
                span.request_ended(host::monotonic);
            }
        }
    }

    pub(crate) fn request_ended(&mut self, context: u32) {
        if let Some(span) = self.open_span(context) {
            span.request_ended(host::monotonic);
        }
    }

    pub(crate) fn response_headers(&mut self, context: u32, end_of_stream: bool) {
        let Self { roots, streams, requests, old_names, .. } = self;
        let Some(stream) = streams.get_mut(&context) else { return };
        if let Phase::Try(it) = &mut stream.phase {
            let mut current = CurrentStream::of_try(*old_names);
            it.response_began(requests, &mut current, host::monotonic);
        }
        if let Phase::Open(Some(span)) = &mut stream.phase {
            if span.wants_response()
                && let Some(Root { tracer, .. }) = roots.get_mut(stream.root)
            {
                let mut current = CurrentStream::under_way(*old_names);
                for edit in tracer.respond(span, &mut current, host::monotonic) {
                    if host::edit(Map::ResponseHeaders, &edit) != Status::OK {
                        tracer.stats.count(Stat::Degraded);
                    }
                }
            }
            span.response_began(host::monotonic);
        }
        if end_of_stream {
            self.response_ended(context);
        }
    }

    pub(crate) fn response_body(&mut self, context: u32, size: usize, end_of_stream: bool) {
        if let Some(span) = self.open_span(context) {
            span.response_body(size);
            if let Some(wanted) = span.wants_body(size) {
                let (start, length) = (wanted.start, wanted.length);
                span.take_body(wanted, host::buffer_from(Buffer::ResponseBody, start, length));
            }
        }
        if end_of_stream {
            self.response_ended(context);
        }
    }

    pub(crate) fn response_ended(&mut self, context: u32) {
        let Self { streams, requests, old_names, .. } = self;
        match streams.get_mut(&context).map(|it| &mut it.phase) {
            Some(Phase::Open(Some(span))) => span.response_ended(host::monotonic),
            Some(Phase::Try(it)) => {
                let mut current = CurrentStream::of_try(*old_names);
                it.response_ended(requests, &mut current, host::monotonic);
            }
            _ => {}
        }
    }

    fn open_span(&mut self, context: u32) -> Option<&mut ActiveSpan> {
        match &mut self.streams.get_mut(&context)?.phase {
            Phase::Open(span) => span.as_mut(),
            Phase::New | Phase::Try(_) | Phase::Ended => None,
        }
    }

    /// The stream is over: by `on_log` or `on_done`, whichever is first.
    pub(crate) fn stream_ended(&mut self, context: u32) {
        let Self { clock, ids, roots, streams, requests, old_names, .. } = self;
        let Some(stream) = streams.get_mut(&context) else { return };
        let phase = std::mem::replace(&mut stream.phase, Phase::Ended);
        let tried = match &phase {
            Phase::Open(Some(span)) if span.is_recorded() => requests.end(span.span_id),
            _ => Tried::Unseen,
        };
        let Some(root) = roots.get_mut(stream.root) else { return };
        let is_try = root.tracer.sees_tries();
        let mut current = match is_try {
            true => CurrentStream::of_try(*old_names),
            false => CurrentStream::ended(*old_names, &mut root.at_once),
        };
        let is_ready = match phase {
            Phase::Ended | Phase::Open(None) => false,
            Phase::Open(Some(span)) => {
                root.tracer.finish_tried(span, tried, &mut current, || clock.now())
            }
            Phase::Try(it) => root.tracer.finish_try(it, requests, &mut current, || clock.now()),
            // A try is shown from its beginning, and its client may be none at all.
            Phase::New if is_try => false,
            Phase::New => match host::header_map(Map::RequestHeaders) {
                Some(headers) if !headers.is_empty() => {
                    let ids = ids.get_or_insert_with(seeded);
                    root.tracer.refused(Headers::new(&headers), &mut current, ids, clock.now())
                }
                _ => false,
            },
        };
        if is_ready {
            root.wake_soon();
        }
    }

    pub(crate) fn call_answered(&mut self, root: u32, token: u32, responded: bool, size: usize) {
        let ids = self.ids.get_or_insert_with(seeded);
        if let Some(root) = self.roots.get_mut(root) {
            root.call_answered(token, responded, size, ids);
        }
        self.sent(root);
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
pub(crate) fn worker_number() -> u64 {
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
