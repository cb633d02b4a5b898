//! `propagation`, and what `OTEL_PROPAGATORS` says where it is silent.

use super::*;

/// The lists of the effective configuration: extract, inject, clear.
#[track_caller]
fn check(env: &str, propagation: Value, want: [&str; 3], warnings: &[&str]) {
    let env = [("OTEL_PROPAGATORS", env)];
    let proxy = Proxy { env: &env, ..Proxy::default() };
    let document = json!({"propagation": propagation}).to_string();
    for (key, want) in ["extract", "inject", "clear"].into_iter().zip(want) {
        let got = proxy.effective(&document, &format!("/propagation/{key}"));
        let got: Vec<_> = got.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(got.join(","), want, "{env:?} {document}: {key}");
    }
    assert_eq!(proxy.read(&document).unwrap().warnings, warnings, "{env:?}");
}

const EXTRACT: &str = "tracecontext,b3,b3multi,grpc-trace-bin";
const INJECT: &str = "tracecontext,preserve";

#[test]
fn opentelemetrys_propagators_are_read_and_written() {
    for (env, extract, inject) in [
        ("tracecontext", "tracecontext", "tracecontext,preserve"),
        ("tracecontext,baggage", "tracecontext", "tracecontext,preserve"),
        ("baggage", EXTRACT, INJECT),
        ("", EXTRACT, INJECT),
        ("b3", "b3,b3multi", "b3,preserve"),
        ("b3multi,tracecontext", "b3,b3multi,tracecontext", "b3multi,tracecontext,preserve"),
        ("b3, b3multi ,b3", "b3,b3multi", "b3multi,b3,preserve"),
        ("jaeger,xray", "jaeger,xray", "jaeger,xray,preserve"),
        ("none", "", ""),
        ("none,baggage", "", ""),
    ] {
        check(env, json!({}), [extract, inject, ""], &[]);
    }
}

#[test]
fn the_document_wins_over_the_environment() {
    let written = json!({"extract": ["gcp"]});
    check("b3", written, ["gcp", "b3,preserve", ""], &[]);
    check("b3", json!({"inject": []}), ["b3,b3multi", "", ""], &[]);
}

#[test]
fn an_unknown_propagator_is_said_and_ignored() {
    let known =
        "tracecontext, b3, b3multi, grpc-trace-bin, jaeger, xray, datadog, gcp, baggage, none";
    let said = format!("OTEL_PROPAGATORS: \"ottrace\" is none of {known}; it is ignored");
    check("ottrace,tracecontext", json!({}), ["tracecontext", INJECT, ""], &[&said]);
    check("ottrace", json!({}), [EXTRACT, INJECT, ""], &[&said]);
    let both = "OTEL_PROPAGATORS: has none beside others; it is ignored";
    check("none,b3", json!({}), [EXTRACT, INJECT, ""], &[both]);
}

#[test]
fn what_is_cleared_is_not_injected_by_default() {
    check(
        "",
        json!({"clear": ["tracecontext", "b3"]}),
        [EXTRACT, "preserve", "tracecontext,b3"],
        &[],
    );
}

#[test]
fn wrong_lists_are_refused() {
    let words = r#""tracecontext", "b3", "b3multi", "grpc-trace-bin", "jaeger", "xray", "datadog" or "gcp""#;
    for (propagation, want) in [
        (json!({"extract": "b3"}), "propagation.extract: must be a list of 8 at most, not \"b3\"".to_owned()),
        (json!({"extract": ["b3", "B3"]}), format!("propagation.extract[1]: must be {words}, not \"B3\"")),
        (json!({"extract": ["preserve"]}), format!("propagation.extract[0]: must be {words}, not \"preserve\"")),
        (json!({"clear": ["b3", "b3"]}), "propagation.clear[1]: is there twice".to_owned()),
        (
            json!({"inject": ["b3"], "clear": ["gcp", "b3"]}),
            "propagation.clear: must not have \"b3\", which is in propagation.inject as well".to_owned(),
        ),
        (
            json!({"baggage_attributes": ["a b"]}),
            "propagation.baggage_attributes[0]: must be a key of baggage: letters, digits and \
             !#$%&'*+-.^_`|~, not \"a b\"".to_owned(),
        ),
        (
            json!({"baggage_attributes": ["url.path"]}),
            "propagation.baggage_attributes[0]: must not be \"url.path\", an attribute that spans have".to_owned(),
        ),
        (json!({"baggage_attributes": ["a", "a"]}), "propagation.baggage_attributes[1]: is there twice".to_owned()),
    ] {
        let document = json!({"propagation": propagation}).to_string();
        assert_eq!(Proxy::default().read(&document).unwrap_err(), want, "{document}");
    }
}
