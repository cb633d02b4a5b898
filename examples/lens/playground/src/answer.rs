//! An answer for the page.

use crate::pasted::{Pasted, Wrong};
use hopspan_core::id::Generator;
use hopspan_explain::{Explanation, Refusal, json, text};
use serde_json::{Value, json};

/// Answers a [`Pasted`] in JSON with an object in JSON that has one of these:
///
/// - `wrong`: a field and what it should be;
/// - `problems`: what is wrong with the configuration, each with its path;
/// - `explanation`: what `hopspan explain --json` prints; with it `items`, which are those of
///   the line in its order and with their meaning, `untold`, why the response says nothing,
///   `warnings` of the configuration, and `text`, what `hopspan explain` prints.
#[must_use]
pub fn answer(pasted: &[u8]) -> Vec<u8> {
    let answer = match serde_json::from_slice::<Pasted>(pasted) {
        Ok(pasted) => explain(&pasted),
        Err(error) => wrong(Wrong { field: "", message: error.to_string() }),
    };
    answer.to_string().into_bytes()
}

fn explain(pasted: &Pasted) -> Value {
    let question = match pasted.question() {
        Ok(question) => question,
        Err(it) => return wrong(it),
    };
    let config = pasted.config.trim();
    let config = if config.is_empty() { "{}" } else { config };
    let mut ids = Generator::from_numbers(&pasted.seed);
    let explanation = match Explanation::of(config.as_bytes(), &question, &mut ids) {
        Ok(explanation) => explanation,
        Err(Refusal::TwoHosts) => {
            let message = "a request has one host: either :authority or host".to_owned();
            return wrong(Wrong { field: "request", message });
        }
        Err(Refusal::Configuration(problems)) => {
            let problem =
                |it: &hopspan_explain::Problem| json!({ "path": it.path, "message": it.message });
            return json!({ "problems": problems.0.iter().map(problem).collect::<Vec<_>>() });
        }
    };
    let items = explanation.items().iter();
    json!({
        "explanation": json::document(&explanation),
        "items": items.map(|it| [&it.key, &it.value, &it.meaning]).collect::<Vec<_>>(),
        "untold": explanation.untold(),
        "warnings": explanation.warnings(),
        "text": text::write(&explanation, false),
    })
}

fn wrong(Wrong { field, message }: Wrong) -> Value {
    json!({ "wrong": { "field": field, "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pasted: Value) -> Value {
        serde_json::from_slice(&answer(pasted.to_string().as_bytes())).expect("JSON")
    }

    #[test]
    fn the_answer_is_what_the_command_says() {
        let pasted = json!({
            "seed": [1], "direction": "inbound", "config": r#"{"samplin": {}}"#,
            "request": "GET /\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        });
        let answer = ask(pasted.clone());
        assert_eq!(answer, ask(pasted), "the same seed, the same answer");
        let explanation = &answer["explanation"];
        assert_eq!(
            (&explanation["sampled"], &answer["untold"]),
            (&json!(true), &json!("explain.header is not set"))
        );
        let text = answer["text"].as_str().expect("text");
        assert!(text.starts_with("Sampled: its caller is trusted, and had sampled it."), "{text}");
        let by = json!(["by", "caller", "the caller's sampled flag"]);
        assert!(answer["items"].as_array().expect("a list").contains(&by), "{answer}");
        assert!(answer["warnings"][0].as_str().expect("a warning").contains("samplin"), "{answer}");
    }

    #[test]
    fn all_problems_of_a_configuration_are_named_with_their_path() {
        let config = r#"{"sampling":{"ratio":50},"collector":{"timeout_ms":0}}"#;
        let answer = ask(json!({ "config": config }));
        let problems = answer["problems"].as_array().expect("problems");
        let mut paths: Vec<_> = problems.iter().map(|it| &it["path"]).collect();
        paths.sort_by_key(|it| it.as_str());
        assert_eq!(paths, ["collector.timeout_ms", "sampling.ratio"]);
    }

    #[test]
    fn what_is_no_question_is_refused() {
        for (pasted, field, message) in [
            (json!({ "request": "Host: a\n:authority: b" }), "request", "a request has one host"),
            (json!({ "source": "x" }), "source", "an address is"),
            (json!({ "sauce": "x" }), "", "unknown field `sauce`"),
            (json!("x"), "", "invalid type"),
        ] {
            let answer = ask(pasted);
            let said = answer["wrong"]["message"].as_str().unwrap_or_default();
            assert_eq!(answer["wrong"]["field"], field, "{answer}");
            assert!(said.contains(message), "{answer}");
        }
    }
}
