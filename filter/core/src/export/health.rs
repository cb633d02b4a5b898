//! What is said aloud about the export: the first failure, then once a minute how it goes, then
//! that it works again; that requests are too large; once, what the collector has to say.

mod quote;

use super::answer::{Answer, Verdict};
use super::{ClusterNaming, Collector};
use crate::encode::Protocol;
use crate::time::Monotonic;
use quote::Secrets;
use std::collections::VecDeque;
use std::time::Duration;

/// A line for the proxy's log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    /// Whether something is wrong; good news otherwise.
    pub is_warning: bool,
    /// Whether it is enough to say it once, and not once a minute.
    pub once: bool,
    /// The line; no secrets, no header values. Workers that have the same to say say it
    /// once for all.
    pub text: String,
    /// What follows in the line, and may be different in each worker.
    pub detail: String,
}

/// Whether the collector takes what it is sent.
#[derive(Debug)]
pub struct Health {
    cluster: String,
    naming: ClusterNaming,
    protocol: Protocol,
    secrets: Secrets,
    /// Since when, and how many requests failed since then.
    failing: Option<(Monotonic, u64)>,
    /// When it was said last that it fails.
    said: Option<Monotonic>,
    /// How many requests were too large, and when it was said last.
    too_large: (u64, Option<Monotonic>),
    /// What was said already, and is said but once.
    said_unable: bool,
    said_rejects: bool,
    said_warns: bool,
    notices: VecDeque<Notice>,
}

const EVERY: Duration = Duration::from_secs(60);

// === impl Health ===

impl Health {
    /// Nothing has been sent yet.
    pub fn new(collector: &Collector) -> Self {
        Self {
            cluster: collector.cluster.clone(),
            naming: collector.naming,
            protocol: collector.protocol,
            secrets: Secrets::of(&collector.headers),
            failing: None,
            said: None,
            too_large: (0, None),
            said_unable: false,
            said_rejects: false,
            said_warns: false,
            notices: VecDeque::new(),
        }
    }

    /// Notes that the host did not compress a request.
    pub fn cannot_compress(&mut self) {
        if !std::mem::replace(&mut self.said_unable, true) {
            let text = "collector.compression: this proxy has no function \"compress\" that works, \
                so requests are sent as they are";
            self.say(true, true, text.to_owned(), String::new());
        }
    }

    /// Notes the end of a request.
    pub fn note(&mut self, answer: &Answer<'_>, verdict: &Verdict, now: Monotonic) {
        match verdict {
            Verdict::Taken { rejected } => {
                self.note_recovery(now);
                self.note_message(answer.message(self.protocol), *rejected);
            }
            // It is up, and wants less at once.
            Verdict::TooLarge => self.note_too_large(now),
            Verdict::Refused | Verdict::TryAgain { .. } => self.note_failure(answer, verdict, now),
        }
    }

    /// The oldest line that waits to be said.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn note_recovery(&mut self, now: Monotonic) {
        if let Some((since, failures)) = self.failing.take() {
            let seconds = now.since(since).as_secs();
            let detail = format!(" after {failures} failed requests in {seconds} s");
            self.say(false, false, "export works again".to_owned(), detail);
        }
    }

    /// The specification wants a partial success told; where nothing was rejected, its message
    /// is a warning. The words may be others each time, so that the first ones stand for all.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/otlp/#partial-success>
    fn note_message(&mut self, message: Option<String>, rejected: usize) {
        let is_said = if rejected > 0 { &mut self.said_rejects } else { &mut self.said_warns };
        if *is_said || (rejected == 0 && message.is_none()) {
            return;
        }
        *is_said = true;
        let says = message.map_or_else(
            || " without a word".to_owned(),
            |it| format!(": {}", self.secrets.quote(&it)),
        );
        let cluster = &self.cluster;
        let (text, detail) = if rejected > 0 {
            let text =
                format!("collector.cluster \"{cluster}\" rejects spans of requests that it takes");
            (text, format!("{says} ({rejected} this time; further ones are only counted)"))
        } else {
            (format!("collector.cluster \"{cluster}\" takes all spans, and warns"), says)
        };
        self.say(true, true, text, detail);
    }

    fn note_too_large(&mut self, now: Monotonic) {
        let (requests, said) = &mut self.too_large;
        *requests = requests.saturating_add(1);
        if is_due(said, now) {
            let text = format!(
                "collector.cluster \"{}\" answered 413: requests are too large for it, and are \
                 sent again in halves; lower batch.max_export_batch_bytes or \
                 batch.max_export_batch_size, or let it take more",
                self.cluster
            );
            let detail = format!(" (such requests so far: {requests})");
            self.say(true, false, text, detail);
        }
    }

    fn note_failure(&mut self, answer: &Answer<'_>, verdict: &Verdict, now: Monotonic) {
        let first = self.failing.is_none();
        let (_, failures) = self.failing.get_or_insert((now, 0));
        *failures = failures.saturating_add(1);
        let failures = *failures;
        if first {
            self.said = None;
        }
        if is_due(&mut self.said, now) {
            let consequence = match verdict {
                Verdict::Refused => "its spans are dropped",
                _ => "its spans wait to be sent again",
            };
            let why = self.why(answer);
            let text = format!("export fails: {why}; {consequence}");
            self.say(true, false, text, format!(" ({failures} failed so far)"));
        }
    }

    fn say(&mut self, is_warning: bool, once: bool, text: String, detail: String) {
        self.notices.push_back(Notice { is_warning, once, text, detail });
    }

    fn why(&self, answer: &Answer<'_>) -> String {
        let cluster = &self.cluster;
        match answer {
            // The proxy answers itself where nobody else does.
            Answer::Response { status: 503, .. } => {
                format!("collector.cluster \"{cluster}\" answered 503, or cannot be reached")
            }
            Answer::Response { status: 504, .. } => {
                format!(
                    "collector.cluster \"{cluster}\" answered 504, or not within collector.timeout_ms"
                )
            }
            Answer::Response { status, .. } => {
                let see = match status {
                    401 | 403 => ", see collector.headers",
                    404 | 405 => ", see collector.traces_path and collector.protocol",
                    415 => ", see collector.protocol and collector.compression",
                    _ => "",
                };
                format!("collector.cluster \"{cluster}\" answered {status}{see}")
            }
            Answer::None => format!("collector.cluster \"{cluster}\" broke the connection"),
            Answer::Unsent => {
                format!(
                    "collector.cluster \"{cluster}\" has no healthy host, or too many requests in flight"
                )
            }
            Answer::NoSuchCluster => {
                let form = match self.naming {
                    ClusterNaming::Envoy => {
                        "the name of one of its clusters, as in static_resources.clusters or from CDS"
                    }
                    ClusterNaming::Istio => {
                        "Istio's name for the service, like outbound|4318||otel-collector.observability.svc.cluster.local"
                    }
                };
                format!("this proxy has no cluster \"{cluster}\"; collector.cluster must be {form}")
            }
        }
    }
}

/// Whether a minute has passed since this was said, which it is now.
fn is_due(said: &mut Option<Monotonic>, now: Monotonic) -> bool {
    let due = said.is_none_or(|it| now.since(it) >= EVERY);
    if due {
        *said = Some(now);
    }
    due
}

#[cfg(test)]
mod tests;
