//! Cases of the specification and of its implementations, and properties.

use super::*;
use crate::id;
use proptest::prelude::*;

#[path = "../../../fuzz/naive_ot.rs"]
mod naive;
mod statistics;

/// Its last 56 bits are `d29d6a7215ced0`.
const TRACE: &str = "abababababababababd29d6a7215ced0";

fn trace() -> TraceId {
    TraceId::from_bytes(id::hex(TRACE.as_bytes()).unwrap()).unwrap()
}

fn ratio(share: f64) -> TraceIdRatio {
    TraceIdRatio::new(share).unwrap()
}

/// Who decides about a trace.
#[derive(Clone, Copy, Debug)]
enum By {
    /// A caller that we believe, by its sampled flag.
    Parent(bool),
    /// A ratio.
    Ratio(f64),
    /// A ratio, with dice of our own, for a stranger.
    Dice(f64, u64),
    /// Nothing that a probability describes.
    Force,
    /// Nothing, for a stranger.
    Nobody,
}

/// Whether the trace is kept, and what its member says from there.
fn settled(by: By, list: &[u8]) -> (bool, OtMember) {
    let mut ot = OtMember::of(list);
    let kept = match by {
        By::Parent(sampled) => {
            ot.follow(sampled, trace());
            sampled
        }
        By::Ratio(share) => ot.decide(ratio(share), trace()),
        By::Dice(share, dice) => ot.decide_anew(ratio(share), dice),
        By::Force => {
            ot.erase_threshold();
            true
        }
        By::Nobody => {
            ot.erase();
            false
        }
    };
    (kept, ot)
}

/// Whether the trace is kept, and the list that goes on.
fn decided(by: By, list: &str) -> (bool, String) {
    let (kept, ot) = settled(by, list.as_bytes());
    (kept, String::from_utf8(ot.apply(list.as_bytes().into()).into_owned()).unwrap())
}

#[test]
fn reads_only_what_the_grammar_allows() {
    let filled = format!("x:{}", "_".repeat(254));
    let too_long = format!("x:{}", "_".repeat(255));
    // th, rv, and what goes on of the others; or nothing at all.
    for (value, want) in [
        ("th:2", Some("2||")),
        ("th:ab", Some("ab||")),
        ("th:abcdefabcdefab", Some("abcdefabcdefab||")),
        ("th:1000", Some("1||")),
        ("th:0", Some("0||")),
        ("rv:10000000000000;th:3;a:b;c:d", Some("3|10000000000000|a:b;c:d")),
        ("rv:3;p:2", Some("||p:2")),
        ("rv:abcdefabcdefab", Some("|abcdefabcdefab|")),
        ("a:b;rv:12341234123412;th:1234", Some("1234|12341234123412|a:b")),
        ("", None),
        ("th:1;", None),
        ("th:1=p:2", None),
        (":1;p:2", None),
        (":;:", None),
        (":", None),
        ("th", None),
        ("th;p:1", None),
        ("th:$", None),
        ("th:0x1p+3", None),
        ("th:14.5", Some("||")),
        ("th:-1", Some("||")),
        ("th:", Some("||")),
        ("th:C", Some("||")),
        ("th:ffffffffffffffff", Some("||")),
        ("th:100000000000000", Some("||")),
        ("th:1 ;p:2", None),
        ("e100:1", Some("||e100:1")),
        ("e1:1;e2:2", Some("||e1:1;e2:2")),
        ("e100:100;th:1;e101:101", Some("1||e100:100;e101:101")),
        ("1:1;u:V", None),
        ("X:1;u:V", None),
        ("x_y:1", None),
        ("x:1;u:V", Some("||x:1;u:V")),
        ("rv:22222222222222;extra:stuff", Some("|22222222222222|extra:stuff")),
        ("rv:ffffffffffffff", Some("|ffffffffffffff|")),
        ("rv:FFFFFFFFFFFFFF", Some("||")),
        ("rv:100000000000000", Some("||")),
        ("x:", Some("||x:")),
        ("x:0X1FFF;y:.-_-.;z:", Some("||x:0X1FFF;y:.-_-.;z:")),
        ("x1y2z3:1-2-3;y1:y_1;xy:-;th:50", Some("5||x1y2z3:1-2-3;y1:y_1;xy:-")),
        ("thx:1;rvx:2;t:h", Some("||thx:1;rvx:2;t:h")),
        ("th:1;th:1", None),
        ("a:1;th:2;a:3", None),
        (&filled, Some(&*format!("||{filled}"))),
        (&too_long, None),
    ] {
        let got = OtMember::parse(value.as_bytes()).map(|it| {
            let part = |says: Says| String::from_utf8(says.value(b"")).unwrap();
            let th = part(Says { randomness: None, ..it.says });
            let rv = part(Says { threshold: None, ..it.says });
            let others = Says::default().value(value.as_bytes());
            let others = String::from_utf8(others).unwrap();
            [th.trim_start_matches("th:"), rv.trim_start_matches("rv:"), &others].join("|")
        });
        assert_eq!(got.as_deref(), want, "{value:?}");
    }
}

