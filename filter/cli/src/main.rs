//! The hopspan command: what it says about a configuration is what a proxy would say.

mod check;

use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks configurations of hopspan, the tracing filter for Envoy-compatible proxies.
#[derive(Parser)]
#[command(name = "hopspan", version, after_help = EXAMPLES)]
struct Command {
    #[command(subcommand)]
    word: Word,
}

#[derive(Subcommand)]
enum Word {
    /// Judge a configuration: all its problems at once, or what it means in full
    ///
    /// The configuration goes to standard output, everything else to standard error. Unknown
    /// keys are problems here, although a proxy only warns of them.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// hopspan's configuration as JSON; - is standard input
        file: PathBuf,
    },
    /// Print the JSON Schema of a configuration
    Schema,
}

const EXAMPLES: &str = "\
Examples:
  hopspan check hopspan.json
  hopspan schema >hopspan.schema.json";

const CHECK_EXAMPLES: &str = "\
Examples:
  hopspan check hopspan.json
  echo '{\"sampling\":{\"ratio\":0.1}}' | hopspan check -

Exit status:
  0  the configuration is fine
  1  it has problems, one a line: FILE: PATH: what is expected, what was found
  2  it cannot be read, or the command is not used as above";

/// What the command was asked for could not be done at all.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let done = match Command::parse().word {
        Word::Check { file } => check::run(&file),
        Word::Schema => print(&format!("{:#}\n", hopspan_config::schema())),
    };
    done.unwrap_or_else(|error| {
        eprintln!("hopspan: {error}");
        ExitCode::from(FAILED)
    })
}

/// Writes to standard output; whoever reads there may stop before the end.
fn print(text: &str) -> io::Result<ExitCode> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(ExitCode::SUCCESS),
    }
}
