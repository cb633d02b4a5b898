//! A real OpenTelemetry Collector, which passes on what it takes.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::file_named_by;
use crate::collector::Collector;
use crate::deadline::poll;
use crate::process::Process;
use crate::upstream::Refusing;

/// A Collector that is ready. Ends with the value.
pub(crate) struct Otelcol {
    // First, so that the process is gone before its directory.
    process: Option<Process>,
    directory: TempDir,
    otlp: Refusing,
    zipkin: Refusing,
    /// What it passes spans on to, and waits for: what this one says is what the Collector answers.
    pub(crate) backend: Collector,
}

impl Otelcol {
    /// A Collector with receivers for OTLP and for Zipkin.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// The same, with a configuration that is changed before it is used.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Value)) -> Self {
        let backend = Collector::start().await;
        // Ports that nobody else gets, neither before the Collector listens nor after.
        let (otlp, zipkin) = (Refusing::anywhere(), Refusing::anywhere());
        let directory = tempfile::Builder::new().prefix("hopspan-otelcol-").tempdir().unwrap();
        let mut configuration = json!({
            "receivers": {
                "otlp": { "protocols": { "http": { "endpoint": otlp.address() } } },
                "zipkin": { "endpoint": zipkin.address() },
            },
            "exporters": {
                "otlp_http": {
                    "endpoint": format!("http://{}", backend.address()),
                    "compression": "none",
                    "sending_queue": { "enabled": false },
                    "retry_on_failure": { "enabled": false },
                },
                "file": { "path": directory.path().join(FILE), "flush_interval": "20ms" },
            },
            "service": {
                // Else it listens for those who scrape it.
                "telemetry": { "metrics": { "level": "none" } },
                "pipelines": {
                    "traces/otlp": { "receivers": ["otlp"], "exporters": ["otlp_http"] },
                    "traces/zipkin": { "receivers": ["zipkin"], "exporters": ["file"] },
                },
            },
        });
        change(&mut configuration);
        // What is JSON is YAML.
        fs::write(directory.path().join(CONFIGURATION), configuration.to_string()).unwrap();
        let mut otelcol = Self { process: None, directory, otlp, zipkin, backend };
        otelcol.start_again().await;
        otelcol
    }

    /// Ends the process. Its ports refuse connections from now on.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Starts the process after its end, on the same ports.
    pub(crate) async fn start_again(&mut self) {
        let files = self.directory.path();
        let mut command = Command::new(file_named_by("HOPSPAN_COLLECTOR"));
        command.arg("--config").arg(files.join(CONFIGURATION));
        let mut process = Process::spawn(&mut command, files.join("otelcol.log"));
        poll("the Collector to be ready", async || {
            assert!(process.ended().is_none(), "the Collector ended:\n{}", process.log());
            process.log().contains("Everything is ready.").then_some(())
        })
        .await;
        self.process = Some(process);
    }

    /// Waits for so many spans at least that came as Zipkin's JSON, and returns all of them, as
    /// OTLP in JSON: `resource` and `scope` are beside what else a span has.
    pub(crate) async fn written(&self, count: usize) -> Vec<Value> {
        let read = || {
            let text = fs::read_to_string(self.directory.path().join(FILE)).unwrap_or_default();
            // The last line may be on its way yet.
            let requests = text.lines().filter_map(|it| serde_json::from_str(it).ok());
            requests.flat_map(|it: Value| spans(&it)).collect::<Vec<_>>()
        };
        poll(&format!("{count} spans in the Collector's file"), async || {
            Some(read()).filter(|it| it.len() >= count)
        })
        .await
    }

    /// Where it takes OTLP over HTTP.
    pub(crate) fn otlp(&self) -> SocketAddr {
        self.otlp.address()
    }

    /// Where it takes Zipkin's JSON.
    pub(crate) fn zipkin(&self) -> SocketAddr {
        self.zipkin.address()
    }
}

impl Drop for Otelcol {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(process) = &self.process
        {
            eprintln!("--- the Collector's log ---\n{}--- its end ---", process.log());
        }
    }
}

fn spans(request: &Value) -> Vec<Value> {
    let list = |it: &Value, key: &str| it[key].as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for group in list(request, "resourceSpans") {
        for scope in list(&group, "scopeSpans") {
            all.extend(list(&scope, "spans").into_iter().map(|mut span| {
                span["resource"] = group["resource"].clone();
                span["scope"] = scope["scope"].clone();
                span
            }));
        }
    }
    all
}

/// In the Collector's directory.
const FILE: &str = "spans.jsonl";
const CONFIGURATION: &str = "otelcol.json";