#[test]
fn a_decision_of_the_caller_goes_on_with_the_threshold_that_fits_it() {
    for (why, sampled, list, want) in [
        ("sampled by what it says", true, "ot=th:c", "ot=th:c"),
        ("as it stands", true, "a=1, ot=th:c000;p:1 ,b=2", "a=1, ot=th:c000;p:1 ,b=2"),
        ("by the trace's own dice", true, "ot=th:c;rv:d29d6a7215ced0", "ot=th:c;rv:d29d6a7215ced0"),
        (
            "randomness and threshold are equal",
            true,
            "ot=th:d29d6a7215ced0",
            "ot=th:d29d6a7215ced0",
        ),
        ("all", true, "ot=th:0", "ot=th:0"),
        ("no threshold", true, "ot=rv:00000000000000", "ot=rv:00000000000000"),
        ("none of ours", true, "a=1", "a=1"),
        ("nothing", true, "", ""),
        ("dropped by what it says", false, "ot=th:d3", "ot=th:d3"),
        ("sampled against it", true, "ot=th:d29d6a7215ced1", ""),
        ("sampled against it, with more", true, "a=1,ot=th:e;p:1", "ot=p:1,a=1"),
        ("sampled against the dice", true, "ot=th:c;rv:bfffffffffffff", "ot=rv:bfffffffffffff"),
        ("dropped against it", false, "ot=th:c", ""),
        ("dropped against all", false, "ot=th:0,a=1", "a=1"),
        ("th alone is invalid", true, "ot=th:C;rv:00000000000000", "ot=rv:00000000000000"),
        ("rv alone is invalid", true, "ot=rv:3;th:c", "ot=th:c"),
        ("rv is invalid: the trace-id is the dice", true, "ot=rv:FFFFFFFFFFFFFF;th:d3", ""),
        ("the form is wrong", true, "ot=th:c;;,a=1", "a=1"),
        ("a key stands twice", true, "ot=th:c;p:1;p:2,a=1", "a=1"),
    ] {
        assert_eq!(decided(By::Parent(sampled), list), (sampled, want.to_owned()), "{why}");
    }
}

#[test]
fn a_ratio_says_how_much_it_keeps() {
    for (why, share, list, want) in [
        ("kept", 0.25, "", (true, "ot=th:c")),
        ("dropped", 0.125, "", (false, "")),
        ("before others", 0.25, "a=1,b=2", (true, "ot=th:c,a=1,b=2")),
        ("with others of its own", 0.25, "a=1,ot=p:1;q:", (true, "ot=th:c;p:1;q:,a=1")),
        ("instead of the caller's, lower", 0.25, "ot=th:8", (true, "ot=th:c")),
        ("or higher", 0.5, "ot=th:c", (true, "ot=th:8")),
        ("the same is not written again", 0.25, "a=1,ot=th:c00", (true, "a=1,ot=th:c00")),
        ("dropped: the caller's is wrong", 0.125, "ot=th:c,a=1", (false, "a=1")),
        (
            "by the dice of the trace: kept",
            0.5,
            "ot=rv:80000000000000",
            (true, "ot=th:8;rv:80000000000000"),
        ),
        (
            "by the dice of the trace: dropped",
            0.5,
            "ot=rv:7fffffffffffff",
            (false, "ot=rv:7fffffffffffff"),
        ),
        ("invalid dice are none", 0.25, "ot=rv:7FFFFFFFFFFFFF", (true, "ot=th:c")),
        ("nor are those in a wrong form", 0.25, "ot=rv:00000000000000;bad", (true, "ot=th:c")),
        ("all: nothing to say", 1.0, "a=1", (true, "a=1")),
        (
            "all, with dice: still nothing",
            1.0,
            "ot=rv:00000000000000",
            (true, "ot=rv:00000000000000"),
        ),
        (
            "all: the caller's is wrong",
            1.0,
            "ot=th:8;rv:80000000000000",
            (true, "ot=th:0;rv:80000000000000"),
        ),
        ("all, as the caller said", 1.0, "ot=th:0", (true, "ot=th:0")),
        ("all, and no threshold", 1.0, "ot=th:z,a=1", (true, "ot=th:0,a=1")),
        ("none", 0.0, "ot=th:0;rv:ffffffffffffff", (false, "ot=rv:ffffffffffffff")),
        ("rounded: this is 5555", 2.0 / 3.0, "", (true, "ot=th:5555")),
    ] {
        let (kept, list_out) = want;
        assert_eq!(decided(By::Ratio(share), list), (kept, list_out.to_owned()), "{why}");
    }
}

