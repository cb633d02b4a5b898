#![doc = include_str!("../README.md")]

// In reading order: what a test says, what the host keeps, what a module may ask of it.
mod abi;
mod clock;
mod headers;
mod value;
mod log;
mod module;
mod proxy;
mod builder;
mod updates;
mod callouts;
mod event_loop;
mod compress;
mod expressions;
mod stream;
mod vm;
mod roots;
mod guest;
mod stream_state;
mod process;
mod hostcalls;
mod host;
mod imports;
mod maps;
mod buffers;
mod properties;
mod http_call;
mod metrics;
mod shared;
mod control;
mod wasi;

pub use abi::{Action, Level, Status};
pub use builder::{Builder, Refused};
pub use callouts::{Answer, Callout, Request};
pub use clock::Clock;
pub use headers::Headers;
pub use hostcalls::{HostcallCounts, Injection};
pub use http_call::Clusters;
pub use log::LogLine;
pub use module::{LoadError, Module};
pub use proxy::{Plugin, Proxy};
pub use stream::Stream;
pub use stream_state::LocalResponse;
pub use value::Value;
pub use vm::{Callback, Trap, Vm, VmName};
