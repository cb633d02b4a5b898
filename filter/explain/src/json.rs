//! An explanation for programs.

use crate::Explanation;
use crate::changes::Change;
use crate::lacking::Lacking;
use serde_json::{Map, Value, json};

/// Writes an explanation as an object, in ASCII alone.
#[must_use]
pub fn write(explanation: &Explanation) -> String {
    ascii(&format!("{:#}\n", document(explanation)))
}

/// An explanation as an object.
#[must_use]
pub fn document(explanation: &Explanation) -> Value {
    let Explanation {
        summary,
        line,
        items,
        request,
        response,
        untold: _,
        stats,
        lacking,
        idle,
        warnings: _,
    } = explanation;
    let why: Map<_, _> = items.iter().map(|it| (it.key.clone(), json!(it.value))).collect();
    let is_sampled = items.iter().any(|it| it.key == "sampled" && it.value == "1");
    let stats: Map<_, _> = stats.iter().map(|(name, by)| (name.clone(), json!(by))).collect();
    let lacking = lacking.iter().map(
        |Lacking { option, assumed, by }| json!({ "option": option, "assumed": assumed, "asked_by": by }),
    );
    json!({
        "sampled": is_sampled,
        "summary": summary,
        "line": line,
        "why": why,
        "request_headers": request.iter().map(change).collect::<Vec<_>>(),
        "response_headers": response.iter().map(change).collect::<Vec<_>>(),
        "stats": stats,
        "not_given": lacking.collect::<Vec<_>>(),
        "not_needed": idle,
    })
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
