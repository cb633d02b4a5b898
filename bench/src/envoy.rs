//! A real Envoy, as a process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::bootstrap::{Around, bootstrap};
use crate::collector::Collector;
use crate::cores::Cores;
use crate::reports::Reports;
use crate::upstream;
use crate::variant::Variant;

mod admin;

/// What all proxies of a run have in common.
#[derive(Debug)]
pub(crate) struct Place {
    /// The Envoy.
    envoy: PathBuf,
    wasm: PathBuf,
    /// What becomes of what was found.
    pub(crate) reports: Reports,
    upstream: SocketAddr,
    /// Where connections are refused.
    refusing: SocketAddr,
    /// The cores of this run, if there is something to pin.
    cores: Option<Cores>,
    /// Bound, and not listening: nobody else gets the port.
    _refusing: rustix::fd::OwnedFd,
}

/// An Envoy that is ready. Ends with the value.
#[derive(Debug)]
pub(crate) struct Envoy {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where its spans go.
    pub(crate) collector: Collector,
    /// How long it took to be ready.
    pub(crate) started_in: Duration,
}

impl Place {
    /// Starts what is around a proxy.
    ///
    /// # Errors
    ///
    /// There is no such module, or no place for what is measured with.
    pub(crate) fn new(
        envoy: &Path,
        wasm: &Path,
        reports: Reports,
        cores: Option<Cores>,
    ) -> Result<Self, String> {
        let wasm = wasm
            .canonicalize()
            .map_err(|error| format!("{}: {error}: ./build.sh wasm makes it", wasm.display()))?;
        let run = reports.out.join(RUN);
        fs::create_dir_all(&run).map_err(|error| format!("{}: {error}", run.display()))?;
        let fault = |error| format!("a service around the proxy: {error}");
        let (socket, refusing) = refusing().map_err(|error| fault(error.into()))?;
        let upstream = upstream::start().map_err(fault)?;
        let envoy = envoy.into();
        Ok(Self { envoy, wasm, reports, upstream, refusing, cores, _refusing: socket })
    }

    /// The same, with a service of its own, for proxies that run on one core.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub(crate) fn pinned(&self, cores: Cores) -> Result<Self, String> {
        Self::new(&self.envoy, &self.wasm, self.reports.clone(), Some(cores))
    }

    /// A file of a proxy that runs.
    pub(crate) fn file(&self, variant: &Variant, what: &str) -> PathBuf {
        self.reports.out.join(RUN).join(format!("{}.{what}", variant.name))
    }

    /// Starts an Envoy with so many workers, `under` another program if that has words.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) fn start(
        &self,
        variant: &Variant,
        workers: u32,
        under: &[String],
    ) -> Result<Envoy, String> {
        let collector = Collector::start().map_err(|error| format!("a collector: {error}"))?;
        let (upstream, refusing) = (self.upstream, self.refusing);
        let around = Around { upstream, collector: collector.address, refusing };
        let bootstrap = bootstrap(variant, &self.wasm, around);
        let [file, admin, log] =
            ["json", "admin", "log"].map(|it| self.file(variant, &format!("{workers}.{it}")));
        let told = |error| format!("{}: {error}", file.display());
        fs::write(&file, bootstrap.to_string()).map_err(told)?;
        let _ = fs::remove_file(&admin);
        let output = File::create(&log).map_err(told)?;
        let errors = output.try_clone().map_err(told)?;
        let mut words = under.iter().map(AsRef::as_ref).chain([self.envoy.as_os_str()]);
        let mut command = Command::new(words.next().ok_or("no program")?);
        command
            .args(words)
            .args(["--concurrency", &workers.to_string()])
            .args(["--disable-hot-restart", "--log-level", "error"])
            .arg("--admin-address-path")
            .arg(&admin)
            .arg("--config-path")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        end_with_this_process(&mut command);
        let began = Instant::now();
        let child = match &self.cores {
            Some(cores) => cores.on_the_proxys(|| command.spawn())?,
            None => command.spawn(),
        };
        let child = child.map_err(|error| format!("{}: {error}", self.envoy.display()))?;
        let mut envoy = Envoy { child, address: upstream, collector, started_in: Duration::ZERO };
        envoy.address = loop {
            if let Some(address) = admin::listener(&admin) {
                break address;
            }
            if let Ok(Some(status)) = envoy.child.try_wait() {
                return Err(format!("Envoy ended ({status}): see {}", log.display()));
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("Envoy is not ready: see {}", log.display()));
            }
            sleep(Duration::from_millis(5));
        };
        envoy.started_in = began.elapsed();
        Ok(envoy)
    }
}

impl Envoy {
    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How long its threads have run, in user code and in the kernel.
    ///
    /// # Errors
    ///
    /// The process has ended, or the kernel does not tell.
    ///
    /// Spec: <https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat>
    pub(crate) fn cpu(&self) -> Result<Duration, String> {
        let tasks = format!("/proc/{}/task", self.pid());
        let fault = |error| format!("{tasks}: {error}");
        let mut sum = 0;
        for task in fs::read_dir(&tasks).map_err(fault)? {
            let text = fs::read_to_string(task.map_err(fault)?.path().join("schedstat"));
            let text = text.map_err(fault)?;
            let ran = text.split_whitespace().next().and_then(|it| it.parse::<u64>().ok());
            sum += ran.ok_or("schedstat is not as it should be")?;
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Resident memory, in KiB.
    ///
    /// # Errors
    ///
    /// The process has ended.
    ///
    /// Spec: <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
    pub(crate) fn resident(&self) -> Result<u64, String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.map_err(|error| format!("Envoy's memory: {error}"))?;
        let size = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap_or_default();
        let size = size.trim().trim_end_matches(" kB");
        size.parse().map_err(|_| "Envoy has ended".to_owned())
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing to ask.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of 127.0.0.1 at which connections are refused.
fn refusing() -> rustix::io::Result<(rustix::fd::OwnedFd, SocketAddr)> {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((socket, address))
}

/// Lets the kernel end a child when this process is gone, however that ends.
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

/// The files of proxies, in the directory of reports.
const RUN: &str = "run";
/// How long an Envoy may take to start or to end. Under callgrind it takes long.
const PATIENCE: Duration = Duration::from_secs(180);
