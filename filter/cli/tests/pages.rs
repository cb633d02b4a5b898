//! Pages for operators: their links lead somewhere, and the stats that they name are there.

use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 7] = [
    "docs/operations.md",
    "docs/troubleshooting.md",
    "examples/envoy/README.md",
    "examples/istio/README.md",
    "examples/envoy-gateway/README.md",
    "examples/higress/README.md",
    "examples/collectors/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The targets of `[text](target)`.
fn links(page: &str) -> Vec<&str> {
    page.split("](").skip(1).filter_map(|it| Some(it.split_once(')')?.0)).collect()
}

/// What a heading is called in a link, as code forges have it.
fn anchor(heading: &str) -> String {
    let kept =
        heading.trim().chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it.to_ascii_lowercase() }).collect()
}

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let mut followed = 0;
    for name in PAGES {
        let path = root().join(name);
        let page = read(&path);
        for link in links(&page).into_iter().filter(|it| !it.starts_with("https://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().expect("a folder").join(file),
            };
            assert!(target.exists(), "{name}: {link}");
            if !heading.is_empty() {
                let text = read(&target);
                let mut headings = text.lines().filter(|it| it.starts_with('#'));
                let is_it = |it: &str| anchor(it.trim_start_matches('#')) == heading;
                assert!(headings.any(is_it), "{name}: {link}");
            }
            followed += 1;
        }
    }
    assert!(followed > 50, "{followed} links");
}

#[test]
fn stats_that_are_asked_for_are_there() {
    let stats = read(&root().join("docs/stats.md"));
    let mut asked = 0;
    for name in PAGES {
        let page = read(&root().join(name));
        for filter in page.split("filter=hopspan.").skip(1) {
            let end = filter.find(|it: char| !it.is_ascii_lowercase() && !matches!(it, '_' | '.'));
            let stat = &filter[..end.unwrap_or(filter.len())];
            assert!(stats.contains(&format!("| `hopspan.{stat}")), "{name}: hopspan.{stat}");
            asked += 1;
        }
    }
    assert!(asked > 10, "{asked} filters");
}
