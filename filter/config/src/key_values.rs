//! Lists of keys and values in variables of the environment.

use std::fmt;

/// What is wrong with a list; never says what is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ListError {
    /// The member of this number, counted from 1, has no `=`, or nothing before it.
    Member(usize),
    /// A `%` of this member is not followed by two hexadecimal digits.
    Percent(usize),
    /// This member is not UTF-8 when decoded.
    Text(usize),
}

/// Reads a list in the form of W3C Baggage, without properties.
///
/// ```text
/// list   = member *( OWS "," OWS member )
/// member = key OWS "=" OWS value      ; both percent-encoded
/// ```
/// Several variables of OpenTelemetry have this form; an error anywhere discards all of it.
///
/// Spec: <https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable>,
/// <https://www.w3.org/TR/baggage/#definition>
pub(super) fn parse(list: &str) -> Result<Vec<(String, String)>, ListError> {
    let members = list.split(',').zip(1..).filter(|(member, _)| !member.trim().is_empty());
    let pair = |(member, number): (&str, usize)| {
        let (key, value) = member.split_once('=').ok_or(ListError::Member(number))?;
        let key = decode(key.trim(), number)?;
        if key.is_empty() {
            return Err(ListError::Member(number));
        }
        Ok((key, decode(value.trim(), number)?))
    };
    members.map(pair).collect()
}

/// ```text
/// pct-encoded = "%" HEXDIG HEXDIG
/// ```
/// Spec: <https://www.rfc-editor.org/rfc/rfc3986#section-2.1>
fn decode(text: &str, member: usize) -> Result<String, ListError> {
    let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else { return Err(ListError::Percent(member)) };
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(ListError::Percent(member));
        };
        bytes.push(high << 4 | low);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| ListError::Text(member))
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(number) => write!(f, "member {number} is not key=value"),
            Self::Percent(number) => {
                write!(f, "member {number} has a % that two hexadecimal digits do not follow")
            }
            Self::Text(number) => write!(f, "member {number} is not UTF-8 when decoded"),
        }
    }
}
