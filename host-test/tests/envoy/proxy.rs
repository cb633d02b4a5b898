//! A real Envoy: its process, its log, its admin interface.

use std::fmt::{self, Display};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bootstrap::{ACCESS_LOG, LISTENER, LISTENERS_FILE, OUTBOUND_LISTENER, Setup};
use crate::client::{Client, get, post};
use crate::deadline::{LIMIT, poll, poll_or_none};
use crate::process::Process;
use crate::stats::Stats;

/// An Envoy that is ready for requests. Ends with the value.
pub(crate) struct Proxy {
    // First, so that the process is gone before its directory.
    process: Process,
    directory: TempDir,
    wasm: PathBuf,
    admin: SocketAddr,
    address: SocketAddr,
}

/// Why Envoy did not start: it ended before it was ready.
#[derive(Debug)]
pub(crate) struct Refused {
    /// How the process ended.
    pub(crate) status: ExitStatus,
    /// All that it logged.
    pub(crate) log: String,
}

/// What an Envoy is told beside its document.
struct Start<'a> {
    /// The listener that is to be known.
    listener: &'a str,
    workers: u32,
    drain_seconds: u32,
    environment: &'a [(&'a str, &'a str)],
}

impl Start<'_> {
    fn of(workers: u32, drain_seconds: u32) -> Self {
        Self { listener: LISTENER, workers, drain_seconds, environment: &[] }
    }
}

impl Proxy {
    /// Starts Envoy and waits until it answers requests.
    pub(crate) async fn start(setup: &Setup) -> Self {
        match Self::try_start(setup).await {
            Ok(proxy) => proxy,
            Err(refused) => panic!("{refused}"),
        }
    }

    /// Starts Envoy with a document that no test made; [`Proxy::address`] is that of `listener`.
    pub(crate) async fn start_document(
        document: &Value,
        listener: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::Builder::new().prefix("hopspan-envoy-").tempdir().unwrap();
        let start = Start { listener, environment, ..Start::of(1, 1) };
        match Self::launch(directory, document, &start).await {
            Ok(proxy) => proxy,
            Err(refused) => panic!("{refused}"),
        }
    }

    /// Starts Envoy, which may refuse its bootstrap.
    ///
    /// # Errors
    ///
    /// When the process ends before it is ready.
    pub(crate) async fn try_start(setup: &Setup) -> Result<Self, Refused> {
        let directory = tempfile::Builder::new().prefix("hopspan-envoy-").tempdir().unwrap();
        let wasm = wasm();
        if setup.listener_from_file {
            write_listeners(setup, &wasm, directory.path());
        }
        let bootstrap = setup.bootstrap(&wasm, directory.path());
        Self::launch(directory, &bootstrap, &Start::of(setup.workers, setup.drain_seconds)).await
    }

    async fn launch(
        directory: TempDir,
        bootstrap: &Value,
        start: &Start<'_>,
    ) -> Result<Self, Refused> {
        let files = directory.path();
        fs::write(files.join("bootstrap.json"), bootstrap.to_string()).unwrap();
        let wasm = wasm();
        let mut process = spawn(files, start);

        // Envoy writes the file when the admin interface listens.
        let admin_file = files.join("admin");
        let read_admin = || fs::read_to_string(&admin_file).ok()?.trim().parse::<SocketAddr>().ok();
        let admin = poll("Envoy's admin address", async || match process.ended() {
            Some(status) => Some(Err(status)),
            None => read_admin().map(Ok),
        });
        let admin = match admin.await {
            Ok(admin) => admin,
            Err(status) => return Err(Refused { status, log: process.log() }),
        };

        let ready = poll("Envoy to be ready", async || {
            if let Some(status) = process.ended() {
                return Some(Err(status));
            }
            // The address of the listener is known when its socket is bound.
            let ready = fetch(admin, "/ready").await.is_some_and(|it| it.starts_with("LIVE"));
            if ready { listener_address(admin, start.listener).await.map(Ok) } else { None }
        });
        match ready.await {
            Ok(address) => Ok(Self { process, directory, wasm, admin, address }),
            Err(status) => Err(Refused { status, log: process.log() }),
        }
    }

    /// Where the listener is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the listener of [`Setup::outbound`] is.
    pub(crate) async fn outbound_address(&self) -> SocketAddr {
        listener_address(self.admin, OUTBOUND_LISTENER).await.expect("a second listener")
    }

    /// Where the admin interface is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What Envoy shows to Prometheus.
    pub(crate) async fn prometheus(&self) -> String {
        fetch(self.admin, "/stats/prometheus").await.expect("the admin interface answers")
    }

    /// All that Envoy has logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Waits for a line of the log.
    pub(crate) async fn logged(&self, what: &str, matches: impl Fn(&str) -> bool) -> String {
        let find = || self.log().lines().find(|line| matches(line)).map(str::to_owned);
        poll(&format!("a line of Envoy's log: {what}"), async || find()).await
    }

