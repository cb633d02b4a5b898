//! The table of delays in the documentation, which is what the tests expect.

use super::{Times, median};

/// A delay, and where it shows.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Row {
    is_proxys: bool,
    /// Attributes that have it in them.
    parts: Vec<String>,
}

/// Holds requests that had a delay of so many microseconds against the row of its name: the proxy
/// time has it or not, and so has every part.
#[track_caller]
pub(super) fn check(name: &str, delay_us: i64, times: &[Times]) {
    assert!(DELAYS.contains(&name), "{name} is no known delay");
    let row = row(name);
    // Timers count from when their loop last looked at the clock, so they may fire early; and a
    // busy machine adds to everything.
    let has_it = |us: i64| us >= delay_us * 3 / 4;
    let held = median(times.iter().map(|it| it.held));
    assert!(has_it(held) == row.is_proxys, "{name}: {held} us of {delay_us}: {times:#?}");
    assert!(row.is_proxys || held <= delay_us / 2, "{name}: {held} us: {times:#?}");
    for part in PARTS {
        let found = times.iter().filter_map(|it| it.part(part));
        let found: Vec<_> = found.collect();
        let shows = found.len() == times.len() && has_it(median(found.into_iter()));
        let documented = row.parts.iter().any(|it| it == part);
        assert_eq!(shows, documented, "{name}: {part}: {times:#?}");
    }
}

/// # Panics
///
/// When the table is not there, or has no such row, or one that is not as it should be.
fn row(name: &str) -> Row {
    let cells = rows().find(|it| it[0] == name).unwrap_or_else(|| panic!("no row {name}"));
    let [_, is_proxys, parts] = cells[..] else { panic!("three cells: {cells:?}") };
    let is_proxys = match is_proxys {
        "yes" | "yes, an upper bound" => true,
        "no" => false,
        other => panic!("{name}: {other}"),
    };
    // Every other piece is between backquotes.
    let parts = parts.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Row { is_proxys, parts }
}

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let (_, table) = DOCUMENT.split_once(HEADING).expect("the table of delays");
    let lines = table.lines().skip(2).take_while(|it| it.starts_with('|'));
    lines.map(|it| it.trim_matches('|').split('|').map(str::trim).collect())
}

#[test]
fn the_document_has_every_delay_and_no_other() {
    assert_eq!(rows().map(|it| it[0]).collect::<Vec<_>>(), DELAYS);
}

/// Those that the tests make, in the order of the rows.
const DELAYS: [&str; 9] = [
    "the upstream takes its time",
    "the client's headers come slowly",
    "the client's body comes slowly, and streams through",
    "the client's body comes slowly, and a filter buffers it",
    "an HTTP/2 client reads slowly",
    "a filter in front of hopspan",
    "a filter behind hopspan",
    "waiting for a connection to the upstream",
    "an attempt that failed",
];
const DOCUMENT: &str = include_str!("../../../../docs/spans.md");
const HEADING: &str = "| delay | in `hopspan.proxy_time_ns` | also in |";
/// Whatever may have a delay in it beside the proxy time.
const PARTS: [&str; 5] = [
    "hopspan.upstream_time_ns",
    "hopspan.pool_wait_ns",
    "hopspan.first_byte_ns",
    "hopspan.request_receive_ns",
    "hopspan.response_send_ns",
];
