//! The table of outcomes in the documentation, which is what the tests expect.

/// A row: what happened, and what the spans say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Row {
    /// The name of the case.
    pub(super) name: String,
    /// Status code of the response; `None` if there was none.
    pub(super) status_code: Option<i64>,
    /// Whether the response, or its beginning, is the upstream's own.
    pub(super) is_upstreams: bool,
    /// Short names of the response flags that a span has.
    pub(super) flags: Vec<String>,
    /// `error.type` of a SERVER span.
    pub(super) server: Option<String>,
    /// `error.type` of a CLIENT span.
    pub(super) client: Option<String>,
    /// Whether there is a span at all.
    pub(super) is_seen: bool,
}

/// All rows, in order.
///
/// # Panics
///
/// When the table is not there, or not as it should be.
pub(super) fn rows() -> Vec<Row> {
    let (_, table) = DOCUMENT.split_once(HEADING).expect("the table of outcomes");
    let lines = table.lines().skip(1).take_while(|it| it.starts_with('|'));
    lines.skip(1).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [name, happened, status, by, flags, server, client] = cells[..] else {
        panic!("seven cells: {line}")
    };
    assert!(happened.len() > 10, "what happened, in words: {line}");
    let is_seen = status != "no span";
    let code = |cell: &str| {
        let word = cell.strip_prefix('`').and_then(|it| it.strip_suffix('`'));
        (!cell.is_empty())
            .then(|| word.unwrap_or_else(|| panic!("{cell} is code: {line}")).to_owned())
    };
    Row {
        name: code(name).expect("a name"),
        status_code: (is_seen && status != "none")
            .then(|| status.parse().unwrap_or_else(|_| panic!("a status code: {line}"))),
        is_upstreams: match by {
            "upstream" => true,
            "proxy" | "" => false,
            other => panic!("{other} answers no requests: {line}"),
        },
        flags: code(flags).map(|it| it.split(',').map(str::to_owned).collect()).unwrap_or_default(),
        server: code(server),
        client: code(client),
        is_seen,
    }
}

const DOCUMENT: &str = include_str!("../../../../docs/spans.md");
/// The first line of the table.
const HEADING: &str = "| case | what happened | `http.response.status_code` | answered by | \
                       `hopspan.response_flags` | SERVER `error.type` | CLIENT `error.type` |";
