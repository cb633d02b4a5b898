//! A real Zipkin server, and what its API tells.
//!
//! Spec: <https://zipkin.io/zipkin-api/>

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use super::file_named_by;
use crate::client::{Client, get};
use crate::deadline::{poll, poll_or_none};
use crate::process::Process;
use crate::upstream::Refusing;

/// A server that keeps spans in its memory. Ends with the value.
pub(crate) struct Zipkin {
    // First, so that the process is gone before its directory.
    _process: Process,
    _directory: TempDir,
    port: Refusing,
}

impl Zipkin {
    /// Starts a server and waits until it is ready.
    pub(crate) async fn start() -> Self {
        // A port that nobody else gets before the server listens.
        let port = Refusing::anywhere();
        let directory = tempfile::Builder::new().prefix("hopspan-zipkin-").tempdir().unwrap();
        let files = directory.path();
        let mut command = Command::new("java");
        command
            // It is to start soon, and to leave nothing behind.
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx256m"])
            .arg(format!("-Djava.io.tmpdir={}", files.display()))
            .arg("-jar")
            .arg(file_named_by("HOPSPAN_ZIPKIN"))
            .arg("--armeria.ports[0].ip=127.0.0.1")
            .arg(format!("--armeria.ports[0].port={}", port.address().port()))
            .arg("--armeria.ports[0].protocols=http");
        let mut process = Process::spawn(&mut command, files.join("zipkin.log"));
        let ready = poll_or_none(START, async || {
            assert!(process.ended().is_none(), "Zipkin ended:\n{}", process.log());
            process.log().contains("Serving HTTP at").then_some(())
        });
        assert!(ready.await.is_some(), "Zipkin does not start:\n{}", process.log());
        Self { _process: process, _directory: directory, port }
    }

    /// Where it listens, for spans and for questions.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Waits for so many spans of a trace at least, and returns all of them.
    pub(crate) async fn trace(&self, trace_id: &str, count: usize) -> Vec<Value> {
        poll(&format!("{count} spans of the trace {trace_id} in Zipkin"), async || {
            let found = self.ask(&format!("/api/v2/trace/{trace_id}")).await?;
            let spans = found.as_array().expect("a list of spans");
            (spans.len() >= count).then(|| spans.clone())
        })
        .await
    }

    /// All traces that have a span of this service.
    pub(crate) async fn traces(&self, service: &str) -> Vec<Vec<Value>> {
        let path = format!("/api/v2/traces?limit=100&serviceName={service}");
        let traces = self.ask(&path).await.expect("a list of traces");
        serde_json::from_value(traces).expect("a list of lists")
    }

    /// Who calls whom, and how often: caller, called, calls, errors.
    pub(crate) async fn dependencies(&self) -> Vec<(String, String, u64, u64)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let links = self.ask(&format!("/api/v2/dependencies?endTs={now}")).await;
        let links = links.expect("a list of links");
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let mut links: Vec<_> = links
            .as_array()
            .expect("a list of links")
            .iter()
            .map(|it| {
                let count = |key: &str| it[key].as_u64().unwrap_or(0);
                (text(&it["parent"]), text(&it["child"]), count("callCount"), count("errorCount"))
            })
            .collect();
        links.sort();
        links
    }

    /// `None` for what it does not have.
    async fn ask(&self, path: &str) -> Option<Value> {
        let reply = Client::http1(self.address()).await.ask(get(path)).await;
        let body = String::from_utf8_lossy(&reply.body);
        assert!(matches!(reply.status, 200 | 404), "{path}: {} {body}", reply.status);
        (reply.status == 200).then(|| serde_json::from_str(&body).expect("JSON"))
    }
}

/// A machine that is busy starts it in half a minute.
const START: Duration = Duration::from_secs(90);
