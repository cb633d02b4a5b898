//! A collector's own words, made fit for a log: in one line, short, and without our secrets, which
//! a collector may repeat when it refuses them.

use std::fmt;

/// The most characters of a quotation.
const MOST: usize = 200;
/// Anything shorter is no secret, and would tear other words apart.
const LEAST_SECRET: usize = 4;

/// Words of the headers that a collector is sent.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// All of `headers` that may be a secret: of each value the words, because what comes back
    /// need not be a whole value.
    pub(super) fn of(headers: &[(String, String)]) -> Self {
        let words = headers.iter().flat_map(|(_, value)| value.split([' ', '\t', ',', ';', '=']));
        let is_scheme =
            |it: &str| ["basic", "bearer"].iter().any(|scheme| it.eq_ignore_ascii_case(scheme));
        let secrets = words.filter(|it| it.len() >= LEAST_SECRET && !is_scheme(it));
        // The longest first: another may be a part of it. In its place at once, because sorting
        // is much code.
        let mut all: Vec<String> = Vec::new();
        for secret in secrets {
            let place = all.partition_point(|it| it.len() >= secret.len());
            all.insert(place, secret.to_owned());
        }
        Self(all)
    }

    /// `words`, in quotation marks.
    pub(super) fn quote(&self, words: &str) -> String {
        // First, so that nothing hides in what is taken away.
        let mut line = String::with_capacity(words.len());
        for word in words.split(|it: char| it.is_whitespace() || it.is_control()) {
            if !line.is_empty() && !word.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        for secret in &self.0 {
            line = without(secret, &line);
        }
        match line.char_indices().nth(MOST) {
            Some((end, _)) => format!("\"{}...\"", line.get(..end).unwrap_or_default()),
            None => format!("\"{line}\""),
        }
    }
}

/// A line with stars in the place of a secret. Simple, because it is short: the standard
/// library's search for a text is 2 KB of code.
fn without(secret: &str, line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        rest = match rest.strip_prefix(secret) {
            Some(after) => {
                kept.push_str("***");
                after
            }
            None => {
                kept.push(next);
                rest.get(next.len_utf8()..).unwrap_or_default()
            }
        };
    }
    kept
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets() -> Secrets {
        let headers = [
            ("authorization", "Bearer s3cr3t-t0ken"),
            ("x-key", "api=k3y-of-all;for=me"),
            ("x-long", "s3cr3t-t0ken-and-more"),
        ];
        Secrets::of(&headers.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn a_quotation_is_short_and_in_one_line_and_has_no_secret() {
        let long = "x".repeat(MOST);
        for (why, words, want) in [
            ("as it is", "quota exceeded", r#""quota exceeded""#),
            ("no line of one's own", "no\r\n[error] \x1b[31mred\0", r#""no [error] [31mred""#),
            ("spaces", "  a \t\u{2028} b  ", r#""a b""#),
            ("as long as may be", &long, &format!(r#""{long}""#)),
            ("longer", &format!("{long}yz"), &format!(r#""{long}...""#)),
            (
                "whole characters",
                &"\u{1f980}".repeat(201),
                &format!(r#""{}...""#, "\u{1f980}".repeat(200)),
            ),
            ("a secret", "Bearer s3cr3t-t0ken is bad", r#""Bearer *** is bad""#),
            ("twice, and another", "s3cr3t-t0ken,s3cr3t-t0ken,k3y-of-all", r#""***,***,***""#),
            ("one that has another in it", "<s3cr3t-t0ken-and-more>", r#""<***>""#),
            ("hidden by a character that goes", "s3cr3t\0-t0ken", r#""s3cr3t -t0ken""#),
            ("words of no importance", "for me", r#""for me""#),
            ("nothing", "", r#""""#),
        ] {
            assert_eq!(secrets().quote(words), want, "{why}: {words:?}");
        }
        let cut = format!("{} s3cr3t-t0ken", "x".repeat(MOST - 5));
        assert!(!secrets().quote(&cut).contains("s3c"), "not even its beginning");
    }

    #[test]
    fn nobody_prints_them_by_accident() {
        assert_eq!(format!("{:?}", secrets()), "Secrets(3)");
    }

    proptest! {
        #[test]
        fn whatever_was_said_is_one_line(words: String) {
            let quotation = secrets().quote(&words);
            prop_assert!(quotation.chars().count() <= MOST + 5);
            prop_assert!(!quotation.contains(char::is_control));
            prop_assert!(!quotation.contains("s3cr3t-t0ken"));
        }
    }
}
