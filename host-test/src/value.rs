//! Values of properties, as typed as Envoy has them.

use crate::headers::Headers;
use std::time::Duration;

/// The value of a property.
///
/// On the wire: text and messages are their bytes, numbers, times and durations
/// 8 bytes in little endian, a boolean one byte, a map the ABI's pairs.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, which need not be UTF-8.
    Bytes(Vec<u8>),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A number from metadata, which knows no others.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// Nanoseconds since 1970.
    Timestamp(u64),
    /// A length of time.
    Duration(Duration),
    /// A map, such as `request.headers`.
    Map(Headers),
    /// Exists but has no wire form: status 3, as for the whole `filter_state`.
    Unserialisable,
}

impl Value {
    pub(crate) fn wire(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Int(number) => number.to_le_bytes().to_vec(),
            Self::Uint(number) | Self::Timestamp(number) => number.to_le_bytes().to_vec(),
            Self::Double(number) => number.to_bits().to_le_bytes().to_vec(),
            Self::Bool(truth) => vec![u8::from(*truth)],
            Self::Duration(duration) => crate::clock::nanos(*duration).to_le_bytes().to_vec(),
            Self::Map(map) => map.encode(),
            Self::Unserialisable => return None,
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Uint(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Self::Duration(duration)
    }
}
