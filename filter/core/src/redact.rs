//! What may leave the proxy: secrets are masked before anything is kept.

/// What stands where a value was, as the URL conventions of OpenTelemetry spell it.
///
/// Spec: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
pub const MASK: &[u8] = b"REDACTED";

/// Appends `query` with every value masked and every key kept, a bare word being a key.
///
/// Returns how many values were masked.
pub fn write_query(query: &[u8], out: &mut Vec<u8>) -> u64 {
    let mut masked: u64 = 0;
    for (at, pair) in query.split(|&b| b == b'&').enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        let mut parts = pair.splitn(2, |&b| b == b'=');
        out.extend_from_slice(parts.next().unwrap_or_default());
        if parts.next().is_some() {
            out.push(b'=');
            out.extend_from_slice(MASK);
            masked = masked.saturating_add(1);
        }
    }
    masked
}

/// An authority without the user and password that may stand before it.
pub fn without_userinfo(authority: &[u8]) -> &[u8] {
    authority.rsplit(|&b| b == b'@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_query_is_masked() {
        for (why, query, want, count) in [
            ("one value", "token=abc", "token=REDACTED", 1),
            ("several", "a=1&b=2", "a=REDACTED&b=REDACTED", 2),
            ("an empty value", "a=", "a=REDACTED", 1),
            ("a bare word", "debug", "debug", 0),
            ("an equals sign in the value", "a=b=c", "a=REDACTED", 1),
            ("empty parts", "&&", "&&", 0),
            ("nothing", "", "", 0),
        ] {
            let mut out = Vec::new();
            assert_eq!(write_query(query.as_bytes(), &mut out), count, "{why}");
            assert_eq!(String::from_utf8(out).unwrap(), want, "{why}");
        }
    }

    #[test]
    fn userinfo_is_cut_off() {
        assert_eq!(without_userinfo(b"me:secret@shop:80"), b"shop:80");
        assert_eq!(without_userinfo(b"a@b@shop"), b"shop");
        assert_eq!(without_userinfo(b"shop"), b"shop");
    }
}
