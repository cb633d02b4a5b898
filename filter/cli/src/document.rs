//! Where a configuration's document comes from.

use std::io::{self, Read};
use std::path::Path;

/// A document, and what to call it.
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Document {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(crate) fn open(file: &Path) -> io::Result<Self> {
        let is_stdin = file == Path::new("-");
        let name = if is_stdin { "stdin".to_owned() } else { file.to_string_lossy().into_owned() };
        match if is_stdin { stdin() } else { std::fs::read(file) } {
            Ok(bytes) => Ok(Self { name, bytes }),
            Err(error) => Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
        }
    }

    /// The document of a filter that is told nothing.
    pub(crate) fn empty() -> Self {
        Self { name: "{}".to_owned(), bytes: b"{}".to_vec() }
    }
}

fn stdin() -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    io::stdin().lock().read_to_end(&mut document)?;
    Ok(document)
}
