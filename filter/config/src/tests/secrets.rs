//! The headers of requests: what they may be, and that nobody gets to read them.

use super::*;

const SECRET: &str = "s3cret";

#[test]
fn a_header_that_cannot_be_sent_is_refused() {
    for (headers, want) in [
        (
            json!("x"),
            ": must be an object of header names and values, 64 at most, not the hidden text that is there",
        ),
        (
            json!({"a b": "x"}),
            r#"["a b"]: must have a name of letters, digits and !#$%&'*+-.^_`|~"#,
        ),
        (
            json!({":path": "/"}),
            r#"[":path"]: must have a name of letters, digits and !#$%&'*+-.^_`|~"#,
        ),
        (json!({"": "x"}), r#"[""]: must have a name of letters, digits and !#$%&'*+-.^_`|~"#),
        (json!({"Content-Type": "x"}), ".Content-Type: is a header that hopspan or the proxy sets"),
        (json!({"user-agent": "x"}), ".user-agent: is a header that hopspan or the proxy sets"),
        (json!({"X-B3-Sampled": "1"}), ".X-B3-Sampled: is a header that hopspan or the proxy sets"),
        (json!({"A": "x", "a": "x"}), ".a: is there twice: upper and lower case are the same"),
        (json!({"a": 5}), ".a: must be a text, not a number"),
        (json!({"a": {"b": "c"}}), ".a: must be a text, not an object"),
        (
            json!({"a": "${NOPE}"}),
            r#".a: needs "NOPE" in the VM's environment_variables; it is not set"#,
        ),
        (
            json!({"a": "${EMPTY}"}),
            r#".a: needs "EMPTY" in the VM's environment_variables; it is not set"#,
        ),
        (json!({"a": "${TOKEN"}), ".a: has a ${ that does not go on with a variable's name and }"),
        (json!({"a": "${1}"}), ".a: has a ${ that does not go on with a variable's name and }"),
    ] {
        let proxy = Proxy { env: &[("TOKEN", SECRET), ("EMPTY", "")], ..Proxy::default() };
        let document = json!({"collector": {"headers": headers}}).to_string();
        let got = proxy.read(document).map(|it| it.effective);
        assert_eq!(got, Err(format!("collector.headers{want}")), "{headers}");
    }
}

#[test]
fn a_value_is_visible_ascii_with_spaces_inside() {
    for (value, fits) in [
        ("", true),
        ("a", true),
        ("Basic dXNlcjpwYXNz==", true),
        ("a  b", true),
        ("$5 {x} $", true),
        (" a", false),
        ("a ", false),
        ("a\tb", false),
        ("a\r\nb: c", false),
        ("a\u{7f}", false),
        ("é", false),
        (&"x".repeat(8192), true),
        (&"x".repeat(8193), false),
    ] {
        for (written, variable) in [(value, "x"), ("${VALUE}", value)] {
            if variable.is_empty() {
                continue;
            }
            let document = json!({"collector": {"headers": {"x": written}}}).to_string();
            let proxy = Proxy { env: &[("VALUE", variable)], ..Proxy::default() };
            assert_eq!(proxy.read(document).is_ok(), fits, "{written:?} {variable:?}");
        }
    }
}

#[test]
fn a_header_value_is_in_no_message() {
    let bad = format!("{SECRET}\n");
    let long = SECRET.repeat(2000);
    let list = format!("a={SECRET},b");
    let odd = format!("a={SECRET}%0a");
    let name = format!("content-type={SECRET}");
    let headers = [
        json!({"authorization": SECRET}),
        json!({"authorization": "Bearer ${TOKEN}"}),
        json!({"authorization": bad}),
        json!({"authorization": long}),
        json!({"authorization": [SECRET]}),
        json!({"authorization": {"value": SECRET}}),
        json!({"bad name": SECRET}),
        json!({"host": SECRET}),
        json!({"a": SECRET, "A": SECRET}),
        json!({"a": format!("{SECRET}${{")}),
        json!([{"authorization": SECRET}]),
        json!(SECRET),
    ];
    let documents = headers.iter().flat_map(|headers| {
        [
            json!({"collector": {"cluster": "c", "headers": headers}}).to_string(),
            json!({"strict": true, "colector": {"headers": headers}}).to_string(),
            json!({"collector": {"header": headers}}).to_string(),
            json!({"collector": [headers]}).to_string(),
            // Text that breaks off within the secret, and behind it.
            format!(r#"{{"collector": {{"headers": {headers}"#),
            format!(r#"{{"collector": {{"headers": {{"a": "{SECRET}"#),
        ]
    });
    for document in documents {
        for variable in [SECRET, &list, &odd, &name] {
            let env = [("TOKEN", variable), ("OTEL_EXPORTER_OTLP_HEADERS", variable)];
            let said = match (Proxy { env: &env, ..Proxy::default() }).read(&document) {
                Ok(config) => format!("{} {:?}", config.effective, config.warnings),
                Err(problems) => problems,
            };
            assert!(!said.contains("s3c"), "{document} {variable}: {said}");
        }
    }
}

#[test]
fn the_effective_configuration_shows_that_there_is_a_header() {
    let document = r#"{"collector": {"headers": {"Authorization": "s3cret"}}}"#;
    let want = json!({"authorization": "***"});
    assert_eq!(Proxy::default().effective(document, "/collector/headers"), want);
}

#[test]
fn headers_of_the_environment_that_cannot_be_sent_are_ignored_whole() {
    for (list, why) in [
        ("a=1,b", "member 2 is not key=value"),
        ("a=1,host=x", "member 2 is a header that hopspan or the proxy sets"),
        (
            "a=%0a",
            "member 1 must be visible ASCII characters, with spaces only between them, 8192 at most (the value is not shown)",
        ),
    ] {
        let proxy = Proxy { env: &[("OTEL_EXPORTER_OTLP_HEADERS", list)], ..Proxy::default() };
        let config = proxy.read(r#"{"collector": {"cluster": "c"}}"#).unwrap();
        assert_eq!(
            config.warnings,
            [format!("OTEL_EXPORTER_OTLP_HEADERS: {why}; it is ignored")],
            "{list}"
        );
        assert_eq!(config.collector.unwrap().headers, []);
    }
}
