//! What is wrong with headers: no context of theirs goes on, and each reason is noted.

use super::*;

#[test]
fn each_reason_is_noted_once_and_what_is_right_counts() {
    let default = Propagation::default();
    let b3 = format!("{TRACE}-{SPAN}-1");
    let other = format!("{OTHER}-{SPAN}-1");
    let good = || Some(format!("{TRACE}/{SPAN} sample"));
    for (why, headers, context, reasons) in [
        ("nothing", &[][..], None, &[][..]),
        ("what is right", &[("traceparent", PARENT), ("b3", &b3)], good(), &[]),
        (
            "the first is wrong, the second right",
            &[("traceparent", "00-x"), ("b3", &b3)],
            good(),
            &[Invalid::Syntax],
        ),
        (
            "the first is right, the second wrong",
            &[("traceparent", PARENT), ("b3", "x")],
            good(),
            &[Invalid::Syntax],
        ),
        (
            "both are wrong in one way",
            &[("traceparent", "00-x"), ("b3", "x")],
            None,
            &[Invalid::Syntax],
        ),
        (
            "each is wrong in its own",
            &[("traceparent", PARENT), ("traceparent", PARENT), ("x-b3-spanid", SPAN)],
            None,
            &[Invalid::Repeated, Invalid::Incomplete],
        ),
        (
            "a tracestate loses itself",
            &[("traceparent", PARENT), ("tracestate", "A=1")],
            good(),
            &[Invalid::Tracestate],
        ),
        (
            "in several headers",
            &[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "a=2")],
            good(),
            &[Invalid::Tracestate],
        ),
        (
            "it is not read without a parent",
            &[("traceparent", "ff-x"), ("tracestate", "A=1")],
            None,
            &[Invalid::Syntax],
        ),
        ("nor alone", &[("tracestate", "A=1")], None, &[]),
        (
            "of B3 the first value wins",
            &[("b3", &b3), ("b3", &other)],
            good(),
            &[Invalid::Repeated],
        ),
        (
            "even a wrong one",
            &[("b3", "x"), ("b3", &b3)],
            None,
            &[Invalid::Repeated, Invalid::Syntax],
        ),
        ("what is not read", &[("uber-trace-id", "x")], None, &[]),
    ] {
        assert_eq!(wrong(&default, headers), reasons, "{why}");
        assert_eq!(extracted(&default, headers).0, context, "{why}");
    }
}

/// Each header of each format in turn: too long, with a byte that no grammar has, and twice.
#[test]
fn a_hostile_value_in_any_header_begins_a_new_trace() {
    for format in Format::ALL {
        let propagation = all(&[format]);
        let good = sample(format, TRACE);
        assert_eq!(wrong(&propagation, &borrowed(&good)), []);
        for (at, (name, value)) in good.iter().enumerate() {
            let mut long = good.clone();
            long[at].1 += &"1".repeat(60_000);
            let mut odd = good.clone();
            odd[at].1 = format!("{}\u{1}", &value[..value.len() - 1]);
            let mut twice = good.clone();
            twice.push((name.clone(), sample(format, OTHER)[at].1.clone()));
            for (reason, headers) in
                [(Invalid::TooLong, long), (Invalid::Syntax, odd), (Invalid::Repeated, twice)]
            {
                let why = format!("{name}: {reason:?}");
                assert_eq!(wrong(&propagation, &borrowed(&headers)), [reason], "{why}");
                let (context, ..) = extracted(&propagation, &borrowed(&headers));
                let is_b3 = matches!(format, Format::B3 | Format::B3Multi);
                let left = match (is_b3 && reason == Invalid::Repeated, name.as_str()) {
                    (true, _) => Some(format!("{TRACE}/{OURS} sample")),
                    (_, "x-datadog-tags") => Some(format!("{}/{OURS} sample", &TRACE[16..])),
                    _ => None,
                };
                assert_eq!(context, left, "{why}");
                let mut headers = headers;
                headers.push(("x-other".to_owned(), "1".to_owned()));
                let out = pass_on(&propagation, &borrowed(&headers));
                assert_eq!(wrong(&propagation, &borrowed(&out)), [], "{why}: it does not go on");
                assert!(out.contains(&("x-other".to_owned(), "1".to_owned())), "{why}");
            }
        }
    }
}
