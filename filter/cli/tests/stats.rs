//! `docs/stats.md` has hopspan's own stats as the code has them.

use hopspan_core::stats::{Stat, StatKind};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A row of the table. The proxy has the tag inside the name: `name.key=.=value;.;`.
fn row(stat: Stat) -> String {
    let tagged = || {
        let (path, value) = stat.name().strip_suffix(";.;")?.split_once("=.=")?;
        let (name, key) = path.rsplit_once('.')?;
        Some((name, format!("`{key}` = `{value}`")))
    };
    let (name, tag) = tagged().unwrap_or((stat.name(), String::new()));
    let kind = match stat.kind() {
        StatKind::Counter => "counter",
        StatKind::Gauge | StatKind::Level => "gauge",
    };
    format!("| `{name}` | {tag} | {kind} | {} |", stat.meaning())
}

#[test]
fn the_docs_have_every_stat_with_its_meaning() {
    let docs = std::fs::read_to_string(format!("{ROOT}/docs/stats.md")).expect("docs/stats.md");
    let written: Vec<_> = docs.lines().filter(|it| it.starts_with("| `")).collect();
    let want: Vec<_> = Stat::ALL.into_iter().map(row).collect();
    assert_eq!(written, want, "the table must be:\n{}", want.join("\n"));
}
