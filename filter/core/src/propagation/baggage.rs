//! W3C Baggage, read only: it passes untouched.
//!
//! ```text
//! baggage-string = list-member 0*179( OWS "," OWS list-member )
//! list-member    = key OWS "=" OWS value *( OWS ";" OWS property )
//! key            = token ; RFC 7230, section 3.2.6
//! value          = *baggage-octet ; percent-encoded UTF-8
//! baggage-octet  = %x21 / %x23-2B / %x2D-3A / %x3C-5B / %x5D-7E
//! ```
//! Spec: <https://www.w3.org/TR/baggage/#definition>

use super::trim_ows;
use crate::request::Headers;
use std::rc::Rc;

/// The header's name.
pub const NAME: &str = "baggage";

/// How much is read: what everyone must pass on at least.
const LONGEST: usize = 8192;
/// And of how many members.
const MEMBERS: usize = 64;
/// The longest value that is told.
const VALUE: usize = 1024;

/// Tells the decoded value of each key that is `wanted`, of several members the first.
///
/// A member that breaks the grammar is passed over. What is beyond the limits that everyone
/// must keep to is not read.
///
/// Spec: <https://www.w3.org/TR/baggage/#limits>
pub fn read(headers: Headers<'_>, wanted: &[Rc<str>], mut tell: impl FnMut(&Rc<str>, Vec<u8>)) {
    let mut found: Vec<&Rc<str>> = Vec::new();
    let lists = headers.into_iter().filter(|(name, _)| *name == NAME.as_bytes());
    let mut left = LONGEST;
    let members = lists.flat_map(|(_, list)| list.split(|&b| b == b','));
    for member in members.take(MEMBERS) {
        left = left.saturating_sub(member.len().saturating_add(1));
        if left == 0 {
            return;
        }
        let Some((key, value)) = pair(member) else { continue };
        let Some(key) = wanted.iter().find(|it| it.as_bytes() == key) else { continue };
        if found.contains(&key) {
            continue;
        }
        if let Some(value) = decode(value) {
            found.push(key);
            tell(key, value);
        }
    }
}

/// A member's key and value, both without the white space around them.
fn pair(member: &[u8]) -> Option<(&[u8], &[u8])> {
    let pair = member.split(|&b| b == b';').next()?;
    let equals = pair.iter().position(|&b| b == b'=')?;
    let (key, value) = pair.split_at_checked(equals)?;
    let (key, value) = (trim_ows(key), trim_ows(value.get(1..)?));
    let octet = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\');
    (is_key(key) && value.iter().all(octet)).then_some((key, value))
}

/// Whether a key may stand in baggage.
pub fn is_key(key: &[u8]) -> bool {
    let tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !key.is_empty() && key.iter().all(tchar)
}

/// `None` if a percent sign begins no byte.
fn decode(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len().min(VALUE));
    let mut rest = value;
    while let [first, after @ ..] = rest {
        let byte = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                let [byte] = crate::id::short_hex(&[*high, *low])?;
                byte
            }
            (b'%', _) => return None,
            (byte, after) => {
                rest = after;
                *byte
            }
        };
        if out.len() < VALUE {
            out.push(byte);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::encode_headers;
    use proptest::prelude::*;

    fn told(headers: &[&str], wanted: &[&str]) -> Vec<(String, String)> {
        let headers: Vec<_> = headers.iter().map(|it| ("baggage", *it)).collect();
        let bytes = encode_headers(&headers);
        let wanted: Vec<_> = wanted.iter().map(|it| Rc::from(*it)).collect();
        let mut told = Vec::new();
        read(Headers::new(&bytes), &wanted, |key, value| {
            told.push((key.to_string(), String::from_utf8_lossy(&value).into_owned()));
        });
        told
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let wanted = ["userId", "serverNode"];
        for (why, headers, want) in [
            (
                "the specification's example",
                &["userId=alice,serverNode=DF%2028,isProduction=false"][..],
                &[("userId", "alice"), ("serverNode", "DF 28")][..],
            ),
            (
                "in two headers, with white space",
                &["userId =   alice", "serverNode = DF%2028, isProduction = false"],
                &[("userId", "alice"), ("serverNode", "DF 28")],
            ),
            ("properties", &["userId=alice;a;b=c , x=y"], &[("userId", "alice")]),
            ("equals signs in a value", &["userId=a=b"], &[("userId", "a=b")]),
            ("the first of several", &["userId=a,userId=b"], &[("userId", "a")]),
            ("an empty value", &["userId="], &[("userId", "")]),
            ("keys have their case", &["userid=a"], &[]),
            ("no UTF-8", &["userId=%ff"], &[("userId", "\u{fffd}")]),
            ("half a percent", &["userId=%f,serverNode=a"], &[("serverNode", "a")]),
            ("no hex", &["userId=%+f"], &[]),
            ("a space inside", &["userId=a b,serverNode=a"], &[("serverNode", "a")]),
            ("a quote", &["userId=\"a\""], &[]),
            ("no equals sign", &["userId,serverNode=a"], &[("serverNode", "a")]),
            ("nothing", &[""], &[]),
        ] {
            let want: Vec<_> = want.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            assert_eq!(told(headers, &wanted), want, "{why}");
        }
    }

    #[test]
    fn reading_has_an_end() {
        let many = (0..64).map(|it| format!("k{it}=v")).collect::<Vec<_>>().join(",");
        assert_eq!(told(&[&many], &["k63"]).len(), 1);
        assert_eq!(told(&["a=b", &many], &["k63"]).len(), 0, "the 65th member");
        let long = "v".repeat(8000);
        assert_eq!(told(&[&format!("k={long}"), "l=1"], &["l"]).len(), 1);
        assert_eq!(told(&[&format!("k={long}{long}"), "l=1"], &["l"]).len(), 0);
        assert_eq!(told(&[&format!("k={long}")], &["k"])[0].1.len(), VALUE);
    }

    /// A second reader, written for clearness, of values without limits.
    fn naive(list: &str) -> Option<String> {
        for member in list.split(',') {
            let pair = member.split(';').next()?;
            let Some((key, value)) = pair.split_once('=') else { continue };
            let value = value.trim_matches([' ', '\t']);
            if key.trim_matches([' ', '\t']) != "k" || value.contains([' ', '"', '\\', '\t', 'é'])
            {
                continue;
            }
            let mut parts = value.split('%');
            let mut out = parts.next()?.as_bytes().to_vec();
            let mut good = true;
            for part in parts {
                match part.get(..2).filter(|it| it.chars().all(|c| c.is_ascii_hexdigit())) {
                    Some(hex) => {
                        out.push(u8::from_str_radix(hex, 16).ok()?);
                        out.extend_from_slice(&part.as_bytes()[2..]);
                    }
                    None => good = false,
                }
            }
            if good {
                return Some(String::from_utf8_lossy(&out).into_owned());
            }
        }
        None
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(list in "([kl ]{0,2}=?[a%2f =\"\\\\é\t]{0,5}[,;]){0,6}") {
            let got = told(&[&list], &["k"]).pop().map(|(_, value)| value);
            prop_assert_eq!(got, naive(&list));
        }
    }
}
