//! Requests, with all their traces and what their clients saw.

use super::*;

#[test]
fn every_request_needs_one_trace_and_every_trace_a_request() {
    let [product, order] = [Scenario::Product, Scenario::Order].map(|it| good(it).swap_remove(0));
    let requests = [sent(Scenario::Product), sent(Scenario::Order)];
    let judge =
        |sent: &[Sent], traces: &[&Trace]| judge(sent, Sampling::ALL, traces.iter().copied());
    let both = [&product, &order];
    assert!(judge(&requests, &both).is_good());

    let missing = judge(&requests, &[&product]);
    assert_eq!(missing.broken[0].problems, ["no trace arrived"]);
    assert_eq!(missing.broken[0].request, "POST /orders/7");

    let twice = judge(&requests, &[&product, &order, &order]);
    assert_eq!(twice.broken[0].problems, ["2 traces arrived instead of one"]);

    let stranger = judge(&requests[..1], &both);
    assert!(!stranger.is_good());
    assert_eq!(stranger.strangers.len(), 1);
}

#[test]
fn a_wrong_answer_to_the_client_is_a_fault_too() {
    let traces = good(Scenario::Product);
    let line = format!("service=gateway; trust=continue; sampled=1; trace={}", traces[0].id);
    let other = line.replace("01", "02");
    let answer = |status, explanation: Option<&str>, traceresponse: Option<&str>| {
        let text = |it: &str| it.to_owned();
        Ok(Answer {
            status,
            explanation: explanation.map(text),
            traceresponse: traceresponse.map(text),
        })
    };
    for (why, asks, answer, want) in [
        ("all is well", false, answer(200, None, None), None),
        ("it asked and was told", true, answer(200, Some(&line), None), None),
        (
            "the status",
            false,
            answer(503, None, None),
            Some("the client got status 503, not 200".to_owned()),
        ),
        (
            "no answer",
            false,
            Err("refused".to_owned()),
            Some("the client got no answer: refused".to_owned()),
        ),
        (
            "what proxies tell each other",
            false,
            answer(200, None, Some("00-1")),
            Some("the client got a traceresponse header: 00-1".to_owned()),
        ),
        (
            "asked in vain",
            true,
            answer(200, None, None),
            Some("the client asked for an explanation and got none".to_owned()),
        ),
        (
            "told without asking",
            false,
            answer(200, Some("a=b"), None),
            Some("the client did not ask, but got: a=b".to_owned()),
        ),
        (
            "told of another trace",
            true,
            answer(200, Some(&other), None),
            Some(format!("the explanation does not say trace={}: {other}", traces[0].id)),
        ),
    ] {
        let request = Sent { asks, answer, ..sent(Scenario::Product) };
        let want: Vec<String> = want.into_iter().collect();
        assert_eq!(problems_of(request, Sampling::ALL, &traces), want, "{why}");
    }
}

#[test]
fn a_broken_trace_must_be_broken_where_it_is_meant_to() {
    let traces = good(Scenario::Forgetful);
    let problems = |traces: &[Trace]| problems_of(sent(Scenario::Forgetful), Sampling::ALL, traces);
    assert_eq!(problems(&traces), [""; 0]);
    assert_eq!(problems(&traces[..1]), ["no trace arrived"], "the torn-off piece");

    let mut mended = good(Scenario::Product).swap_remove(0);
    let path = Scenario::Forgetful.path(NUMBER);
    set(&mut mended.spans[0], key::PATH, Value::StringValue(path));
    let found = "below catalog SERVER: expected nothing, found catalog CLIENT → stock";
    let problems = problems(&[mended]);
    assert!(
        problems.iter().any(|it| it == found),
        "the headers went on all the same: {problems:#?}"
    );
}

