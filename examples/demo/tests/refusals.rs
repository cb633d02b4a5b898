//! What the demo says when it cannot start. No Envoy is needed to find out.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An executable and a file that are there, for those checks that come first.
fn there() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn demo(envoy: &Path, wasm: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hopspan-demo"))
        .args(arguments)
        .env("HOPSPAN_ENVOY", envoy)
        .env("HOPSPAN_WASM", wasm)
        .output()
        .unwrap()
}

#[track_caller]
fn refuses(why: &str, output: &Output, want: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{why}: {said}");
    assert_eq!(said.trim_end(), want, "{why}");
    assert!(output.stdout.is_empty(), "{why}: nothing was started");
}

#[test]
fn names_what_is_missing_and_how_to_get_it() {
    let (here, nowhere) = (there(), Path::new("/nowhere/at-all"));
    refuses(
        "no Envoy",
        &demo(nowhere, &here, &[]),
        "demo: there is no Envoy at /nowhere/at-all: build.sh installs one; \
         or name yours with --envoy or HOPSPAN_ENVOY",
    );
    refuses(
        "no filter",
        &demo(&here, nowhere, &[]),
        "demo: there is no filter at /nowhere/at-all: `./build.sh wasm` makes it; \
         or name yours with --wasm or HOPSPAN_WASM",
    );
}

#[test]
fn names_the_taken_port_who_needs_it_and_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    refuses(
        "the gateway's port",
        &demo(&there(), &there(), &["--port-base", &port.to_string()]),
        &format!(
            "demo: port {port}, which the gateway needs, is taken; \
             choose another block of 54 ports with --port-base N"
        ),
    );
}

#[test]
fn a_ratio_is_a_share() {
    let output = demo(&there(), &there(), &["--ratio", "50"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("'50' for '--ratio <R>': a share is from 0 to 1"), "{said}");
}

#[test]
fn prints_what_a_proxy_would_run() {
    let arguments = ["--print-config", "pay", "--port-base", "7000", "--ratio", "0.25"];
    let output = demo(&there(), Path::new("f.wasm"), &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in [
        r#"service: { name: "pay" }"#,
        r#"filename: "f.wasm""#,
        "port_value: 7053 ",
        "sampling: { ratio: 0.25, keep: { errors: true } }",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}
