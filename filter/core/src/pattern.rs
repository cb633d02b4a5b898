//! Patterns, as rules have them.
//!
//! ```text
//! pattern = *( "*" / any other character ) ; no escape: a star is never meant as such
//! ```

use std::fmt;

/// Literal text in which `*` stands for any run of bytes, an empty one too.
///
/// Whether a text fits takes time linear in its length, whatever the pattern.
///
/// ```
/// use hopspan_core::pattern::Pattern;
///
/// assert!(Pattern::new("/users/*/cart").holds(b"/users/7/cart"));
/// assert!(!Pattern::new("/users/*/cart").holds(b"/users/7"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    /// What stands before the first star.
    first: Box<str>,
    /// What stands between two stars and is not empty, in order.
    between: Box<[Part]>,
    /// What stands behind the last star; `None` where there is no star.
    last: Option<Box<str>>,
}

/// Some patterns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Patterns(Vec<Pattern>);

/// Text that is looked for in a longer one, as Knuth, Morris and Pratt do: no byte of the
/// longer text is looked at again.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Part {
    text: Box<str>,
    /// For each place: how long the longest shorter beginning of the text is that ends there.
    borders: Box<[usize]>,
}

// === impl Pattern ===

impl Pattern {
    /// Any text is a pattern.
    pub fn new(text: &str) -> Self {
        let mut parts = text.split('*');
        let first = parts.next().unwrap_or_default().into();
        let last = parts.next_back().map(Into::into);
        let between = parts.filter(|it| !it.is_empty()).map(Part::new).collect();
        Self { first, between, last }
    }

    /// Whether a text, from its beginning to its end, fits.
    pub fn holds(&self, text: &[u8]) -> bool {
        let Self { first, between, last } = self;
        let Some(last) = last else { return text == first.as_bytes() };
        let behind_first = text.strip_prefix(first.as_bytes());
        let inner = behind_first.and_then(|it| it.strip_suffix(last.as_bytes()));
        // The first place of each part leaves the most room for those behind it.
        inner.and_then(|it| between.iter().try_fold(it, |rest, part| part.behind(rest))).is_some()
    }
}

/// The pattern as it was written, but for stars that stood side by side.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, between, last } = self;
        f.write_str(first)?;
        for part in between {
            write!(f, "*{}", part.text)?;
        }
        last.iter().try_for_each(|it| write!(f, "*{it}"))
    }
}

// === impl Patterns ===

impl Patterns {
    /// Whether any of them holds.
    pub fn hold(&self, text: &[u8]) -> bool {
        self.0.iter().any(|it| it.holds(text))
    }

    /// Whether there is none, so that nothing fits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.0.iter()
    }
}

impl<T: AsRef<str>> FromIterator<T> for Patterns {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self(texts.into_iter().map(|it| Pattern::new(it.as_ref())).collect())
    }
}

// === impl Part ===

impl Part {
    fn new(text: &str) -> Self {
        let mut it = Self { text: text.into(), borders: Box::default() };
        let (mut borders, mut border) = (vec![0], 0);
        for byte in text.bytes().skip(1) {
            border = it.longer(border, byte, &borders);
            borders.push(border);
        }
        it.borders = borders.into();
        it
    }

