//! Says whether the playground's module is there: `./build.sh` builds it into `page/` first.
//!
//! Not here, because it is built for another target, with a compiler that has its standard library
//! (`scripts/wasm.sh`), and would be built again for each profile.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(has_playground)");
    // The directory, which is always there: a path that is not would build Lens anew each time.
    println!("cargo::rerun-if-changed=page");
    if Path::new("page/explain.wasm").exists() {
        println!("cargo::rustc-cfg=has_playground");
    }
}
