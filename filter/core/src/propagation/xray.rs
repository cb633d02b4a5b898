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

use super::invalid::Invalid;
use super::value::{once, span_id, trim_ows, within};
use super::{Edits, Said};
use crate::context::{Decision, Outgoing, Remote};
use crate::id::{self, TraceId, short_hex};
use crate::request::trace_fields::{TraceFields, TraceHeader};

/// What belongs to this format.
pub const HEADERS: &[TraceHeader] = &[TraceHeader::AmznTraceId];

/// The longest value: past 7 KB of headers, load balancers write a new one.
const LONGEST: usize = 7 << 10;
/// The most bytes of other fields that go on.
const OTHERS: usize = 512;

/// Reads the header.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn extract(fields: &TraceFields<'_>) -> Result<Said<'static>, Invalid> {
    parse(once(fields.get(TraceHeader::AmznTraceId))?)
}

/// Reads one value.
///
/// # Errors
///
/// The reason why nothing it says can be used.
pub fn parse(value: &[u8]) -> Result<Said<'static>, Invalid> {
    let (mut root, mut parent, mut sampled) = (None, None, None);
    for field in fields_of(within(LONGEST, value)?) {
        let (key, value) = split(field).ok_or(Invalid::Syntax)?;
        let known = match key {
            b"Root" => &mut root,
            b"Parent" => &mut parent,
            b"Sampled" => &mut sampled,
            _ => continue,
        };
        if known.replace(value).is_some() {
            return Err(Invalid::Repeated);
        }
    }
    let decision = match sampled {
        None | Some(b"?") => Decision::Defer,
        Some(b"0") => Decision::Drop,
        Some(b"1") => Decision::Sample,
        Some(_) => return Err(Invalid::Syntax),
    };
    match (root, parent, decision) {
        (Some(root), parent, _) => {
            let span_id = parent.map(|parent| span_id(eight(parent))).transpose()?;
            Ok(Said::Context(Remote::new(trace_id(root)?, span_id, decision)))
        }
        (None, _, Decision::Defer) | (None, Some(_), _) => Err(Invalid::Incomplete),
        (None, None, decision) => Ok(Said::Decision(decision)),
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
    let came = once(edits.fields.get(TraceHeader::AmznTraceId));
    for field in fields_of(came.and_then(|it| within(LONGEST, it)).unwrap_or_default()) {
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

fn trace_id(root: &[u8]) -> Result<TraceId, Invalid> {
    let rest = match root {
        [b'1', b'-', rest @ ..] => rest,
        [b'0'..=b'9', b'-', ..] => return Err(Invalid::Version),
        _ => return Err(Invalid::Syntax),
    };
    let (high, low) = halves(rest).ok_or(Invalid::Syntax)?;
    TraceId::from_halves(high, low).ok_or(Invalid::ZeroId)
}

/// The numbers behind the version.
fn halves(root: &[u8]) -> Option<(u64, u64)> {
    let (seconds, rest) = root.split_at_checked(8)?;
    let rest = rest.strip_prefix(b"-").filter(|it| it.len() == 24)?;
    let (middle, low) = rest.split_at_checked(8)?;
    let high = [four(seconds)?, four(middle)?].map(u32::from_be_bytes);
    let [first, second] = high.map(u64::from);
    Some((first << 32 | second, u64::from_be_bytes(eight(low)?)))
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
        use Invalid as E;

        let ids = |decision: &str| Ok(format!("{TRACE}/{SPAN} {decision}"));
        for (why, value, want) in [
            ("its example", format!("{ROOT};{PARENT};Sampled=1"), ids("sample")),
            ("not sampled", format!("{ROOT};{PARENT};Sampled=0"), ids("drop")),
            ("asked for", format!("{ROOT};{PARENT};Sampled=?"), ids("defer")),
            ("left open", format!("{ROOT};{PARENT}"), ids("defer")),
            ("a load balancer's", ROOT.into(), Ok(format!("{TRACE} defer"))),
            ("without parent", format!("{ROOT};Sampled=1"), Ok(format!("{TRACE} sample"))),
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
            ("a decision alone", "Sampled=0".into(), Ok("drop".into())),
            ("a question alone", "Sampled=?".into(), Err(E::Incomplete)),
            ("nothing", String::new(), Err(E::Incomplete)),
            ("others alone", "Self=1-2-3".into(), Err(E::Incomplete)),
            ("no root", format!("{PARENT};Sampled=1"), Err(E::Incomplete)),
            ("a root twice", format!("{ROOT};{ROOT};{PARENT}"), Err(E::Repeated)),
            ("another version", ROOT.replace("1-", "2-"), Err(E::Version)),
            ("a version of letters", ROOT.replace("1-", "x-"), Err(E::Syntax)),
            ("no version", ROOT.replace("1-", "-"), Err(E::Syntax)),
            ("a digit moved", "Root=1-5759e988b-d862e3fe1be46a994272793".into(), Err(E::Syntax)),
            ("too short", "Root=1-5759e988-bd862e3fe1be46a99427279".into(), Err(E::Syntax)),
            ("zero", "Root=1-00000000-000000000000000000000000".into(), Err(E::ZeroId)),
            ("a zero parent", format!("{ROOT};Parent=0000000000000000"), Err(E::ZeroId)),
            ("a short parent", format!("{ROOT};Parent=53995c3f42cd8ad"), Err(E::Syntax)),
            ("another decision", format!("{ROOT};{PARENT};Sampled=2"), Err(E::Syntax)),
            ("a decision twice", format!("{ROOT};Sampled=1;Sampled=1"), Err(E::Repeated)),
            (
                "the longest",
                format!("{ROOT};A={}", "x".repeat(7 * 1024 - 43)),
                Ok(format!("{TRACE} defer")),
            ),
            ("longer", format!("{ROOT};A={}", "x".repeat(7 * 1024 - 42)), Err(E::TooLong)),
            ("no equals sign", format!("{ROOT};Parent"), Err(E::Syntax)),
            ("keys in lower case are others", ROOT.to_lowercase(), Err(E::Incomplete)),
        ] {
            assert_eq!(parse(value.as_bytes()).map(read), want, "{why}: {value:?}");
        }
    }

    #[test]
    fn agrees_with_a_naive_reader_about_every_changed_byte() {
        for value in super::super::tests::changed(&format!("{ROOT};{PARENT};Sampled=?;A=b")) {
            assert_eq!(
                parse(&value).ok().map(read),
                naive::xray(&value),
                "{}",
                value.escape_ascii()
            );
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
            prop_assert_eq!(parse(value.as_bytes()).ok().map(read), naive::xray(value.as_bytes()));
        }
    }
}
