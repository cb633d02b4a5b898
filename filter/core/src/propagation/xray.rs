//! AWS X-Ray: `X-Amzn-Trace-Id`.
//!
//! ```text
//! value   = field *( ";" field )        ; in any order, white space around them
//! field   = "Root=" root / "Parent=" 16HEXDIG / "Sampled=" ( "0" / "1" / "?" ) / other
//! root    = "1-" 8HEXDIG "-" 24HEXDIG   ; version, seconds of the epoch, the rest
//! other   = key "=" text                ; Self, Lineage, what a caller added
//! ```
//! `Sampled=?` asks for a decision, as does its absence. Load balancers send `Root` alone.
//! Other fields pass as they are, but for `Self`, which is of the hop that wrote it.
//!
//! Spec: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html>
//! (this grammar is their text in ABNF; `?` is in AWS' own SDKs only)

use super::{Edits, Said, trim_ows};
use crate::context::{Decision, Outgoing, Remote};
use crate::id::{self, SpanId, TraceId, short_hex};
use crate::request::trace_fields::{TraceFields, TraceHeader};

/// What belongs to this format.
pub const HEADERS: &[TraceHeader] = &[TraceHeader::AmznTraceId];

/// The most bytes of other fields that go on.
const OTHERS: usize = 512;

/// Reads the header; `None` if it breaks the grammar, or is there several times.
pub fn extract(fields: &TraceFields<'_>) -> Option<Said<'static>> {
    parse(fields.get(TraceHeader::AmznTraceId).once()?)
}

/// Reads one value.
pub fn parse(value: &[u8]) -> Option<Said<'static>> {
    let (mut root, mut parent, mut sampled) = (None, None, None);
    for field in fields_of(value) {
        let (key, value) = split(field)?;
        let known = match key {
            b"Root" => &mut root,
            b"Parent" => &mut parent,
            b"Sampled" => &mut sampled,
            _ => continue,
        };
        if known.replace(value).is_some() {
            return None;
        }
    }
    let decision = match sampled {
        None | Some(b"?") => Decision::Defer,
        Some(b"0") => Decision::Drop,
        Some(b"1") => Decision::Sample,
        Some(_) => return None,
    };
    match (root, parent, decision) {
        (Some(root), parent, _) => {
            let span_id = match parent {
                Some(parent) => Some(eight(parent).and_then(SpanId::from_bytes)?),
                None => None,
            };
            Some(Said::Context(Remote::new(trace_id(root)?, span_id, decision)))
        }
        (None, _, Decision::Defer) | (None, Some(_), _) => None,
        (None, None, decision) => Some(Said::Decision(decision)),
    }
}

/// Writes the header.
pub fn inject(outgoing: &Outgoing<'_>, edits: &mut Edits<'_>) {
    let mut digits = Vec::with_capacity(32);
    id::write_hex(outgoing.context.trace_id.as_bytes(), &mut digits);
    let (seconds, rest) = digits.split_at_checked(8).unwrap_or_default();
    let mut value = Vec::with_capacity(80);
    for part in [b"Root=1-", seconds, b"-", rest, b";Parent="] {
        value.extend_from_slice(part);
    }
    id::write_hex(outgoing.context.span_id.as_bytes(), &mut value);
    let sampled = outgoing.context.flags.is_sampled();
    value.extend_from_slice(if sampled { b";Sampled=1" } else { b";Sampled=0" });
    let longest = value.len().saturating_add(OTHERS);
    for field in fields_of(edits.fields.get(TraceHeader::AmznTraceId).once().unwrap_or_default()) {
        let fits = value.len().saturating_add(field.len()) < longest;
        if fits && field.iter().all(u8::is_ascii_graphic) && is_other(field) {
            value.push(b';');
            value.extend_from_slice(field);
        }
    }
    edits.set(TraceHeader::AmznTraceId, value);
}

fn fields_of(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b';').map(trim_ows).filter(|it| !it.is_empty())
}

fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = field.iter().position(|&b| b == b'=')?;
    let (key, value) = field.split_at_checked(equals)?;
    Some((key, value.get(1..)?))
}

fn is_other(field: &[u8]) -> bool {
    split(field).is_some_and(|(key, _)| {
        !key.is_empty() && !matches!(key, b"Root" | b"Parent" | b"Sampled" | b"Self")
    })
}

