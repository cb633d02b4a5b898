//! What is compared: ways to trace, or not to.

use serde_json::Value;

use crate::collector::Received;

mod hopspan;
mod native;

/// A way to trace.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// What it is called on the command line and in reports.
    pub(crate) name: &'static str,
    /// In a few words.
    pub(crate) about: &'static str,
    /// Who traces.
    pub(crate) tracing: Tracing,
    /// Lines that each request has besides the usual ones.
    pub(crate) headers: String,
    /// Bytes of each request's body. With one it is a POST, else a GET.
    pub(crate) body: Option<usize>,
    /// Spans that arrive for each request.
    pub(crate) spans: Spans,
    /// How many paths it has seen before anything is measured.
    pub(crate) learned: u64,
}

/// Who traces.
#[derive(Clone, Debug)]
pub(crate) enum Tracing {
    /// Nobody.
    None,
    /// Envoy itself.
    Native {
        /// The tracer: `provider` in the connection manager's `tracing`.
        provider: Value,
        /// Of new traces.
        percent: f64,
        /// How many spans it collects before it sends them, if not as it does by itself.
        batch: Option<u64>,
    },
    /// hopspan.
    Hopspan {
        /// `traffic_direction` of the listener.
        direction: &'static str,
        /// Its configuration.
        configuration: Value,
    },
}

/// How many spans arrive for a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Spans {
    /// So many, of each.
    Each(u64),
    /// One, of this share of them.
    Share(f64),
}

impl Variant {
    /// Whether all has arrived of so many requests, if chance is as it should be.
    pub(crate) fn is_all(&self, requests: u64, received: &Received) -> bool {
        received.spans >= self.spans.expected(requests)
            && (!self.counts() || received.counted >= requests)
    }

    /// What is wrong with what arrived of so many requests, if something is.
    pub(crate) fn judge(&self, requests: u64, received: &Received) -> Result<(), String> {
        self.spans.judge(requests, received.spans)?;
        if !self.counts() || received.counted == requests {
            return Ok(());
        }
        Err(format!("{} of {requests} requests are in the metrics", received.counted))
    }

    /// The one without tracing that it is compared with: under the same requests.
    pub(crate) fn base(&self) -> &'static str {
        if self.headers == UNSAMPLED { NONE_CONTEXT } else { NONE }
    }

    /// Whether it is what others are compared with.
    pub(crate) fn is_base(&self) -> bool {
        matches!(self.tracing, Tracing::None)
    }

    /// Whether it has metrics.
    fn counts(&self) -> bool {
        matches!(&self.tracing, Tracing::Hopspan { configuration, .. }
            if configuration.pointer("/metrics/to/0").is_some())
    }
}

impl Spans {
    /// How many spans of so many requests there will be, if chance is as it should be.
    fn expected(self, requests: u64) -> u64 {
        match self {
            Self::Each(count) => count * requests,
            Self::Share(share) => (share * requests as f64) as u64,
        }
    }

    /// What is wrong with so many spans of so many requests, if something is.
    fn judge(self, requests: u64, spans: u64) -> Result<(), String> {
        let (least, most) = match self {
            Self::Each(count) => (count * requests, count * requests),
            Self::Share(share) => {
                // Five standard deviations of a binomial distribution: once in a million runs.
                let expected = share * requests as f64;
                let room = 5.0 * (expected * (1.0 - share)).sqrt();
                ((expected - room).max(0.0) as u64, (expected + room).ceil() as u64)
            }
        };
        if (least..=most).contains(&spans) {
            return Ok(());
        }
        let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
        Err(format!("{spans} spans of {requests} requests, not {range}"))
    }
}

/// All of them, those without tracing first.
pub(crate) fn all() -> Vec<Variant> {
    let none = |name, about, headers: &str| Variant {
        name,
        about,
        tracing: Tracing::None,
        headers: headers.to_owned(),
        body: None,
        spans: NO,
        learned: 0,
    };
    let mut all = vec![
        none(NONE, "no tracing", ""),
        none(NONE_CONTEXT, "no tracing, a caller's traceparent", UNSAMPLED),
    ];
    all.extend(native::all());
    all.extend(hopspan::all());
    all
}

/// Those with these names, or all if none is named, in the order of the list: what others are
/// compared with comes first, and always.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Variant>, String> {
    let mut all = all();
    if let Some(name) = names.iter().find(|name| !all.iter().any(|it| it.name == **name)) {
        let known: Vec<_> = all.iter().map(|it| it.name).collect();
        return Err(format!("there is no variant {name:?}, but: {}", known.join(", ")));
    }
    if !names.is_empty() {
        let named = |it: &Variant| names.iter().any(|name| name == it.name);
        let bases: Vec<_> = all.iter().filter(|it| named(it)).map(Variant::base).collect();
        all.retain(|it| it.name == NONE || bases.contains(&it.name) || named(it));
    }
    Ok(all)
}

/// What others are compared with.
pub(crate) const NONE: &str = "none";
/// The same for those whose callers send a `traceparent`: what a proxy does with one more header is
/// no cost of tracing.
const NONE_CONTEXT: &str = "none-context";
/// What hopspan is compared with.
pub(crate) const NATIVE: &str = "native";
/// The same, for what is not sampled.
pub(crate) const NATIVE_1: &str = "native-1";

const UNSAMPLED: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n";

const NO: Spans = Spans::Each(0);
const ONE: Spans = Spans::Each(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_is_judged() {
        for (why, spans, requests, arrived, want) in [
            ("all", ONE, 10, 10, true),
            ("one is missing", ONE, 10, 9, false),
            ("one too many", ONE, 10, 11, false),
            ("two of each", Spans::Each(2), 10, 20, true),
            ("none", NO, 10, 0, true),
            ("one that should not be", NO, 10, 1, false),
            ("a share, exactly", Spans::Share(0.01), 100_000, 1000, true),
            ("a share, as chance has it", Spans::Share(0.01), 100_000, 900, true),
            ("not that share", Spans::Share(0.01), 100_000, 800, false),
            ("a share of few", Spans::Share(0.01), 10, 0, true),
        ] {
            assert_eq!(spans.judge(requests, arrived).is_ok(), want, "{why}");
        }
    }

    #[test]
    fn metrics_are_judged_if_there_are_any() {
        let received = |counted| Received { spans: 10, counted, ..Received::default() };
        for (name, counted, want) in [
            ("server", 0, true),
            ("server-metrics", 10, true),
            ("server-metrics", 9, false),
            ("server-metrics", 11, false),
        ] {
            let variant = chosen(&[name.to_owned()]).unwrap().pop().unwrap();
            assert_eq!(variant.judge(10, &received(counted)).is_ok(), want, "{name}: {counted}");
            assert_eq!(variant.is_all(10, &received(counted)), counted >= 10 || want, "{name}");
        }
    }

    #[test]
    fn each_is_compared_with_one_that_has_the_same_requests_and_comes_before_it() {
        for it in all() {
            let before = chosen(&[it.name.to_owned()]).unwrap();
            let base = before.iter().find(|other| other.name == it.base()).unwrap();
            assert!(base.is_base(), "{}", it.name);
            let is_alike =
                |header: &str| it.headers.contains(header) == base.headers.contains(header);
            assert!(is_alike("traceparent"), "{}", it.name);
            assert_eq!(before.last().map(|it| it.name), Some(it.name));
        }
    }

    #[test]
    fn names_are_of_one_each() {
        let mut names: Vec<_> = all().iter().map(|it| it.name).collect();
        assert_eq!(names.first(), Some(&NONE));
        assert!(names.contains(&NATIVE));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
