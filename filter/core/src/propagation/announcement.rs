//! hopspan's own member of `tracestate`: who calls.
//!
//! ```text
//! hopspan = parent-id mark service
//! mark    = ";" / ":" ; with ";" the caller wants to be told by the response of what is kept
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

/// What a hopspan says that calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Announced<'a> {
    /// The service that calls; empty if that has no name.
    pub service: &'a str,
    /// Whether it wants to be told by the response of what is kept.
    pub listens: bool,
}

/// Who calls, by the member of a checked list; `None` if the list has none, or
/// that of another hop than the one whose span is `parent`.
///
/// ```
/// use hopspan_core::id::SpanId;
/// use hopspan_core::propagation::{announcement, tracestate};
/// use announcement::Announced;
///
/// let span_id = SpanId::from_bytes([0xb7; 8]).unwrap();
/// let value = announcement::write(span_id, Announced { service: "shop, north", listens: true });
/// let list = tracestate::with(b"a=1".into(), announcement::KEY, &value);
/// assert_eq!(*list, *b"hopspan=b7b7b7b7b7b7b7b7;shop_ north,a=1");
/// let read = announcement::read(&list, span_id);
/// assert_eq!(read, Some(Announced { service: "shop_ north", listens: true }));
/// ```
pub fn read(list: &[u8], parent: SpanId) -> Option<Announced<'_>> {
    let (id, said) = tracestate::get(list, KEY)?.split_at_checked(ID)?;
    let (mark, service) = said.split_first()?;
    let listens = match mark {
        b';' => true,
        b':' => false,
        _ => return None,
    };
    let is_bound = id::hex(id).as_ref() == Some(parent.as_bytes());
    let is_text = service.len() <= LONGEST && service.iter().all(is_chr);
    let service = str::from_utf8(service).ok().filter(|_| is_bound && is_text)?;
    Some(Announced { service, listens })
}

/// The member's value: `span_id` is the parent-id that goes out with it. What cannot stand in a
/// value is `_`.
pub fn write(span_id: SpanId, Announced { service, listens }: Announced<'_>) -> Vec<u8> {
    let mut value = Vec::with_capacity(ID.saturating_add(1).saturating_add(LONGEST));
    id::write_hex(span_id.as_bytes(), &mut value);
    value.push(if listens { b';' } else { b':' });
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
            ("another separator", format!("{PARENT}.shop"), None),
            ("no separator", PARENT.to_owned(), None),
            ("no id", ";shop".to_owned(), None),
            ("nothing", String::new(), None),
            ("a control character", format!("{PARENT};a\nb"), None),
            ("not ASCII", format!("{PARENT};caf\u{e9}"), None),
        ] {
            let list = format!("a=1 , hopspan={value} ,b=2");
            let announced = |listens| want.map(|service| Announced { service, listens });
            assert_eq!(read(list.as_bytes(), parent()), announced(true), "{why}");
            let silent = list.replacen(&format!("{PARENT};"), &format!("{PARENT}:"), 1);
            if silent != list {
                assert_eq!(
                    read(silent.as_bytes(), parent()),
                    announced(false),
                    "{why}, and does not listen"
                );
            }
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
            let value = write(parent(), Announced { service, listens: true });
            assert_eq!(String::from_utf8(value).unwrap(), format!("{PARENT};{want}"), "{why}");
        }
        let long = format!("{} {}", "s".repeat(199), "s".repeat(100));
        let write = |service: &str| write(parent(), Announced { service, listens: false });
        assert_eq!(write(&long), write(&"s".repeat(199)), "cut, then trimmed");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_from_any_list(
            service in ".{0,260}", listens: bool, other in "[a-z]{1,9}=[!-+]{1,90}",
        ) {
            let value = write(parent(), Announced { service: &service, listens });
            let list = tracestate::with(Cow::Borrowed(other.as_bytes()), KEY, &value);
            prop_assert_eq!(tracestate::check(&list), Ok(Cow::Borrowed(&list[..])));
            let read = read(&list, parent()).unwrap();
            let fits = |it: char| (' '..='~').contains(&it) && it != ',' && it != '=';
            let naive: String = service.chars().map(|it| if fits(it) { it } else { '_' }).collect();
            let naive: String = naive.chars().take(200).collect();
            let service = naive.trim_end_matches(' ');
            prop_assert_eq!(read, Announced { service, listens });
            prop_assert_eq!(tracestate::without(list, KEY), other.as_bytes());
        }
    }
}
