//! A second reader of OpenTelemetry's member of `tracestate`, written word by word from its
//! grammar: the judge of tests and of a fuzz target. It shares no code with hopspan.

/// All 14 digits of `th`, those of `rv`, and the other sub-keys in their order.
pub(crate) type Ot = (Option<String>, Option<String>, Vec<String>);

/// What the value of `ot` says; nothing if its form is wrong. A `th` or `rv` that is invalid is
/// not there.
pub(crate) fn ot(value: &[u8]) -> Option<Ot> {
    let text = std::str::from_utf8(value).ok()?;
    let (mut th, mut rv, mut others, mut keys) = (None, None, Vec::new(), Vec::new());
    for member in text.split(';') {
        let (key, value) = member.split_once(':')?;
        let good = key.starts_with(|c: char| c.is_ascii_lowercase())
            && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !good || text.len() > 256 || keys.contains(&key) {
            return None;
        }
        keys.push(key);
        let hex = value.chars().all(|c| "0123456789abcdef".contains(c));
        match (key, value.len()) {
            ("th", 1..=14) if hex => th = Some(format!("{value:0<14}")),
            ("rv", 14) if hex => rv = Some(value.to_owned()),
            ("th" | "rv", _) => {}
            _ => others.push(member.to_owned()),
        }
    }
    Some((th, rv, others))
}
