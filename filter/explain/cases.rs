//! Requests and what becomes of them: `cases.json`. The command, the page in a browser and the module in
//! a host are each asked all of them, in their own tests, so that no two say different things.

use serde_json::Value;

/// A request, a configuration, and what is to come of it.
#[derive(Debug)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) why: String,
    /// The configuration.
    pub(crate) config: String,
    /// Headers, as `name: value`.
    pub(crate) headers: Vec<String>,
    /// Other things that are known: `method`, `host`, `path`, `direction`, `source`, `peer`.
    pub(crate) known: Vec<(String, String)>,
    /// What comes of it.
    pub(crate) want: Want,
}

/// What comes of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Want {
    /// The configuration is refused, for what is at these paths, which are in order.
    Refused(Vec<String>),
    /// It goes on.
    Passed {
        /// Items of the line that says why.
        decision: Value,
        /// Headers that have to do with its trace, in order, with the ids [`masked`] that are new.
        upstream: Vec<String>,
    },
}

/// The items of a line that do not differ from one proxy to another.
pub(crate) const DECISION: [&str; 6] = ["in", "trust", "trust_by", "sampled", "by", "ratio"];

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let cases: Value = serde_json::from_str(include_str!("cases.json")).expect("JSON");
    let cases = cases.as_array().expect("a list").iter().map(Case::of).collect::<Vec<_>>();
    assert!(cases.len() > 15, "{}", cases.len());
    cases
}

impl Case {
    fn of(case: &Value) -> Self {
        let text = |it: &Value| it.as_str().expect("text").to_owned();
        let list = |key: &str| -> Vec<String> {
            let list = case[key].as_array().unwrap_or_else(|| panic!("{key}: {case}"));
            list.iter().map(text).collect()
        };
        let known = ["method", "host", "path", "direction", "source", "peer"];
        let known = known.into_iter().filter(|it| !case[it].is_null());
        Self {
            why: text(&case["why"]),
            config: case["config"].to_string(),
            headers: list("headers"),
            known: known.map(|it| (it.to_owned(), text(&case[it]))).collect(),
            want: match case["decision"].is_null() {
                true => Want::Refused(list("problems")),
                false => {
                    let mut upstream = list("upstream");
                    upstream.sort();
                    Want::Passed { decision: case["decision"].clone(), upstream }
                }
            },
        }
    }

    /// The headers that are compared: those that came, and those that should go on. (One that
    /// has nothing to do with a trace goes on, and nobody says so.)
    pub(crate) fn compares(&self, name: &str) -> bool {
        let Want::Passed { upstream, .. } = &self.want else { return false };
        let is = |it: &String| it.split(':').next() == Some(name);
        self.headers.iter().chain(upstream).any(is) && name != "user-agent"
    }

    /// Headers in order, with `TRACE` and `SPAN` for ids that did not come with the request.
    pub(crate) fn masked(&self, headers: impl Iterator<Item = (String, String)>) -> Vec<String> {
        let mut all: Vec<_> =
            headers.map(|(name, value)| format!("{name}: {}", self.mask(&value))).collect();
        all.sort();
        all
    }

    fn mask(&self, value: &str) -> String {
        let mut masked = String::new();
        for word in value.split_inclusive(|it: char| !it.is_ascii_alphanumeric()) {
            let id = word.trim_end_matches(|it: char| !it.is_ascii_alphanumeric());
            let is_new = id.bytes().all(|it| it.is_ascii_hexdigit())
                && !self.headers.iter().any(|it| it.contains(id));
            masked += &match id.len() {
                32 if is_new => word.replace(id, "TRACE"),
                16 if is_new => word.replace(id, "SPAN"),
                _ => word.to_owned(),
            };
        }
        masked
    }
}
