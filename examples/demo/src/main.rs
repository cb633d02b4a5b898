//! A small mesh of real Envoys with hopspan in them: it makes traffic and shows whole traces.

mod mesh;
mod ports;
mod template;
mod service;
mod sampling;
mod scenario;
mod load;
mod envoy;
mod calls;
mod signals;
mod check;
mod show;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use hopspan_lens::archive::{self, Archive};
use hopspan_lens::store::{Limits, SharedStore};
use tokio::task::JoinSet;

use crate::envoy::Proxies;
use crate::load::{EXPLAIN, Load};
use crate::mesh::{Ports, Proxy, Service};
use crate::ports::Reserved;
use crate::sampling::Sampling;
use crate::signals::{End, Signals};

/// Starts a gateway and five services with sidecars, all of them real Envoys with hopspan,
/// makes traffic, and prints a whole trace every few seconds. Ctrl-C ends everything.
#[derive(Parser)]
#[command(name = "demo", version)]
struct Options {
    /// Check the traces of some seconds of traffic: exit code 0 only if all are right.
    /// First those of all requests, then, unless --ratio says which, those that are left at a
    /// ratio of 0.01. Takes free ports unless --port-base is given.
    #[arg(long)]
    check: bool,

    /// The gateway's port; the other 53 ports follow it.
    #[arg(long, visible_alias = "port", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(Ports::LAST_BASE)))]
    port_base: Option<u16>,

    /// Seconds between two traces.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,

    /// Requests a second.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rate: u16,

    /// The share of all traces that is recorded. Below 1, every error is kept all the same.
    #[arg(long, value_name = "R")]
    ratio: Option<Sampling>,

    /// Print the configuration of one proxy, as it would run, and end.
    #[arg(long, value_name = "PROXY")]
    print_config: Option<Proxy>,

    /// The Envoy to run: a path, or a name on PATH.
    #[arg(long, env = "HOPSPAN_ENVOY", value_name = "FILE", default_value = "envoy")]
    envoy: PathBuf,

    /// The filter.
    #[arg(long, env = "HOPSPAN_WASM", value_name = "FILE", default_value = WASM)]
    wasm: PathBuf,
}

const PORT_BASE: u16 = 18_000;
const WASM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/hopspan.wasm");

// Processes are started from the thread that runs this, which lives as long as the process.
#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        // Ctrl-C is how people end a demo; a check that was cut short has shown nothing.
        Err(Failure::Ended(end)) if options.check => {
            eprintln!("demo: {end} before the check was done");
            ExitCode::FAILURE
        }
        Err(Failure::Ended(_) | Failure::NobodyReads) => ExitCode::SUCCESS,
        Err(Failure::Because(why)) => {
            eprintln!("demo: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Why there is nothing more to do.
enum Failure {
    /// Somebody asked for it.
    Ended(End),
    /// Standard output was closed.
    NobodyReads,
    /// Something went wrong.
    Because(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Because(error.to_string()),
        }
    }
}

fn because(why: impl ToString) -> Failure {
    Failure::Because(why.to_string())
}

async fn run(options: &Options) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let base = Ports::new(options.port_base.unwrap_or(PORT_BASE));
    let sampling = options.ratio.unwrap_or(Sampling::ALL);
    if let Some(proxy) = options.print_config {
        let text = template::config(proxy, base, sampling, &options.wasm).map_err(because)?;
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    let envoy = envoy::find(&options.envoy).map_err(because)?;
    let wasm = find_filter(&options.wasm)?;
    let reserve = || match options.port_base {
        None if options.check => Reserved::anywhere(),
        _ => Reserved::try_new(base),
    };
    let reserved = reserve().map_err(because)?;
    step("envoy", envoy.display())?;
    step("filter", wasm.display())?;

    let mesh = Mesh { options, envoy: &envoy, wasm: &wasm, sampling };
    mesh.run(reserved, &mut signals).await?;
    if options.check && options.ratio.is_none() {
        let reserved = reserve().map_err(because)?;
        let mesh = Mesh { sampling: Sampling::RARE, ..mesh };
        mesh.run(reserved, &mut signals).await?;
    }
    Ok(())
}

/// Everything that runs, from its start to its end.
#[derive(Clone, Copy)]
struct Mesh<'a> {
    options: &'a Options,
    envoy: &'a Path,
    wasm: &'a Path,
    sampling: Sampling,
}

// === impl Mesh ===

