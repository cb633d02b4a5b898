//! hopspan's own member of `tracestate`: who calls.
//!
//! ```text
//! hopspan = parent-id ";" service
//! service = *200( %x20-2B / %x2D-3C / %x3E-7E ) ; no space at its end
//! ```
//!
//! Applications forward what came to them with requests of their own, and other proxies with
//! requests of others. So it counts only beside the parent-id that it was written with.

use super::tracestate;
use crate::id::{self, SpanId};

/// The member's key.
pub const KEY: &str = "hopspan";

/// The most bytes of a service's name.
const LONGEST: usize = 200;
/// Digits of a parent-id.
const ID: usize = 16;

/// The service that calls, by the member of a checked list; `None` if the list has none, or
/// that of another hop than the one whose span is `parent`. A service without a name is an
/// empty text.
///
/// ```
/// use hopspan_core::id::SpanId;
/// use hopspan_core::propagation::{announcement, tracestate};
///
/// let span_id = SpanId::from_bytes([0xb7; 8]).unwrap();
/// let value = announcement::write(span_id, "shop, north");
/// let list = tracestate::with(b"a=1".into(), announcement::KEY, &value);
/// assert_eq!(*list, *b"hopspan=b7b7b7b7b7b7b7b7;shop_ north,a=1");
/// assert_eq!(announcement::read(&list, span_id), Some("shop_ north"));
/// ```
pub fn read(list: &[u8], parent: SpanId) -> Option<&str> {
    let (id, service) = tracestate::get(list, KEY)?.split_at_checked(ID)?;
    let service = service.strip_prefix(b";").filter(|it| it.len() <= LONGEST)?;
    let is_bound = id::hex(id).as_ref() == Some(parent.as_bytes());
    let is_text = service.iter().all(is_chr);
    str::from_utf8(service).ok().filter(|_| is_bound && is_text)
}

/// The member's value: `span_id` is the parent-id that goes out with it. What cannot stand in a
/// value is `_`.
pub fn write(span_id: SpanId, service: &str) -> Vec<u8> {
    let mut value = Vec::with_capacity(ID.saturating_add(1).saturating_add(LONGEST));
    id::write_hex(span_id.as_bytes(), &mut value);
    value.push(b';');
    let chr = |it: char| u8::try_from(it).ok().filter(is_chr).unwrap_or(b'_');
    value.extend(service.chars().map(chr).take(LONGEST));
    while value.ends_with(b" ") {
        value.pop();
    }
    value
}

/// What may stand in a value.
fn is_chr(byte: &u8) -> bool {
    matches!(byte, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::borrow::Cow;

    const PARENT: &str = "b7ad6b7169203331";

    fn parent() -> SpanId {
        SpanId::from_bytes(id::hex(PARENT.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn counts_only_beside_the_parent_id_that_it_was_written_with() {
        let longest = format!("{PARENT};{}", "s".repeat(200));
        for (why, value, want) in [
            ("ours", format!("{PARENT};shop"), Some("shop")),
            ("spaces inside", format!("{PARENT}; my shop"), Some(" my shop")),
            ("a semicolon inside", format!("{PARENT};a;b"), Some("a;b")),
            ("no name", format!("{PARENT};"), Some("")),
            ("the longest", longest.clone(), Some(&longest[17..])),
            ("too long", format!("{longest}s"), None),
            ("of another hop", "00f067aa0ba902b7;shop".to_owned(), None),
            ("upper case", format!("{};shop", PARENT.to_uppercase()), None),
            ("a shorter id", format!("{};shop", &PARENT[1..]), None),
            ("a longer id", format!("0{PARENT};shop"), None),
            ("another separator", format!("{PARENT}:shop"), None),
            ("no separator", PARENT.to_owned(), None),
            ("no id", ";shop".to_owned(), None),
            ("nothing", String::new(), None),
            ("a control character", format!("{PARENT};a\nb"), None),
            ("not ASCII", format!("{PARENT};caf\u{e9}"), None),
        ] {
            let list = format!("a=1 , hopspan={value} ,b=2");
            assert_eq!(read(list.as_bytes(), parent()), want, "{why}");
        }
        assert_eq!(read(b"", parent()), None);
        assert_eq!(read(format!("hopspan2={PARENT};shop").as_bytes(), parent()), None);
    }

    #[test]
    fn a_service_is_written_as_a_value_can_hold_it() {
        for (why, service, want) in [
            ("as it is", "shop-1.prod/eu@x", "shop-1.prod/eu@x"),
            ("what separates members", "a,b=c", "a_b_c"),
            ("control characters", "a\r\nb\t", "a__b_"),
            ("one for each character", "caf\u{e9} \u{1f980}", "caf_ _"),
            ("no space at the end", "a b  ", "a b"),
            ("nothing but spaces", "  ", ""),
            ("nothing", "", ""),
        ] {
            let value = write(parent(), service);
            assert_eq!(String::from_utf8(value).unwrap(), format!("{PARENT};{want}"), "{why}");
        }
        let long = format!("{} {}", "s".repeat(199), "s".repeat(100));
        assert_eq!(write(parent(), &long), write(parent(), &"s".repeat(199)), "cut, then trimmed");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_from_any_list(service in ".{0,260}", other in "[a-z]{1,9}=[!-+]{1,90}") {
            let value = write(parent(), &service);
            let list = tracestate::with(Cow::Borrowed(other.as_bytes()), KEY, &value);
            prop_assert_eq!(tracestate::check(&list), Ok(Cow::Borrowed(&list[..])));
            let read = read(&list, parent()).unwrap();
            let fits = |it: char| (' '..='~').contains(&it) && it != ',' && it != '=';
            let naive: String = service.chars().map(|it| if fits(it) { it } else { '_' }).collect();
            let naive: String = naive.chars().take(200).collect();
            prop_assert_eq!(read, naive.trim_end_matches(' '));
            prop_assert_eq!(tracestate::without(list, KEY), other.as_bytes());
        }
    }
}
