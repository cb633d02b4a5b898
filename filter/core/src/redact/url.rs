//! URLs and what they are made of.
//!
//! ```text
//! URI       = scheme ":" "//" [ userinfo "@" ] host [ ":" port ] path [ "?" query ] [ "#" fragment ]
//! query     = pair *( "&" pair )        ; by convention, as forms are encoded
//! path      = *( "/" segment )
//! segment   = part *( ";" part )        ; RFC 3986, section 3.3
//! pair      = part *( ";" part )        ; where a reader takes a semicolon for an ampersand
//! part      = key [ "=" value ]
//! ```
//! Spec: <https://www.rfc-editor.org/rfc/rfc3986#section-3>,
//! <https://url.spec.whatwg.org/#urlencoded-parsing>
//!
//! A fragment is never told: no server is meant to see it, and it may hold what a sign-in
//! hands to the browser alone.

use super::names;
use super::{Counts, MASK, Mode, Place, Policy, Query};

/// An authority without the user and password that may stand before it.
pub fn without_userinfo(authority: &[u8]) -> &[u8] {
    authority.rsplit(|&b| b == b'@').next().unwrap_or_default()
}

/// A URL's part without its fragment.
pub fn without_fragment(url: &[u8]) -> &[u8] {
    split(url, b'#').0
}

/// What stands before the first of such a byte, and what stands behind it if there is one.
fn split(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    let place = text.iter().position(|&b| b == at).unwrap_or(text.len());
    let (before, behind) = text.split_at_checked(place).unwrap_or_default();
    (before, behind.split_first().map(|(_, behind)| behind))
}

/// Whether a value looks like a URL, or the part of one that follows the host.
pub(super) fn is_one(value: &[u8]) -> bool {
    let has_query = || split(value, b'?').1.is_some_and(|it| it.contains(&b'='));
    value.starts_with(b"/")
        || value.windows(3).any(|it| it == b"://")
        || has_query() && !value.contains(&b' ')
}

/// Appends bytes: one function is smaller than what stands for it otherwise.
#[inline(never)]
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

impl Policy {
    /// Appends a query. What stands for no value is a key, and told.
    pub fn write_query(&self, query: &[u8], out: &mut Vec<u8>, counts: &mut Counts) {
        self.write_pairs(Place::Query, query, out, counts);
    }

    /// Appends a path. Parameters that are named like a secret are not told.
    pub fn write_path(&self, path: &[u8], out: &mut Vec<u8>, counts: &mut Counts) {
        if path.contains(&b'=') {
            self.write_pairs(Place::Path, path, out, counts);
        } else {
            put(out, path);
        }
    }

    /// Appends what stands for the userinfo of an authority, up to its `@`; nothing where it
    /// has none.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
    /// (`https://REDACTED:REDACTED@www.example.com/`)
    pub fn write_userinfo(&self, authority: &[u8], out: &mut Vec<u8>, counts: &mut Counts) {
        let length = authority.len().saturating_sub(without_userinfo(authority).len());
        let Some(userinfo) = authority.get(..length).and_then(|it| it.strip_suffix(b"@")) else {
            return;
        };
        counts.add(Place::Userinfo);
        if let Mode::Mask = self.mode {
            put(out, MASK);
            out.push(b':');
        }
        if self.stand_in(userinfo, out) {
            out.push(b'@');
        }
    }

    /// Appends a URL, or a part of one.
    pub(super) fn write_url(&self, url: &[u8], out: &mut Vec<u8>, counts: &mut Counts) {
        let (mut path, query) = split(without_fragment(url), b'?');
        if let Some(at) = path.windows(3).position(|it| it == b"://") {
            let (scheme, rest) = path.split_at_checked(at.saturating_add(3)).unwrap_or_default();
            let authority = split(rest, b'/').0;
            put(out, scheme);
            self.write_userinfo(authority, out, counts);
            put(out, without_userinfo(authority));
            path = rest.get(authority.len()..).unwrap_or_default();
        }
        self.write_path(path, out, counts);
        if let Some(query) = query {
            out.push(b'?');
            self.write_query(query, out, counts);
        }
    }

    /// A value that is a secret ends where the next pair or segment begins, whatever stands
    /// in it.
    #[inline(never)]
    fn write_pairs(&self, place: Place, text: &[u8], out: &mut Vec<u8>, counts: &mut Counts) {
        let between = if place == Place::Query { b'&' } else { b'/' };
        let mut is_first = true;
        let mut next = Some(text);
        while let Some(text) = next {
            let (pair, behind) = split(text, between);
            next = behind;
            let mut rest = Some(pair);
            let mut separator = between;
            while let Some(it) = rest {
                let (part, behind) = split(it, b';');
                let (key, value) = split(part, b'=');
                let is_secret = value.is_some() && self.hides(place, key);
                rest = behind.filter(|_| !is_secret);
                let length = out.len();
                if !is_first {
                    out.push(separator);
                }
                separator = b';';
                if !is_secret {
                    put(out, part);
                    is_first = false;
                    continue;
                }
                counts.add(place);
                put(out, key);
                out.push(b'=');
                let value = it.get(key.len().saturating_add(1)..).unwrap_or_default();
                if self.stand_in(value, out) {
                    is_first = false;
                } else {
                    out.truncate(length);
                }
            }
        }
    }

    fn hides(&self, place: Place, key: &[u8]) -> bool {
        let query = if place == Place::Query { self.query } else { Query::Listed };
        match query {
            Query::All if self.query_allow.is_empty() => true,
            Query::All => !self.query_allow.hold(&names::plain(key)) || self.is_secret(key),
            Query::Listed => self.is_secret(key),
            Query::Off => names::is_built_in(&names::plain(key)),
        }
    }
}
