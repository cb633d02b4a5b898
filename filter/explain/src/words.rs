//! An explanation in words.

use crate::Item;
use hopspan_core::config::Config;
use hopspan_core::keep;
use hopspan_core::request::Direction;
use serde_json::Value;

/// What the words are about.
pub(crate) struct Situation<'a> {
    pub(crate) config: &'a Config,
    /// The line's items.
    pub(crate) items: &'a [Item],
    pub(crate) direction: Direction,
    /// Whether the proxy is one of Istio's waypoints.
    pub(crate) is_waypoint: bool,
    /// The reasons why some of the trace headers do not count.
    pub(crate) invalid: Vec<&'a str>,
    /// Whether the request may be kept at its end.
    pub(crate) may_be_kept: bool,
    /// Whether it goes to a third party.
    pub(crate) is_stripped: bool,
    /// Whether the next hop hears of this one.
    pub(crate) is_passed_on: bool,
}

impl Situation<'_> {
    /// The answer in a sentence or two.
    pub(crate) fn summary(&self) -> String {
        let is_sampled = self.is("sampled", "1");
        let verdict = if is_sampled { "Sampled" } else { "Not sampled" };
        let mut text = format!("{verdict}: {}.", self.reason(is_sampled));
        if is_sampled && self.config.collector.is_none() {
            text += " No span is made all the same: collector.cluster is not set.";
        }
        if self.may_be_kept {
            let keep::Policy { errors, slower_than } = self.config.keep;
            let errors = errors.then(|| "fails".to_owned());
            let slow = slower_than.map(|it| format!("takes {} ms", it.as_millis()));
            let ends: Vec<_> = errors.into_iter().chain(slow).collect();
            text +=
                &format!(" It is kept all the same if it {} (sampling.keep).", ends.join(" or "));
        }
        if self.is_stripped {
            text +=
                " It goes to a third party, which gets no trace header (trust.strip_on_egress).";
        }
        text
    }

    fn reason(&self, is_sampled: bool) -> String {
        let keeps = |who: &str| match self.get("ratio") {
            "1" => format!("{who} keeps all traces that are decided here"),
            "0" => format!("{who} keeps no trace that is decided here"),
            ratio => {
                let such = if is_sampled { "one" } else { "none" };
                format!(
                    "{who} keeps {ratio} of the traces that are decided here, and this is {such} of them"
                )
            }
        };
        match self.get("by") {
            "export" => {
                "it brings spans to the collector, and a span of it would do so again".to_owned()
            }
            "debug" => "a trusted caller set its debug flag".to_owned(),
            "force" => format!("a trusted caller sent {}", self.force()),
            "health_check" => {
                "it is a health check of a trusted caller (sampling.skip_health_checks)".to_owned()
            }
            "caller" if is_sampled => "its caller is trusted, and had sampled it".to_owned(),
            "caller" => "its caller is trusted, and had not sampled it".to_owned(),
            "disabled" => "the metadata of its route says disabled".to_owned(),
            "route" => keeps("the metadata of its route"),
            "ratio" => keeps("sampling.ratio"),
            "max_per_second" => "sampling.max_per_second has been reached".to_owned(),
            "min_per_minute" => "it is among the sampling.min_per_minute of its route".to_owned(),
            rule => keeps(&format!("sampling.{}", place(rule))),
        }
    }

    /// What one item of the line means here.
    pub(crate) fn of(&self, Item { key, value, meaning: _ }: &Item) -> String {
        match (key.as_str(), value.as_str()) {
            ("service", _) => "this proxy's service.name".to_owned(),
            ("in", "none") if self.invalid.is_empty() => "no trace-id came".to_owned(),
            ("in", "none") => format!("what came is invalid: {}", self.invalid.join(", ")),
            ("in", _) if self.invalid.is_empty() => {
                "the format of the context that came".to_owned()
            }
            ("in", _) => {
                format!(
                    "the format of the context that came; some is invalid: {}",
                    self.invalid.join(", ")
                )
            }
            ("conflicts", _) => "other traces that came with it: the span links them".to_owned(),
            ("trust", "continue") => "what such a caller sends counts".to_owned(),
            ("trust", "restart") => {
                "a caller's trace ends here; the new one's span links it".to_owned()
            }
            ("trust", _) => "a caller's trace goes on, but not its decision".to_owned(),
            ("trust_by", "default") => self.default_trust(),
            ("trust_by", rule) => format!("trust.{}", place(rule)),
            ("sampled", "1") => "yes".to_owned(),
            ("sampled", _) => "no".to_owned(),
            ("by", by) => self.decider(by),
            ("ratio", _) if self.has_own_dice() => {
                "the share that is kept, by dice of our own: the caller chose the trace-id"
                    .to_owned()
            }
            ("ratio", _) => "the share that is kept, by the trace-id".to_owned(),
            ("trace", _) if self.has("parent") || self.goes_on() => "the caller's trace".to_owned(),
            ("trace", _) => "a new trace".to_owned(),
            ("span", span) if self.is("parent", span) => {
                "the caller's span: this hop makes none".to_owned()
            }
            ("span", _) if !self.is_passed_on => {
                "this hop, of which the next hears nothing".to_owned()
            }
            ("span", _) => "this hop, the parent of the next".to_owned(),
            ("parent", _) => "the caller's span".to_owned(),
            ("queue", "none") => "nothing is exported: collector.cluster is not set".to_owned(),
            ("queue", _) => "spans that wait to be sent, and how many may".to_owned(),
            _ => String::new(),
        }
    }

    fn decider(&self, by: &str) -> String {
        let setting = match by {
            "export" => "a POST to collector.traces_path at collector.authority".to_owned(),
            "debug" => "the caller's debug flag".to_owned(),
            "force" => format!("sampling.force: {}", self.force()),
            "health_check" => "sampling.skip_health_checks".to_owned(),
            "caller" => "the caller's sampled flag".to_owned(),
            "disabled" => "routes.metadata: disabled".to_owned(),
            "route" => "routes.metadata: sampling_ratio".to_owned(),
            "ratio" => "sampling.ratio".to_owned(),
            "max_per_second" | "min_per_minute" => format!("sampling.{by}"),
            rule => format!("sampling.{}", place(rule)),
        };
        // A proxy that has served others may say otherwise.
        let is_first = by == "min_per_minute";
        let is_limited = self.config.sampling.max_per_second.is_some()
            && self.has("ratio")
            && self.is("sampled", "1");
        match (is_first, is_limited) {
            (true, _) => format!("{setting}; this is its route's first request"),
            (false, true) => format!("{setting}; sampling.max_per_second allows a first request"),
            (false, false) => setting,
        }
    }

    fn default_trust(&self) -> String {
        let effective: Value = serde_json::from_str(&self.config.effective).unwrap_or_default();
        let is_auto = effective["trust"]["default"] == "auto";
        let listener = match self.direction {
            _ if self.is_waypoint => "an Istio waypoint",
            Direction::Inbound => "an inbound listener",
            Direction::Outbound => "an outbound listener",
            Direction::Gateway => "a gateway",
        };
        let rules = if self.config.trust.rules.is_empty() { "" } else { "no rule fits; " };
        match is_auto {
            true => format!("{rules}trust.default is auto, and this is {listener}"),
            false => format!("{rules}trust.default"),
        }
    }

    fn force(&self) -> &str {
        self.config.sampling.force.as_ref().map_or("", |it| &it.header)
    }

    /// Whether a context came and its trace goes on.
    fn goes_on(&self) -> bool {
        !self.is("in", "none") && !self.is("trust", "restart")
    }

    fn has_own_dice(&self) -> bool {
        self.goes_on() && self.is("trust", "ignore_sampling")
    }

    fn get(&self, key: &str) -> &str {
        self.items.iter().find(|it| it.key == key).map_or("", |it| &it.value)
    }

    fn is(&self, key: &str, value: &str) -> bool {
        self.get(key) == value
    }

    fn has(&self, key: &str) -> bool {
        !self.get(key).is_empty()
    }
}

/// `rule:0` as a place in a list.
fn place(rule: &str) -> String {
    format!("rules[{}]", rule.strip_prefix("rule:").unwrap_or(rule))
}
