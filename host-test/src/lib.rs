//! A faithful proxy-wasm host.
