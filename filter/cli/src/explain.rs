//! `hopspan explain`: one request through the filter's own core, without a proxy.

mod options;

pub(crate) use options::Options;

use crate::document::Document;
use crate::print;
use hopspan_core::id::Generator;
use hopspan_explain::{Explanation, Refusal, json, text};
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

/// Explains a request.
///
/// # Errors
///
/// The configuration cannot be read, the request has two hosts, or nothing can be written.
pub(crate) fn run(options: &Options) -> io::Result<ExitCode> {
    let file = options.config.as_deref();
    let Document { name, bytes } = file.map_or_else(|| Ok(Document::empty()), Document::open)?;
    let mut ids = generator(options.seed)?;
    let explanation = match Explanation::of(&bytes, &options.question(), &mut ids) {
        Ok(explanation) => explanation,
        Err(Refusal::Configuration(problems)) => {
            problems.0.iter().for_each(|problem| eprintln!("{name}: {problem}"));
            return Ok(ExitCode::FAILURE);
        }
        Err(refusal @ Refusal::TwoHosts) => return Err(io::Error::other(refusal)),
    };
    for warning in explanation.warnings().iter().filter(|_| file.is_some()) {
        eprintln!("{name}: warning: {warning}");
    }
    print(&match options.json {
        true => json::write(&explanation),
        false => text::write(&explanation, has_colour()),
    })
}

/// Whether standard output is a terminal whose owner likes colours.
///
/// Source: <https://no-color.org>
fn has_colour() -> bool {
    let liked = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    liked && io::stdout().is_terminal()
}

fn generator(seed: Option<u64>) -> io::Result<Generator> {
    let mut random = [0; 32];
    match seed {
        Some(seed) => return Ok(Generator::from_numbers(&[seed])),
        None => getrandom::fill(&mut random).map_err(io::Error::other)?,
    }
    Ok(Generator::new(random))
}
