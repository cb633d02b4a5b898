//! The shape of a path: what stays of it when its values are taken out.

use std::borrow::Cow;

/// The shape of a path without its query; `None` for what is no path, such as `*`.
///
/// A segment that looks like a value gives way to its kind, all others stay as they are:
///
/// ```text
/// {number}  1*DIGIT
/// {uuid}    8HEXDIG 3( "-" 4HEXDIG ) "-" 12HEXDIG      ; one a digit, all hex of any case
/// {date}    4DIGIT "-" month [ "-" day [ ( "T" / SP ) time ] ]
/// {email}   an address with a dot in its domain, which ends in letters
/// {hex}     [ "0x" ] 8*HEXDIG, two digits among them
/// {base64}  16 or more letters and digits in such a mixture that they are no words, with
///           "-" "_" "." "~" "+" "/" between them; fewer where "=" fills them up to fours
/// ```
///
/// Percent-encoding is looked through, a file's ending stays (`{number}.jpg`), and what stands
/// behind a `;` goes. Behind 12 segments or 200 bytes comes a `*`, so that a shape is short
/// whatever the path is.
///
/// It is a function of the path alone, and takes time linear in it. A shape is its own shape.
///
/// ```
/// use hopspan_core::route::shape::shape;
///
/// assert_eq!(shape(b"/v1/users/42/cart").as_deref(), Some(&b"/v1/users/{number}/cart"[..]));
/// ```
///
/// Specs: <https://www.rfc-editor.org/rfc/rfc3986#section-3.3> (segments and their parameters),
/// <https://www.rfc-editor.org/rfc/rfc9562#section-4> (UUIDs),
/// <https://www.rfc-editor.org/rfc/rfc3339#section-5.6> (dates),
/// <https://www.rfc-editor.org/rfc/rfc5322#section-3.4.1> (addresses),
/// <https://www.rfc-editor.org/rfc/rfc4648#section-5> (base64url)
pub fn shape(path: &[u8]) -> Option<Vec<u8>> {
    let path = path.strip_prefix(b"/")?;
    let mut shape = Vec::with_capacity(path.len().min(LONGEST).saturating_add(GROWTH));
    for (number, segment) in path.split(|&b| b == b'/').enumerate() {
        let segment = segment.split(|&b| b == b';').next().unwrap_or_default();
        let (kind, stays) = taken_apart(segment);
        let length = shape.len().saturating_add(kind.len()).saturating_add(stays.len());
        // Two more for the slash before it, and two for the rest of the path.
        if number == SEGMENTS || length.saturating_add(3) > LONGEST {
            shape.extend_from_slice(b"/*");
            break;
        }
        shape.push(b'/');
        shape.extend_from_slice(kind.as_bytes());
        shape.extend_from_slice(stays);
    }
    Some(shape)
}

/// The most segments of a shape, but for the `*`.
pub const SEGMENTS: usize = 12;
/// The longest shape, in bytes.
pub const LONGEST: usize = 200;

/// By so much a shape is longer than its path, as a rule: a slash, and a kind in place of a value.
const GROWTH: usize = 16;

/// What is known of some text by its characters.
#[derive(Debug, Default)]
struct Census {
    digits: usize,
    capitals: usize,
    smalls: usize,
    /// Characters of base64 and tokens that are neither.
    separators: usize,
    /// All others.
    foreign: usize,
    /// Places at which a new word would begin, were these words: behind a small letter before
    /// a capital, before the last of several capitals, between letters and digits.
    turns: usize,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Char {
    Upper,
    Lower,
    Digit,
    Other,
}

/// The kind of value that a segment begins with, if any, and what stays of it.
fn taken_apart(segment: &[u8]) -> (&'static str, &[u8]) {
    let census = Census::of(segment);
    let is_plain = census.foreign == 0;
    if is_plain && census.digits == 0 && census.turns == 0 {
        // Most segments are such words.
        return ("", segment);
    }
    if !is_plain && is_email(&decoded(segment)) {
        return ("{email}", b"");
    }
    // A file's ending would make a word of a value.
    let (stem, ending) = without_ending(segment);
    if !ending.is_empty()
        && let Some(kind) = kind(&decoded(stem), None)
    {
        return (kind, ending);
    }
    let whole = if is_plain { kind(segment, Some(census)) } else { kind(&decoded(segment), None) };
    match whole {
        Some(kind) => (kind, b""),
        None => ("", segment),
    }
}

fn kind(text: &[u8], census: Option<Census>) -> Option<&'static str> {
    let census = census.unwrap_or_else(|| Census::of(text));
    if text.is_empty() {
        None
    } else if census.digits == text.len() {
        Some("{number}")
    } else if census.digits > 0 && is_uuid(text) {
        Some("{uuid}")
    } else if is_date(text) {
        Some("{date}")
    } else if is_hex(text) {
        Some("{hex}")
    } else if is_base64(text, &census) {
        Some("{base64}")
    } else {
        None
    }
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, it)| match at {
            8 | 13 | 18 | 23 => *it == b'-',
            _ => it.is_ascii_hexdigit(),
        })
}

/// ```text
/// month = "01" to "12"
/// day   = "01" to "31"
/// time  = 1*( DIGIT / ":" / "." / "+" / "-" / "Z" )
/// ```
fn is_date(text: &[u8]) -> bool {
    let mut parts = text.splitn(3, |&b| b == b'-');
    let mut part = || parts.next();
    let is_digits = |it: &[u8]| it.iter().all(u8::is_ascii_digit);
    let is_year = part().is_some_and(|it| it.len() == 4 && is_digits(it));
    let within = |it: &[u8], most: &[u8]| {
        it.len() == 2 && is_digits(it) && (&b"01"[..]..=most).contains(&it)
    };
    if !is_year || !part().is_some_and(|it| within(it, b"12")) {
        return false;
    }
    let Some((day, rest)) = part().map(|it| it.split_at_checked(2).unwrap_or((it, b""))) else {
        return true;
    };
    let is_time = |it: &u8| it.is_ascii_digit() || b":.+-Zz".contains(it);
    within(day, b"31")
        && match rest.split_first() {
            None => true,
            Some((b'T' | b't' | b' ', time)) => !time.is_empty() && time.iter().all(is_time),
            Some(_) => false,
        }
}

