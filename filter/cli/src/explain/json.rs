//! An explanation for programs.

use super::Explanation;
use super::changes::Change;
use super::lacking::Lacking;
use serde_json::{Map, Value, json};

pub(crate) fn write(explanation: &Explanation) -> String {
    let Explanation {
        summary,
        line,
        items,
        words: _,
        request,
        response,
        untold: _,
        stats,
        lacking,
        idle,
    } = explanation;
    let why: Map<_, _> = items.iter().map(|it| (it.key.clone(), json!(it.value))).collect();
    let is_sampled = items.iter().any(|it| it.key == "sampled" && it.value == "1");
    let stats: Map<_, _> = stats.iter().map(|(name, by)| (name.clone(), json!(by))).collect();
    let lacking = lacking.iter().map(
        |Lacking { option, assumed, by }| json!({ "option": option, "assumed": assumed, "asked_by": by }),
    );
    let document = json!({
        "sampled": is_sampled,
        "summary": summary,
        "line": line,
        "why": why,
        "request_headers": request.iter().map(change).collect::<Vec<_>>(),
        "response_headers": response.iter().map(change).collect::<Vec<_>>(),
        "stats": stats,
        "not_given": lacking.collect::<Vec<_>>(),
        "not_needed": idle,
    });
    ascii(&format!("{document:#}\n"))
}

fn change(it: &Change) -> Value {
    let text = |values: &[Vec<u8>]| -> Vec<String> {
        values.iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect()
    };
    let (before, after) = (text(&it.before), text(&it.after));
    json!({ "name": it.name, "change": it.kind().name(), "before": before, "after": after })
}

/// The same JSON without a character that a terminal might obey: others than ASCII stand only in
/// strings, where they have another form.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            '\u{7f}'.. => {
                let units = char
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .map(|it| format!("\\u{it:04x}"))
                    .collect::<String>();
                out += &units;
            }
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_ascii_says_the_same() {
        let value = json!({ "caf\u{e9}": "\u{9b}2J \u{1f980} \u{7f} \\u0041" });
        let text = ascii(&value.to_string());
        assert!(text.bytes().all(|it| (b' '..=b'~').contains(&it)), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
    }
}
