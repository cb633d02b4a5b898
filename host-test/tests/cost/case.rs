//! One kind of request, and what one of them costs.

use std::collections::BTreeMap;
use std::time::Duration;

use host_test::{Answer, Headers, Proxy, Stream};
use serde::{Deserialize, Serialize};

use crate::module::module;

/// A kind of request.
pub(crate) struct Case {
    /// What is special about it.
    pub(crate) name: &'static str,
    /// hopspan's configuration.
    pub(crate) config: String,
    /// Its head.
    pub(crate) request: Headers,
    /// What happened before.
    pub(crate) before: fn(&Proxy),
    /// The rest of it, to its end.
    pub(crate) rest: fn(&Stream),
    /// How many spans it makes, and how many of those find no room.
    pub(crate) spans: [i64; 2],
}

/// What a request costs.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Cost {
    /// Instructions of WebAssembly, in all its callbacks.
    pub(crate) fuel: u64,
    /// Host calls: their name, what they are about, and how many.
    pub(crate) hostcalls: BTreeMap<String, u64>,
}

impl Case {
    /// What one request costs among others like it.
    pub(crate) fn cost(&self) -> Cost {
        let builder = Proxy::builder(module()).vm_id("hopspan").plugin_config(&self.config);
        // What it is for is the configuration's to say.
        let builder = builder.property("xds.listener_direction", 1);
        let proxy = builder.start().unwrap_or_else(|refused| panic!("{}: {refused}", self.name));
        proxy.serve(|_| Answer::status(200));
        (self.before)(&proxy);
        (0..WARM).for_each(|_| self.live(&proxy));
        proxy.run_for(TICK);
        let [created, dropped] = spans(&proxy);
        self.live(&proxy);
        let (calls, callbacks) = (proxy.hostcalls(), proxy.worker(0).callbacks().len());
        self.live(&proxy);
        let calls = proxy.hostcalls().since(&calls);
        let callbacks = proxy.worker(0).callbacks().split_off(callbacks);
        proxy.run_for(TICK);
        let now = spans(&proxy);
        let made = [(now[0] - created) / 2, (now[1] - dropped) / 2];
        assert_eq!(made, self.spans, "{}: spans created, and dropped", self.name);
        assert_eq!(proxy.traps(), [], "{}", self.name);
        let named = |(name, about, count)| (call(name, about), count);
        Cost {
            fuel: callbacks.iter().map(|it| it.fuel).sum(),
            hostcalls: calls.iter().map(named).collect(),
        }
    }

    fn live(&self, proxy: &Proxy) {
        let stream = proxy.worker(0).stream();
        stream.request_headers(&self.request, true);
        (self.rest)(&stream);
    }
}

/// An answer of the upstream, and the end.
pub(crate) fn ok(stream: &Stream) {
    stream.respond(200);
    stream.finish();
}

fn spans(proxy: &Proxy) -> [i64; 2] {
    let all = proxy.metrics();
    let of = |name: &str| {
        all.iter().filter(|(it, _)| it.starts_with(name)).map(|(_, count)| count).sum()
    };
    [of("hopspan.spans.created"), of("hopspan.spans.dropped.")]
}

fn call(name: &str, about: &str) -> String {
    // Keys of shared data have a trace-id in them.
    if about.is_empty() || name.ends_with("_shared_data") {
        name.into()
    } else {
        format!("{name} {about}")
    }
}

/// How many requests a worker looks at for another tracer, and some more.
const WARM: usize = 20;
/// The default of `batch.schedule_delay_ms`.
pub(crate) const TICK: Duration = Duration::from_secs(1);
