//! A header as it is written on a command line: curl's way.

use std::fmt;
use std::str::FromStr;

/// A header of a request.
///
/// ```text
/// header      = field-name ":" OWS field-value OWS ; not empty
///             / field-name ";"                     ; curl's way to send an empty value
/// field-name  = 1*tchar
/// field-value = *( %x09 / %x20-7E / %x80-FF )
/// ```
/// Source: <https://curl.se/docs/manpage.html#-H>; spec:
/// <https://www.rfc-editor.org/rfc/rfc9110#section-5.5>
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// In lower case, as a proxy hands it over.
    pub name: String,
    /// Without space around it.
    pub value: String,
}

/// The part of a header that broke the grammar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeaderError {
    /// Nothing tells its name from its value.
    NoColon,
    /// A character that no name has.
    Name,
    /// A pseudo-header of HTTP/2.
    Pseudo,
    /// A name without a value.
    NoValue,
    /// A control character in its value.
    Value(char),
}

impl FromStr for Header {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        use HeaderError as E;

        if text.starts_with(':') {
            return Err(E::Pseudo);
        }
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, value.trim_matches([' ', '\t'])),
            None => (text.strip_suffix(';').ok_or(E::NoColon)?, ""),
        };
        if name.is_empty() || !name.bytes().all(is_tchar) {
            return Err(E::Name);
        }
        if value.is_empty() && text.contains(':') {
            return Err(E::NoValue);
        }
        match value.chars().find(|it| it.is_ascii_control() && *it != '\t') {
            Some(control) => Err(E::Value(control)),
            None => Ok(Self { name: name.to_ascii_lowercase(), value: value.to_owned() }),
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoColon => f.write_str("it has no colon between name and value"),
            Self::Name => f.write_str(
                "its name must be of letters, digits and !#$%&'*+-.^_`|~, with no space",
            ),
            Self::Pseudo => f.write_str(
                "its name begins with a colon; there are --method, --host and --path for that",
            ),
            Self::NoValue => f.write_str(
                "it has no value; curl sends no such header, and NAME; is one with an empty value",
            ),
            Self::Value(it) => write!(f, "its value has the control character {it:?}"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2>
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_as_for_curl() {
        use HeaderError as E;
        let header =
            |name: &str, value: &str| Ok(Header { name: name.to_owned(), value: value.to_owned() });
        for (why, text, want) in [
            ("plain", "b3: 1", header("b3", "1")),
            ("no case", "X-Debug:Yes", header("x-debug", "Yes")),
            ("space around the value", "b3: \t 1 \t", header("b3", "1")),
            ("colons in the value", "traceparent: a:b", header("traceparent", "a:b")),
            ("an empty value", "x-debug;", header("x-debug", "")),
            ("a semicolon in the value", "x: a;", header("x", "a;")),
            ("a tab inside", "x: a\tb", header("x", "a\tb")),
            ("other letters", "x: caf\u{e9}", header("x", "caf\u{e9}")),
            ("no colon", "b3=1", Err(E::NoColon)),
            ("nothing", "", Err(E::NoColon)),
            ("no name", ";", Err(E::Name)),
            ("a space before the colon", "b3 : 1", Err(E::Name)),
            ("a pseudo-header", ":path: /", Err(E::Pseudo)),
            ("what curl does not send", "user-agent:", Err(E::NoValue)),
            ("the same with spaces", "user-agent:  ", Err(E::NoValue)),
            ("a line break", "x: a\nb: c", Err(E::Value('\n'))),
            ("an escape", "x: \u{1b}[2J", Err(E::Value('\u{1b}'))),
        ] {
            assert_eq!(text.parse(), want, "{why}");
        }
    }
}
