//! Second readers of the trace formats, written word by word from their specifications, for
//! clearness and not for speed: the judges of tests and fuzz targets. They share no code with
//! hopspan.
//!
//! Each gives `trace/span decision`, `trace decision`, `decision`, or nothing for a value that
//! breaks its grammar. A trace-id of 64 bits has 16 digits.

fn text(value: &[u8]) -> Option<&str> {
    Some(std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']))
}

/// `n` digits of hex, `lower` case only or either, not all zero.
fn id(digits: &str, n: usize, lower: bool) -> Option<String> {
    let digit = |c: char| {
        c.is_ascii_digit() || ('a'..='f').contains(&c) || (!lower && ('A'..='F').contains(&c))
    };
    let good = digits.len() == n && digits.chars().all(digit) && digits.chars().any(|c| c != '0');
    good.then(|| digits.to_lowercase())
}

/// A decimal number of 64 bits as 16 digits of hex.
fn decimal(digits: &str) -> Option<String> {
    let good = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let number = digits.trim_start_matches('0').parse::<u128>();
    let number = if good && digits.chars().all(|c| c == '0') { Ok(0) } else { number };
    let number = number.ok().filter(|it| good && *it < 1 << 64)?;
    Some(format!("{number:016x}"))
}

fn is_zero(hex: &str) -> bool {
    hex.chars().all(|c| c == '0')
}

fn b3_state(state: &str) -> Option<&'static str> {
    match state {
        "0" => Some("drop"),
        "1" => Some("sample"),
        "d" => Some("debug"),
        _ => None,
    }
}

fn b3_trace(digits: &str) -> Option<String> {
    id(digits, 32, true).or(id(digits, 16, true))
}

pub(crate) fn b3(value: &[u8]) -> Option<String> {
    let text = text(value)?;
    if let Some(decision) = b3_state(text) {
        return Some(decision.to_owned());
    }
    let fields: Vec<&str> = text.split('-').collect();
    let hex = |it: &str| it.len() == 16 && it.chars().all(|c| "0123456789abcdef".contains(c));
    let decision = match fields[..] {
        [_, _] => "defer",
        [_, _, parent] if hex(parent) => "defer",
        [_, _, state] => b3_state(state)?,
        [_, _, state, parent] if hex(parent) => b3_state(state)?,
        _ => return None,
    };
    Some(format!("{}/{} {decision}", b3_trace(fields[0])?, id(fields[1], 16, true)?))
}

/// Trace-id, span id, sampled, flags.
pub(crate) fn b3multi(values: [Option<&[u8]>; 4]) -> Option<String> {
    let mut decision = "defer";
    if let Some(sampled) = values[2] {
        decision = match text(sampled)? {
            "1" | "true" => "sample",
            "0" | "false" => "drop",
            _ => return None,
        };
    }
    if let Some(flags) = values[3] {
        match text(flags)? {
            "1" => decision = "debug",
            "0" => {}
            _ => return None,
        }
    }
    if values[0].is_none() && values[1].is_none() {
        return (decision != "defer").then(|| decision.to_owned());
    }
    let trace = b3_trace(text(values[0]?)?)?;
    Some(format!("{trace}/{} {decision}", id(text(values[1]?)?, 16, true)?))
}

pub(crate) fn grpc_trace_bin(value: &[u8]) -> Option<String> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = text(value)?;
    let digits = match text.len() % 4 {
        0 => text.strip_suffix("==").or(text.strip_suffix('=')).unwrap_or(text),
        _ => text,
    };
    if text.len() > 512 || digits.len() % 4 == 1 {
        return None;
    }
    let mut bits = String::new();
    for digit in digits.chars() {
        bits += &format!("{:06b}", DIGITS.find(digit)?);
    }
    let bytes: Vec<u8> = (0..bits.len() / 8)
        .map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap_or_default())
        .collect();
    if bytes.first() != Some(&0) {
        return None;
    }
    let hex = |from: usize, n: usize| -> Option<String> {
        Some(bytes.get(from..from + n)?.iter().map(|it| format!("{it:02x}")).collect())
    };
    let (mut trace, mut span, mut decision) = (None, None, "defer");
    let mut at = 1;
    while let Some(field) = bytes.get(at) {
        at += match field {
            0 => {
                trace = Some(hex(at + 1, 16).filter(|it| !is_zero(it))?);
                17
            }
            1 => {
                span = Some(hex(at + 1, 8).filter(|it| !is_zero(it))?);
                9
            }
            2 => {
                decision = if bytes.get(at + 1)? % 2 == 1 { "sample" } else { "defer" };
                2
            }
            _ => break,
        };
    }
    Some(with_span(&trace?, span, decision))
}

