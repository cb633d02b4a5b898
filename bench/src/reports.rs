//! Where it is written what was found.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::machine::Machine;

/// Files of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    /// The directory.
    pub(crate) out: PathBuf,
    /// What is measured on and with.
    pub(crate) machine: Machine,
}

impl Reports {
    /// Makes the directory.
    ///
    /// # Errors
    ///
    /// There is no place for it.
    pub(crate) fn new(out: &Path, machine: Machine) -> Result<Self, String> {
        let fault = |error| format!("{}: {error}", out.display());
        fs::create_dir_all(out).map_err(fault)?;
        let out = out.canonicalize().map_err(fault)?;
        Ok(Self { out, machine })
    }

    /// Writes what was found under a name: as Markdown, as JSON, and as a plot if there is one.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub(crate) fn write(
        &self,
        name: &str,
        text: &str,
        found: &impl Serialize,
        plot: Option<String>,
    ) -> Result<(), String> {
        let json = serde_json::to_string_pretty(found).map_err(|error| error.to_string())?;
        let text = format!("{}.\n\n{text}", self.machine);
        let files = [("md", Some(text)), ("json", Some(json + "\n")), ("svg", plot)];
        for (kind, content) in files {
            let Some(content) = content else { continue };
            let file = self.out.join(format!("{name}.{kind}"));
            fs::write(&file, content).map_err(|error| format!("{}: {error}", file.display()))?;
            println!("written: {}", file.display());
        }
        Ok(())
    }
}
