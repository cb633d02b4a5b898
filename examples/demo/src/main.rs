//! A small mesh of real Envoys with hopspan in them: it makes traffic and shows whole traces.

mod mesh;
mod ports;
mod template;
mod service;
mod scenario;
mod load;
mod envoy;
mod signals;
mod check;
mod show;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use hopspan_lens::receive;
use hopspan_lens::render::{self, Medium};
use hopspan_lens::store::{Limits, SharedStore};
use tokio::task::JoinSet;

use crate::envoy::Proxies;
use crate::load::Load;
use crate::mesh::{Ports, Proxy, Service};
use crate::ports::Reserved;
use crate::signals::{End, Signals};

/// Starts a gateway and five services with sidecars, all of them real Envoys with hopspan,
/// makes traffic, and prints a whole trace every few seconds. Ctrl-C ends everything.
#[derive(Parser)]
#[command(name = "demo", version)]
struct Options {
    /// Check the traces of some seconds of traffic: exit code 0 only if all are right.
    /// Takes free ports unless --port-base is given.
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
/// How often --check makes every kind of request.
const ROUNDS: usize = 10;

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
    if let Some(proxy) = options.print_config {
        let text = template::config(proxy, base, &options.wasm).map_err(because)?;
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    let envoy = envoy::find(&options.envoy).map_err(because)?;
    let wasm = find_filter(&options.wasm)?;
    let reserved = match options.port_base {
        None if options.check => Reserved::anywhere(),
        _ => Reserved::try_new(base),
    };
    let mut reserved = reserved.map_err(because)?;
    let ports = reserved.ports;
    step("envoy", envoy.display())?;
    step("filter", wasm.display())?;

    let store = SharedStore::new(Limits::default());
    let servers = serve(&mut reserved, &store)?;
    step("collector", format_args!("http://127.0.0.1:{}/v1/traces", ports.collector()))?;
    step("services", Service::ALL.map(Service::name).join(", "))?;

    // From here on the proxies' ports are free for them to bind.
    drop(reserved);
    let mut proxies = Proxies::new();
    let outcome = match start(&mut proxies, &envoy, &wasm, ports) {
        Ok(()) => {
            let load = Load::new(ports.gateway());
            tokio::select! {
                outcome = use_mesh(options, ports, &store, &load) => outcome,
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
    drop(servers);
    if let Err(Failure::Ended(end)) = &outcome {
        step("end", format_args!("{end}: all proxies have ended"))?;
    }
    outcome
}

/// Starts what runs in this process: the services and the collector.
fn serve(reserved: &mut Reserved, store: &SharedStore) -> io::Result<JoinSet<io::Result<()>>> {
    let ports = reserved.ports;
    let mut servers = JoinSet::new();
    let collector = receive::router(store.clone(), receive::BODY_LIMIT);
    servers.spawn(axum::serve(reserved.take(ports.collector())?, collector).into_future());
    for service in Service::ALL {
        let router = service::router(service, ports);
        servers.spawn(axum::serve(reserved.take(ports.app(service))?, router).into_future());
    }
    Ok(servers)
}

fn start(proxies: &mut Proxies, envoy: &Path, wasm: &Path, ports: Ports) -> Result<(), Failure> {
    for proxy in Proxy::ALL {
        let config = template::config(proxy, ports, wasm).map_err(because)?;
        let started = proxies.start(envoy, proxy, &config);
        started.map_err(|error| because(format!("{}: {error}", envoy.display())))?;
    }
    Ok(())
}

/// Waits for the proxies, then checks or shows.
async fn use_mesh(
    options: &Options,
    ports: Ports,
    store: &SharedStore,
    load: &Load,
) -> Result<(), Failure> {
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

    if options.check {
        return run_check(ports, store, load).await;
    }
    invite(ports)?;
    tokio::select! {
        () = load.forever(options.rate) => Ok(()),
        end = show::show(store, load, Duration::from_secs(options.every)) => Ok(end?),
    }
}

/// Makes requests and waits until all their traces are right, or time is up.
async fn run_check(ports: Ports, store: &SharedStore, load: &Load) -> Result<(), Failure> {
    const LAST_SPANS: Duration = Duration::from_secs(10);
    /// Longer than the proxies wait: what nobody expects would be here by then.
    const NOTHING_MORE: Duration = Duration::from_millis(500);

    let sent = load.rounds(ROUNDS).await;
    step("traffic", format_args!("{} requests answered", sent.len()))?;
    let judge = || store.with(|store| check::judge(&sent, store.traces()));
    let mut changes = store.changes();
    let complete = async {
        while !judge().is_good() && changes.changed().await.is_ok() {}
        tokio::time::sleep(NOTHING_MORE).await;
    };
    let in_time = tokio::time::timeout(LAST_SPANS, complete).await.is_ok();
    let verdict = judge();
    if verdict.is_good() {
        return Ok(step("check", format_args!("passed: {verdict}"))?);
    }
    let late = if in_time { "" } else { " in time" };
    complain(&verdict, ports).await?;
    Err(because(format!("check failed: not every trace was right{late}; {verdict}")))
}

/// Prints what is wrong: the first few requests with their traces, then the proxies' counts.
async fn complain(verdict: &check::Verdict, ports: Ports) -> io::Result<()> {
    const MOST: usize = 3;

    let mut out = String::new();
    for broken in verdict.broken.iter().take(MOST) {
        out += &format!("\n{}\n", broken.request);
        broken.problems.iter().for_each(|problem| out += &format!("  - {problem}\n"));
        broken.trace.iter().for_each(|trace| out += &render::tree(trace, Medium::of_stdout()));
    }
    for trace in verdict.strangers.iter().take(MOST) {
        out += "\na trace that nobody asked for\n";
        out += &render::tree(trace, Medium::of_stdout());
    }
    let more =
        verdict.broken.len().saturating_sub(MOST) + verdict.strangers.len().saturating_sub(MOST);
    if more > 0 {
        out += &format!("\nand {more} more\n");
    }
    out += "\nwhat hopspan counted in each proxy:\n";
    for proxy in Proxy::ALL {
        out += &format!("  {proxy}\n");
        for line in envoy::hopspan_stats(ports.admin(proxy)).await {
            out += &format!("    {line}\n");
        }
    }
    io::stdout().write_all(out.as_bytes())
}

/// Says what people can do now.
fn invite(ports: Ports) -> io::Result<()> {
    let gateway = format!("http://127.0.0.1:{}", ports.gateway());
    step("gateway", format_args!("curl {gateway}/products/1 and see its trace here next"))?;
    step("", "also /products/1/slow, /carts/1/flaky, and with -X POST /orders/1, /orders/1/fail")?;
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
