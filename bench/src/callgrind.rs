//! Callgrind, told from outside when to count.
//!
//! Spec: <https://valgrind.org/docs/manual/cl-manual.html>

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Callgrind around one process.
#[derive(Debug)]
pub(crate) struct Callgrind {
    pid: String,
    out: PathBuf,
    dumps: u64,
}

/// The words that start a program under it, which does not count yet.
pub(crate) fn words(out: &Path) -> Vec<String> {
    vec![
        "valgrind".into(),
        "--quiet".into(),
        "--tool=callgrind".into(),
        // V8 writes code while it runs, but not into files.
        "--smc-check=all-non-file".into(),
        // One thread runs at a time: the compiler's are to have their turn.
        "--fair-sched=try".into(),
        "--instr-atstart=no".into(),
        format!("--callgrind-out-file={}", out.display()),
    ]
}

impl Callgrind {
    /// That of a process which was started by [`words`] with this file.
    pub(crate) fn of(pid: u32, out: &Path) -> Self {
        Self { pid: pid.to_string(), out: out.into(), dumps: 0 }
    }

    /// Counts from now on.
    pub(crate) fn begin(&self) -> Result<(), String> {
        self.tell(&["-i", "on"])
    }

    /// The instructions since the last time, or since it began.
    pub(crate) fn lap(&mut self) -> Result<u64, String> {
        self.tell(&["-d"])?;
        self.dumps += 1;
        let file = format!("{}.{}", self.out.display(), self.dumps);
        let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        // The last one stays, for callgrind_annotate.
        if self.dumps > 1 {
            let _ = fs::remove_file(format!("{}.{}", self.out.display(), self.dumps - 1));
        }
        total(&text).ok_or_else(|| format!("{file} has no total"))
    }

    fn tell(&self, words: &[&str]) -> Result<(), String> {
        let mut command = Command::new("callgrind_control");
        command.args(words).arg(&self.pid).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("callgrind_control: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if output.status.success() && said.contains("OK") {
            return Ok(());
        }
        Err(format!("callgrind_control {}: {said}", words.join(" ")))
    }
}

/// Spec: <https://valgrind.org/docs/manual/cl-format.html>: `"summary:" event counts`, and for
/// the same `"totals:"`. The first event is instructions.
fn total(dump: &str) -> Option<u64> {
    let line = |it: &str| dump.lines().find_map(|line| line.strip_prefix(it));
    let counts = line("totals:").or_else(|| line("summary:"))?;
    counts.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_total_is_read() {
    for (why, dump, want) in [
        ("totals", "events: Ir\nfn=a\n1 2\n\ntotals: 1234\n", Some(1234)),
        ("a summary", "events: Ir Dr\nsummary: 55 6\n", Some(55)),
        ("neither", "events: Ir\n", None),
    ] {
        assert_eq!(total(dump), want, "{why}");
    }
}
