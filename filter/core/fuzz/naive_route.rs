//! Second readers of routes, written for being obvious: they go through everything, character
//! by character and template by template.

/// Of templates `[METHOD ]/path`, the number of the one that counts.
pub(crate) fn find(templates: &[String], method: &[u8], path: &[u8]) -> Option<usize> {
    let fits = |template: &&(usize, &String)| {
        let (wanted, pattern) = split(template.1);
        (wanted.is_empty() || wanted.as_bytes() == method) && holds(pattern, path)
    };
    let numbered: Vec<_> = templates.iter().enumerate().collect();
    // Ranks of its segments, then whether it is for all methods; of equals the first.
    let rank = |&&(_, template): &&(usize, &String)| {
        let (wanted, pattern) = split(template);
        let ranks: Vec<u8> = pattern.split('/').map(rank).collect();
        (ranks, wanted.is_empty())
    };
    numbered.iter().filter(fits).min_by_key(rank).map(|(number, _)| *number)
}

fn split(template: &str) -> (&str, &str) {
    template.split_once(' ').unwrap_or(("", template))
}

fn rank(segment: &str) -> u8 {
    match segment {
        "*" => 2,
        _ if segment.starts_with('{') => 1,
        _ => 0,
    }
}

fn holds(pattern: &str, path: &[u8]) -> bool {
    let wanted: Vec<&str> = pattern.split('/').collect();
    let found: Vec<&[u8]> = path.split(|&b| b == b'/').collect();
    let is_open = wanted.last() == Some(&"*");
    let closed = if is_open { &wanted[..wanted.len() - 1] } else { &wanted[..] };
    let enough = if is_open { found.len() > closed.len() } else { found.len() == closed.len() };
    enough
        && closed.iter().zip(found).all(|(wanted, found)| match rank(wanted) {
            1 => !found.is_empty(),
            _ => wanted.as_bytes() == found,
        })
}

/// The shape of a path.
pub(crate) fn shape(path: &[u8]) -> Option<Vec<u8>> {
    if path.first() != Some(&b'/') {
        return None;
    }
    let mut shape = Vec::new();
    for (number, segment) in path.split(|&b| b == b'/').skip(1).enumerate() {
        let end = segment.iter().position(|&b| b == b';').unwrap_or(segment.len());
        let piece = piece(&segment[..end]);
        if number == 12 || shape.len() + 1 + piece.len() + 2 > 200 {
            shape.extend(b"/*");
            return Some(shape);
        }
        shape.push(b'/');
        shape.extend(piece);
    }
    Some(shape)
}

fn piece(segment: &[u8]) -> Vec<u8> {
    // Bytes that are no ASCII become such as stand in no value.
    let text: String = decode(segment).into_iter().map(char::from).collect();
    if is_email(&text) {
        return b"{email}".to_vec();
    }
    if let Some(dot) = segment.iter().rposition(|&b| b == b'.') {
        let ending = &segment[dot + 1..];
        let is_small = |it: &u8| it.is_ascii_lowercase() || it.is_ascii_digit();
        if (1..=5).contains(&ending.len())
            && ending.iter().all(is_small)
            && !ending[0].is_ascii_digit()
        {
            let stem: String = decode(&segment[..dot]).into_iter().map(char::from).collect();
            if let Some(kind) = kind(&stem) {
                return [kind.as_bytes(), &segment[dot..]].concat();
            }
        }
    }
    kind(&text).map_or(segment.to_vec(), |it| it.as_bytes().to_vec())
}

fn decode(segment: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < segment.len() {
        let code = segment.get(at + 1..at + 3).filter(|it| it.iter().all(u8::is_ascii_hexdigit));
        match code.filter(|_| segment[at] == b'%') {
            Some(code) => {
                out.push(u8::from_str_radix(std::str::from_utf8(code).unwrap(), 16).unwrap());
                at += 3;
            }
            None => {
                out.push(segment[at]);
                at += 1;
            }
        }
    }
    out
}

fn kind(text: &str) -> Option<&'static str> {
    let is_hex = |it: &str| it.chars().all(|it| it.is_ascii_hexdigit());
    let is_digits = |it: &str| it.chars().all(|it| it.is_ascii_digit());
    if text.is_empty() {
        return None;
    }
    if is_digits(text) {
        return Some("{number}");
    }
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|it| it.len()).collect();
    let has_digit = text.contains(|it: char| it.is_ascii_digit());
    if lengths == [8, 4, 4, 4, 12] && groups.iter().all(|it| is_hex(it)) && has_digit {
        return Some("{uuid}");
    }
    if is_date(text) {
        return Some("{date}");
    }
    let bare = match text.get(..2) {
        Some("0x" | "0X") => &text[2..],
        _ => text,
    };
    if bare.len() >= 8 && is_hex(bare) && bare.matches(|it: char| it.is_ascii_digit()).count() > 1 {
        return Some("{hex}");
    }
    is_base64(text).then_some("{base64}")
}

fn is_date(text: &str) -> bool {
    let (day, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let numbers: Vec<Option<u32>> =
        day.split('-').map(|it| it.parse().ok().filter(|_| !it.starts_with('+'))).collect();
    let lengths: Vec<usize> = day.split('-').map(str::len).collect();
    let is_time = |it: &str| !it.is_empty() && it.chars().all(|it| "0123456789:.+-Zz".contains(it));
    match (&lengths[..], &numbers[..], time) {
        ([4, 2], [Some(_), Some(1..=12)], None) => true,
        ([4, 2, 2], [Some(_), Some(1..=12), Some(1..=31)], time) => time.is_none_or(is_time),
        _ => false,
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_local = |it: char| it.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(it);
    let labels: Vec<&str> = domain.split('.').collect();
    let is_label =
        |it: &&str| !it.is_empty() && it.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    let last = labels[labels.len() - 1];
    !local.is_empty()
        && local.chars().all(is_local)
        && labels.len() > 1
        && labels.iter().all(is_label)
        && last.len() > 1
        && last.chars().all(|it| it.is_ascii_alphabetic())
}

fn is_base64(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    let padding = text.len() - bare.len();
    let is_separator = |it: &char| "-_.~+/".contains(*it);
    if !bare.chars().all(|it| it.is_ascii_alphanumeric() || is_separator(&it)) {
        return false;
    }
    if padding > 0 {
        return padding <= 2 && text.len().is_multiple_of(4) && text.len() >= 8;
    }
    let separators = text.chars().filter(is_separator).count();
    let characters = text.len() - separators;
    let digits = text.chars().filter(|it| it.is_ascii_digit()).count();
    let turns: usize = bare.split(|it| is_separator(&it)).map(turns).sum();
    let has = |is: fn(&char) -> bool| text.chars().any(|it| is(&it));
    let both = has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    let counted = if separators > 1 && digits > 0 { turns + 1 } else { turns + separators };
    let word = if digits == 0 {
        3
    } else if both {
        5
    } else {
        7
    };
    characters >= 16 && counted > separators && (counted - separators) * word > characters
}

/// New words within letters and digits.
fn turns(run: &str) -> usize {
    let run: Vec<char> = run.chars().collect();
    let pairs = run.windows(2).filter(|it| {
        it[0].is_ascii_digit() != it[1].is_ascii_digit()
            || it[0].is_ascii_lowercase() && it[1].is_ascii_uppercase()
    });
    let threes = run.windows(3).filter(|it| {
        it[0].is_ascii_uppercase() && it[1].is_ascii_uppercase() && it[2].is_ascii_lowercase()
    });
    pairs.count() + threes.count()
}
