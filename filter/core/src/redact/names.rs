//! Names by which a secret is known.
//!
//! Case does not count, nor do `-` and `_`: `API-Key`, `api_key` and `apiKey` are one name.

use crate::pattern::Patterns;

/// Patterns for names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names(Patterns);

/// Names of secrets, whatever the configuration says. Among them are those that the URL
/// conventions list.
///
/// Spec: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
pub const BUILT_IN: [&str; 25] = [
    "*accesskey*",
    "*apikey*",
    "*assertion*",
    "*auth",
    "*authentic*",
    "*authoriz*",
    "*clientkey*",
    "*cookie*",
    "*credential*",
    "*csrf*",
    "*jwt*",
    "*oidc*",
    "*passphrase*",
    "*passw*",
    "*privatekey*",
    "*pwd*",
    "*secret*",
    "*sessid*",
    "*session",
    "*sessionid*",
    "*signature*",
    "*token*",
    "*xsrf*",
    "sid",
    "sig",
];

/// Whether a plain name is one of those.
pub fn is_built_in(plain: &[u8]) -> bool {
    BUILT_IN.iter().any(|pattern| {
        let bare = pattern.trim_matches('*').as_bytes();
        match (pattern.starts_with('*'), pattern.ends_with('*')) {
            (true, true) => plain.windows(bare.len()).any(|it| it == bare),
            (true, false) => plain.ends_with(bare),
            _ => plain == bare,
        }
    })
}

/// A name without what does not count; its percent-encoding, if it has any, is undone.
pub fn plain(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, after @ ..] = rest {
        rest = after;
        let byte = match (first, after) {
            (b'%', [high, low, after @ ..]) => match crate::id::short_hex(&[*high, *low]) {
                Some([byte]) => {
                    rest = after;
                    byte
                }
                None => b'%',
            },
            (byte, _) => *byte,
        };
        if !matches!(byte, b'-' | b'_') {
            plain.push(byte.to_ascii_lowercase());
        }
    }
    plain
}

// === impl Names ===

impl Names {
    /// Patterns for names in any spelling.
    pub fn new<T: AsRef<str>>(patterns: &[T]) -> Self {
        let plain = |it: &T| -> String {
            let counts = |it: &char| !matches!(it, '-' | '_');
            it.as_ref().chars().filter(counts).map(|it| it.to_ascii_lowercase()).collect()
        };
        Self(patterns.iter().map(plain).collect())
    }

    /// Whether a name that is [`plain`] is one of these.
    pub fn hold(&self, plain: &[u8]) -> bool {
        self.0.hold(plain)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
