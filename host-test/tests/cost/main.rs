//! What a request costs in the module: instructions of WebAssembly (fuel) and host calls, which
//! repeat exactly. What the proxy does in a host call is not in the fuel; the calls are counted.
//!
//! `host-test/cost.json` has what each case cost when it was last looked at; `./build.sh bench cost`
//! renews it.
#![expect(clippy::panic, reason = "a test may stop at the first surprise")]

mod module;
mod case;
mod cases;
mod baseline;
mod guard;
mod bounds;
