//! What is said aloud about the export: the first failure, then once a minute how it
//! goes, then that it works again.

use super::answer::{Answer, Verdict};
use super::{ClusterNaming, Collector};
use crate::time::Monotonic;
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
    /// Since when, and how many requests failed since then.
    failing: Option<(Monotonic, u64)>,
    last_said: Monotonic,
    notice: Option<Notice>,
}

const EVERY: Duration = Duration::from_secs(60);

impl Health {
    /// Nothing has been sent yet.
    pub fn new(collector: &Collector) -> Self {
        Self {
            cluster: collector.cluster.clone(),
            naming: collector.naming,
            failing: None,
            last_said: Monotonic::default(),
            notice: None,
        }
    }

    /// Notes the end of a request.
    pub fn note(&mut self, answer: &Answer<'_>, verdict: &Verdict, now: Monotonic) {
        if let Verdict::Taken { .. } = verdict {
            if let Some((since, failures)) = self.failing.take() {
                let seconds = now.since(since).as_secs();
                let text = "export works again".to_owned();
                self.say(false, text, format!(" after {failures} failed requests in {seconds} s"));
            }
            return;
        }
        let first = self.failing.is_none();
        let (_, failures) = self.failing.get_or_insert((now, 0));
        *failures = failures.saturating_add(1);
        let failures = *failures;
        if first || now.since(self.last_said) >= EVERY {
            self.last_said = now;
            let consequence = match verdict {
                Verdict::Refused => "its spans are dropped",
                _ => "its spans wait to be sent again",
            };
            let why = self.why(answer);
            let text = format!("export fails: {why}; {consequence}");
            self.say(true, text, format!(" ({failures} failed so far)"));
        }
    }

    /// The line that waits to be said.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notice.take()
    }

    fn say(&mut self, is_warning: bool, text: String, detail: String) {
        self.notice = Some(Notice { is_warning, once: false, text, detail });
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
                format!("collector.cluster \"{cluster}\" answered {status}")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn health(naming: ClusterNaming) -> Health {
        Health::new(&Collector {
            cluster: "otel".into(),
            naming,
            authority: "otel".into(),
            traces_path: "/".into(),
            headers: Vec::new(),
            timeout: Duration::from_secs(1),
        })
    }

    /// What is said after each of these answers, at these seconds.
    fn said(answers: &[(u64, Answer<'_>)]) -> Vec<Option<String>> {
        let mut health = health(ClusterNaming::Envoy);
        let mut note = |(second, answer): &(u64, Answer<'_>)| {
            health.note(
                answer,
                &answer.verdict(),
                Monotonic::default().plus(Duration::from_secs(*second)),
            );
            health.notice().map(|it| it.text + &it.detail)
        };
        answers.iter().map(&mut note).collect()
    }

    #[test]
    fn says_the_first_failure_then_once_a_minute_then_the_recovery() {
        let response = |status| Answer::Response { status, retry_after: b"", body: b"" };
        let got = said(&[
            (100, response(200)),
            (101, response(503)),
            (130, response(503)),
            (170, Answer::None),
            (175, response(200)),
            (176, response(200)),
            (177, response(400)),
        ]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            got,
            [
                None,
                some(
                    "export fails: collector.cluster \"otel\" answered 503, or cannot be reached; its spans wait to be sent again (1 failed so far)"
                ),
                None,
                some(
                    "export fails: collector.cluster \"otel\" broke the connection; its spans wait to be sent again (3 failed so far)"
                ),
                some("export works again after 3 failed requests in 74 s"),
                None,
                some(
                    "export fails: collector.cluster \"otel\" answered 400; its spans are dropped (1 failed so far)"
                ),
            ]
        );
    }

    #[test]
    fn a_missing_cluster_is_named_in_the_form_that_the_proxy_expects() {
        for (naming, form) in
            [(ClusterNaming::Envoy, "static_resources"), (ClusterNaming::Istio, "outbound|4318||")]
        {
            let mut health = health(naming);
            let answer = Answer::NoSuchCluster;
            health.note(&answer, &answer.verdict(), Monotonic::default());
            let text = health.notice().unwrap().text;
            assert!(text.contains("no cluster \"otel\"") && text.contains(form), "{text}");
        }
    }
}
