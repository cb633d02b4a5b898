//! A real Prometheus: its process and its API.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, get};
use crate::deadline::poll;

/// A Prometheus that scrapes one proxy. Ends with the value.
pub(crate) struct Prometheus {
    // First, so that the process is gone before its directory.
    _process: Process,
    _directory: TempDir,
    address: SocketAddr,
}

struct Process(Child);

impl Prometheus {
    /// Starts one that looks at a proxy, and at its rules, five times a second.
    pub(crate) async fn start(admin: SocketAddr, rules: &Path) -> Self {
        Self::start_with(
            &[rules],
            json!([{
                "job_name": "proxies",
                "metrics_path": "/stats/prometheus",
                "static_configs": [{ "targets": [admin] }],
            }]),
        )
        .await
    }

    /// Starts one that looks at these, as often.
    pub(crate) async fn start_with(rules: &[&Path], scrape_configs: Value) -> Self {
        let directory = tempfile::Builder::new().prefix("hopspan-prometheus-").tempdir().unwrap();
        let config = json!({
            "global": { "scrape_interval": "200ms", "evaluation_interval": "200ms" },
            "rule_files": rules,
            "scrape_configs": scrape_configs,
        });
        let config_file = directory.path().join("prometheus.yml");
        fs::write(&config_file, config.to_string()).unwrap();
        let log_file = directory.path().join("log");
        let log = File::create(&log_file).unwrap();
        let program = std::env::var_os("HOPSPAN_PROMETHEUS").unwrap_or_else(|| "prometheus".into());
        let child = Command::new(&program)
            .arg("--config.file")
            .arg(config_file)
            .arg("--storage.tsdb.path")
            .arg(directory.path().join("data"))
            .args(["--web.listen-address", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!(
                "{} does not start: {error}: name a Prometheus in HOPSPAN_PROMETHEUS, as \
                 ./build.sh rules does",
                program.display()
            )
        });
        let mut process = Process(child);
        // It says where it listens, and then that it is ready.
        let address = poll("Prometheus to be ready", async || {
            let log = fs::read_to_string(&log_file).unwrap_or_default();
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "Prometheus ended: {log}");
            let line = log.lines().find(|it| it.contains("Listening on"))?;
            let address = line.rsplit_once("address=")?.1.trim().parse().ok()?;
            log.contains("Server is ready").then_some(address)
        });
        let address = address.await;
        Self { _process: process, _directory: directory, address }
    }

    /// `data` of an answer of the API.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let mut client = Client::http1(self.address).await;
        let reply = client.ask(get(&format!("/api/v1/{path}"))).await;
        let mut answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].take()
    }

    /// The values that an expression has now.
    pub(crate) async fn values(&self, expression: &str) -> Vec<f64> {
        let data = self.api(&format!("query?query={expression}")).await;
        let samples = data["result"].as_array().expect("a vector");
        let value = |it: &Value| it["value"][1].as_str()?.parse().ok();
        samples.iter().map(|it| value(it).expect("a value")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(5) {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
