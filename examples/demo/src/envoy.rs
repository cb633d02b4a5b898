//! The proxies: real Envoy processes that live no longer than this one.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::mesh::Proxy;
use crate::ports::loopback;
use crate::service::http_client;

/// How long an Envoy may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// All proxies that run. When this is dropped, they are killed.
#[derive(Debug)]
pub(crate) struct Proxies {
    running: JoinSet<Ended>,
    stop: watch::Sender<bool>,
    log: Arc<Mutex<Log>>,
}

/// A proxy that runs no more.
#[derive(Debug)]
pub(crate) struct Ended {
    proxy: Proxy,
    status: io::Result<ExitStatus>,
    /// The last errors it wrote that were not shown.
    tail: VecDeque<String>,
}

// === impl Proxies ===

impl Proxies {
    pub(crate) fn new() -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        Self { running: JoinSet::new(), stop: watch::Sender::new(false), log }
    }

    /// Starts one proxy. Call this from the main thread: the kernel ends the proxy when the
    /// *thread* that started it is gone.
    pub(crate) fn start(&mut self, envoy: &Path, proxy: Proxy, config: &str) -> io::Result<()> {
        let mut command = Command::new(envoy);
        command
            // Not a file: there is nothing to clean up, whatever happens to this process.
            .args(["--config-yaml", config])
            .args(["--concurrency", "1", "--log-level", "warning", "--log-format", LOG_FORMAT])
            // Six Envoys on one machine would have to share one region of memory.
            .arg("--disable-hot-restart")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            // Not in our group: Ctrl-C is for us, and we end the proxies in order.
            .process_group(0);
        end_with_this_process(&mut command);
        let mut child = command.spawn()?;
        let stderr = child.stderr.take();
        let (stop, log) = (self.stop.subscribe(), Arc::clone(&self.log));
        self.running.spawn(async move {
            let (status, tail) = tokio::join!(end(&mut child, stop), follow(stderr, proxy, log));
            Ended { proxy, status, tail }
        });
        Ok(())
    }

    /// Waits until a proxy ends that nobody asked to.
    pub(crate) async fn first_end(&mut self) -> Ended {
        match self.running.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            None => std::future::pending().await,
        }
    }

    /// Ends all of them and waits until they are gone.
    pub(crate) async fn stop(mut self) {
        lock(&self.log).quiet = true;
        self.stop.send_replace(true);
        while self.running.join_next().await.is_some() {}
    }
}

/// Waits for the end of a process, and brings it about when asked to.
async fn end(child: &mut Child, mut stop: watch::Receiver<bool>) -> io::Result<ExitStatus> {
    tokio::select! {
        status = child.wait() => return status,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) {
        // It may have ended just now: then there is nobody to tell.
        let _ = kill_process(pid, Signal::TERM);
    }
    match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            child.start_kill()?;
            child.wait().await
        }
    }
}

