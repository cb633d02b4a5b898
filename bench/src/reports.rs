//! Where it is written what was found: files of a directory, and on request the page of the
//! documentation that says what tracing costs.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::machine::Machine;

/// The directory, and the page if that is to be renewed.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    /// The directory.
    pub(crate) out: PathBuf,
    /// What is measured on and with.
    pub(crate) machine: Machine,
    document: bool,
}

impl Reports {
    /// Makes the directory. `document` says that the page is to be renewed, too.
    ///
    /// # Errors
    ///
    /// There is no place for it.
    pub(crate) fn new(out: &Path, machine: Machine, document: bool) -> Result<Self, String> {
        let fault = |error| format!("{}: {error}", out.display());
        fs::create_dir_all(out).map_err(fault)?;
        let out = out.canonicalize().map_err(fault)?;
        Ok(Self { out, machine, document })
    }

    /// Writes what was found under a name: as Markdown, as JSON, and as a plot if there is one.
    ///
    /// # Errors
    ///
    /// A file cannot be written, or the page has no section of this name.
    pub(crate) fn write(
        &self,
        name: &str,
        text: &str,
        found: &impl Serialize,
        plot: Option<String>,
    ) -> Result<(), String> {
        let json = serde_json::to_string_pretty(found).map_err(|error| error.to_string())?;
        let text = format!("{}.\n\n{text}", self.machine);
        let files = [("md", Some(text.clone())), ("json", Some(json + "\n")), ("svg", plot)];
        for (kind, content) in files {
            let Some(content) = content else { continue };
            let file = self.out.join(format!("{name}.{kind}"));
            fs::write(&file, content).map_err(|error| format!("{}: {error}", file.display()))?;
            println!("written: {}", file.display());
        }
        if self.document { renew(Path::new(PAGE), name, &text) } else { Ok(()) }
    }
}

/// Puts a text into the section of this name.
fn renew(page: &Path, name: &str, text: &str) -> Result<(), String> {
    let fault = |error| format!("{}: {error}", page.display());
    let was = fs::read_to_string(page).map_err(fault)?;
    let is = with_section(&was, name, text)
        .ok_or_else(|| format!("{} has no section for {name}: {}", page.display(), begin(name)))?;
    fs::write(page, is).map_err(fault)?;
    println!("renewed: docs/performance.md, {name}");
    Ok(())
}

/// The page with this text between the marks of a section, if it has them.
fn with_section(page: &str, name: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(&begin(name))?;
    let (_, after) = rest.split_once(END)?;
    let text = text.trim();
    Some(format!("{before}{}\n{text}\n{END}{after}", begin(name)))
}

fn begin(name: &str) -> String {
    format!("<!-- bench: {name} -->")
}

const END: &str = "<!-- end -->";
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");

#[test]
fn a_section_is_renewed_and_nothing_else() {
    let page = "# Page\n\n<!-- bench: a -->\nold\n<!-- end -->\n\ntext\n\n\
                <!-- bench: b -->\n<!-- end -->\nend\n";
    assert_eq!(
        with_section(page, "a", "new\n\n").as_deref(),
        Some(
            "# Page\n\n<!-- bench: a -->\nnew\n<!-- end -->\n\ntext\n\n\
             <!-- bench: b -->\n<!-- end -->\nend\n"
        )
    );
    let b = with_section(page, "b", "new").unwrap();
    assert!(b.contains("\nold\n") && b.ends_with("<!-- bench: b -->\nnew\n<!-- end -->\nend\n"));
    assert_eq!(with_section(&b, "b", "new").as_deref(), Some(&*b), "the same again");
    assert_eq!(with_section(page, "c", "new"), None, "no such section");
}

#[test]
fn the_page_has_a_section_for_each_report() {
    let page = fs::read_to_string(PAGE).unwrap();
    for name in [
        "instructions",
        "times",
        "scaling-headers",
        "scaling-answers",
        "scaling-bodies",
        "scaling-routes",
        "scaling-queue",
        "scaling-workers",
        "scaling-memory",
    ] {
        assert!(with_section(&page, name, "").is_some(), "{name}");
    }
}
