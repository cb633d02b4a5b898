//! `hopspan explain`

use super::run;
use crate::cases::{self, Want};
use crate::said::said;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const TRACEPARENT: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Each file of `explain/` is what one sees in a terminal: behind `$`, a command, whose last line
/// has no sign that another follows; then all that it prints.
#[test]
fn each_request_is_explained_as_its_transcript_has_it() {
    let bin = Path::new(env!("CARGO_BIN_EXE_hopspan")).parent().expect("a directory");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/command/explain");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the transcripts") {
        let file = entry.expect("a transcript").path();
        let transcript = std::fs::read_to_string(&file).expect("text");
        let goes_on = |line: &&str| line.ends_with(['|', '\\', ',', '[']);
        let lines = transcript.lines().take_while(goes_on).count() + 1;
        let place = transcript.match_indices('\n').nth(lines - 1).expect("an output").0 + 1;
        let (command, want) = transcript.split_at(place);
        let command = command.strip_prefix("$ ").expect("a command");
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("PATH", &path).env("OTEL_SDK_DISABLED", "true");
        let output = shell.output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", file.display());
        assert_eq!(String::from_utf8_lossy(&output.stdout), want, "{}", file.display());
        assert!(output.status.success(), "{}", file.display());
        names.extend(file.file_stem().map(|it| it.to_string_lossy().into_owned()));
    }
    names.sort();
    let want = [
        "b3_debug",
        "by_a_rule",
        "continued",
        "disabled",
        "export",
        "forced",
        "health_check",
        "lacking",
        "malformed",
        "new_trace",
        "restarted",
        "stripped",
        "switched_off",
        "untrusted",
    ];
    assert_eq!(names, want);
}

/// The example of the docs: the configuration above it, the command, and all that it prints.
#[test]
fn the_docs_show_what_is_printed() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/context.md");
    let docs = std::fs::read_to_string(docs).expect("the docs");
    let block = |sign: &str, text: &str| {
        let inside = docs.split(sign).find(|it| it.contains(text)).expect("a block");
        inside.split("```").next().expect("its text").to_owned()
    };
    let document = block("```json\n", "x-hopspan-explain");
    let transcript = block("```console\n", "$ ./build.sh explain");
    let (command, want) = transcript.split_once("-01'\n").expect("a command, then its output");
    let quoted = command.split('\'').skip(1).step_by(2).next().expect("the first header");
    assert_eq!(quoted, "x-hopspan-explain: 1");
    let arguments = [
        "explain",
        "--config",
        "-",
        "--source",
        "203.0.113.9",
        "--seed",
        "1",
        "-H",
        quoted,
        "-H",
        TRACEPARENT,
    ];
    for argument in arguments.iter().filter(|it| **it != "-") {
        assert!(transcript.contains(argument), "{argument}: {command}");
    }
    assert_eq!(run(&arguments, &document), (0, want.to_owned(), String::new()));
}

#[test]
fn json_says_the_same_to_programs() {
    let document = r#"{"explain": {"header": "x-why"}, "collector": {"cluster": "otel"},
        "trust": {"rules": [{"match": {"peer": "*"}, "action": "restart"}]}}"#;
    let (status, out, err) = run(
        &[
            "explain",
            "--config=-",
            "--json",
            "--seed=1",
            "--direction=inbound",
            "--cluster=shop",
            "-H",
            TRACEPARENT,
            "-H",
            "b3: caf\u{e9}\u{9b}",
            "-H",
            "x-why: 1",
        ],
        document,
    );
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.is_ascii(), "{out}");
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let span = "b1e2421860dd065d";
    let line = format!(
        "service=unknown_service:envoy; in=tracecontext; trust=continue; trust_by=default; \
         sampled=1; by=caller; trace={trace}; span={span}; parent={parent}; queue=0/4096"
    );
    let want = json!({
        "sampled": true,
        "summary": "Sampled: its caller is trusted, and had sampled it.",
        "line": line,
        "why": {
            "service": "unknown_service:envoy",
            "in": "tracecontext",
            "trust": "continue",
            "trust_by": "default",
            "sampled": "1",
            "by": "caller",
            "trace": trace,
            "span": span,
            "parent": parent,
            "queue": "0/4096",
        },
        "request_headers": [
            {
                "name": "traceparent",
                "change": "changed",
                "before": [format!("00-{trace}-{parent}-01")],
                "after": [format!("00-{trace}-{span}-01")],
            },
            {
                "name": "b3",
                "change": "changed",
                "before": ["caf\u{e9}\u{9b}"],
                "after": [format!("{trace}-{span}-1")],
            },
            { "name": "x-why", "change": "same", "before": ["1"], "after": ["1"] },
        ],
        "response_headers": [
            { "name": "x-why", "change": "added", "before": [], "after": [line] },
        ],
        "stats": {
            "hopspan.context.continued": 1,
            "hopspan.context.invalid.reason=.=syntax;.;": 1,
            "hopspan.sampling.sampled": 1,
        },
        "not_given": [
            { "option": "--peer", "assumed": "none", "asked_by": ["trust.rules[0]"] },
        ],
        "not_needed": ["--cluster"],
    });
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), want);
}

