//! `tracestate`: other vendors' lists, passed on by the specification's rules.

use crate::hopspan::{Hopspan, INBOUND, SAMPLED, sampled_get, sent};
use proptest::prelude::*;

/// What becomes of these `tracestate` headers.
fn passed_on(hopspan: &Hopspan, states: &[impl AsRef<[u8]>]) -> Option<String> {
    let stream = hopspan.stream();
    let request = states.iter().fold(sampled_get(), |it, state| it.and("tracestate", state));
    stream.request_headers(request, true);
    assert_eq!(sent(&stream).trace_id, crate::hopspan::TRACE, "the trace goes on in any case");
    let headers = stream.upstream_headers();
    let values = headers.values("tracestate");
    assert!(values.len() <= 1, "one header at most: {headers:?}");
    let value = values.first().map(|it| String::from_utf8(it.to_vec()).expect("text"));
    assert_ne!(value.as_deref(), Some(""), "never an empty one");
    stream.respond(200);
    stream.finish();
    value
}

/// The members of a valid list, by the ABNF.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#tracestate-header-field-values>
fn members(list: &str) -> Option<Vec<(String, String)>> {
    let mut members: Vec<(String, String)> = Vec::new();
    for member in list.split(',').map(|it| it.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let begins = key.starts_with(|it: char| it.is_ascii_lowercase() || it.is_ascii_digit());
        let keychar =
            |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "_-*/@".contains(it);
        let chr = |it: char| matches!(it, ' '..='~') && it != ',' && it != '=';
        let lengths = key.len() <= 256 && (1..=256).contains(&value.len());
        let again = members.iter().any(|(it, _)| it == key);
        if !begins || !key.chars().all(keychar) || !value.chars().all(chr) || !lengths || again {
            return None;
        }
        members.push((key.to_owned(), value.to_owned()));
    }
    Some(members)
}

#[test]
fn lists_go_on_joined_checked_and_never_empty() {
    let hopspan = Hopspan::start(INBOUND);
    let long = format!("a={}", "x".repeat(257));
    for (why, states, want) in [
        ("none", &[][..], None),
        (
            "one",
            &[b"rojo=00f067aa0ba902b7,congo=t61" as &[u8]],
            Some("rojo=00f067aa0ba902b7,congo=t61"),
        ),
        ("tenants", &[b"fw529a3039@dt=x,a-b_c*d/e=1"], Some("fw529a3039@dt=x,a-b_c*d/e=1")),
        ("several headers are one list", &[b"a=1", b"b=2", b"c=3"], Some("a=1,b=2,c=3")),
        ("an empty header among them", &[b"a=1", b"", b"c=3"], Some("a=1,c=3")),
        ("empty", &[b""], None),
        ("white space and commas", &[b" ,\t, "], None),
        ("an upper-case key", &[b"a=1,B=2"], None),
        ("bad in a second header", &[b"a=1", b"=2"], None),
        ("a key twice", &[b"a=1,a=2"], None),
        ("a key twice in two headers", &[b"a=1", b"a=2"], None),
        ("no value", &[b"a="], None),
        ("not UTF-8", &[b"a=\xff"], None),
        ("a line break", &[b"a=1\r\nx-evil: 1"], None),
        ("a value too long", &[long.as_bytes()], None),
    ] {
        assert_eq!(passed_on(&hopspan, states).as_deref(), want, "{why}");
    }
}

#[test]
fn long_lists_lose_whole_members_from_the_end() {
    let hopspan = Hopspan::start(INBOUND);
    let short =
        |count: usize| (0..count).map(|it| format!("k{it}=v")).collect::<Vec<_>>().join(",");
    assert_eq!(passed_on(&hopspan, &[short(32)]), Some(short(32)), "32 members are allowed");
    assert_eq!(passed_on(&hopspan, &[short(40)]), Some(short(32)), "the right-most go");

    let big = format!("big={}", "x".repeat(140));
    let rest: Vec<_> = (0..8).map(|it| format!("m{it}={}", "y".repeat(50))).collect();
    let list = format!("{big},{}", rest.join(","));
    assert!(list.len() > 512);
    assert_eq!(passed_on(&hopspan, &[list]), Some(rest.join(",")), "members past 128 go first");
}

/// The context is a span's too, as it went on.
#[test]
fn the_span_carries_the_list_that_went_on() {
    let hopspan = Hopspan::start(INBOUND);
    passed_on(&hopspan, &["a=1", "b=2"]);
    assert_eq!(hopspan.span().span.trace_state, "a=1,b=2");
}

#[test]
fn without_a_valid_parent_there_is_no_list() {
    let hopspan = Hopspan::start(INBOUND);
    for parent in ["", "00-0-0-01", &SAMPLED[1..]] {
        let stream = hopspan.stream();
        stream.request_headers(
            sampled_get().with("traceparent", parent).with("tracestate", "a=1"),
            true,
        );
        assert_eq!(stream.upstream_headers().text("tracestate"), None, "{parent}");
        stream.finish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_goes_on_agrees_with_the_grammar(
        lists in prop::collection::vec("([ab1@A_]{0,3}(=[xy =é]{0,4})?[, \t]{0,2}){0,6}", 0..4),
    ) {
        let want = members(&lists.join(",")).filter(|it| !it.is_empty());
        let found = passed_on(&Hopspan::start(INBOUND), &lists);
        prop_assert_eq!(found.as_deref().and_then(members), want, "{:?}", found);
    }
}
