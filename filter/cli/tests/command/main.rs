//! The command as people use it: what it prints where, and how it ends.

#[path = "../../../explain/cases.rs"]
mod cases;
#[path = "../../../explain/said.rs"]
mod said;

mod check;
mod explain;

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs the command; what it reads, its exit status, standard output, standard error.
fn run(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hopspan"))
        .args(arguments)
        // A variable of whoever runs the command is none of the proxy's.
        .env("OTEL_SERVICE_NAME", "mine")
        .env("OTEL_SDK_DISABLED", "true")
        .env_remove("TOKEN")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it is read");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("an exit status"), text(stdout), text(stderr))
}

#[test]
fn a_wrong_use_is_said_with_the_right_one() {
    for arguments in
        [&[][..], &["check"], &["chekc", "-"], &["check", "--jsn", "-"], &["explain", "a"]]
    {
        let (status, out, err) = run(arguments, "");
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains("Usage: hopspan"), "{arguments:?}: {err}");
    }
}

#[test]
fn version_and_help_are_there() {
    let version = format!("hopspan {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"], ""), (0, version, String::new()));
    for (arguments, example) in [
        (&["--help"][..], "hopspan check hopspan.json"),
        (&["check", "--help"], "hopspan check listeners.yaml clusters.yaml"),
        (&["explain", "--help"], "hopspan explain -H 'b3: d'"),
    ] {
        let (status, out, _) = run(arguments, "");
        assert_eq!(status, 0);
        assert!(out.contains("Examples:") && out.contains(example), "{out}");
    }
}
