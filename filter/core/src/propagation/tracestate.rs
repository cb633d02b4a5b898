//! The W3C `tracestate` header: other vendors' state, checked and passed on.
//!
//! ```text
//! list        = list-member 0*31( OWS "," OWS list-member )
//! list-member = key "=" value / OWS
//! key         = ( lcalpha / DIGIT ) 0*255 ( keychar )
//! keychar     = lcalpha / DIGIT / "_" / "-" / "*" / "/" / "@"
//! value       = 0*255(chr) nblk-chr
//! nblk-chr    = %x21-2B / %x2D-3C / %x3E-7E
//! chr         = %x20 / nblk-chr
//! ```
//! Spec: <https://www.w3.org/TR/trace-context-2/#tracestate-header-field-values>

use super::trim_ows;
use crate::request::Headers;
use crate::request::trace_fields::TraceHeader;
use std::borrow::Cow;

/// The header's name.
pub const NAME: &str = TraceHeader::Tracestate.name();

/// The most members that a list may have.
const MAX_MEMBERS: usize = 32;
/// What everyone should pass on at least, and we at most.
const MAX_LEN: usize = 512;
/// Members longer than this are the first to go when the list is too long.
const LARGE_MEMBER: usize = 128;

/// Joins all `tracestate` headers into one list.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-5.3>
pub fn join(headers: Headers<'_>) -> Vec<u8> {
    let mut list = Vec::new();
    for (_, value) in headers.into_iter().filter(|(name, _)| *name == NAME.as_bytes()) {
        if !list.is_empty() && !value.is_empty() {
            list.push(b',');
        }
        list.extend_from_slice(value);
    }
    list
}

/// Checks a list and cuts it to its limits: the list as it came where it keeps them,
/// empty where it has no member.
///
/// Past 32 members the right-most go. Past 512 bytes whole members go: first those of more
/// than 128 bytes, then from the end.
///
/// # Errors
///
/// An error means that the list must be dropped whole; the trace goes on without it.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#tracestate-limits>
pub fn check(list: &[u8]) -> Result<Cow<'_, [u8]>, TracestateError> {
    // Only as many as may go on are held, so that the time stays linear in the input.
    let mut first: Vec<(&[u8], &[u8])> = Vec::new();
    let mut count: usize = 0;
    for member in members(list) {
        let key = check_member(member)?;
        count = count.saturating_add(1);
        if count > MAX_MEMBERS {
            continue;
        }
        if first.iter().any(|(other, _)| *other == key) {
            return Err(TracestateError::Duplicate);
        }
        first.push((key, member));
    }
    if count == 0 {
        return Ok(Cow::Borrowed(&[]));
    }
    if count <= MAX_MEMBERS && list.len() <= MAX_LEN {
        return Ok(Cow::Borrowed(list));
    }
    let mut members: Vec<&[u8]> = first.into_iter().map(|(_, member)| member).collect();
    shorten(&mut members, MAX_LEN);
    Ok(Cow::Owned(members.join(&b',')))
}

/// The value of a member of a checked list.
///
/// ```
/// use hopspan_core::propagation::tracestate;
///
/// assert_eq!(tracestate::get(b"a=1, b=2", "b"), Some(&b"2"[..]));
/// ```
pub fn get<'a>(list: &'a [u8], key: &str) -> Option<&'a [u8]> {
    members(list).find_map(|it| value_of(it, key))
}

/// A checked list without this member; the same one if it has none.
pub fn without<'a>(list: Cow<'a, [u8]>, key: &str) -> Cow<'a, [u8]> {
    if get(&list, key).is_none() {
        return list;
    }
    let others: Vec<&[u8]> = others(&list, key).collect();
    Cow::Owned(others.join(&b','))
}

/// A checked list with this member; the same one if it has it already.
///
/// What is new or changed stands first, and is the last to go where the list would break its
/// limits: then [`check`] says which of the others do. What would break the grammar is not put
/// there, and what had its key is gone all the same.
///
/// Spec: <https://www.w3.org/TR/trace-context-2/#mutating-the-tracestate-field>
pub fn with<'a>(list: Cow<'a, [u8]>, key: &str, value: &[u8]) -> Cow<'a, [u8]> {
    if get(&list, key) == Some(value) {
        return list;
    }
    let member = [key.as_bytes(), b"=", value].concat();
    if check_member(&member).is_err() || value.ends_with(b" ") || member.len() > MAX_LEN {
        return without(list, key);
    }
    let mut members: Vec<&[u8]> = others(&list, key).take(MAX_MEMBERS.saturating_sub(1)).collect();
    shorten(&mut members, MAX_LEN.saturating_sub(member.len()).saturating_sub(1));
    members.insert(0, &member);
    Cow::Owned(members.join(&b','))
}

fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&b| b == b',').map(trim_ows).filter(|it| !it.is_empty())
}

fn others<'a>(list: &'a [u8], key: &str) -> impl Iterator<Item = &'a [u8]> {
    members(list).filter(move |it| value_of(it, key).is_none())
}

/// The value of a member that has this key.
fn value_of<'a>(member: &'a [u8], key: &str) -> Option<&'a [u8]> {
    member.strip_prefix(key.as_bytes())?.strip_prefix(b"=")
}

/// Has members go until they fit in: first large ones, then from the end.
fn shorten(members: &mut Vec<&[u8]>, longest: usize) {
    if joined_len(members) > longest {
        members.retain(|it| it.len() <= LARGE_MEMBER);
    }
    while joined_len(members) > longest {
        members.pop();
    }
}

fn joined_len(members: &[&[u8]]) -> usize {
    members.iter().fold(members.len().saturating_sub(1), |sum, it| sum.saturating_add(it.len()))
}

/// The key of a valid member.
fn check_member(member: &[u8]) -> Result<&[u8], TracestateError> {
    use TracestateError as E;

    let equals = member.iter().position(|&b| b == b'=').ok_or(E::Key)?;
    let (key, value) = member.split_at_checked(equals).ok_or(E::Key)?;
    let keychar =
        |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let first = key.first().ok_or(E::Key)?;
    if !matches!(first, b'a'..=b'z' | b'0'..=b'9') || key.len() > 256 || !key.iter().all(keychar) {
        return Err(E::Key);
    }
    let value = value.get(1..).unwrap_or_default();
    let chr = |b: &u8| matches!(b, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e);
    if value.is_empty() || value.len() > 256 || !value.iter().all(chr) {
        return Err(E::Value);
    }
    Ok(key)
}

/// The part of a `tracestate` list that broke the grammar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TracestateError {
    /// Missing, too long, or with a byte that keys do not have.
    Key,
    /// Empty, too long, or with a byte that values do not have.
    Value,
    /// A key that stands twice.
    Duplicate,
}

#[cfg(test)]
mod tests;
