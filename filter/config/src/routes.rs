//! `routes`: what requests have in common.

use super::group::group;
use super::kind::{Count, Flag, Kind};
use super::list::list;
use super::reader::{Reader, quoted};
use hopspan_core::route;
use hopspan_core::route::template::{DEEPEST, Template, TemplateError};
use serde_json::{Value, json};

group! {
    /// What the paths of many requests have in common: the route of spans, and their names.
    struct Routes {
        /// Templates like "GET /users/{id}" or "/files/*", the method being optional: {name} is
        /// one segment that is not empty, a * at the end any rest. The most specific one counts:
        /// from left to right, text comes before {name} and that before *.
        patterns: Templates = Vec::new(),
        /// Whether other paths are learned by their shape, as /users/{number}: once something
        /// was found there.
        learn: Flag = true,
        /// The most shapes that are learned. What comes later is _other.
        max: Count<1, 10_000> = 200,
        /// Whether routes of the proxy have settings of their own, in their metadata under
        /// hopspan: disabled (true: no trace begins there and no span is made), sampling_ratio
        /// (in the place of sampling's rules and ratio), route (as one of patterns) and span_name.
        /// Each is asked for where it counts: one host call.
        metadata: Flag = false,
    }
}

impl Routes {
    pub(super) fn settings(self) -> route::Settings {
        let Self { patterns, learn, max, metadata } = self;
        route::Settings {
            patterns: patterns.value.into_iter().collect(),
            max_learned: if learn.value { max.value } else { 0 },
            metadata: metadata.value,
        }
    }
}

/// Templates, no two of them for the same requests.
pub(super) struct Templates;

/// The most templates.
const MOST: usize = 1000;
/// The longest template, in bytes.
const LONGEST: usize = 256;

impl Kind for Templates {
    type Value = Vec<Template>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Some(list) = found.as_array().filter(|it| it.len() <= MOST) else {
            reader.wrong("a list of 1000 templates at most", found);
            return None;
        };
        let mut templates: Vec<Template> = Vec::new();
        for (found, number) in list.iter().zip(0..) {
            reader.at_number(number, |reader| {
                let text = found.as_str().filter(|it| it.len() <= LONGEST);
                let read = text.map(str::parse::<Template>);
                match read {
                    Some(Ok(it)) => match templates.iter().find(|other| other.is_same_as(&it)) {
                        Some(other) => {
                            let other = quoted(&other.to_string());
                            reader.problem(format!("is for the same requests as {other}"));
                        }
                        None => templates.push(it),
                    },
                    Some(Err(error)) => wrong(Some(error), found, reader),
                    None => wrong(None, found, reader),
                }
            });
        }
        Some(templates)
    }

    fn write(value: &mut Self::Value) -> Option<Value> {
        Some(list(value.iter().map(|it| Value::String(it.to_string()))))
    }

    fn schema() -> Value {
        const SEGMENT: &str = r##"/(\{[A-Za-z0-9_.-]+\}|[!"$-)+-.0->@-z|~]*)"##;
        let (most, before) = (DEEPEST, DEEPEST.saturating_sub(1));
        let path = format!(r"(({SEGMENT}){{1,{most}}}|({SEGMENT}){{0,{before}}}/\*)");
        json!({
            "type": "array",
            "maxItems": MOST,
            "uniqueItems": true,
            "items": {
                "type": "string",
                "maxLength": LONGEST,
                "pattern": format!("^([A-Z_-]+ )?{path}$"),
            },
        })
    }
}

fn wrong(error: Option<TemplateError>, found: &Value, reader: &mut Reader<'_>) {
    let why = error.map_or_else(|| "256 bytes at most".to_owned(), |it| it.to_string());
    reader.wrong(&format!("a template like \"GET /users/{{id}}\" ({why})"), found);
}
