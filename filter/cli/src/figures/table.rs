//! Figures as a table.

use super::What;
use serde_json::Value;

/// A column: its head, and what is in it. Names are on the left, figures on the right.
struct Column {
    head: &'static str,
    cell: fn(&Value) -> String,
    is_name: bool,
}

/// What all of them have.
const FIGURES: [Column; 5] = [
    figure("SUCCESS", |row| or_dash(row["success"].as_f64(), |it| format!("{:.2}%", it * 100.0))),
    figure("RPS", |row| or_dash(row["rate"].as_f64(), |it| format!("{it:.1}"))),
    figure("P50", |row| millis(&row["p50_ms"])),
    figure("P95", |row| millis(&row["p95_ms"])),
    figure("P99", |row| millis(&row["p99_ms"])),
];

const SERVICE: Column = name("SERVICE", |row| text(&row["name"]));
const OPEN: Column = figure("OPEN", |row| or_dash(row["open"].as_i64(), |it| it.to_string()));
const OF_ROUTE: [Column; 3] = [
    name("SERVICE", |row| text(&row["service"])),
    name("ROUTE", |row| text(&row["route"])),
    name("TO", |row| text(&row["peer"])),
];
const OF_EDGE: [Column; 2] =
    [name("CLIENT", |row| text(&row["client"])), name("SERVER", |row| text(&row["server"]))];

const fn name(head: &'static str, cell: fn(&Value) -> String) -> Column {
    Column { head, cell, is_name: true }
}

const fn figure(head: &'static str, cell: fn(&Value) -> String) -> Column {
    Column { head, cell, is_name: false }
}

/// All rows, below a line of heads.
pub(super) fn of(what: What, rows: &[Value]) -> String {
    let mut columns: Vec<&Column> = match what {
        What::Services => vec![&SERVICE],
        What::Routes | What::Top => OF_ROUTE.iter().collect(),
        What::Edges => OF_EDGE.iter().collect(),
    };
    columns.extend(&FIGURES);
    if what == What::Services {
        columns.push(&OPEN);
    }
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|it| it.head.to_owned()).collect()];
    lines.extend(rows.iter().map(|row| columns.iter().map(|it| (it.cell)(row)).collect()));
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0))
        .collect();
    let mut table = String::new();
    for line in &lines {
        let cells = line.iter().zip(&columns).zip(&widths).map(|((cell, column), width)| {
            match column.is_name {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            }
        });
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

/// Whatever a name is, a terminal does not obey it.
fn text(value: &Value) -> String {
    match value.as_str() {
        None | Some("") => "-".to_owned(),
        Some(text) => crate::harmless(text).replace('\n', "\\n"),
    }
}

fn or_dash<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

/// Three digits of a duration.
fn millis(value: &Value) -> String {
    or_dash(value.as_f64(), |it| match it {
        it if it < 10.0 => format!("{it:.1}ms"),
        it if it < 1000.0 => format!("{it:.0}ms"),
        it => format!("{:.1}s", it / 1000.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_on_the_left_and_figures_on_the_right() {
        let rows = [
            json!({"name": "cart", "success": 0.98333, "rate": 12.06, "p50_ms": 3.04, "p95_ms": 90.2,
                "p99_ms": 1234.0, "open": 2}),
            json!({"name": "re\u{1b}[2Jviews\n", "success": null, "rate": 0.0, "p50_ms": null,
                "p95_ms": null, "p99_ms": null, "open": null}),
        ];
        let want = "\
SERVICE             SUCCESS   RPS    P50   P95   P99  OPEN
cart                 98.33%  12.1  3.0ms  90ms  1.2s     2
re\\u{1b}[2Jviews\\n        -   0.0      -     -     -     -
";
        assert_eq!(of(What::Services, &rows), want);
    }

    #[test]
    fn routes_and_edges_have_names_of_their_own() {
        let route = json!({"service": "shop", "route": "/cart", "peer": "", "success": 1.0,
            "rate": 1.0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 10.0});
        let table = of(What::Top, &[route]);
        assert_eq!(
            table.lines().nth(1),
            Some("shop     /cart  -   100.00%  1.0  1.0ms  2.0ms  10ms")
        );
        let edge = json!({"client": "shop", "server": "cart", "success": 1.0, "rate": 1.0});
        let table = of(What::Edges, &[edge]);
        assert_eq!(table.lines().next(), Some("CLIENT  SERVER  SUCCESS  RPS  P50  P95  P99"));
    }
}
