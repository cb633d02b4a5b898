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
    let mut members: Vec<(&[u8], &[u8])> = Vec::new();
    let mut count: usize = 0;
    for member in list.split(|&b| b == b',').map(trim_ows).filter(|it| !it.is_empty()) {
        let key = check_member(member)?;
        count = count.saturating_add(1);
        if count > MAX_MEMBERS {
            continue;
        }
        if members.iter().any(|(other, _)| *other == key) {
            return Err(TracestateError::Duplicate);
        }
        members.push((key, member));
    }
    if count == 0 {
        return Ok(Cow::Borrowed(&[]));
    }
    if count <= MAX_MEMBERS && list.len() <= MAX_LEN {
        return Ok(Cow::Borrowed(list));
    }
    let mut members: Vec<&[u8]> = members.into_iter().map(|(_, member)| member).collect();
    if joined_len(&members) > MAX_LEN {
        members.retain(|it| it.len() <= LARGE_MEMBER);
    }
    while joined_len(&members) > MAX_LEN {
        members.pop();
    }
    Ok(Cow::Owned(members.join(&b',')))
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn passed_on(why: &str, list: &str, want: Result<&str, TracestateError>) {
        let got = check(list.as_bytes()).map(|it| String::from_utf8(it.into_owned()).unwrap());
        assert_eq!(got, want.map(str::to_owned), "{why}");
    }

    #[test]
    fn reads_only_what_the_grammar_allows() {
        use TracestateError as E;
        let long = "k".repeat(256);
        let max_key = format!("{long}=v");
        let max_value = format!("k={long}");
        for (why, list, want) in [
            ("one member", "rojo=00f067aa0ba902b7", Ok("rojo=00f067aa0ba902b7")),
            ("two", "rojo=1,congo=t61rcWkgMzE", Ok("rojo=1,congo=t61rcWkgMzE")),
            ("tenants", "fw529a3039@dt=FfAbJ,a@b@c=1", Ok("fw529a3039@dt=FfAbJ,a@b@c=1")),
            ("a digit first", "1a=2", Ok("1a=2")),
            ("every key character", "a_-*/@0=1", Ok("a_-*/@0=1")),
            ("white space stays", "a=1 ,\t b=2", Ok("a=1 ,\t b=2")),
            ("a space inside a value", "a=b c", Ok("a=b c")),
            ("empty members", "a=1,,b=2,", Ok("a=1,,b=2,")),
            ("nothing", "", Ok("")),
            ("only white space", " \t,", Ok("")),
            ("the longest key", &max_key, Ok(&max_key)),
            ("the longest value", &max_value, Ok(&max_value)),
            ("upper case in a key", "Rojo=1", Err(E::Key)),
            ("an at sign first", "@a=1", Err(E::Key)),
            ("a space before the equals sign", "a =1", Err(E::Key)),
            ("no key", "=1", Err(E::Key)),
            ("no equals sign", "a", Err(E::Key)),
            ("no value", "a=", Err(E::Value)),
            ("two equals signs", "a=b=c", Err(E::Value)),
            ("a control character", "a=b\u{1}c", Err(E::Value)),
            ("not ASCII", "a=é", Err(E::Value)),
            ("the same key twice", "a=1,b=2,a=3", Err(E::Duplicate)),
        ] {
            passed_on(why, list, want);
        }
        passed_on("a key too long", &format!("k{long}=v"), Err(E::Key));
        passed_on("a value too long", &format!("k=v{long}"), Err(E::Value));
    }

    #[test]
    fn evicts_as_the_specification_says() {
        let members = |n: usize| (0..n).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
        passed_on("32 members stay", &members(32), Ok(&members(32)));
        passed_on("the 33rd goes", &members(33), Ok(&members(32)));

        let large = format!("large={}", "x".repeat(150));
        let fill = format!("fill={},end={}", "y".repeat(120), "z".repeat(110));
        passed_on(
            "512 bytes and less stay",
            &format!("{large},{fill}"),
            Ok(&format!("{large},{fill}")),
        );
        let more = format!("{large},{fill},c={},d={}", "c".repeat(120), "d".repeat(20));
        let want = format!("{fill},c={},d={}", "c".repeat(120), "d".repeat(20));
        passed_on("large members go first", &more, Ok(&want));
        let small: Vec<String> = (0..6).map(|i| format!("{i}={}", "s".repeat(98))).collect();
        passed_on("then from the end", &small.join(","), Ok(&small[..5].join(",")));
    }

    /// A second reader, written for clearness: members of a list by the ABNF, word by word.
    fn naive(list: &str) -> Option<Vec<(String, String)>> {
        let mut members: Vec<(String, String)> = Vec::new();
        for member in list.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let mut chars = key.chars();
            let first = chars.next()?;
            let good = (first.is_ascii_lowercase() || first.is_ascii_digit())
                && chars
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-*/@".contains(c))
                && key.len() <= 256
                && (1..=256).contains(&value.len())
                && value.chars().all(|c| (' '..='~').contains(&c) && c != ',' && c != '=');
            if !good || members.iter().any(|(it, _)| it == key) {
                return None;
            }
            members.push((key.to_owned(), value.to_owned()));
        }
        Some(members)
    }

    proptest! {
        #[test]
        fn check_agrees_with_a_naive_reader(list in "([ab1@A_]{0,3}(=[xy =é]{0,4})?[, \t]{0,2}){0,6}") {
            let got = check(list.as_bytes());
            match naive(&list) {
                None => prop_assert!(got.is_err()),
                Some(members) if members.is_empty() => prop_assert_eq!(got, Ok(Cow::Borrowed(&b""[..]))),
                Some(_) => prop_assert_eq!(got, Ok(Cow::Borrowed(list.as_bytes()))),
            }
        }

        #[test]
        fn what_goes_on_is_a_valid_beginning_of_what_came(
            list in "([a-z]{1,4}[0-9]{1,3}=[!-+]{1,200},){0,50}",
        ) {
            if let Ok(out) = check(list.as_bytes()) {
                prop_assert!(out.len() <= MAX_LEN);
                let kept = naive(std::str::from_utf8(&out).unwrap()).unwrap();
                prop_assert!(kept.len() <= MAX_MEMBERS);
                let all: Vec<_> = list.split(',').filter(|it| !it.is_empty()).collect();
                let mut rest = all.iter();
                for (key, value) in kept {
                    let member = format!("{key}={value}");
                    prop_assert!(rest.any(|it| **it == member), "order is kept");
                }
            }
        }
    }
}
