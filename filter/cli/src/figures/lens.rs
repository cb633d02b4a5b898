//! Asking a Lens: see `docs/lens.md`, "Its API".

use super::What;
use serde_json::Value;
use std::io;

/// The list that it has.
pub(super) fn ask(lens: &str, what: What, seconds: u32) -> io::Result<Vec<Value>> {
    let path = match what {
        What::Services => "services",
        What::Routes | What::Top => "routes",
        What::Edges => "edges",
    };
    let url = format!("{}/api/{path}?seconds={seconds}", lens.trim_end_matches('/'));
    let text = super::get(&url).map_err(|error| {
        io::Error::other(format!(
            "{url}: {error}. Is that a Lens? ./build.sh demo starts one, and --lens names another"
        ))
    })?;
    match serde_json::from_str(&text) {
        Ok(Value::Array(rows)) => Ok(rows),
        _ => Err(io::Error::other(format!("{url}: that is no answer of a Lens"))),
    }
}