/// ```text
/// email  = 1*( atext / "." ) "@" 1*( label "." ) 2*ALPHA
/// atext  = ALPHA / DIGIT / any of !#$%&'*+-/=?^_`{|}~
/// label  = 1*( ALPHA / DIGIT / "-" )
/// ```
fn is_email(text: &[u8]) -> bool {
    let Some(at) = text.iter().position(|&b| b == b'@') else { return false };
    let Some((local, domain)) = text.split_at_checked(at) else { return false };
    let is_local = |it: &u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(it);
    let is_domain = |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.');
    let domain = domain.get(1..).unwrap_or_default();
    let mut labels = domain.rsplit(|&b| b == b'.');
    let last = labels.next().unwrap_or_default();
    let has_others = domain.len() > last.len();
    !local.is_empty()
        && local.iter().all(is_local)
        && domain.iter().all(is_domain)
        && has_others
        && labels.all(|it| !it.is_empty())
        && last.len() >= 2
        && last.iter().all(u8::is_ascii_alphabetic)
}

/// Two digits, because there are words of the letters a to f.
fn is_hex(text: &[u8]) -> bool {
    let prefix = [&b"0x"[..], b"0X"].into_iter().find_map(|it| text.strip_prefix(it));
    let digits = prefix.unwrap_or(text);
    digits.len() >= 8
        && digits.iter().all(u8::is_ascii_hexdigit)
        && digits.iter().filter(|it| it.is_ascii_digit()).count() >= 2
}

/// Random characters take turns all the time, and words do not: they have a turn where one ends.
/// How many are too many depends on what would end there. Names of words that are kept apart by
/// separators have their digits there, too.
fn is_base64(text: &[u8], census: &Census) -> bool {
    let Census { digits, capitals, smalls, separators, foreign, turns } = *census;
    let padding = text.iter().rev().take_while(|&&b| b == b'=').count();
    if foreign > padding {
        return false;
    }
    if padding > 0 {
        return padding <= 2 && text.len() >= 8 && text.len().is_multiple_of(4);
    }
    let characters = digits.saturating_add(capitals).saturating_add(smalls);
    let (turns, word) = match (digits, capitals, smalls) {
        (0, _, _) => (turns, 3_usize),
        (_, 0, _) | (_, _, 0) => (turns.saturating_sub(separators.saturating_sub(1)), 7),
        _ => (turns.saturating_sub(separators.saturating_sub(1)), 5),
    };
    characters >= 16 && turns.saturating_mul(word) > characters
}

/// A segment without a file's ending, and the ending with its dot: up to five small letters and
/// digits, a letter first.
fn without_ending(segment: &[u8]) -> (&[u8], &[u8]) {
    let dot = segment.iter().rposition(|&b| b == b'.');
    let parts = dot.and_then(|it| segment.split_at_checked(it));
    let is_ending = |it: &[u8]| match it {
        [b'.', first, rest @ ..] => {
            let fits = |it: &u8| it.is_ascii_lowercase() || it.is_ascii_digit();
            first.is_ascii_lowercase() && rest.len() < 5 && rest.iter().all(fits)
        }
        _ => false,
    };
    parts.filter(|(_, ending)| is_ending(ending)).unwrap_or((segment, b""))
}

/// A segment with its percent-encoded bytes as they are meant; a `%` before anything but two
/// hex digits is itself.
fn decoded(segment: &[u8]) -> Cow<'_, [u8]> {
    if !segment.contains(&b'%') {
        return segment.into();
    }
    let mut text = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((first, behind)) = rest.split_first() {
        let encoded = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |it: &u8| char::from(*it).to_digit(16);
                let byte = digit(high).zip(digit(low)).map(|(high, low)| (high << 4) | low);
                byte.and_then(|it| u8::try_from(it).ok()).map(|it| (it, behind))
            }
            _ => None,
        };
        let (byte, behind) = encoded.unwrap_or((*first, behind));
        text.push(byte);
        rest = behind;
    }
    text.into()
}

// === impl Census ===

impl Census {
    fn of(text: &[u8]) -> Self {
        let mut it = Self::default();
        let mut before = [Char::Other; 2];
        for byte in text {
            let (place, now) = match byte {
                b'0'..=b'9' => (&mut it.digits, Char::Digit),
                b'a'..=b'z' => (&mut it.smalls, Char::Lower),
                b'A'..=b'Z' => (&mut it.capitals, Char::Upper),
                b'-' | b'_' | b'.' | b'~' | b'+' | b'/' => (&mut it.separators, Char::Other),
                _ => (&mut it.foreign, Char::Other),
            };
            *place = place.saturating_add(1);
            let is_turn = match (before, now) {
                ([_, Char::Other], _) | (_, Char::Other) => false,
                ([_, Char::Lower], Char::Upper) => true,
                ([Char::Upper, Char::Upper], Char::Lower) => true,
                ([_, last], now) => (last == Char::Digit) != (now == Char::Digit),
            };
            it.turns = it.turns.saturating_add(is_turn.into());
            before = [before[1], now];
        }
        it
    }
}

#[cfg(test)]
mod tests;
