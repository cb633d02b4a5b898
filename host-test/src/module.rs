//! A compiled module.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};
use wasmtime::{Config, Engine};

/// A module, compiled once and shared by any number of proxies and threads.
///
/// Compiling takes a second or so in a debug build: keep it in a `LazyLock`.
#[derive(Clone)]
pub struct Module {
    pub(crate) engine: Engine,
    pub(crate) code: wasmtime::Module,
}

impl Module {
    /// Reads and compiles a `.wasm` file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no valid module.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| LoadError::Read(path.into(), error))?;
        Self::from_bytes(&bytes)
    }

    /// Compiles a module from its binary form.
    ///
    /// # Errors
    ///
    /// The bytes are no valid module.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        let invalid = |error: wasmtime::Error| LoadError::Compile(format!("{error:#}"));
        let mut config = Config::new();
        // Fuel ends endless loops, and measures the work of each callback.
        config.consume_fuel(true);
        let engine = Engine::new(&config).map_err(invalid)?;
        let code = wasmtime::Module::from_binary(&engine, bytes).map_err(invalid)?;
        Ok(Self { engine, code })
    }

    /// What the module imports, as `module.name`, in its order.
    pub fn imports(&self) -> Vec<String> {
        self.code.imports().map(|it| format!("{}.{}", it.module(), it.name())).collect()
    }

    /// The names of what the module exports, in its order.
    pub fn exports(&self) -> Vec<String> {
        self.code.exports().map(|it| it.name().to_owned()).collect()
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("imports", &self.imports()).finish_non_exhaustive()
    }
}

/// Why there is no module.
#[derive(Debug)]
pub enum LoadError {
    /// The file could not be read.
    Read(PathBuf, io::Error),
    /// The bytes are no module that this host can run.
    Compile(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Compile(reason) => write!(f, "the module cannot be compiled: {reason}"),
        }
    }
}

impl std::error::Error for LoadError {}
