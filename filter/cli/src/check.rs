//! `hopspan check`

use crate::document::Document;
use crate::print;
use hopspan_config::{self as config, Surroundings, VARIABLES};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Judges a file, or standard input for `-`.
///
/// # Errors
///
/// The file cannot be read, or nothing be written.
pub(crate) fn run(file: &Path) -> io::Result<ExitCode> {
    let Document { name, bytes } = Document::open(file)?;

    // This machine's environment is not the proxy's, so it is not asked: OpenTelemetry's
    // variables count as unset, those that the document asks for as set.
    let asked = RefCell::new(BTreeSet::new());
    let env = |variable: &str| {
        let theirs = !VARIABLES.contains(&variable);
        theirs.then(|| {
            asked.borrow_mut().insert(variable.to_owned());
            "set".to_owned()
        })
    };
    let around = Surroundings { node_id: "", node_cluster: "", metadata: &|_| None, env: &env };
    let config = match config::read_strictly(&bytes, &around) {
        Ok(config) => config,
        Err(problems) => {
            problems.0.iter().for_each(|problem| eprintln!("{name}: {problem}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in config.warnings {
        eprintln!("{name}: warning: {warning}");
    }
    for variable in asked.into_inner() {
        eprintln!("{name}: note: needs {variable} in the VM's environment_variables");
    }
    eprintln!("{name}: OK");
    let effective: serde_json::Value = serde_json::from_str(&config.effective)?;
    print(&format!("{effective:#}\n"))
}