#[test]
fn a_stranger_has_no_say() {
    let low = 0x1;
    let high = 0xff_ffff_ffff_fffe;
    for (why, by, list, want) in [
        (
            "kept by our dice, which are told",
            By::Dice(0.25, high),
            "ot=th:8;rv:00000000000000",
            (true, "ot=th:c;rv:fffffffffffffe"),
        ),
        (
            "whatever else it says stays",
            By::Dice(0.25, high),
            "a=1,ot=rv:00000000000000;p:1",
            (true, "ot=th:c;rv:fffffffffffffe;p:1,a=1"),
        ),
        ("nothing said", By::Dice(0.25, high), "", (true, "ot=th:c;rv:fffffffffffffe")),
        (
            "dropped by our dice",
            By::Dice(0.25, low),
            "ot=th:0;rv:ffffffffffffff,a=1",
            (false, "a=1"),
        ),
        ("all are kept", By::Dice(1.0, low), "ot=th:8;rv:ffffffffffffff;p:1", (true, "ot=p:1")),
        ("all are kept, nothing said", By::Dice(1.0, low), "a=1", (true, "a=1")),
        ("none is kept", By::Dice(0.0, high), "ot=th:0", (false, "")),
        (
            "of more bits the last 56: kept",
            By::Dice(0.5, high | 1 << 60),
            "",
            (true, "ot=th:8;rv:fffffffffffffe"),
        ),
        ("of more bits the last 56: dropped", By::Dice(0.5, low | 1 << 60), "", (false, "")),
        ("no ratio", By::Nobody, "ot=th:8;rv:ffffffffffffff;p:1", (false, "ot=p:1")),
        ("no ratio, nothing said", By::Nobody, "a=1", (false, "a=1")),
        ("no ratio, in a wrong form", By::Nobody, "ot=x,a=1", (false, "a=1")),
    ] {
        let (kept, list_out) = want;
        assert_eq!(decided(by, list), (kept, list_out.to_owned()), "{why}");
    }
}

#[test]
fn what_no_probability_describes_keeps_the_dice_alone() {
    for (list, want) in [
        ("ot=th:8;rv:00000000000000;p:1,a=1", "ot=rv:00000000000000;p:1,a=1"),
        ("a=1,ot=th:8", "a=1"),
        ("a=1,ot=rv:00000000000000", "a=1,ot=rv:00000000000000"),
        ("a=1", "a=1"),
    ] {
        assert_eq!(decided(By::Force, list), (true, want.to_owned()), "{list}");
    }
}

#[test]
fn a_threshold_that_has_no_room_is_left_out() {
    let fill = |n: usize| format!("x:{}", "_".repeat(n - 2));
    let old = "th:fd70a400000000";
    for (why, by, came, want) in [
        ("just enough", By::Ratio(0.25), fill(251), format!("th:c;{}", fill(251))),
        ("not enough", By::Ratio(0.25), fill(252), fill(252)),
        ("not the caller's either", By::Ratio(0.3), format!("th:c;{}", fill(251)), fill(251)),
        (
            "the dice stay",
            By::Ratio(0.5),
            format!("rv:ffffffffffffff;{}", fill(238)),
            format!("rv:ffffffffffffff;{}", fill(238)),
        ),
        (
            "our dice alone say nothing",
            By::Dice(0.5, u64::MAX),
            fill(238),
            format!("rv:ffffffffffffff;{}", fill(238)),
        ),
        ("nor do they fit in", By::Dice(0.5, u64::MAX), fill(239), fill(239)),
        (
            "shorter than before",
            By::Ratio(0.25),
            format!("{old};{}", fill(238)),
            format!("th:c;{}", fill(238)),
        ),
    ] {
        let (_, got) = decided(by, &format!("ot={came}"));
        assert_eq!(got, format!("ot={want}"), "{why}");
    }
}

