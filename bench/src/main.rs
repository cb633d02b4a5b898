//! What tracing costs in a real Envoy: hopspan's, Envoy's own, and none.
//!
//! `hopspan-bench times` measures time, side by side in one run; `hopspan-bench instructions` counts
//! instructions under callgrind, which repeat; `hopspan-bench scaling` says how both grow.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod machine;
mod reports;
mod cores;
mod message;
mod upstream;
mod variant;
mod load;
mod collector;
mod bootstrap;
mod envoy;
mod statistics;
mod verdict;
mod budget;
mod baseline;
mod callgrind;
mod instructions;
mod scaling;
mod noise;
mod contender;
mod times;
mod doubts;
mod report;
mod plot;

/// Measures what tracing costs in a real Envoy.
#[derive(Debug, Parser)]
#[command(name = "hopspan-bench", bin_name = "./build.sh bench")]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// The Envoy to measure.
    #[arg(long, env = "HOPSPAN_ENVOY", global = true, default_value = "envoy")]
    envoy: PathBuf,
    /// The module.
    #[arg(long, env = "HOPSPAN_WASM", global = true, default_value = "dist/hopspan.wasm")]
    wasm: PathBuf,
    /// Where reports go, and what was measured with.
    #[arg(long, global = true, default_value = "target/bench")]
    out: PathBuf,
    /// Put the tables into docs/performance.md, too, each where that has its marks.
    #[arg(long, global = true)]
    document: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Time a request takes from a core, side by side, with latencies at a fixed rate.
    Times(times::Options),
    /// How the cost grows with headers, bodies, routes and workers, and in a full queue.
    Scaling(scaling::Options),
    /// Instructions a request, by callgrind.
    Instructions(instructions::Options),
}

fn main() -> ExitCode {
    let Arguments { what, envoy, wasm, out, document } = Arguments::parse();
    let place = |cores| {
        let machine = machine::Machine::this(&envoy)?;
        let reports = reports::Reports::new(&out, machine, document)?;
        envoy::Place::new(&envoy, &wasm, reports, cores)
    };
    let done = match what {
        What::Times(options) => {
            let cores = cores::Cores::claim();
            cores.and_then(|cores| times::run(&place(Some(cores))?, cores, &options))
        }
        What::Scaling(options) => place(None).and_then(|place| scaling::run(&place, &options)),
        What::Instructions(options) => {
            place(None).and_then(|place| instructions::run(&place, &options))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("bench: {reason}");
            ExitCode::FAILURE
        }
    }
}
