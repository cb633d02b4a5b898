//! `resource_attributes`: what else is said about where spans come from.

use super::kind::{Kind, integer, object};
use super::reader::Reader;
use super::text::LONGEST;
use hopspan_core::encode::Value as Attribute;
use hopspan_core::semconv;
use serde_json::{Value, json};

/// Attributes by key, which have keys of their own or are hopspan's excepted.
pub(super) struct Attributes;

/// The value of an attribute.
pub(super) struct Scalar;

/// Most attributes: OpenTelemetry's limit for anything that has attributes.
pub(super) const MOST: usize = 128;

/// Attributes that have a key of their own in the document.
pub(super) const OF_SERVICE: [(&str, &str); 4] = [
    (semconv::SERVICE_NAME, "service.name"),
    (semconv::SERVICE_NAMESPACE, "service.namespace"),
    (semconv::SERVICE_VERSION, "service.version"),
    (semconv::SERVICE_INSTANCE_ID, "service.instance_id"),
];

/// Attributes with this prefix say what made the spans, and that is hopspan.
pub(super) const OF_SDK: &str = "telemetry.sdk.";

const EXPECTED: &str = "an object of strings, numbers and booleans, 128 at most";

impl Kind for Attributes {
    type Value = Vec<(String, Attribute)>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Some(object) = found.as_object().filter(|it| it.len() <= MOST) else {
            reader.wrong(EXPECTED, found);
            return None;
        };
        let attribute = |(key, found): (&String, &Value)| {
            reader.at(key, |reader| {
                let value = attribute(key, found, reader)?;
                Some((key.clone(), value))
            })
        };
        Some(object.iter().filter_map(attribute).collect())
    }

    fn write(value: &mut Self::Value) -> Option<Value> {
        Some(object(value.iter_mut().filter_map(|(key, it)| Some((&*key, Scalar::write(it)?)))))
    }

    fn schema() -> Value {
        let reserved: Vec<_> = OF_SERVICE.iter().map(|(key, _)| key).collect();
        json!({
            "type": "object",
            "maxProperties": MOST,
            "propertyNames": {
                "minLength": 1,
                "maxLength": LONGEST,
                "not": { "anyOf": [{ "enum": reserved }, { "pattern": r"^telemetry\.sdk\." }] },
            },
            "additionalProperties": Scalar::schema(),
        })
    }
}

fn attribute(key: &str, found: &Value, reader: &mut Reader<'_>) -> Option<Attribute> {
    if let Some((_, instead)) = OF_SERVICE.iter().find(|(it, _)| *it == key) {
        reader.problem(format!("must be written as the key {instead}"));
        return None;
    }
    if key.starts_with(OF_SDK) {
        reader.problem("is set by hopspan alone");
        return None;
    }
    if key.is_empty() || key.chars().count() > LONGEST {
        reader.problem("must have a key of 1 to 1024 characters");
        return None;
    }
    Scalar::read(found, reader)
}

impl Kind for Scalar {
    type Value = Attribute;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Attribute> {
        let value = match found {
            Value::String(text) if text.chars().count() <= LONGEST => {
                Some(Attribute::Text(text.clone()))
            }
            Value::Bool(flag) => Some(Attribute::Flag(*flag)),
            Value::Number(_) => {
                integer(found).map(Attribute::Integer).or(found.as_f64().map(Attribute::Float))
            }
            _ => None,
        };
        if value.is_none() {
            reader.wrong("a text of at most 1024 characters, a number, true or false", found);
        }
        value
    }

    fn write(value: &mut Attribute) -> Option<Value> {
        Some(match value {
            Attribute::Text(text) => Value::from(text.as_str()),
            Attribute::Integer(number) => Value::from(*number),
            Attribute::Float(number) => Value::from(*number),
            Attribute::Flag(flag) => Value::from(*flag),
        })
    }

    fn schema() -> Value {
        json!({ "type": ["string", "number", "boolean"], "maxLength": LONGEST })
    }
}