fn trace_id(root: &[u8]) -> Option<TraceId> {
    let rest = root.strip_prefix(b"1-")?;
    let (seconds, rest) = rest.split_at_checked(8)?;
    let rest = rest.strip_prefix(b"-").filter(|it| it.len() == 24)?;
    let (middle, low) = rest.split_at_checked(8)?;
    let high = [four(seconds)?, four(middle)?].map(u32::from_be_bytes);
    let [first, second] = high.map(u64::from);
    TraceId::from_halves(first << 32 | second, u64::from_be_bytes(eight(low)?))
}

fn four(digits: &[u8]) -> Option<[u8; 4]> {
    short_hex(digits).filter(|_| digits.len() == 8)
}

fn eight(digits: &[u8]) -> Option<[u8; 8]> {
    short_hex(digits).filter(|_| digits.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{naive, read};
    use super::*;
    use proptest::prelude::*;

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
    const TRACE: &str = "5759e988bd862e3fe1be46a994272793";
    const PARENT: &str = "Parent=53995c3f42cd8ad8";
    const SPAN: &str = "53995c3f42cd8ad8";

    #[test]
    fn reads_what_the_documentation_shows_and_nothing_else() {
        let ids = |decision: &str| Some(format!("{TRACE}/{SPAN} {decision}"));
        for (why, value, want) in [
            ("its example", format!("{ROOT};{PARENT};Sampled=1"), ids("sample")),
            ("not sampled", format!("{ROOT};{PARENT};Sampled=0"), ids("drop")),
            ("asked for", format!("{ROOT};{PARENT};Sampled=?"), ids("defer")),
            ("left open", format!("{ROOT};{PARENT}"), ids("defer")),
            ("a load balancer's", ROOT.into(), Some(format!("{TRACE} defer"))),
            ("without parent", format!("{ROOT};Sampled=1"), Some(format!("{TRACE} sample"))),
            ("in another order", format!("Sampled=1;{PARENT};{ROOT}"), ids("sample")),
            ("white space", format!("{ROOT}; {PARENT} ;Sampled=1 "), ids("sample")),
            (
                "other fields",
                format!(
                    "Self=1-67891234-12456789abcdef012345678;{ROOT};{PARENT};Sampled=1;Lineage=a:1"
                ),
                ids("sample"),
            ),
            ("an empty field", format!("{ROOT};;{PARENT};"), ids("defer")),
            ("a decision alone", "Sampled=0".into(), Some("drop".into())),
            ("a question alone", "Sampled=?".into(), None),
            ("nothing", String::new(), None),
            ("others alone", "Self=1-2-3".into(), None),
            ("no root", format!("{PARENT};Sampled=1"), None),
            ("a root twice", format!("{ROOT};{ROOT};{PARENT}"), None),
            ("another version", ROOT.replace("1-", "2-"), None),
            ("a digit moved", "Root=1-5759e988b-d862e3fe1be46a994272793".into(), None),
            ("too short", "Root=1-5759e988-bd862e3fe1be46a99427279".into(), None),
            ("zero", "Root=1-00000000-000000000000000000000000".into(), None),
            ("a zero parent", format!("{ROOT};Parent=0000000000000000"), None),
            ("a short parent", format!("{ROOT};Parent=53995c3f42cd8ad"), None),
            ("another decision", format!("{ROOT};{PARENT};Sampled=2"), None),
            ("no equals sign", format!("{ROOT};Parent"), None),
            ("keys in lower case are others", ROOT.to_lowercase(), None),
        ] {
            assert_eq!(parse(value.as_bytes()).map(read), want, "{why}: {value:?}");
        }
    }

    #[test]
    fn agrees_with_a_naive_reader_about_every_changed_byte() {
        for value in super::super::tests::changed(&format!("{ROOT};{PARENT};Sampled=?;A=b")) {
            assert_eq!(parse(&value).map(read), naive::xray(&value), "{}", value.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(
            fields in prop::collection::vec(prop::sample::select(vec![
                ROOT, PARENT, "Sampled=1", "Sampled=0", "Sampled=?", "Sampled=", "Self=1", "=", "x", " A=b ", "",
            ]), 0..6),
        ) {
            let value = fields.join(";");
            prop_assert_eq!(parse(value.as_bytes()).map(read), naive::xray(value.as_bytes()));
        }
    }
}
