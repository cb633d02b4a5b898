//! The built module as a file: what it asks of a host and offers to it, its size, and that it
//! carries nothing of the machine that built it.
//!
//! Which Envoy can load the module is decided by its imports, and each callback it exports costs
//! every request about two thousand instructions: neither changes without being looked at.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use wasmparser::{ExternalKind, FuncType, Parser, Payload, TypeRef, Validator, WasmFeatures};

/// The most that the module may have, in bytes.
const CEILING: usize = 400 * 1024;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn module() -> Vec<u8> {
    let built = workspace().join("dist/hopspan.wasm");
    let path = env::var_os("HOPSPAN_WASM").map_or(built, PathBuf::from);
    fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; ./build.sh wasm makes the module", path.display())
    })
}

/// `(i32, i32) -> i32`
fn signature(function: &FuncType) -> String {
    let list = |types: &[wasmparser::ValType]| {
        types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    match function.results() {
        [] => format!("({})", list(function.params())),
        results => format!("({}) -> {}", list(function.params()), list(results)),
    }
}

/// Every import and export, one a line, sorted.
fn interface(module: &[u8]) -> String {
    let types = Validator::new_with_features(WasmFeatures::default()).validate_all(module).unwrap();
    let types = types.as_ref();
    let mut lines = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.unwrap();
                    let TypeRef::Func(index) = import.ty else {
                        panic!("no host offers this import: {import:?}");
                    };
                    let id = types.core_type_at_in_module(index);
                    let signature = signature(types.get(id).unwrap().unwrap_func());
                    lines.push(format!("import {}.{}{signature}", import.module, import.name));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.unwrap();
                    let what = match export.kind {
                        ExternalKind::Func => {
                            let id = types.core_function_at(export.index);
                            signature(types.get(id).unwrap().unwrap_func())
                        }
                        other => format!(": {other:?}").to_lowercase(),
                    };
                    lines.push(format!("export {}{what}", export.name));
                }
            }
            _ => {}
        }
    }
    lines.sort();
    lines.join("\n") + "\n"
}

#[test]
fn imports_and_exports_what_was_agreed() {
    let want = include_str!("../../filter/abi.txt");
    let got = interface(&module());
    assert!(got == want, "not what filter/abi.txt says; if it is meant, this goes there:\n{got}");
}

#[test]
fn is_small_enough() {
    let size = module().len();
    assert!(size <= CEILING, "{size} bytes are more than the ceiling of {CEILING}");
}

#[test]
fn has_no_debug_information() {
    for payload in Parser::new(0).parse_all(&module()) {
        if let Payload::CustomSection(section) = payload.unwrap() {
            panic!("a custom section, {} bytes of {:?}", section.data().len(), section.name());
        }
    }
}

#[test]
fn names_no_place_on_the_machine_that_built_it() {
    let module = module();
    let of_environment = ["HOME", "CARGO_HOME", "RUSTUP_HOME"].map(|name| env::var(name).ok());
    let places = of_environment.into_iter().flatten().chain([
        workspace().display().to_string(),
        "/home/".to_owned(),
        "/usr/".to_owned(),
        ".cargo/".to_owned(),
        ".rustup/".to_owned(),
    ]);
    // A home of "/" says nothing: every path starts with it.
    for place in places.filter(|place| place.len() > 1) {
        let found = module.windows(place.len()).position(|bytes| bytes == place.as_bytes());
        let Some(at) = found else { continue };
        let end = module.len().min(at + 80);
        panic!("{place:?} at byte {at}: {:?}", String::from_utf8_lossy(&module[at..end]));
    }
}
