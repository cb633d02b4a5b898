//! Receives traces and metrics, keeps them, and serves the page that shows them.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use hopspan_lens::archive::{Archive, Limits as Keep};
use hopspan_lens::render::{self, Medium};
use hopspan_lens::span::TraceId;
use hopspan_lens::store::{Limits, SharedStore, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Receives traces and metrics, keeps them on disk, and shows them on a web page: services, who
/// calls whom, and each trace with the time that proxies held the request.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: for senders (OTLP over HTTP, Zipkin) and for browsers. The page asks nobody for
    /// a password: an address that others can reach shows them everything.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4318")]
    listen: SocketAddr,

    /// The directory to keep everything in; nothing is written elsewhere.
    #[arg(long, value_name = "DIRECTORY", default_value = "lens-data")]
    data: PathBuf,

    /// Megabytes on disk, at most: the oldest spans go first.
    #[arg(long, value_name = "MEGABYTES", default_value_t = 2_048, value_parser = clap::value_parser!(u64).range(8..=1_000_000))]
    max_mb: u64,

    /// Hours after which spans and counts go.
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8_784))]
    keep_hours: u64,

    /// Print the newest trace as a tree every so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has gone: no reason to complain.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hopspan-lens: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> io::Result<()> {
    let Options { listen, data, max_mb, keep_hours, every } = options;
    let limits = Keep { bytes: max_mb << 20, age: Duration::from_secs(keep_hours * 3_600) };
    let archive = Archive::open(&data, limits)
        .map_err(|error| io::Error::other(format!("cannot use {}: {error}", data.display())))?;
    let recent = SharedStore::new(Limits::default());
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let text = format!("cannot listen on {listen}: {error}; see --listen");
        io::Error::new(error.kind(), text)
    })?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "page       http://{address}/")?;
    writeln!(io::stdout(), "traces     http://{address}/v1/traces (OTLP), /api/v2/spans (Zipkin)")?;
    writeln!(io::stdout(), "metrics    http://{address}/v1/metrics (OTLP)")?;
    writeln!(io::stdout(), "kept       in {}, {max_mb} MB or {keep_hours} h", data.display())?;

    let router = hopspan_lens::router(recent.clone(), archive, address.ip().is_loopback());
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        end = axum::serve(listener, router).into_future() => end,
        end = print(&recent, every) => end,
        end = tokio::signal::ctrl_c() => end,
        _ = terminate.recv() => Ok(()),
    }
}

async fn print(store: &SharedStore, every: Option<u64>) -> io::Result<()> {
    let Some(every) = every else { return std::future::pending().await };
    let mut printed = None;
    loop {
        tokio::time::sleep(Duration::from_secs(every)).await;
        if let Some((id, text)) = store.with(|store| newest(store, printed)) {
            printed = Some(id);
            write!(io::stdout(), "\n{text}")?;
        }
    }
}

/// The newest trace that is not about to grow, unless it was printed the last time.
fn newest(store: &Store, printed: Option<TraceId>) -> Option<(TraceId, String)> {
    let (now, quiet) = (Instant::now(), Duration::from_secs(2));
    let trace = store.settled(now, quiet).next_back().filter(|trace| Some(trace.id) != printed)?;
    let tree = render::tree(trace, Medium::of_stdout());
    Some((trace.id, tree + &render::summary(&store.summary(now, quiet)) + "\n"))
}
