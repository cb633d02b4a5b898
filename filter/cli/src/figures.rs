//! Golden figures for people in a terminal: services, routes and edges, as a Lens has them, or an
//! Envoy in its own stats.

mod admin;
mod lens;
mod table;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// What is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    /// Services.
    Services,
    /// Their routes.
    Routes,
    /// Who calls whom.
    Edges,
    /// Routes, the busiest first, again and again.
    Top,
}

/// Of what, from where, and how.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One service alone: of edges those to it and from it
    service: Option<String>,
    /// Where Lens is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4318")]
    lens: String,
    /// An Envoy's admin address in place of a Lens: figures of that proxy alone, which needs
    /// "metrics": { "to": ["host"] }
    #[arg(long, value_name = "URL", conflicts_with = "lens")]
    admin: Option<String>,
    /// Figures of the last so many seconds, 60 unless told otherwise; of an Envoy those of the next
    /// ones, 10 unless told otherwise: it has latencies every 5 s
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: Option<u32>,
    /// The rows as a list in JSON
    #[arg(long)]
    json: bool,
    /// Show it again every so many seconds, until Ctrl-C
    #[arg(long, value_name = "N", conflicts_with = "json", value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
}

/// `top` looks again after so many seconds, unless it is told otherwise.
const TOP: u64 = 2;

/// Clears a terminal, and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Figures of days take a Lens some time; more than this is no answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shows it; `Ok` if there was an answer.
pub(crate) fn run(what: What, options: &Options) -> io::Result<ExitCode> {
    let is_live = what == What::Top && !options.json && io::stdout().is_terminal();
    let watch = options.watch.or(is_live.then_some(TOP)).map(Duration::from_secs);
    loop {
        let rows = match &options.admin {
            Some(admin) => admin::ask(admin, what, options.seconds.unwrap_or(10))?,
            None => lens::ask(&options.lens, what, options.seconds.unwrap_or(60))?,
        };
        let rows = chosen(rows, what, options.service.as_deref());
        let text = match options.json {
            true => format!("{:#}\n", Value::Array(rows)),
            false if rows.is_empty() => nothing(options),
            false => table::of(what, &rows),
        };
        let Some(watch) = watch else { return crate::print(&text) };
        let clear = if io::stdout().is_terminal() { CLEAR } else { "" };
        let mut out = io::stdout().lock();
        out.write_all([clear, &text].concat().as_bytes())?;
        out.flush()?;
        drop(out);
        thread::sleep(watch);
    }
}

/// The rows that are asked for, in the order in which they are shown.
fn chosen(mut rows: Vec<Value>, what: What, service: Option<&str>) -> Vec<Value> {
    let keys = match what {
        What::Services => &["name"][..],
        What::Routes | What::Top => &["service"],
        What::Edges => &["client", "server"],
    };
    if let Some(service) = service {
        rows.retain(|row| keys.iter().any(|key| row[*key] == service));
    }
    if what == What::Top {
        let rate = |row: &Value| row["rate"].as_f64().unwrap_or(0.0);
        rows.sort_by(|one, other| rate(other).total_cmp(&rate(one)));
    }
    rows
}

fn nothing(Options { service, seconds, admin, .. }: &Options) -> String {
    let of = service.as_ref().map_or_else(String::new, |it| format!(" of {it}"));
    let seconds = seconds.unwrap_or(if admin.is_some() { 10 } else { 60 });
    crate::harmless(&format!("nothing was counted{of} in the last {seconds} s\n"))
}

/// The text at an address.
fn get(url: &str) -> Result<String, ureq::Error> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build();
    ureq::Agent::from(agent).get(url).call()?.body_mut().read_to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_chosen_by_service_and_the_busiest_come_first() {
        let edge = |client, server, rate| json!({"client": client, "server": server, "rate": rate});
        let edges = || vec![edge("a", "b", 1.0), edge("b", "c", 3.0), edge("c", "d", 2.0)];
        let of_b = chosen(edges(), What::Edges, Some("b"));
        assert_eq!(of_b, [edge("a", "b", 1.0), edge("b", "c", 3.0)]);
        assert_eq!(chosen(edges(), What::Edges, None), edges());
        let route = |service, rate| json!({"service": service, "rate": rate});
        let routes = vec![route("a", 1.0), route("b", 3.0), route("a", 2.0)];
        let busiest = chosen(routes.clone(), What::Top, Some("a"));
        assert_eq!(busiest, [route("a", 2.0), route("a", 1.0)]);
        assert_eq!(chosen(routes, What::Services, Some("a")), Vec::<Value>::new());
    }
}
