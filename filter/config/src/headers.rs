//! `collector.headers`: header fields that requests carry, which may be secret.

use super::kind::{Kind, object};
use super::reader::{Reader, quoted};
use super::text::{HeaderName, HeaderValue, Rules, TOKEN};
use hopspan_core::request::trace_fields::TraceHeader;
use serde_json::{Value, json};

/// Header fields by name.
pub(super) struct Headers;

/// Most header fields, so that a request stays below what servers accept.
pub(super) const MOST: usize = 64;
/// The longest value, in bytes; a request's whole header is rarely allowed more.
const LONGEST: usize = 8192;

const EXPECTED: &str = "an object of header names and values, 64 at most";
const VALUE: &str = "visible ASCII characters, with spaces only between them, 8192 at most";

/// Names that hopspan writes itself, and those that belong to a connection. Those of trace
/// context are reserved as well: what a request with spans says of itself is that nobody traces it.
const RESERVED: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Why a header field cannot be sent; never says the value.
pub(super) type Fault = String;

impl Kind for Headers {
    type Value = Vec<(String, String)>;

    fn read(found: &Value, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Some(object) = found.as_object().filter(|it| it.len() <= MOST) else {
            reader.wrong_secret(EXPECTED, found);
            return None;
        };
        let mut fields: Self::Value = Vec::new();
        for (name, found) in object {
            reader.at(name, |reader| {
                let Some(written) = found.as_str() else {
                    reader.wrong_secret("a text", found);
                    return;
                };
                let field = fill_in(written, reader.env).and_then(|value| field(name, &value));
                match field {
                    Err(fault) => reader.problem(fault),
                    Ok((name, _)) if fields.iter().any(|(it, _)| *it == name) => {
                        reader.problem("is there twice: upper and lower case are the same");
                    }
                    Ok(field) => fields.push(field),
                }
            });
        }
        Some(fields)
    }

    fn write(value: &mut Self::Value) -> Option<Value> {
        Some(object(value.iter().map(|(name, _)| (name, Value::from("***")))))
    }

    fn schema() -> Value {
        let mut reserved = String::new();
        for name in RESERVED.into_iter().chain(TraceHeader::ALL.map(TraceHeader::name)) {
            let any_case = |it: char| match it.is_ascii_alphabetic() {
                true => format!("[{}{it}]", it.to_ascii_uppercase()),
                false => it.to_string(),
            };
            reserved.push_str(if reserved.is_empty() { "" } else { "|" });
            reserved.extend(name.chars().map(any_case));
        }
        json!({
            "type": "object",
            "maxProperties": MOST,
            "propertyNames": {
                "pattern": TOKEN,
                "not": { "pattern": format!("^({reserved})$") },
            },
            "additionalProperties": { "type": "string", "pattern": "^([!-~]([ -~]*[!-~])?)?$" },
        })
    }
}

/// Checks a header field; its name becomes lower-case, as HTTP/2 wants it.
///
/// ```text
/// field-name    = token = 1*tchar
/// tchar         = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "."
///               / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
/// field-value   = *field-content
/// field-content = field-vchar [ 1*( SP / HTAB / field-vchar ) field-vchar ]
/// field-vchar   = VCHAR / obs-text
/// ```
/// obs-text and HTAB are refused: there is no use for them in what a collector reads.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-5.1>, section 5.5
pub(super) fn field(name: &str, value: &str) -> Result<(String, String), Fault> {
    if name.is_empty() || !HeaderName::allow(name) {
        return Err("must have a name of letters, digits and !#$%&'*+-.^_`|~".to_owned());
    }
    let name = name.to_ascii_lowercase();
    if RESERVED.contains(&name.as_str()) || TraceHeader::named(name.as_bytes()).is_some() {
        return Err("is a header that hopspan or the proxy sets".to_owned());
    }
    if !HeaderValue::allow(value) || value.len() > LONGEST {
        return Err(format!("must be {VALUE} (the value is not shown)"));
    }
    Ok((name, value.to_owned()))
}

/// Puts variables of the environment in the place of their names.
///
/// ```text
/// value    = *( text / variable )
/// variable = "${" NAME "}"
/// NAME     = ( ALPHA / "_" ) *( ALPHA / DIGIT / "_" )
/// ```
/// A `$` before anything but `{` is text. A variable that is empty counts as unset, as
/// everywhere in OpenTelemetry.
fn fill_in(written: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Fault> {
    let mut value = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('$') {
        value.push_str(before);
        let Some(after) = after.strip_prefix('{') else {
            value.push('$');
            rest = after;
            continue;
        };
        let is_name = |it: &str| {
            it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
                && it.bytes().next().is_some_and(|it| !it.is_ascii_digit())
        };
        let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_name(name)) else {
            return Err("has a ${ that does not go on with a variable's name and }".to_owned());
        };
        let Some(variable) = env(name).filter(|it| !it.is_empty()) else {
            let name = quoted(name);
            return Err(format!("needs {name} in the VM's environment_variables; it is not set"));
        };
        value.push_str(&variable);
        rest = after;
    }
    value.push_str(rest);
    Ok(value)
}
