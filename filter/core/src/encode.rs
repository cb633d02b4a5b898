//! Spans as bytes, one file an encoding.

pub mod otlp;
pub mod protobuf;

/// What all spans of a configuration have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// Attributes in the order in which they were found; no key twice.
    pub attributes: Vec<(String, Value)>,
}

/// The value of a resource attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A 64-bit integer.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// A boolean.
    Flag(bool),
}

impl Resource {
    /// `service.name`; empty if there is none.
    pub fn service_name(&self) -> &str {
        match self.attributes.iter().find(|(key, _)| key == "service.name") {
            Some((_, Value::Text(name))) => name,
            _ => "",
        }
    }
}