/// The line's items for a configuration whose only rule has this `match`.
fn why(rule: &str, options: &[&str]) -> Value {
    let document = format!(
        r#"{{"trust": {{"default": "restart", "rules": [{{"match": {rule}, "action": "continue"}}]}},
            "routes": {{"metadata": true}}}}"#
    );
    let (status, out, err) =
        run(&[&["explain", "--json", "--config", "-"], options].concat(), &document);
    assert_eq!((status, err.as_str()), (0, ""), "{options:?}");
    serde_json::from_str::<Value>(&out).expect("JSON")["why"].take()
}

#[test]
fn each_option_reaches_the_rule_that_looks_at_it() {
    for (rule, fits, other) in [
        (r#"{"method": "POST"}"#, &["--method", "POST"][..], &[][..]),
        (r#"{"host": "shop:80"}"#, &["--host", "shop:80"], &["--host", "shop"]),
        (r#"{"host": "shop"}"#, &["-H", "Host: shop"], &[]),
        (r#"{"path": "/a"}"#, &["--path", "/a?b"], &["--path", "/b?a"]),
        (r#"{"path": "/"}"#, &[], &["--path", "*"]),
        (r#"{"header": {"a": "2"}}"#, &["-H", "A: 1", "-H", "A: 2"], &["-H", "A: 1"]),
        (r#"{"direction": "inbound"}"#, &["--direction", "inbound"], &[]),
        (r#"{"direction": "outbound"}"#, &["--direction", "outbound"], &[]),
        (r#"{"direction": "gateway"}"#, &[], &["--direction", "inbound"]),
        (r#"{"direction": "gateway"}"#, &["--direction", "gateway"], &["--direction", "outbound"]),
        (
            r#"{"source": ["10.0.0.0/8"]}"#,
            &["--source", "10.0.0.7:5555"],
            &["--source", "11.0.0.7"],
        ),
        (r#"{"source": ["fd00::/8"]}"#, &["--source", "fd00::7"], &[]),
        (r#"{"peer": "spiffe://*"}"#, &["--peer", "spiffe://a/b"], &["--peer", "a.b"]),
        (r#"{"peer": "*.shop"}"#, &["--peer", "a.shop"], &[]),
        (r#"{"filter_chain": "a"}"#, &["--filter-chain", "a"], &["--filter-chain", "b"]),
        (r#"{"route": "a"}"#, &["--route", "a"], &[]),
    ] {
        assert_eq!(why(rule, fits)["trust_by"], "rule:0", "{rule} {fits:?}");
        assert_eq!(why(rule, other)["trust_by"], "default", "{rule} {other:?}");
    }
}

#[test]
fn each_option_of_the_route_and_the_proxy_has_its_say() {
    for (options, key, want) in [
        (&["--route-sampling-ratio", "0.25"][..], "by", "route"),
        (&["--route-sampling-ratio", "0.25"], "ratio", "0.25"),
        (&["--route-disabled", "true"], "by", "disabled"),
        (&["--route-disabled", "false"], "by", "ratio"),
        (&["--node-cluster", "shop"], "service", "shop"),
        (&["--env", "OTEL_SERVICE_NAME=pay", "--node-cluster", "shop"], "service", "pay"),
        (&["--env=OTEL_TRACES_SAMPLER=always_off"], "ratio", "0"),
    ] {
        assert_eq!(why("{}", options)[key], want, "{options:?}");
    }
    let strip = r#"{"direction": "outbound", "trust": {"strip_on_egress": {"clusters": "pay"}}}"#;
    let (_, out, _) = run(&["explain", "--config=-", "--cluster=pay", "-H", TRACEPARENT], strip);
    assert!(out.contains("  removed  traceparent"), "{out}");
}

#[test]
fn without_a_seed_ids_are_new_each_time() {
    let explain = |more: &[&str]| run(&[&["explain"][..], more].concat(), "").1;
    assert_ne!(explain(&[]), explain(&[]));
    assert_ne!(explain(&["--seed", "1"]), explain(&["--seed", "2"]));
}

#[test]
fn a_configuration_with_problems_explains_nothing() {
    let bad = r#"{"sampling":{"ratio":50},"collector":{"timeout_ms":0}}"#;
    let want = "stdin: collector.timeout_ms: must be 1 to 60000, not 0\n\
                stdin: sampling.ratio: must be 0 to 1, not 50\n";
    assert_eq!(run(&["explain", "--config", "-"], bad), (1, String::new(), want.to_owned()));
}

/// A proxy warns of it and starts, so it is no reason to say nothing.
#[test]
fn what_a_proxy_would_warn_of_is_a_warning() {
    let (status, out, err) = run(&["explain", "--config", "-"], r#"{"colector":{}}"#);
    let want = "stdin: warning: colector: is no key of hopspan; is it collector?\n";
    assert_eq!((status, err.as_str()), (0, want));
    assert!(out.starts_with("Sampled: "), "{out}");
}

#[test]
fn what_is_no_part_of_a_request_is_refused_by_name() {
    for (arguments, want) in [
        (&["-H", "b3=1"][..], "'--header <NAME: VALUE>': it has no colon"),
        (
            &["-H", "x: \u{1b}[2J\r"],
            "'--header <NAME: VALUE>': its value has the control character",
        ),
        (&["-H", ":path: /cart"], "there are --method, --host and --path"),
        (&["--source", "10.0.0"], "'--source <ADDRESS>': an address is IPv4 or IPv6"),
        (&["--direction", "up"], "[possible values: inbound, outbound, gateway]"),
        (&["--method", "GET /"], "a method is a word like GET"),
        (&["--path", "cart"], "a path begins with /"),
        (&["--host", "http://shop/"], "a host is a name or an address"),
        (&["--host", "a", "-H", "Host: b"], "hopspan: a request has one host"),
        (&["--peer", ""], "a value is required for '--peer <NAME>'"),
        (&["--env", "OTEL_SDK_DISABLED"], "a variable is NAME=VALUE"),
        (&["--seed", "one"], "invalid digit"),
        (&["--config", "no/such/file"], "hopspan: no/such/file: No such file"),
    ] {
        let (status, out, err) = run(&[&["explain"], arguments].concat(), "");
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(want), "{arguments:?}: {err}");
        assert!(err.chars().all(|it| it == '\n' || !it.is_control()), "{err:?}");
    }
}

/// Each of the cases that the page and the module are held to as well.
#[test]
fn the_command_says_what_the_filter_does() {
    for case in cases::all() {
        let mut arguments =
            vec!["explain".to_owned(), "--json".to_owned(), "--config=-".to_owned()];
        arguments.extend(case.headers.iter().map(|it| format!("--header={it}")));
        arguments.extend(case.known.iter().map(|(name, value)| format!("--{name}={value}")));
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let got = match run(&arguments, &case.config) {
            (1, _, problems) => {
                let paths = problems.lines().filter_map(|it| it.split(": ").nth(1));
                let mut paths: Vec<_> = paths.map(str::to_owned).collect();
                paths.sort();
                Want::Refused(paths)
            }
            (status, out, err) => {
                assert_eq!((status, err.as_str()), (0, ""), "{}", case.why);
                said(&case, &serde_json::from_str(&out).expect("JSON"))
            }
        };
        assert_eq!(got, case.want, "{}", case.why);
    }
}
