//! Patterns of the host that a request names.

use super::candidate::Candidate;
use crate::pattern::{Pattern, Patterns};
use crate::redact::url::without_userinfo;
use crate::request::{Stream, host_and_port};
use std::borrow::Cow;

/// Patterns of hosts, which have no case: `*.shop.example`, `10.0.0.7`, `fd00::7`.
///
/// They are tried on the host alone, without its port, without a user before it and without
/// the dot that may end a name. One that has a colon, as in `localhost:8080` or `*:8443`, is
/// tried on the host with its port as well.
///
/// ```text
/// authority = [ userinfo "@" ] host [ ":" port ]
/// ```
/// Spec: <https://www.rfc-editor.org/rfc/rfc3986#section-3.2>; no case by
/// <https://www.rfc-editor.org/rfc/rfc9110#section-4.2.3>
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hosts {
    /// All of them, in lower case.
    of_host: Patterns,
    /// Those that have a colon.
    of_authority: Patterns,
}

impl Hosts {
    /// Whether one of them is for the host of this request.
    pub fn hold<S: Stream>(&self, request: &Candidate<'_, S>) -> bool {
        !self.is_empty() && self.hold_authority(request.fields.authority)
    }

    /// Whether there is none, so that no host fits.
    pub fn is_empty(&self) -> bool {
        self.of_host.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.of_host.iter()
    }

    /// Whether one of them is for the host of this authority.
    pub fn hold_authority(&self, authority: &[u8]) -> bool {
        let authority = without_userinfo(authority);
        let authority = match authority.iter().any(u8::is_ascii_uppercase) {
            true => Cow::Owned(authority.to_ascii_lowercase()),
            false => Cow::Borrowed(authority),
        };
        let (host, _) = host_and_port(&authority);
        let host = host.strip_suffix(b".").unwrap_or(host);
        !host.is_empty() && (self.of_host.hold(host) || self.of_authority.hold(&authority))
    }
}

impl<T: AsRef<str>> FromIterator<T> for Hosts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let texts: Vec<_> = texts.into_iter().map(|it| it.as_ref().to_ascii_lowercase()).collect();
        let with_colon = texts.iter().filter(|it| it.contains(':'));
        Self { of_authority: with_colon.collect(), of_host: texts.iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_in_many_ways() {
        for (why, patterns, authority, want) in [
            ("the same", &["shop.example"][..], "shop.example", true),
            ("another", &["shop.example"], "cart.example", false),
            ("a port does not count", &["shop.example"], "shop.example:8080", true),
            ("nor does case", &["Shop.Example"], "sHOP.eXAMPLE", true),
            ("nor a user", &["shop.example"], "me:secret@shop.example:80", true),
            ("a user is no host", &["shop.example"], "shop.example@evil.example", false),
            ("nor the dot at the end", &["shop.example"], "shop.example.:80", true),
            ("below a name", &["*.example"], "shop.example", true),
            ("not the name itself", &["*.example"], "example", false),
            ("not a longer name", &["*.example"], "shop.example.evil", false),
            ("any of several", &["a", "shop.*"], "shop.example", true),
            ("a port that is asked for", &["shop:8080"], "shop:8080", true),
            ("another port", &["shop:8080"], "shop:80", false),
            ("no port", &["shop:8080"], "shop", false),
            ("any host with a port", &["*:8443"], "shop:8443", true),
            ("and with another", &["*:8443"], "shop:443", false),
            ("IPv6", &["fd00::7"], "[FD00::7]:80", true),
            ("IPv6 without port", &["fd00::7"], "[fd00::7]", true),
            ("a range of IPv6", &["fd00:*"], "[fd00::7]:80", true),
            ("IPv6 with its port", &["[fd00::7]:80"], "[fd00::7]:80", true),
            ("IPv6 with another", &["[fd00::7]:80"], "[fd00::7]:81", false),
            ("all hosts", &["*"], "shop", true),
            ("no host", &["*"], "", false),
            ("no host but a port", &["*", ":80"], ":80", false),
            ("no patterns", &[], "shop", false),
        ] {
            let hosts: Hosts = patterns.iter().collect();
            assert_eq!(hosts.hold_authority(authority.as_bytes()), want, "{why}");
        }
    }

    #[test]
    fn hosts_are_told_in_lower_case() {
        let hosts: Hosts = ["Shop:80", "*.example"].into_iter().collect();
        let told: Vec<_> = hosts.iter().map(Pattern::to_string).collect();
        assert_eq!(told, ["shop:80", "*.example"]);
    }
}
