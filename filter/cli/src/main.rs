//! The hopspan command: what it says about a configuration is what a proxy would say.

mod document;
mod check;
mod explain;
mod figures;

use clap::{Parser, Subcommand};
use figures::What;
use std::io::{self, Write};
use std::process::ExitCode;

/// For configurations of hopspan, the tracing filter for Envoy-compatible proxies.
#[derive(Parser)]
#[command(name = "hopspan", version, after_help = EXAMPLES)]
struct Command {
    #[command(subcommand)]
    word: Word,
}

#[derive(Subcommand)]
enum Word {
    /// Judge hopspan in its files: all problems at once
    ///
    /// Finds hopspan's configuration in the files of Envoy, Istio, Envoy Gateway and Higress, and says
    /// what is wrong with it, and around it: a collector's cluster that is not there, a fail policy
    /// that cuts traffic, another tracer in the same proxy. Unknown keys are problems here, although a
    /// proxy only warns of them. A configuration alone is shown in full, on standard output;
    /// everything else goes to standard error.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(check::Options),
    /// Say what the filter would do with a request, and why
    ///
    /// The request is described by options. It is given to the filter itself, as the first
    /// request of a proxy with this configuration, so what is said here is what would happen
    /// there. Callers of a proxy learn the same by the header named explain.header, if they are
    /// trusted; here one need not be.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Box<explain::Options>),
    /// Show services: success, requests a second, latencies, open requests
    ///
    /// Figures are those of a Lens (docs/lens.md), which ./build.sh demo starts, or of one Envoy
    /// (docs/metrics.md).
    #[command(after_help = FIGURES_EXAMPLES)]
    Stat(figures::Options),
    /// Show the routes of services
    #[command(after_help = FIGURES_EXAMPLES)]
    Routes(figures::Options),
    /// Show who calls whom
    #[command(after_help = FIGURES_EXAMPLES)]
    Edges(figures::Options),
    /// Show routes as they are now, the busiest first, until Ctrl-C
    #[command(after_help = FIGURES_EXAMPLES)]
    Top(figures::Options),
    /// Print the JSON Schema of a configuration
    Schema,
}

const EXAMPLES: &str = "\
Examples:
  hopspan check hopspan.json
  hopspan check envoy.yaml
  hopspan explain --config hopspan.json --direction gateway -H 'b3: 1'
  hopspan stat
  hopspan schema >hopspan.schema.json";

const FIGURES_EXAMPLES: &str = "\
Examples:
  hopspan stat
  hopspan routes shop --seconds 3600
  hopspan edges --watch 5
  hopspan top --lens http://127.0.0.1:4318
  hopspan stat --admin http://127.0.0.1:9901
  hopspan stat --json | jq '.[] | select(.success < 0.99) | .name'

Exit status:
  0  there was an answer
  2  it did not, or the command is not used as above";

const CHECK_EXAMPLES: &str = "\
Examples:
  # a configuration alone, and what it means in full
  hopspan check hopspan.json
  echo '{\"sampling\":{\"ratio\":0.1}}' | hopspan check -

  # what a proxy loads; files that belong together in one go
  hopspan check envoy.yaml
  hopspan check listeners.yaml clusters.yaml
  hopspan check wasmplugin.yaml telemetry.yaml collector.yaml
  kubectl get wasmplugins,services -A -o yaml | hopspan check -

  # for scripts
  hopspan check --json --deny-warnings envoy.yaml | jq '.findings[] | {rule, line, message}'

Exit status:
  0  all is fine, but for warnings and notes, if any
  1  there are problems, one a line: FILE:LINE: PATH: what is wrong
  2  a file cannot be read, or the command is not used as above";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  # what {} makes of a caller's trace, beside a service and at the edge
  hopspan explain -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' \\
      --direction inbound
  hopspan explain -H 'b3: d' --direction gateway

  # which rule a request meets
  hopspan explain --config hopspan.json --method POST --host shop.example --path /cart \\
      --source 10.0.0.7 --peer spiffe://cluster.local/ns/shop/sa/web

  # for scripts
  hopspan explain --config hopspan.json --seed 1 --json | jq .sampled

Exit status:
  0  the request is explained
  1  the configuration has problems, one a line: FILE: PATH: what is expected, what was found
  2  it cannot be read, or the command is not used as above";

/// What the command was asked for could not be done at all.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) if error.use_stderr() => {
            eprint!("{}", harmless(&error.to_string()));
            return ExitCode::from(FAILED);
        }
        Err(help) => help.exit(),
    };
    let done = match command.word {
        Word::Check(options) => check::run(&options),
        Word::Explain(options) => explain::run(&options),
        Word::Stat(options) => figures::run(What::Services, &options),
        Word::Routes(options) => figures::run(What::Routes, &options),
        Word::Edges(options) => figures::run(What::Edges, &options),
        Word::Top(options) => figures::run(What::Top, &options),
        Word::Schema => print(&format!("{:#}\n", hopspan_config::schema())),
    };
    done.unwrap_or_else(|error| {
        eprintln!("hopspan: {error}");
        ExitCode::from(FAILED)
    })
}

/// What is said of an argument has it in full, and a terminal obeys control characters.
fn harmless(text: &str) -> String {
    let shown = |it: char| match it.is_control() && it != '\n' {
        true => it.escape_default().to_string(),
        false => it.to_string(),
    };
    text.chars().map(shown).collect()
}

/// Writes to standard output; whoever reads there may stop before the end.
fn print(text: &str) -> io::Result<ExitCode> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(ExitCode::SUCCESS),
    }
}