#[test]
fn where_few_are_sampled_errors_are_kept_and_nothing_else() {
    use Scenario::{Fail, Flaky, Hidden, Product};

    let changed = |scenario, change: fn(&mut Vec<Span>)| {
        let mut traces = kept(scenario);
        change(&mut traces[0].spans);
        traces
    };
    let product_kept = || {
        let mut traces = good(Product);
        set(&mut traces[0].spans[0], key::SAMPLING_REASON, Value::StringValue("error".into()));
        traces
    };
    for (why, scenario, traces, want) in [
        ("an error, kept", Fail, kept(Fail), None),
        ("an error, sampled by chance", Fail, good(Fail), None),
        ("a hidden error, kept", Hidden, kept(Hidden), None),
        ("a repeated try, kept alone", Flaky, kept(Flaky), None),
        ("nothing failed, not sampled", Product, vec![], None),
        ("nothing failed, sampled by chance", Product, good(Product), None),
        ("an error is lost", Hidden, vec![], Some("no trace arrived")),
        (
            "nobody told the gateway",
            Hidden,
            changed(Hidden, |it| {
                it.drain(..2);
                set(&mut it[0], key::METHOD, Value::StringValue("POST".into()));
                set(&mut it[0], key::PATH, Value::StringValue(Hidden.path(NUMBER)));
            }),
            Some("there is no single root, but 1 spans at the top: shop SERVER"),
        ),
        (
            "the failing hop itself is lost",
            Fail,
            changed(Fail, |it| it.truncate(4)),
            Some("below shop CLIENT → pay: expected pay SERVER, found nothing"),
        ),
        (
            "kept for another reason",
            Hidden,
            changed(Hidden, |it| {
                set(&mut it[2], key::SAMPLING_REASON, Value::StringValue("slow".into()))
            }),
            Some("shop SERVER: hopspan.sampling.reason is slow, not below"),
        ),
        (
            "kept without need",
            Product,
            product_kept(),
            Some("a trace was kept although nothing failed"),
        ),
        (
            "a try alone that says it is the first",
            Flaky,
            changed(Flaky, |it| it[0].parent = None),
            Some("cart SERVER has no parent"),
        ),
    ] {
        let problems = problems_of(sent(scenario), Sampling::RARE, &traces);
        assert_eq!(problems.first().map(String::as_str), want, "{why}");
    }
    let kept = problems_of(sent(Fail), Sampling::ALL, &kept(Fail));
    assert!(!kept.is_empty(), "where all are recorded, that is not enough");
}

#[test]
fn a_share_that_chance_does_not_explain_is_a_fault() {
    let requests: Vec<Sent> =
        (0..2_000).map(|number| Sent { number, ..sent(Scenario::Product) }).collect();
    for (why, sampled, want) in
        [("none", 0, false), ("some", 20, true), ("far too many", 100, false)]
    {
        let traces: Vec<Trace> = (0..sampled)
            .map(|number| {
                let mut trace = good(Scenario::Product).swap_remove(0);
                let path = Value::StringValue(Scenario::Product.path(number));
                set(&mut trace.spans[0], key::PATH, path);
                trace
            })
            .collect();
        let verdict = judge(&requests, Sampling::RARE, traces.iter());
        assert!(verdict.broken.is_empty(), "{why}");
        assert_eq!(verdict.is_good(), want, "{why}: {verdict}");
    }
}

#[test]
fn sums_up_in_one_line() {
    let time = "; a proxy held a request 0.20 ms (median), 0.20 ms at most";
    assert_eq!(
        judge(&[sent(Scenario::Product)], Sampling::ALL, good(Scenario::Product).iter())
            .to_string(),
        format!("1 requests, 1 right traces, 7 spans{time}")
    );
    let requests = [sent(Scenario::Product), sent(Scenario::Hidden)];
    assert_eq!(
        judge(&requests, Sampling::RARE, kept(Scenario::Hidden).iter()).to_string(),
        format!("2 requests, 1 errors kept, 0 of 1 good traces sampled, 5 spans{time}")
    );
}
