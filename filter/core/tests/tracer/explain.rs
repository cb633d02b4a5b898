//! The line that says why.

use super::*;

/// The line, taken apart.
fn told(tracer: &mut Tracer, headers: &[(&str, &str)]) -> Option<HashMap<String, String>> {
    let mut host = Scripted::answered("200");
    let mut span = start(tracer, headers, &mut host).span?;
    assert_eq!(span.wants_response(), !span.told.is_empty());
    let edits = tracer.respond(&mut span, &mut host, || ms(1));
    let [Edit::AddChosen(name, line)] = &edits[..] else { return None };
    assert_eq!(&**name, "x-why");
    assert!(line.iter().all(|it| (b' '..=b'~').contains(it)), "{}", line.escape_ascii());
    let line = String::from_utf8_lossy(line);
    let item = |item: &str| {
        let (key, value) = item.split_once('=')?;
        assert!(!value.is_empty() && !value.contains([' ', ';']), "{line}");
        Some((key.to_owned(), value.to_owned()))
    };
    line.split("; ").map(item).collect()
}

fn explaining(more: &str) -> Tracer {
    tracer(&format!(
        r#"{{"service":{{"name":"shop; north"}},"explain":{{"header":"X-Why"}},
            "collector":{{"cluster":"c"}},{more}}}"#
    ))
}

#[test]
fn a_trusted_caller_learns_what_was_decided_and_by_whom() {
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let other = format!("80f198ee56343ba864fe8b2a57d3eff7-{PARENT}-0");
    let rules = r#""direction":"inbound","trust":{"rules":[{"match":{"method":"GET"},"action":"continue"}]},
        "sampling":{"ratio":0,"rules":[{"match":{"method":"POST"},"ratio":0.25},{"ratio":0.125}],
                    "force":{"header":"x-force"}}"#;
    let agent = ("user-agent", "kube-probe/1");
    for (why, headers, want) in [
        (
            "a new trace",
            &[][..],
            "in=none trust=continue trust_by=rule:0 sampled=0 by=rule:1 ratio=0.125",
        ),
        ("another rule", &[(":method", "POST")], "trust_by=default sampled=0 by=rule:0 ratio=0.25"),
        ("a caller's", &[("traceparent", &parent[..])], "in=tracecontext sampled=1 by=caller"),
        ("two", &[("traceparent", &parent), ("b3", &other)], "conflicts=1 in=tracecontext"),
        ("forced", &[("x-force", "1")], "in=none sampled=1 by=force"),
        ("debug", &[("b3", "d")], "in=none sampled=1 by=debug"),
        ("a probe", &[agent], "sampled=0 by=health_check"),
        (
            "an export",
            &[(":method", "POST"), (":path", "/v1/traces"), (":authority", "c"), ("b3", "d")],
            "in=none sampled=0 by=export",
        ),
    ] {
        let mut tracer = explaining(rules);
        let headers = [headers, &[("x-why", "")]].concat();
        let told = told(&mut tracer, &headers).unwrap_or_else(|| panic!("{why}: nothing"));
        for (key, value) in want.split(' ').map(|it| it.split_once('=').unwrap()) {
            assert_eq!(told.get(key).map(String::as_str), Some(value), "{why}: {told:?}");
        }
        assert_eq!(told["service"], "shop__north", "{why}");
        assert_eq!(told["queue"], "0/4096", "{why}");
        assert_eq!(told.contains_key("parent"), told["in"] == "tracecontext", "{why}");
        if told["in"] == "tracecontext" {
            assert_eq!((&told["trace"][..], &told["parent"][..]), (TRACE, PARENT), "{why}");
        }
        let conflicts = headers.iter().filter(|(name, _)| *name == "traceparent").count() == 1
            && headers.iter().any(|(name, _)| *name == "b3");
        assert_eq!(told.contains_key("conflicts"), conflicts, "{why}");
    }
}

#[test]
fn nobody_else_learns_anything() {
    let inbound = r#""direction":"inbound""#;
    assert_eq!(told(&mut explaining(inbound), &[]), None, "who does not ask");
    let mut gateway = explaining(r#""direction":"gateway""#);
    let mut host = Scripted::answered("200");
    let started = start(&mut gateway, &[("x-why", "")], &mut host);
    assert_eq!(written(&started).last().unwrap(), "-x-why", "nor do the hops behind");
    assert!(started.span.unwrap().told.is_empty());
    assert_eq!(gateway.stats.get(Stat::UntrustedExplain), 1);
    let mut off = tracer(r#"{"direction":"inbound"}"#);
    assert_eq!(told(&mut off, &[("x-why", "")]), None, "no such header");
}
