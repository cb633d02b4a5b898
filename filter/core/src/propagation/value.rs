//! What all formats do with a header's value.

use super::invalid::Invalid;
use crate::id::{SpanId, TraceId};
use crate::request::fields::Field;

/// The value of a header that may come once.
pub(super) fn once(field: Field<'_>) -> Result<&[u8], Invalid> {
    match field {
        Field::Once(value) => Ok(value),
        Field::Repeated(_) => Err(Invalid::Repeated),
        Field::Absent => Err(Invalid::Incomplete),
    }
}

/// `value` without the white space around it, if no more than `longest` bytes are left.
pub(super) fn within(longest: usize, value: &[u8]) -> Result<&[u8], Invalid> {
    let value = trim_ows(value);
    if value.len() <= longest { Ok(value) } else { Err(Invalid::TooLong) }
}

/// `value` without the optional white space (SP and HTAB alone) around it.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3>
pub(super) fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The trace-id of these bytes, which are `None` where its digits broke the grammar.
pub(super) fn trace_id(bytes: Option<[u8; 16]>) -> Result<TraceId, Invalid> {
    TraceId::from_bytes(bytes.ok_or(Invalid::Syntax)?).ok_or(Invalid::ZeroId)
}

/// The span id of these bytes, which are `None` where its digits broke the grammar.
pub(super) fn span_id(bytes: Option<[u8; 8]>) -> Result<SpanId, Invalid> {
    SpanId::from_bytes(bytes.ok_or(Invalid::Syntax)?).ok_or(Invalid::ZeroId)
}
