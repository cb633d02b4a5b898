//! Spans as bytes, one file an encoding.

pub mod gzip;
pub mod json;
pub mod otlp;
pub mod otlp_metrics;
pub mod otlp_json;
pub mod protobuf;
pub mod zipkin;

/// What goes over the wire, by the names of OpenTelemetry.
///
/// Whatever it is, spans wait as OTLP in protobuf, and become something else when they are sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// OTLP in protobuf.
    #[default]
    HttpProtobuf,
    /// OTLP in JSON.
    HttpJson,
    /// Zipkin's JSON, version 2.
    ZipkinJson,
}

/// How a request's body is made smaller.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Compression {
    /// It is not.
    #[default]
    None,
    /// By gzip, if the host can.
    Gzip,
}

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

impl Protocol {
    /// `content-type` of requests.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "application/x-protobuf",
            Self::HttpJson | Self::ZipkinJson => "application/json",
        }
    }

    /// Where collectors expect spans.
    pub fn traces_path(self) -> &'static str {
        match self {
            Self::HttpProtobuf | Self::HttpJson => "/v1/traces",
            Self::ZipkinJson => "/api/v2/spans",
        }
    }
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

#[cfg(test)]
mod tests;