fn with_span(trace: &str, span: Option<String>, decision: &str) -> String {
    match span {
        Some(span) => format!("{trace}/{span} {decision}"),
        None => format!("{trace} {decision}"),
    }
}

pub(crate) fn jaeger(value: &[u8]) -> Option<String> {
    let text = text(value)?.replace("%3A", ":").replace("%3a", ":");
    let fields: Vec<&str> = text.split(':').collect();
    let [trace, span, parent, flags] = fields[..] else { return None };
    let number = |digits: &str, most: usize| {
        let good =
            (1..=most).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
        good.then(|| u128::from_str_radix(digits, 16).ok()).flatten()
    };
    let id = number(trace, 32).filter(|it| *it > 0)?;
    let id = if trace.len() > 16 { format!("{id:032x}") } else { format!("{id:016x}") };
    let span = number(span, 16).filter(|it| *it > 0)?;
    number(parent, 16)?;
    let flags = number(flags, 2)?;
    let decision = match (flags % 2, flags / 2 % 2) {
        (0, _) => "drop",
        (_, 0) => "sample",
        _ => "debug",
    };
    Some(format!("{id}/{span:016x} {decision}"))
}

pub(crate) fn xray(value: &[u8]) -> Option<String> {
    // Other fields may hold any bytes.
    let text: String = value.iter().map(|it| char::from(*it)).collect();
    let text = text.trim_matches([' ', '\t']);
    if text.chars().count() > 7 * 1024 {
        return None;
    }
    let mut known = [None, None, None];
    for field in text.split(';').map(|it| it.trim_matches([' ', '\t'])).filter(|it| !it.is_empty())
    {
        let (key, value) = field.split_once('=')?;
        if let Some(at) = ["Root", "Parent", "Sampled"].iter().position(|it| *it == key) {
            if known[at].is_some() {
                return None;
            }
            known[at] = Some(value.to_owned());
        }
    }
    let [root, parent, sampled] = known;
    let decision = match sampled.as_deref() {
        None | Some("?") => "defer",
        Some("0") => "drop",
        Some("1") => "sample",
        _ => return None,
    };
    let Some(root) = root else {
        return (parent.is_none() && decision != "defer").then(|| decision.to_owned());
    };
    let parts: Vec<&str> = root.split('-').collect();
    let ["1", seconds, rest] = parts[..] else { return None };
    if seconds.len() != 8 {
        return None;
    }
    let trace = id(&format!("{seconds}{rest}"), 32, false)?;
    let span = match parent {
        Some(parent) => Some(id(&parent, 16, false)?),
        None => None,
    };
    Some(with_span(&trace, span, decision))
}

pub(crate) fn gcp(value: &[u8]) -> Option<String> {
    let text = text(value).filter(|it| it.len() <= 32 + "/18446744073709551615;o=1".len())?;
    let (ids, decision) = match text.split_once(';') {
        None => (text, "defer"),
        Some((ids, "o=")) => (ids, "defer"),
        Some((ids, "o=0")) => (ids, "drop"),
        Some((ids, "o=1")) => (ids, "sample"),
        Some(_) => return None,
    };
    let (trace, span) = ids.split_once('/').unwrap_or((ids, ""));
    let span = if span.is_empty() { None } else { Some(decimal(span)?) };
    Some(with_span(&id(trace, 32, false)?, span.filter(|it| !is_zero(it)), decision))
}

/// Trace-id, parent id, sampling priority, tags.
pub(crate) fn datadog(values: [Option<&[u8]>; 4]) -> Option<String> {
    let text = |value| text(value).filter(|it| it.len() <= "18446744073709551615".len());
    let low = decimal(text(values[0]?)?).filter(|it| !is_zero(it))?;
    let span = match values[1] {
        Some(digits) => Some(decimal(text(digits)?)?).filter(|it| !is_zero(it)),
        None => None,
    };
    let decision = match values[2].map(text) {
        None => "defer",
        Some(Some("-1" | "0")) => "drop",
        Some(Some("1" | "2")) => "sample",
        Some(_) => return None,
    };
    let tags: String = values[3].unwrap_or_default().iter().map(|it| char::from(*it)).collect();
    let tags = tags.trim_matches([' ', '\t']);
    let tags = if tags.chars().count() > 512 { "" } else { tags };
    let high = tags.split(',').find_map(|it| it.strip_prefix("_dd.p.tid="));
    let hex = |it: &&str| it.len() == 16 && it.chars().all(|c| "0123456789abcdef".contains(c));
    Some(with_span(&format!("{}{low}", high.filter(hex).unwrap_or("")), span, decision))
}
