//! The module under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use host_test::Module;

/// Compiled once for all tests.
pub(crate) fn module() -> &'static Module {
    static MODULE: LazyLock<Module> =
        LazyLock::new(|| Module::from_bytes(&bytes()).unwrap_or_else(|error| panic!("{error}")));
    &MODULE
}

/// The compiler that made it, as the module tells: panics in Rust's standard library have the
/// paths of its sources in them, which name the commit that the compiler was made of. A standard
/// library that was compiled with the module, as on Debian, has no commit.
pub(crate) fn compiler() -> String {
    compiler_of(&bytes())
}

fn compiler_of(module: &[u8]) -> String {
    let place = module.windows(PREFIX.len()).position(|it| it == PREFIX);
    let commit = place.and_then(|it| module.get(it + PREFIX.len()..)).unwrap_or_default();
    let digits = commit.iter().take_while(|it| it.is_ascii_hexdigit());
    let commit: String = digits.take(SHORT).map(|it| char::from(*it)).collect();
    if commit.len() == SHORT { format!("rustc {commit}") } else { "rustc of a system".into() }
}

fn bytes() -> Vec<u8> {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/hopspan.wasm");
    let path = std::env::var_os("HOPSPAN_WASM").map_or_else(built, PathBuf::from);
    fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; ./build.sh wasm makes the module", path.display())
    })
}

const PREFIX: &[u8] = b"/rustc/";
/// As many digits as `rustc --version` shows.
const SHORT: usize = 9;

#[test]
fn a_module_tells_its_compiler() {
    for (why, module, want) in [
        ("rustup's", "\0/rustc/59807616e1fa2540724bfbac/library/a.rs", "rustc 59807616e"),
        ("with the library's source", "\0/rust/library/core/a.rs", "rustc of a system"),
        ("not a commit", "/rustc/5980761/library", "rustc of a system"),
    ] {
        assert_eq!(compiler_of(module.as_bytes()), want, "{why}");
    }
}
