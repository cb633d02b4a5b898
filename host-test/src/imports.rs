//! Links what a module imports, and nothing else.

use crate::guest::Guest;
use crate::{buffers, control, http_call, maps, metrics, module::Module, properties, shared, wasi};
use wasmtime::{ExternType, Linker, Result, bail};

/// Tries to define one import; false if it is not among those it knows.
type Define = fn(&mut Linker<Guest>, &str) -> Result<bool>;

const PROXY: [Define; 7] = [
    maps::define,
    buffers::define,
    properties::define,
    http_call::define,
    metrics::define,
    shared::define,
    control::define,
];

/// A linker with the imports of `module`.
///
/// # Errors
///
/// An import that no proxy-wasm 0.2.1 host has is named.
pub(crate) fn link(module: &Module) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(&module.engine);
    // A module may import one function several times.
    linker.allow_shadowing(true);
    for import in module.code.imports() {
        let (from, name) = (import.module(), import.name());
        let known = match (from, import.ty()) {
            ("env", ExternType::Func(_)) => {
                let mut known = false;
                for define in PROXY {
                    known = known || define(&mut linker, name)?;
                }
                known
            }
            (wasi::MODULE, ExternType::Func(_)) => wasi::define(&mut linker, name)?,
            _ => false,
        };
        if !known {
            bail!("the module imports {from}.{name}, which proxy-wasm 0.2.1 hosts do not have");
        }
    }
    Ok(linker)
}
