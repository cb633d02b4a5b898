//! What may leave the proxy: secrets are replaced before anything is kept.
//!
//! A value is a secret because of its place (the password before a host, the values of a
//! query), or because of its name, wherever that name stands: see [`names`].

pub mod names;
pub mod url;
pub mod token;

use names::Names;
use token::Key;

/// What stands where a value was, as the URL conventions of OpenTelemetry spell it.
///
/// Spec: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
pub const MASK: &[u8] = b"REDACTED";

/// What is a secret, and what becomes of it.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Which values of a query are secrets.
    pub query: Query,
    /// Keys whose values are none, unless they are named like one.
    pub query_allow: Names,
    /// Names of secrets besides those that are built in.
    pub names: Names,
    /// What stands where a secret was.
    pub mode: Mode,
    /// What URLs tell of their path.
    pub path: Path,
}

/// Which values of a query are secrets. Those with a name that is built in always are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Query {
    /// Each, unless its key is allowed.
    #[default]
    All,
    /// Those that are named like one.
    Listed,
    /// No others.
    Off,
}

/// What stands where a secret was.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// [`MASK`].
    #[default]
    Mask,
    /// Nothing, not even its name.
    Drop,
    /// A token, the same one for the same value.
    Hash(Key),
}

/// What URLs tell of their path.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Path {
    /// All of it.
    #[default]
    Raw,
    /// Its shape, without what differs from request to request.
    Template,
}

/// Where a secret stood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub enum Place {
    /// The query of a URL.
    Query,
    /// Before the host of a URL.
    Userinfo,
    /// A parameter in the path of a URL.
    Path,
    /// A header of the request or of the response.
    Header,
    /// A member of the baggage.
    Baggage,
    /// One of the proxy's properties.
    Property,
}

/// How many secrets were replaced, by place.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts([u32; Place::ALL.len()]);

// === impl Place ===

impl Place {
    /// All places, in the order of their discriminants.
    pub const ALL: [Self; 6] =
        [Self::Query, Self::Userinfo, Self::Path, Self::Header, Self::Baggage, Self::Property];
}

// === impl Counts ===

impl Counts {
    /// One more.
    pub fn add(&mut self, place: Place) {
        if let Some(count) = self.0.get_mut(place as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// Each count above zero.
    pub fn iter(&self) -> impl Iterator<Item = (Place, u32)> {
        Place::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

// === impl Policy ===

impl Policy {
    /// Whether a value of this name is a secret, wherever it stands.
    #[inline(never)]
    pub fn is_secret(&self, name: &[u8]) -> bool {
        let name = names::plain(name);
        names::is_built_in(&name) || self.names.hold(&name)
    }

    /// What is told of a value that has a name; `None` if nothing.
    ///
    /// A value that is a URL, or the query of one, tells no more of its own secrets than the
    /// request's.
    #[inline(never)]
    pub fn named(
        &self,
        place: Place,
        name: &[u8],
        value: &[u8],
        counts: &mut Counts,
    ) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(value.len());
        if self.is_secret(name) {
            counts.add(place);
            return self.stand_in(value, &mut out).then_some(out);
        }
        if name == b"query" {
            self.write_query(value, &mut out, counts);
        } else if url::is_one(value) {
            self.write_url(value, &mut out, counts);
        } else {
            out.extend_from_slice(value);
        }
        Some(out)
    }

    /// Appends what stands for a secret. Returns `false` if nothing does.
    fn stand_in(&self, secret: &[u8], out: &mut Vec<u8>) -> bool {
        match &self.mode {
            Mode::Mask => out.extend_from_slice(MASK),
            Mode::Drop => return false,
            Mode::Hash(key) => key.write_token(secret, out),
        }
        true
    }
}

#[cfg(test)]
mod tests;
