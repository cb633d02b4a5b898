//! OpenTelemetry's member of `tracestate`, judged by a second reader, before and after every
//! kind of decision.
#![no_main]

use hopspan_core::id::TraceId;
use hopspan_core::propagation::tracestate;
use hopspan_core::sampling::TraceIdRatio;
use hopspan_core::sampling::probability::OtMember;

#[path = "../naive_ot.rs"]
mod naive;

const TRACE: &str = "d29d6a7215ced0";
const DICE: u64 = 0x00ef_0123_4567_89ab;
/// A ratio that keeps both of them, and its threshold.
const RATIO: (f64, &str) = (0.25, "c0000000000000");

fn said(list: &[u8]) -> naive::Ot {
    let list = std::str::from_utf8(list).expect("a checked list is text");
    let mut members = list.split(',').map(|it| it.trim_matches([' ', '\t']));
    let member = members.find_map(|it| it.strip_prefix("ot="));
    member.and_then(|it| naive::ot(it.as_bytes())).unwrap_or_default()
}

fn others(list: &[u8]) -> Vec<String> {
    let members = list.split(|&b| b == b',').map(|it| it.trim_ascii().escape_ascii().to_string());
    members.filter(|it| !it.is_empty() && !it.starts_with("ot=")).collect()
}

libfuzzer_sys::fuzz_target!(|list: &[u8]| {
    let Ok(list) = tracestate::check(list) else { return };
    let trace_id = TraceId::from_halves(1, 0x00d2_9d6a_7215_ced0).expect("it is not zero");
    let ratio = TraceIdRatio::new(RATIO.0).expect("it is a ratio");
    let came = OtMember::of(&list);
    let (th, rv, sub_keys) = said(&list);
    let dice = rv.clone().unwrap_or_else(|| TRACE.to_owned());
    assert_eq!(came.explicit_randomness().map(|it| format!("{it:014x}")), rv);
    assert_eq!(format!("{:014x}", came.randomness(trace_id)), dice);

    let check = |ot: OtMember, want: (Option<String>, Option<String>)| {
        let out = ot.apply(list.clone());
        let (th, rv, still) = said(&out);
        assert_eq!(still, sub_keys);
        // What has no room in 256 bytes is left out: the threshold first.
        let has_room = sub_keys.join(";").len() <= 256 - 2 * 18;
        assert!((th.is_none() || th == want.0) && (rv.is_none() || rv == want.1));
        assert!(!has_room || (th, rv) == want, "{}", out.escape_ascii());
        assert_eq!(tracestate::check(&out).as_deref(), Ok(&out[..]), "it keeps the limits");
        let (before, mut after) = (others(&list), others(&out).into_iter().peekable());
        for it in before {
            after.next_if_eq(&it);
        }
        assert_eq!(after.next(), None, "others stay in their order, or go");
    };
    for sampled in [true, false] {
        let mut ot = came;
        ot.follow(sampled, trace_id);
        check(ot, (th.clone().filter(|it| sampled == (dice >= *it)), rv.clone()));
    }
    let mut ot = came;
    let kept = ot.decide(ratio, trace_id);
    assert_eq!(kept, *dice >= *RATIO.1);
    check(ot, (kept.then(|| RATIO.1.to_owned()), rv.clone()));
    let mut ot = came;
    assert!(ot.decide_anew(ratio, DICE));
    check(ot, (Some(RATIO.1.to_owned()), Some(format!("{DICE:014x}"))));
    let mut ot = came;
    ot.erase_threshold();
    check(ot, (None, rv.clone()));
    let mut ot = came;
    ot.erase();
    check(ot, (None, None));
});