    /// Waits for `count` lines of the access log.
    pub(crate) async fn access_log(&self, count: usize) -> Vec<Value> {
        poll(&format!("{count} lines of Envoy's access log"), async || {
            let lines = self.access_log_now();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }

    /// Waits for the access log's line of the request with this path.
    pub(crate) async fn access_log_of(&self, path: &str) -> Value {
        poll(&format!("{path} in Envoy's access log"), async || {
            self.access_log_now().into_iter().find(|it| it["path"] == path)
        })
        .await
    }

    fn access_log_now(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.path().join(ACCESS_LOG)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Envoy's counters and gauges, as they are now.
    pub(crate) async fn stats(&self) -> Stats {
        let text =
            fetch(self.admin, "/stats?format=json").await.expect("the admin interface answers");
        Stats::parse(&text)
    }

    /// Waits until the stats are as they should be.
    pub(crate) async fn stats_when(&self, what: &str, matches: impl Fn(&Stats) -> bool) -> Stats {
        self.stats_within(LIMIT, what, matches).await
    }

    /// The same, for what takes its time.
    pub(crate) async fn stats_within(
        &self,
        limit: Duration,
        what: &str,
        matches: impl Fn(&Stats) -> bool,
    ) -> Stats {
        let mut last = None;
        let found = poll_or_none(limit, async || {
            let stats = self.stats().await;
            if matches(&stats) {
                return Some(stats);
            }
            last = Some(stats);
            None
        });
        match found.await {
            Some(stats) => stats,
            None => panic!("the stats never showed {what}:\n{}", last.unwrap()),
        }
    }

    /// Waits until hopspan has made `created` spans, and has none of them left.
    pub(crate) async fn at_rest(&self, created: i64) -> Stats {
        self.stats_when(&format!("{created} spans created and none waiting"), |it| {
            it.hopspan("spans.created") == created
                && it.hopspan("spans.queued") == 0
                && it.hopspan("spans.in_flight") == 0
                && it.unaccounted_spans() == 0
        })
        .await
    }

    /// Replaces the listener, as a control plane would.
    pub(crate) fn update(&self, setup: &Setup) {
        write_listeners(setup, &self.wasm, self.directory.path());
    }

    /// Removes the listeners that came from the file.
    pub(crate) fn remove_listeners(&self) {
        replace_listeners(&json!({ "resources": [] }), self.directory.path());
    }

    /// Tells the admin interface to do something.
    pub(crate) async fn tell(&self, path: &str) {
        let reply = Client::http1(self.admin).await.ask(post(path, "")).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }

    /// Resident memory of the process, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        self.process.resident()
    }

    /// Has the process end, as an operator would: with SIGTERM. Returns how it did.
    pub(crate) async fn quit(&mut self) -> ExitStatus {
        self.process.terminate();
        poll("Envoy to end", async || self.process.ended()).await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("--- Envoy's log ---\n{log}\n--- end of Envoy's log ---");
            return;
        }
        // `fail_open` hides a trap from requests; nothing may hide it from a test.
        let trap = log.lines().find(|line| TRAPS.iter().any(|trap| line.contains(trap)));
        assert!(trap.is_none(), "the filter trapped: {trap:?}\n{log}");
    }
}

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envoy did not start ({}):\n{}", self.status, self.log)
    }
}

/// Envoy ends with the thread that started it, so that is the test's own.
fn spawn(directory: &Path, start: &Start<'_>) -> Process {
    let mut command = Command::new(envoy());
    command
        .envs(start.environment.iter().copied())
        .args(["--concurrency", &start.workers.to_string()])
        // Hot restart would leave a file in shared memory.
        .args(["--disable-hot-restart", "--log-format", "[%l][%n] %v"])
        .args(["--log-level", "warning", "--component-log-level", "wasm:info"])
        .args([
            "--file-flush-interval-msec",
            "20",
            "--drain-time-s",
            &start.drain_seconds.to_string(),
        ])
        .args(["--drain-strategy", "immediate"])
        .arg("--admin-address-path")
        .arg(directory.join("admin"))
        .arg("--config-path")
        .arg(directory.join("bootstrap.json"));
    Process::spawn(&mut command, directory.join("envoy.log"))
}

async fn listener_address(admin: SocketAddr, name: &str) -> Option<SocketAddr> {
    let listeners: Value =
        serde_json::from_str(&fetch(admin, "/listeners?format=json").await?).ok()?;
    let listeners = listeners["listener_statuses"].as_array()?;
    let listener = listeners.iter().find(|it| it["name"] == name)?;
    let port = listener["local_address"]["socket_address"]["port_value"].as_u64()?;
    Some(SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).ok()?)))
}

async fn fetch(admin: SocketAddr, path: &str) -> Option<String> {
    let mut client = Client::try_http1(admin).await.ok()?;
    let reply = client.send(get(path)).await.ok()?;
    String::from_utf8(reply.body.to_vec()).ok()
}

fn write_listeners(setup: &Setup, wasm: &Path, directory: &Path) {
    replace_listeners(&setup.listeners_file(wasm, directory), directory);
}

/// Envoy reads the file when another is moved to its name.
fn replace_listeners(document: &Value, directory: &Path) {
    let new = directory.join("listeners.new");
    fs::write(&new, document.to_string()).unwrap();
    fs::rename(new, directory.join(LISTENERS_FILE)).unwrap();
}

fn envoy() -> PathBuf {
    std::env::var_os("HOPSPAN_ENVOY")
        .map(PathBuf::from)
        .expect("HOPSPAN_ENVOY must name the Envoy to test with: ./build.sh test sets it")
}

/// The module under test.
pub(crate) fn wasm() -> PathBuf {
    let path = std::env::var_os("HOPSPAN_WASM").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/hopspan.wasm"),
        PathBuf::from,
    );
    path.canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}: run ./build.sh wasm", path.display()))
}

/// What Envoy's log says when a filter traps, or Envoy itself crashes.
const TRAPS: [&str; 4] =
    ["failed: Uncaught", "in-VM backtrace", "[critical][assert]", "[critical][backtrace]"];