impl Mesh<'_> {
    async fn run(self, mut reserved: Reserved, signals: &mut Signals) -> Result<(), Failure> {
        let ports = reserved.ports;
        let store = SharedStore::new(Limits::default());
        // What the page shows is on disk, and goes with this directory.
        let directory = tempfile::tempdir()?;
        let archive =
            Archive::open(directory.path(), archive::Limits::default()).map_err(because)?;
        let mut servers = serve(&mut reserved, &store, archive)?;
        if !self.options.check {
            let page = format!("http://127.0.0.1:{}", ports.collector());
            step("page", format_args!("{page}/"))?;
            step("figures", format_args!("./build.sh stat --lens {page}"))?;
            step("", "or routes, edges, top")?;
            step("services", Service::ALL.map(Service::name).join(", "))?;
        }
        step("sampling", self.sampling)?;

        // From here on the proxies' ports are free for them to bind.
        drop(reserved);
        let mut proxies = Proxies::new();
        let outcome = match self.start(&mut proxies, ports) {
            Ok(()) => {
                let load = Load::new(ports.gateway());
                tokio::select! {
                    outcome = self.use_it(ports, &store, &load) => outcome,
                    ended = proxies.first_end() => Err(because(ended)),
                    end = signals.next() => Err(Failure::Ended(end)),
                }
            }
            Err(failure) => Err(failure),
        };
        tokio::select! {
            () = proxies.stop() => {}
            // Impatient: whoever is left is killed.
            _ = signals.next() => {}
        }
        servers.shutdown().await;
        if let Err(Failure::Ended(end)) = &outcome {
            step("end", format_args!("{end}: all proxies have ended"))?;
        }
        outcome
    }

    fn start(self, proxies: &mut Proxies, ports: Ports) -> Result<(), Failure> {
        for proxy in Proxy::ALL {
            let config =
                template::config(proxy, ports, self.sampling, self.wasm).map_err(because)?;
            let started = proxies.start(self.envoy, proxy, &config);
            started.map_err(|error| because(format!("{}: {error}", self.envoy.display())))?;
        }
        Ok(())
    }

    /// Waits for the proxies, then checks or shows.
    async fn use_it(self, ports: Ports, store: &SharedStore, load: &Load) -> Result<(), Failure> {
        const START: Duration = Duration::from_secs(60);

        let begin = Instant::now();
        step("proxies", format_args!("{} Envoys are starting", Proxy::ALL.len()))?;
        let all_ready = async {
            for proxy in Proxy::ALL {
                envoy::ready(ports.admin(proxy)).await;
            }
        };
        let waited = tokio::time::timeout(START, all_ready).await;
        waited.map_err(|_| because(format!("the proxies are not ready after {START:?}")))?;
        let took = begin.elapsed().as_secs_f64();
        step("", format_args!("ready after {took:.1} s"))?;

        let Options { check, rate, every, .. } = *self.options;
        if check {
            return check::run::run(ports, self.sampling, store, load).await;
        }
        invite(ports)?;
        tokio::select! {
            () = load.forever(rate) => Ok(()),
            end = show::show(store, load, ports, Duration::from_secs(every)) => Ok(end?),
        }
    }
}

/// Starts what runs in this process: the services and the collector.
fn serve(
    reserved: &mut Reserved,
    store: &SharedStore,
    archive: Archive,
) -> io::Result<JoinSet<io::Result<()>>> {
    let ports = reserved.ports;
    let mut servers = JoinSet::new();
    let collector = hopspan_lens::router(store.clone(), archive, true);
    servers.spawn(axum::serve(reserved.take(ports.collector())?, collector).into_future());
    for service in Service::ALL {
        let router = service::router(service, ports);
        servers.spawn(axum::serve(reserved.take(ports.app(service))?, router).into_future());
    }
    Ok(servers)
}

/// Says what people can do now.
fn invite(ports: Ports) -> io::Result<()> {
    let gateway = format!("http://127.0.0.1:{}", ports.gateway());
    step("gateway", format_args!("curl {gateway}/products/1 and see its trace here next"))?;
    step("", "also /products/1/slow, /products/1/forgetful, /carts/1/flaky,")?;
    step("", "and with -X POST /orders/1, /orders/1/fail, /orders/1/hidden")?;
    step("explain", format_args!("curl -sI -H '{EXPLAIN}: 1' {gateway}/products/1"))?;
    step("", "tells in a header of the answer why the request is traced, or is not")?;
    let admin: Vec<String> =
        Proxy::ALL.map(|it| format!("{} :{}", it.name(), ports.admin(it))).into();
    step("admin", format_args!("http://127.0.0.1, {}", admin.join(", ")))?;
    step("end", "Ctrl-C")
}

/// One line about one thing.
fn step(what: &str, text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{what:<10} {text}")
}

fn find_filter(wasm: &Path) -> Result<PathBuf, Failure> {
    let remedy = "`./build.sh wasm` makes it; or name yours with --wasm or HOPSPAN_WASM";
    wasm.canonicalize()
        .map_err(|_| because(format!("there is no filter at {}: {remedy}", wasm.display())))
}
