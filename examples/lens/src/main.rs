//! Listens for OTLP traces and prints the newest one every few seconds.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use hopspan_lens::receive::{self, BODY_LIMIT};
use hopspan_lens::render::{self, Medium};
use hopspan_lens::span::TraceId;
use hopspan_lens::store::{Limits, SharedStore, Store};
use tokio::net::TcpListener;

/// Receives traces over OTLP/HTTP (protobuf) and prints the newest one every few seconds.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: senders post to http://ADDRESS/v1/traces.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4318")]
    listen: SocketAddr,

    /// Seconds between two traces.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,

    /// Traces to keep.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().traces)]
    traces: usize,

    /// Spans to keep, of all traces together.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().spans)]
    spans: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(options).await {
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
    let limits = Limits { traces: options.traces, spans: options.spans, ..Limits::default() };
    let store = SharedStore::new(limits);
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        let text = format!("cannot listen on {}: {error}; see --listen", options.listen);
        io::Error::new(error.kind(), text)
    })?;
    writeln!(io::stdout(), "waiting for traces at http://{}/v1/traces", listener.local_addr()?)?;

    let receiver = axum::serve(listener, receive::router(store.clone(), BODY_LIMIT));
    tokio::select! {
        end = receiver.into_future() => end,
        end = print(&store, Duration::from_secs(options.every)) => end,
        end = tokio::signal::ctrl_c() => end,
    }
}

async fn print(store: &SharedStore, every: Duration) -> io::Result<()> {
    let mut printed = None;
    loop {
        tokio::time::sleep(every).await;
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