/// Waits until Envoy's admin page says that a proxy takes requests.
pub(crate) async fn ready(admin: u16) {
    let http = http_client();
    loop {
        let uri = format!("http://{}/ready", loopback(admin)).parse().unwrap_or_default();
        if http.get(uri).await.is_ok_and(|response| response.status().is_success()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// hopspan's own counters in one proxy, those that are not zero.
pub(crate) async fn hopspan_stats(admin: u16) -> Vec<String> {
    use http_body_util::BodyExt;

    let uri = format!("http://{}/stats?usedonly&filter=hopspan", loopback(admin));
    let Ok(response) = http_client().get(uri.parse().unwrap_or_default()).await else {
        return vec!["its admin page does not answer".to_owned()];
    };
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    text.lines().filter(|line| !line.ends_with(": 0")).map(str::to_owned).collect()
}

/// Finds the Envoy to run: a path as it is, a bare name on `PATH`.
pub(crate) fn find(envoy: &Path) -> Result<PathBuf, String> {
    let remedy = "build.sh installs one; or name yours with --envoy or HOPSPAN_ENVOY";
    if envoy.components().count() > 1 {
        let found = envoy.is_file().then(|| envoy.to_owned());
        return found.ok_or(format!("there is no Envoy at {}: {remedy}", envoy.display()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(envoy)).find(|it| it.is_file());
    found.ok_or(format!("there is no `{}` on PATH: {remedy}", envoy.display()))
}

/// What Envoy writes: level, logger, text.
const LOG_FORMAT: &str = "%l %n %v";
const TAIL: usize = 12;

/// What all proxies wrote.
#[derive(Debug, Default)]
struct Log {
    /// Lines that were shown: six proxies say the same thing six times.
    shown: HashSet<String>,
    quiet: bool,
}

/// Reads what a proxy writes: shows what filters have to say, and keeps the last
/// errors for the case that the proxy ends.
async fn follow(
    from: Option<impl AsyncRead + Unpin>,
    proxy: Proxy,
    log: Arc<Mutex<Log>>,
) -> VecDeque<String> {
    const MOST_SHOWN: usize = 200;

    let mut tail = VecDeque::new();
    let Some(from) = from else { return tail };
    let mut lines = BufReader::new(from).lines();
    // A line that is not UTF-8 ends the reading, not the proxy.
    while let Ok(Some(line)) = lines.next_line().await {
        match level_and_logger(&line) {
            ("warning" | "error" | "critical", "wasm") => {
                let mut log = lock(&log);
                if !log.quiet && log.shown.len() < MOST_SHOWN && log.shown.insert(line.clone()) {
                    eprintln!("{proxy}: {line}");
                }
            }
            ("error" | "critical", _) => {
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
            // What Envoy warns of is not about this demo; and lines that go on with another.
            _ => {}
        }
    }
    tail
}

/// The first two words of a line in [`LOG_FORMAT`].
fn level_and_logger(line: &str) -> (&str, &str) {
    let mut words = line.split(' ');
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the kernel end a child when this process is gone, even by SIGKILL.
#[cfg(target_os = "linux")]
fn end_with_this_process(command: &mut Command) {
    let ask = || Ok(rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?);
    #[expect(unsafe_code, reason = "the one way to run code in the child before Envoy does")]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; `ask` makes one
    // system call, and allocates nothing.
    unsafe {
        command.pre_exec(ask)
    };
}

/// Other kernels have no such thing: there, a proxy survives a SIGKILL of this process.
#[cfg(not(target_os = "linux"))]
fn end_with_this_process(_: &mut Command) {}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, status, tail } = self;
        match status {
            Ok(status) => write!(f, "{proxy} ended by itself ({status})")?,
            Err(error) => write!(f, "{proxy} was lost: {error}")?,
        }
        if !tail.is_empty() {
            write!(f, "; the last that it wrote:")?;
        }
        tail.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_envoy_is_named_with_the_remedy() {
        for (envoy, want) in [
            ("/nowhere/envoy", "there is no Envoy at /nowhere/envoy"),
            ("no-such-envoy", "there is no `no-such-envoy` on PATH"),
        ] {
            let error = find(Path::new(envoy)).unwrap_err();
            let remedy = "build.sh installs one; or name yours with --envoy or HOPSPAN_ENVOY";
            assert_eq!(error, format!("{want}: {remedy}"));
        }
        assert!(find(Path::new("sh")).unwrap().is_absolute());
    }

    #[tokio::test]
    async fn a_proxy_that_ends_is_reported_with_its_last_words() {
        let script = Script::new(
            "echo 'warning wasm this was shown at once' >&2
             echo 'warning main not about us' >&2
             echo 'critical main no such thing in {' >&2
             echo '  a long document }' >&2
             exit 3",
        );
        let mut proxies = Proxies::new();
        proxies.start(&script.0, Proxy::Gateway, "").unwrap();
        assert_eq!(
            proxies.first_end().await.to_string(),
            "the gateway ended by itself (exit status: 3); the last that it wrote:\n    \
             critical main no such thing in {"
        );
        let shown = &lock(&proxies.log).shown;
        assert_eq!(*shown, HashSet::from(["warning wasm this was shown at once".to_owned()]));
    }

    #[tokio::test]
    async fn proxies_end_when_they_are_told_to_and_not_before() {
        // `exec`: the script becomes the process that gets the signal.
        let script = Script::new("exec sleep 600");
        let mut proxies = Proxies::new();
        proxies.start(&script.0, Proxy::Gateway, "").unwrap();
        tokio::select! {
            biased;
            ended = proxies.first_end() => panic!("{ended}"),
            () = tokio::task::yield_now() => {}
        }
        tokio::time::timeout(PATIENCE, proxies.stop()).await.unwrap();
    }

    /// An executable that is gone after the test.
    struct Script(PathBuf);

    impl Script {
        fn new(text: &str) -> Self {
            use std::os::unix::fs::PermissionsExt;
            let name = format!("hopspan-demo-{}-{}", std::process::id(), text.len());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
            Self(path)
        }
    }

    impl Drop for Script {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}
