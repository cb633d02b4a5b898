//! `docs/spans.md` has the attributes of spans as the code has them.

use hopspan_core::semconv::reference;
use hopspan_core::semconv::reference::{Attribute, On};
use std::collections::BTreeSet;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The rows of attributes in one section.
fn section(heading: &str) -> Vec<String> {
    let docs = read("docs/spans.md");
    let (_, rest) = docs.split_once(&format!("\n## {heading}\n")).expect("the section");
    let (section, _) = rest.split_once("\n##").unwrap_or((rest, ""));
    section.lines().filter(|it| it.starts_with("| `")).map(str::to_owned).collect()
}

fn row(it: &Attribute) -> String {
    let (kind, on) = (it.kind.name(), it.on.name());
    format!("| `{}` | {kind} | {on} | {} | {} |", it.key, it.sentence(), it.when)
}

#[track_caller]
fn check(heading: &str, are: impl Fn(&Attribute) -> bool) {
    let want: Vec<_> = reference().filter(|it| are(it)).map(row).collect();
    assert_eq!(section(heading), want, "the table must be:\n{}", want.join("\n"));
}

#[test]
fn the_docs_have_every_attribute_of_spans_with_its_meaning() {
    check("Attributes of spans", |it| it.on != On::Resource);
}

#[test]
fn the_docs_have_every_attribute_of_the_resource_with_its_meaning() {
    check("The resource", |it| it.on == On::Resource);
}

#[test]
fn the_docs_say_of_every_time_how_exact_it_is() {
    let rows = section("Where the time went");
    let documented = rows.iter().filter_map(|it| it.split('`').nth(1));
    let want = reference().map(|it| it.key).filter(|it| it.ends_with("_ns"));
    assert_eq!(documented.collect::<Vec<_>>(), want.collect::<Vec<_>>());
}

/// What nothing writes must not be promised.
#[test]
fn every_attribute_of_the_reference_is_written_somewhere() {
    let names = read("filter/core/src/semconv.rs");
    let declared = names.lines().filter_map(|it| it.strip_prefix("    ")?.split_once(" = \""));
    let declared: Vec<_> = declared.map(|(constant, _)| constant).collect();
    assert_eq!(declared.len(), reference().count());
    let sources = sources("filter/core/src") + &sources("filter/config/src");
    let words: BTreeSet<_> =
        sources.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').collect();
    let idle: Vec<_> = declared.into_iter().filter(|it| !words.contains(it)).collect();
    assert_eq!(idle, [""; 0]);
}

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap_or_else(|it| panic!("{path}: {it}"))
}

/// All sources below a directory but the names themselves.
fn sources(path: &str) -> String {
    let entries = std::fs::read_dir(format!("{ROOT}/{path}")).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let source = |name: String| match name.ends_with(".rs") {
        true if name == "semconv.rs" => String::new(),
        true => read(&format!("{path}/{name}")),
        false => sources(&format!("{path}/{name}")),
    };
    names.map(source).collect()
}
