//! Kinds of text.

use super::kind::Kind;
use super::reader::Reader;
use serde_json::{Value, json};
use std::marker::PhantomData;

/// A text that follows rules, or none.
pub(super) struct Text<R>(PhantomData<R>);

/// What a text must look like.
pub(super) trait Rules {
    /// In words.
    const EXPECTED: &'static str;
    /// As JSON Schema has it, if there is more to it than the length.
    const PATTERN: Option<&'static str>;

    /// The same as `PATTERN`.
    fn allow(text: &str) -> bool;
}

/// The longest text, in characters. It is repeated in every request.
pub(super) const LONGEST: usize = 1024;

/// Any text but the empty one.
pub(super) struct Anything;

/// The name of a cluster, which may have any shape, but is printed in logs.
pub(super) struct ClusterName;

/// ```text
/// authority = host [ ":" port ]
/// host      = IP-literal / IPv4address / reg-name
/// reg-name  = *( unreserved / pct-encoded / sub-delims )
/// ```
/// Only its characters are checked. Servers refuse others: Go's with status 400.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc3986#section-3.2>
pub(super) struct Authority;

/// A path, and a query if need be: visible ASCII, no fragment.
pub(super) struct Path;

/// The name of a header: a token, of any case.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-5.1>
pub(super) struct HeaderName;

/// A header's name, or a key of baggage, which is a token as well, as JSON Schema has it.
pub(super) const TOKEN: &str = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/// The value of a header: visible ASCII, with spaces only between.
pub(super) struct HeaderValue;

impl Rules for HeaderName {
    const EXPECTED: &'static str = "the name of a header: letters, digits and !#$%&'*+-.^_`|~";
    const PATTERN: Option<&'static str> = Some(TOKEN);

    fn allow(text: &str) -> bool {
        text.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it))
    }
}

impl Rules for HeaderValue {
    const EXPECTED: &'static str =
        "the value of a header: visible ASCII characters, with spaces only between them";
    const PATTERN: Option<&'static str> = Some("^[!-~]([ -~]*[!-~])?$");

    fn allow(text: &str) -> bool {
        let edge = |it: Option<u8>| it.is_none_or(|it| it.is_ascii_graphic());
        text.bytes().all(|it| it.is_ascii_graphic() || it == b' ')
            && edge(text.bytes().next())
            && edge(text.bytes().next_back())
    }
}

impl Rules for Anything {
    const EXPECTED: &'static str = "a text of 1 to 1024 characters";
    const PATTERN: Option<&'static str> = None;

    fn allow(_: &str) -> bool {
        true
    }
}

impl Rules for ClusterName {
    const EXPECTED: &'static str =
        "the name of a cluster: 1 to 1024 characters, no control characters";
    const PATTERN: Option<&'static str> = Some(r"^[^\u0000-\u001f\u007f-\u009f]*$");

    fn allow(text: &str) -> bool {
        !text.chars().any(char::is_control)
    }
}

impl Rules for Authority {
    const EXPECTED: &'static str = "a host, and a port if need be, like otel.example:4318";
    const PATTERN: Option<&'static str> = Some(r"^[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*$");

    fn allow(text: &str) -> bool {
        text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&it))
    }
}

impl Rules for Path {
    const EXPECTED: &'static str =
        "a path of visible ASCII characters that begins with / and has no #";
    const PATTERN: Option<&'static str> = Some(r##"^/[!"$-~]*$"##);

    fn allow(text: &str) -> bool {
        text.starts_with('/') && text.bytes().all(|it| it.is_ascii_graphic() && it != b'#')
    }
}

impl<R: Rules> Text<R> {
    /// Whether a text is what it must be.
    pub(super) fn allows(text: &str) -> bool {
        has_length(text) && R::allow(text)
    }
}

#[inline(never)]
fn has_length(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST
}

impl<R: Rules> Kind for Text<R> {
    type Value = Option<String>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Option<String>> {
        let text = found.as_str().filter(|it| Self::allows(it));
        if text.is_none() {
            reader.wrong(R::EXPECTED, found);
        }
        text.map(|it| Some(it.to_owned()))
    }

    fn write(value: &mut Option<String>) -> Option<Value> {
        value.clone().map(Value::String)
    }

    fn schema() -> Value {
        let mut schema = json!({ "type": "string", "minLength": 1, "maxLength": LONGEST });
        if let (Value::Object(schema), Some(pattern)) = (&mut schema, R::PATTERN) {
            schema.insert("pattern".into(), pattern.into());
        }
        schema
    }
}
