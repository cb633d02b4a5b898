//! Rules: what requests they are for, and the kinds of values that say so.

use super::group::group;
use super::kind::{Kind, Maybe, OneOf, Setting, Share, object};
use super::list::{Each, list};
use super::reader::Reader;
use super::text::{HeaderName, TOKEN, Text};
use hopspan_core::matching;
use hopspan_core::matching::cidr::{Cidr, CidrError};
use hopspan_core::request::Direction;
use hopspan_core::trust::Action;
use serde_json::{Value, json};

/// The most rules of one list: they are tried in turn, for each request.
pub(super) const RULES: usize = 100;

/// A pattern, or several.
pub(super) struct Patterns;

/// Patterns for the values of headers.
pub(super) struct HeaderPatterns;

/// A range of addresses.
pub(super) struct Range;

/// The most patterns of one key.
const MOST: usize = 64;
/// The longest pattern, in bytes.
const LONGEST: usize = 256;

group! {
    /// What a request must be like. All that is given must hold.
    struct Match {
        /// The method, in its own case.
        method: Patterns = Vec::new(),
        /// The host that the request names. A pattern with a colon is tried with its port, too.
        host: Patterns = Vec::new(),
        /// The path, without the query.
        path: Patterns = Vec::new(),
        /// Headers by name.
        header: HeaderPatterns = Vec::new(),
        /// The name of the proxy's route.
        route: Patterns = Vec::new(),
        /// What the listener is.
        direction: Maybe<OneOf<Direction>> = None,
        /// The name of the listener's filter chain.
        filter_chain: Patterns = Vec::new(),
        /// Ranges of the client's address as the proxy trusts it: behind a proxy that does not set
        /// use_remote_address, X-Forwarded-For can choose it, so prefer peer or filter_chain.
        source: Each<Range, 1, MOST> = Vec::new(),
        /// A subject alternative name (URI or DNS) of the client's certificate.
        peer: Patterns = Vec::new(),
    }
}

group! {
    /// What the context of some callers is worth.
    struct TrustRule needs ["action"] {
        r#match: Match = Match::default(),
        /// As trust.default has them.
        action: Maybe<OneOf<Action>> = None,
    }
}

group! {
    /// The share of some new traces that is kept.
    struct SamplingRule needs ["ratio"] {
        r#match: Match = Match::default(),
        /// As sampling.ratio.
        ratio: Maybe<Share> = None,
    }
}

// === impl Kind ===

impl Kind for Patterns {
    type Value = Vec<String>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let pattern = |it: &Value, reader: &mut Reader<'_>| {
            let text = it.as_str().filter(|it| (1..=LONGEST).contains(&it.len()));
            if text.is_none() {
                reader.wrong("a pattern of 1 to 256 bytes", it);
            }
            text.map(str::to_owned)
        };
        let Some(list) = found.as_array() else {
            return pattern(found, reader).map(|it| vec![it]);
        };
        if !(1..=MOST).contains(&list.len()) {
            reader.wrong("a pattern or a list of 1 to 64 of them", found);
            return None;
        }
        let member = |(it, number)| reader.at_number(number, |reader| pattern(it, reader));
        Some(list.iter().zip(0..).filter_map(member).collect())
    }

    fn write(value: &mut Self::Value) -> Option<Value> {
        match value.as_slice() {
            [] => None,
            [one] => Some(Value::from(one.as_str())),
            several => Some(list(several.iter().map(|it| Value::from(it.as_str())))),
        }
    }

    fn schema() -> Value {
        let pattern = json!({ "type": "string", "minLength": 1, "maxLength": LONGEST });
        let list = json!({ "type": "array", "minItems": 1, "maxItems": MOST, "items": pattern });
        json!({ "anyOf": [pattern, list] })
    }
}

impl Kind for HeaderPatterns {
    type Value = Vec<(String, Vec<String>)>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Some(object) = found.as_object().filter(|it| it.len() <= MOST) else {
            reader.wrong("an object of header names and patterns, 64 at most", found);
            return None;
        };
        let mut headers = Vec::new();
        for (name, patterns) in object {
            reader.at(name, |reader| {
                if !Text::<HeaderName>::allows(name) {
                    reader.problem("must have a name of letters, digits and !#$%&'*+-.^_`|~");
                } else if let Some(patterns) = Patterns::read(patterns, reader) {
                    headers.push((name.to_ascii_lowercase(), patterns));
                }
            });
        }
        Some(headers)
    }

    fn write(value: &mut Self::Value) -> Option<Value> {
        let is_empty = value.is_empty();
        let fields = value.iter_mut();
        let fields = fields.filter_map(|(name, it)| Some((&*name, Patterns::write(it)?)));
        Some(object(fields)).filter(|_| !is_empty)
    }

    fn schema() -> Value {
        json!({
            "type": "object",
            "maxProperties": MOST,
            "propertyNames": { "pattern": TOKEN },
            "additionalProperties": Patterns::schema(),
        })
    }
}

impl Kind for Range {
    type Value = Cidr;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Cidr> {
        let Some(text) = found.as_str() else {
            reader.wrong("a range of addresses like 10.0.0.0/8", found);
            return None;
        };
        match text.parse() {
            Ok(range) => Some(range),
            Err(error) => {
                let error: CidrError = error;
                reader.wrong(&format!("a range of addresses like 10.0.0.0/8 ({error})"), found);
                None
            }
        }
    }

    fn write(value: &mut Cidr) -> Option<Value> {
        Some(Value::from(value.to_string()))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$" })
    }
}

// === To core ===

impl Match {
    pub(super) fn settle(self) -> matching::Match {
        let Self { method, host, path, header, route, direction, filter_chain, source, peer } =
            self;
        fn some<T: FromIterator<String>>(list: Setting<Patterns>) -> Option<T> {
            (!list.value.is_empty()).then(|| list.value.into_iter().collect())
        }
        let header = header.value.into_iter().map(|(name, it)| (name, it.iter().collect()));
        matching::Match {
            method: some(method),
            host: some(host),
            path: some(path),
            header: header.collect(),
            direction: direction.value,
            filter_chain: some(filter_chain),
            source: (!source.value.is_empty()).then_some(source.value),
            peer: some(peer),
            route: some(route),
        }
    }
}
