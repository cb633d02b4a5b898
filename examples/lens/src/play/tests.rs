use super::*;

const PARENT: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn ask(question: &Question) -> Answer {
    play(question, &mut Generator::from_numbers(&[1])).unwrap()
}

fn item<'a>(answer: &'a Answer, key: &str) -> &'a str {
    answer.items.iter().find(|(it, _)| it == key).map_or("", |(_, value)| value)
}

#[test]
fn a_trace_goes_on_inside_and_a_stranger_does_not_decide_at_the_edge() {
    let config = r#"{"collector":{"cluster":"c"},"sampling":{"ratio":0}}"#.to_owned();
    let inside = Question {
        headers: PARENT.into(),
        direction: "inbound".into(),
        config,
        ..Default::default()
    };
    let answer = ask(&inside);
    assert_eq!((item(&answer, "in"), item(&answer, "sampled")), ("tracecontext", "1"));
    let written = answer.edits.iter().find(|it| it.name == "traceparent").unwrap();
    let value = written.value.as_deref().unwrap();
    assert!(value.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{value}");
    assert!(!value.contains("b7ad6b7169203331"), "the parent is this hop: {value}");
    assert!(answer.stats.iter().any(|(name, by)| name.starts_with("hopspan.context") && *by == 1));

    let answer = ask(&Question { direction: "gateway".into(), ..inside });
    assert_eq!(item(&answer, "sampled"), "0");
}

#[test]
fn who_calls_counts_where_a_rule_says_so() {
    let config = r#"{"collector":{"cluster":"c"},"sampling":{"ratio":0},"direction":"gateway",
        "trust":{"rules":[{"match":{"source":["10.0.0.0/8"]},"action":"continue"}]}}"#;
    let question = |source: &str| Question {
        config: config.into(),
        headers: PARENT.into(),
        source: source.into(),
        ..Question::default()
    };
    assert_eq!(item(&ask(&question("10.1.2.3:50")), "sampled"), "1");
    assert_eq!(item(&ask(&question("11.1.2.3:50")), "sampled"), "0");
}

#[test]
fn all_problems_of_a_configuration_are_named_with_their_path() {
    let config = r#"{"sampling":{"ratio":50},"collector":{"timeout_ms":0}}"#.to_owned();
    let answer = ask(&Question { config, ..Question::default() });
    let paths: Vec<&str> = answer.problems.iter().map(|it| &*it.path).collect();
    assert!(
        paths.contains(&"sampling.ratio") && paths.contains(&"collector.timeout_ms"),
        "{paths:?}"
    );
    assert_eq!(answer.line, None);
}

#[test]
fn an_unknown_key_is_warned_of() {
    let answer = ask(&Question { config: r#"{"samplin":{}}"#.into(), ..Question::default() });
    assert_eq!(answer.problems, []);
    assert!(answer.warnings[0].contains("samplin"), "{:?}", answer.warnings);
}

#[test]
fn what_is_no_request_is_refused_with_a_reason() {
    let headers = |text: &str| Question { headers: text.into(), ..Question::default() };
    let ids = &mut Generator::from_numbers(&[1]);
    assert_eq!(
        play(&headers("nonsense"), ids).unwrap_err(),
        "\"nonsense\" is no header: name: value"
    );
    let sideways = Question { direction: "sideways".into(), ..Question::default() };
    assert_eq!(play(&sideways, ids).unwrap_err(), "\"sideways\" is no direction");
    assert!(play(&headers(":path: /x\nHost: a.example\n\nb3: 1"), ids).is_ok());
}
