//! A document with one mistake in it, and what is found.

use super::run;
use serde_json::Value;
use std::path::PathBuf;

/// Whoever says something of a document.
pub(super) struct Judged {
    document: String,
    status: i32,
    report: Value,
}

/// What `hopspan check` says of a document.
pub(super) fn judge(document: &str) -> Judged {
    let (status, out, err) = run(&["check", "--json", "-"], document);
    let report = serde_json::from_str(&out).unwrap_or_else(|_| panic!("no JSON: {out}{err}"));
    Judged { document: document.to_owned(), status, report }
}

/// What `hopspan check` says of files that belong together.
pub(super) fn judge_files(files: &[PathBuf]) -> Judged {
    let names = files.iter().map(|it| it.to_str().expect("a name"));
    let arguments: Vec<_> = ["check", "--json"].into_iter().chain(names).collect();
    let (status, out, err) = run(&arguments, "");
    let report = serde_json::from_str(&out).unwrap_or_else(|_| panic!("no JSON: {out}{err}"));
    Judged { document: String::new(), status, report }
}

/// The same document, with a mistake. What is replaced must be there once.
#[track_caller]
pub(super) fn with(document: &str, good: &str, bad: &str) -> String {
    assert_eq!(document.matches(good).count(), 1, "{good:?} once in the document");
    document.replace(good, bad)
}

impl Judged {
    /// It is fine; notes do not count.
    #[track_caller]
    pub(super) fn is_fine(&self) -> &Self {
        assert_eq!(self.findings(), Vec::<&Value>::new());
        assert_eq!((self.status, self.report["ok"].as_bool()), (0, Some(true)));
        self
    }

    /// Nothing is found but this: a rule, a line of the document by a part of it, and a part of
    /// the message.
    #[track_caller]
    pub(super) fn finds(&self, weight: &str, rule: &str, on: &str, message: &str) -> &Self {
        let findings = self.findings();
        let [finding] = findings.as_slice() else { panic!("one finding, not {findings:#?}") };
        assert_eq!(
            (&finding["weight"], &finding["rule"]),
            (&weight.into(), &rule.into()),
            "{finding}"
        );
        let said = finding["message"].as_str().expect("a message");
        assert!(said.contains(message), "{said}");
        let line = usize::try_from(finding["line"].as_u64().expect("a line")).unwrap();
        let line = self.document.lines().nth(line - 1).expect("a line of the document");
        assert!(line.contains(on), "said of the line {line:?}");
        assert_eq!(self.status, i32::from(weight == "problem"));
        self
    }

    /// The path of the only finding.
    pub(super) fn path(&self) -> &str {
        self.findings()[0]["path"].as_str().expect("a path")
    }

    pub(super) fn note(&self, rule: &str) -> Option<&Value> {
        self.all().iter().find(|it| it["weight"] == "note" && it["rule"] == rule)
    }

    pub(super) fn instances(&self) -> &[Value] {
        self.report["instances"].as_array().expect("a list")
    }

    fn findings(&self) -> Vec<&Value> {
        self.all().iter().filter(|it| it["weight"] != "note").collect()
    }

    fn all(&self) -> &[Value] {
        self.report["findings"].as_array().expect("a list")
    }
}

impl Judged {
    /// The file is said to have nothing of hopspan's.
    #[track_caller]
    pub(super) fn finds_nothing_of_ours(&self) {
        let findings = self.findings();
        let [finding] = findings.as_slice() else { panic!("one finding, not {findings:#?}") };
        assert_eq!((&finding["rule"], self.instances().len()), (&"file".into(), 0));
    }
}
