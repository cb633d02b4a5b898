//! What goes on: written, preserved, removed or left alone.

use super::*;

#[test]
fn nobody_behind_sees_two_traces() {
    let traceparent = format!("00-{TRACE}-{OURS}-01");
    let b3 = format!("{TRACE}-{OURS}-1");
    let preserve = Propagation::default();
    let alone = Propagation { preserve: false, ..Propagation::default() };
    let nothing = Propagation { inject: Formats::default(), ..alone.clone() };
    let clear = Propagation { clear: [Format::B3].into_iter().collect(), ..Propagation::default() };
    let amazon = "Root=1-67891233-abcdef012345678912345678";
    let old = format!("{TRACE}-{SPAN}-1");
    let other = format!("{OTHER}-{SPAN}-1");
    for (why, propagation, came, want) in [
        (
            "what came in is preserved",
            &preserve,
            &[("traceparent", PARENT), ("b3", &old)][..],
            &[("traceparent", &traceparent[..]), ("b3", &b3)][..],
        ),
        (
            "and translated",
            &preserve,
            &[("b3", &old)],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "another trace is written over",
            &preserve,
            &[("traceparent", PARENT), ("b3", &other)],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "so is what nobody can read",
            &preserve,
            &[("traceparent", PARENT), ("b3", "x")],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "several become one",
            &preserve,
            &[("traceparent", PARENT), ("b3", &old), ("b3", "x")],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "what is not listed stays",
            &preserve,
            &[("traceparent", PARENT), ("x-amzn-trace-id", amazon), ("x-cloud-trace-context", "x")],
            &[
                ("x-amzn-trace-id", amazon),
                ("x-cloud-trace-context", "x"),
                ("traceparent", &traceparent),
            ],
        ),
        (
            "without preserve, the same trace stays",
            &alone,
            &[("traceparent", PARENT), ("b3", &old)],
            &[("b3", &old), ("traceparent", &traceparent)],
        ),
        (
            "another does not",
            &alone,
            &[("traceparent", PARENT), ("b3", &other)],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "nor what nobody can read",
            &alone,
            &[("traceparent", PARENT), ("b3", "x")],
            &[("traceparent", &traceparent)],
        ),
        (
            "nor several values, though the first is of that trace",
            &alone,
            &[("traceparent", PARENT), ("b3", &old), ("b3", &other)],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "nor a decision alone",
            &alone,
            &[("traceparent", PARENT), ("b3", "0")],
            &[("traceparent", &traceparent), ("b3", &b3)],
        ),
        (
            "nothing is injected",
            &nothing,
            &[("traceparent", PARENT), ("b3", &old)],
            &[("traceparent", PARENT), ("b3", &old)],
        ),
        (
            "nothing is injected, but for what nobody may pass on",
            &nothing,
            &[("traceparent", PARENT), ("tracestate", "A=1")],
            &[("traceparent", &traceparent)],
        ),
        (
            "cleared",
            &clear,
            &[("traceparent", PARENT), ("b3", &old)],
            &[("traceparent", &traceparent)],
        ),
        (
            "cleared, though malformed",
            &clear,
            &[("traceparent", PARENT), ("b3", "x"), ("b3", "y")],
            &[("traceparent", &traceparent)],
        ),
        (
            "no parent of B3 is sent",
            &preserve,
            &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-parentspanid", SPAN)],
            &[
                ("traceparent", &traceparent),
                ("x-b3-traceid", TRACE),
                ("x-b3-spanid", OURS),
                ("x-b3-sampled", "1"),
            ],
        ),
        (
            "debug replaces the decision",
            &preserve,
            &[
                ("x-b3-traceid", TRACE),
                ("x-b3-spanid", SPAN),
                ("x-b3-sampled", "1"),
                ("x-b3-flags", "1"),
            ],
            &[
                ("traceparent", &traceparent),
                ("x-b3-traceid", TRACE),
                ("x-b3-spanid", OURS),
                ("x-b3-flags", "1"),
            ],
        ),
    ] {
        let mut got = pass_on(propagation, came);
        let mut want: Fields = want.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        got.sort();
        want.sort();
        assert_eq!(got, want, "{why}");
    }
}