#[test]
fn what_would_change_nothing_copies_nothing() {
    for (why, by, list) in [
        ("no list", By::Ratio(0.0), &b""[..]),
        ("nothing to erase", By::Force, b"a=1"),
        ("nor of a stranger's", By::Nobody, b"a=1,ot=p:1"),
        ("it fits", By::Parent(true), b"a=1,ot=th:c00;p:1"),
        ("it is the same", By::Ratio(0.25), b"a=1,ot=p:1;th:c00"),
        ("all, which is not said", By::Ratio(1.0), b"ot=rv:00000000000000"),
        ("none", By::Ratio(0.0), b"ot=rv:00000000000000"),
    ] {
        let out = settled(by, list).1.apply(Cow::Borrowed(list));
        assert!(matches!(out, Cow::Borrowed(it) if std::ptr::eq(it, list)), "{why}");
    }
}

// === Properties ===

/// What a list says, as the naive reader puts it.
fn said(list: &str) -> naive::Ot {
    let member = list.split(',').find_map(|it| it.trim_matches([' ', '\t']).strip_prefix("ot="));
    member.and_then(|it| naive::ot(it.as_bytes())).unwrap_or_default()
}

fn hex(bits: u64) -> String {
    format!("{bits:014x}")
}

/// Lists that have an `ot` member, mostly a good one.
fn lists() -> impl Strategy<Value = String> {
    let digits = "[08c-f]{0,15}|[0-9a-f]{14}|[0-9A-Fx.]{1,14}";
    let member = prop_oneof![
        4 => digits.prop_map(|it| format!("th:{it}")),
        4 => digits.prop_map(|it| format!("rv:{it}")),
        2 => "[a-c]{1,2}:[a-zA-Z0-9._-]{0,60}",
        1 => "[A-Za-z:=]{0,3}".prop_map(|it| it.replace('=', "")),
    ];
    (
        proptest::collection::vec(member, 0..5),
        "([b-d]=[a-z]{1,40},){0,1}",
        "(,[e-g]=[a-z]{1,40}){0,1}",
    )
        .prop_map(|(members, before, after)| format!("{before}ot={}{after}", members.join(";")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn reads_as_a_naive_reader_does(list in lists()) {
        let ot = OtMember::of(list.as_bytes());
        let (th, rv, _) = said(&list);
        let digits = ot.threshold().map(|it| {
            let mut out = Vec::new();
            it.write(&mut out);
            format!("{:0<14}", String::from_utf8(out).unwrap())
        });
        prop_assert_eq!(digits, th);
        prop_assert_eq!(ot.explicit_randomness().map(hex), rv);
    }

    #[test]
    fn what_goes_on_says_what_was_decided_and_no_more(
        list in lists(),
        by in prop_oneof![
            any::<bool>().prop_map(By::Parent),
            (0.0..=1.0).prop_map(By::Ratio),
            (0.0..=1.0, 0..=threshold::RANDOM).prop_map(|(share, dice)| By::Dice(share, dice)),
            Just(By::Ratio(1.0)),
            Just(By::Force),
            Just(By::Nobody),
        ],
    ) {
        prop_assume!(tracestate::check(list.as_bytes()).is_ok());
        let (kept, out) = decided(by, &list);
        prop_assert_eq!(tracestate::check(out.as_bytes()), Ok(Cow::Borrowed(out.as_bytes())));
        let (came_th, came_rv, others) = said(&list);
        let (th, rv, still) = said(&out);
        prop_assert_eq!(still, others, "others stay as they are");

        // Digits are compared as texts: that is why they are lower-case, and all there.
        let dice = came_rv.clone().unwrap_or_else(|| TRACE[18..].to_owned());
        let round = |share| format!("{:0<14}", {
            let mut out = Vec::new();
            Threshold::of_probability(share).unwrap().write(&mut out);
            String::from_utf8(out).unwrap()
        });
        let (want_kept, want_th, want_rv) = match by {
            By::Parent(sampled) => {
                let fits = |th: &String| sampled == (dice >= *th);
                (sampled, came_th.filter(fits), came_rv)
            }
            By::Ratio(share) => (dice >= round(share), Some(round(share)), came_rv),
            By::Dice(share, dice) => (hex(dice) >= round(share), Some(round(share)), Some(hex(dice))),
            By::Force => (true, None, came_rv),
            By::Nobody => (false, None, None),
        };
        prop_assert_eq!(kept, want_kept);
        let zeros = "0".repeat(14);
        match by {
            By::Ratio(_) if !kept => prop_assert_eq!((th, rv), (None, want_rv)),
            // That all are kept need not be said.
            By::Ratio(_) if want_th == Some(zeros.clone()) => {
                prop_assert!(th.is_none_or(|it| it == zeros));
                prop_assert_eq!(rv, want_rv);
            }
            By::Dice(..) if !kept || want_th == Some(zeros) => prop_assert_eq!((th, rv), (None, None)),
            _ => prop_assert_eq!((th, rv), (want_th, want_rv)),
        }
    }
}