    /// What comes after the first place in `text` that has this part.
    fn behind<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let (mut rest, mut found) = (text, 0);
        while let [byte, after @ ..] = rest {
            found = self.longer(found, *byte, &self.borders);
            rest = after;
            if found == self.text.len() {
                return Some(rest);
            }
        }
        None
    }

    /// How many bytes of this part's beginning there are after one more byte, where before it
    /// there were `found`.
    fn longer(&self, mut found: usize, byte: u8, borders: &[usize]) -> usize {
        while self.text.as_bytes().get(found) != Some(&byte) {
            let Some(before) = found.checked_sub(1) else { return 0 };
            found = borders.get(before).copied().unwrap_or_default();
        }
        found.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The grammar as it is said, byte by byte.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            ([wanted, pattern @ ..], [byte, text @ ..]) => wanted == byte && naive(pattern, text),
            ([_, ..], []) => false,
        }
    }

    #[test]
    fn a_star_is_any_run_and_all_else_itself() {
        for (why, pattern, text, want) in [
            ("the same text", "/cart", "/cart", true),
            ("its beginning alone", "/cart", "/cart/7", false),
            ("its end alone", "/cart", "/my/cart", false),
            ("another case", "/cart", "/Cart", false),
            ("nothing", "", "", true),
            ("nothing is wanted", "", "a", false),
            ("anything", "*", "/cart", true),
            ("anything, also nothing", "*", "", true),
            ("a beginning", "/cart*", "/cart/7", true),
            ("not this beginning", "/cart*", "/car", false),
            ("an end", "*.example", "shop.example", true),
            ("not this end", "*.example", "shop.example.org", false),
            ("beginning and end may not overlap", "aba*aba", "ababa", false),
            ("beginning and end side by side", "aba*aba", "abaaba", true),
            ("inside", "*cart*", "/my/cart/7", true),
            ("inside, at both ends", "*cart*", "cart", true),
            ("a star spans separators", "/users/*/cart", "/users/7/x/cart", true),
            ("parts have an order", "*a*b*", "ba", false),
            ("parts may not overlap", "*ab*ba*", "aba", false),
            ("a part that begins anew within itself", "*aab*", "aaab", true),
            ("two stars are one", "a**b", "ab", true),
            ("other signs mean themselves", "a?[b].", "a?[b].", true),
            ("and nothing else", "a?c", "abc", false),
        ] {
            assert_eq!(Pattern::new(pattern).holds(text.as_bytes()), want, "{why}");
            assert_eq!(
                naive(pattern.as_bytes(), text.as_bytes()),
                want,
                "{why}: the second reader"
            );
        }
    }

    #[test]
    fn patterns_hold_if_one_does() {
        let patterns: Patterns = ["a*", "*b"].into_iter().collect();
        assert!(patterns.hold(b"ax") && patterns.hold(b"xb") && !patterns.hold(b"x"));
        let none = Patterns::default();
        assert!(none.is_empty() && !none.hold(b"") && !patterns.is_empty());
        let texts: Vec<_> = patterns.iter().map(Pattern::to_string).collect();
        assert_eq!(texts, ["a*", "*b"]);
    }

    /// These would run for years if a part that fails were tried again elsewhere.
    #[test]
    fn no_pattern_takes_long() {
        let text = vec![b'a'; 100_000];
        assert!(!Pattern::new(&"*a".repeat(50_000)).holds(&text[..49_999]));
        assert!(!Pattern::new(&format!("{}*b*", "*a".repeat(50_000))).holds(&text));
        assert!(Pattern::new(&"*a".repeat(50_000)).holds(&text));
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_reader(pattern in "[ab*]{0,10}", text in "[ab]{0,14}") {
            let want = naive(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(Pattern::new(&pattern).holds(text.as_bytes()), want);
        }

        #[test]
        fn finds_long_parts(part in "[ab]{1,8}", text in "[ab]{0,200}") {
            let got = Pattern::new(&format!("*{part}*")).holds(text.as_bytes());
            prop_assert_eq!(got, text.contains(&part));
        }

        #[test]
        fn any_text_is_a_pattern_that_is_written_as_it_was(pattern: String, text: Vec<u8>) {
            let it = Pattern::new(&pattern);
            prop_assert!(it.holds(pattern.as_bytes()));
            prop_assert_eq!(it.holds(&text), naive(pattern.as_bytes(), &text));
            let mut single = pattern;
            while single.contains("**") {
                single = single.replace("**", "*");
            }
            prop_assert_eq!(it.to_string(), single);
        }
    }
}
