//! `hopspan check`

mod envoy;
mod examples;
mod kubernetes;
mod mistake;

use super::run;

#[test]
fn a_good_configuration_is_ok_and_shown_in_full() {
    let (status, out, err) = run(
        &["check", "-"],
        r#"{"collector": {"cluster": "otel", "headers": {"Authorization": "Bearer ${TOKEN}"}}}"#,
    );
    assert_eq!(
        err,
        "stdin:1: note: needs TOKEN in the VM's environment_variables\n\
         stdin: OK\n"
    );
    assert_eq!(
        out,
        r#"{
  "access_log": {
    "filter_state": false
  },
  "batch": {
    "max_export_batch_bytes": 1048576,
    "max_export_batch_size": 512,
    "max_in_flight": 2,
    "max_open_bytes": 67108864,
    "max_queue_bytes": 4194304,
    "max_queue_size": 4096,
    "schedule_delay_ms": 1000
  },
  "collector": {
    "authority": "otel",
    "cluster": "otel",
    "compression": "none",
    "headers": {
      "authorization": "***"
    },
    "metrics_path": "/v1/metrics",
    "protocol": "http/protobuf",
    "timeout_ms": 10000,
    "traces_path": "/v1/traces"
  },
  "direction": "auto",
  "explain": {},
  "metrics": {
    "announce_caller": "auto",
    "exemplars": true,
    "histogram": "explicit",
    "interval_ms": 10000,
    "max_host_histograms": 100,
    "max_series": 500,
    "proxy_time": false,
    "to": [
      "otlp"
    ]
  },
  "propagation": {
    "baggage_attributes": [],
    "clear": [],
    "extract": [
      "tracecontext",
      "b3",
      "b3multi",
      "grpc-trace-bin"
    ],
    "inject": [
      "tracecontext",
      "preserve"
    ]
  },
  "resource_attributes": {},
  "response": {
    "server_timing": false,
    "traceresponse": false
  },
  "retry": {
    "enabled": true,
    "initial_backoff_ms": 1000,
    "max_backoff_ms": 30000,
    "max_elapsed_ms": 120000
  },
  "role": "downstream",
  "routes": {
    "learn": true,
    "max": 200,
    "metadata": false,
    "patterns": []
  },
  "sampling": {
    "force": {},
    "keep": {
      "errors": false
    },
    "ratio": 1.0,
    "rules": [],
    "skip_health_checks": true
  },
  "service": {
    "name": "unknown_service:envoy"
  },
  "services": [],
  "spans": {
    "attribute_count_limit": 128,
    "attribute_value_length_limit": 1024,
    "attributes": [],
    "detail": "full",
    "kind": "auto",
    "name": "{method} {route}",
    "redact": {
      "mode": "mask",
      "path": "raw",
      "query": "all"
    }
  },
  "strict": false,
  "trust": {
    "default": "auto",
    "rules": [],
    "strip_on_egress": {}
  }
}
"#
    );
    assert_eq!(status, 0);
}

#[test]
fn what_is_odd_is_said_and_accepted() {
    let (status, _, err) = run(&["check", "-"], r#"{"collector": {"timeout_ms": 5}}"#);
    assert_eq!(
        (status, err.as_str()),
        (0, "stdin:1: warning: collector: has no cluster, so nothing is exported\nstdin: OK\n")
    );
}

#[test]
fn each_problem_is_a_line_and_unknown_keys_are_problems() {
    let dir = std::env::temp_dir().join(format!("hopspan-check-{}", std::process::id()));
    std::fs::create_dir(&dir).expect("a directory of our own");
    let file = dir.join("bad.json");
    let document =
        "{\"sampling\":{\n\"ratio\":50},\n\"colector\":{},\"collector\":{\n\"timeout_ms\":0}}";
    std::fs::write(&file, document).expect("a file");
    let name = file.to_str().expect("a name");
    let outcome = run(&["check", name], "");
    std::fs::remove_dir_all(&dir).expect("it was ours");
    let want = format!(
        "{name}:2: sampling.ratio: must be 0 to 1, not 50\n\
         {name}:3: colector: is no key of hopspan; is it collector?\n\
         {name}:4: collector.timeout_ms: must be 1 to 60000, not 0\n"
    );
    assert_eq!(outcome, (1, String::new(), want));
}

#[test]
fn text_that_is_not_json_is_named_with_its_place() {
    let want = "stdin:2: line 2 column 1: is not JSON: EOF while parsing an object\n";
    assert_eq!(run(&["check", "-"], "{\n"), (1, String::new(), want.to_owned()));
}

#[test]
fn a_file_that_cannot_be_read_is_not_judged() {
    let (status, out, err) = run(&["check", "no/such/file.json"], "");
    assert_eq!((status, out.as_str()), (2, ""));
    assert_eq!(err, "hopspan: no/such/file.json: No such file or directory (os error 2)\n");
}

#[test]
fn a_configuration_may_be_yaml() {
    let (status, out, err) = run(&["check", "-"], "collector:\n  cluster: otel\n  timeout: 5\n");
    let want = "stdin:3: collector.timeout: is no key of hopspan; is it collector.timeout_ms?\n";
    assert_eq!((status, out.as_str(), err.as_str()), (1, "", want));
    let (status, out, err) = run(&["check", "-"], "collector: { cluster: otel }\n");
    assert_eq!((status, err.as_str()), (0, "stdin: OK\n"));
    assert!(out.contains("\"cluster\": \"otel\""), "{out}");
}

#[test]
fn yaml_that_is_none_is_named_with_its_line() {
    for (why, document, line) in [
        ("a key twice", "static_resources:\n  clusters: []\n  clusters: []\n", 3),
        ("a bracket that does not close", "static_resources:\n  clusters: [\nadmin: {}\n", 3),
    ] {
        let (status, out, err) = run(&["check", "-"], document);
        assert_eq!((status, out.as_str()), (1, ""), "{why}");
        assert!(err.starts_with(&format!("stdin:{line}: is not YAML: ")), "{why}: {err}");
    }
}

#[test]
fn yaml_that_is_built_to_fill_memory_is_refused() {
    let mut document = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = format!("*a{}", level - 1);
        let members = vec![previous; 10].join(", ");
        document += &format!("a{level}: &a{level} [{members}]\n");
    }
    let (status, _, err) = run(&["check", "-"], &document);
    assert_eq!(status, 1);
    assert!(err.contains("has more values than can be judged"), "{err}");
    let deep = "[".repeat(10_000);
    let (status, _, err) = run(&["check", "-"], &deep);
    assert_eq!(status, 1, "{err}");
}

#[test]
fn a_file_without_hopspan_is_a_mistake() {
    let want = "stdin: nothing of hopspan's is in it\n";
    let document = "static_resources:\n  listeners: []\n";
    assert_eq!(run(&["check", "-"], document), (1, String::new(), want.to_owned()));
}
