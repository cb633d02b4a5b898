//! The request's own words.

use super::Settings;
use crate::redact::url::{without_fragment, without_userinfo};
use crate::redact::{Counts, Path};
use crate::request::fields::RequestFields;
use crate::route::shape::shape;
use crate::semconv::rpc::Protocol;
use std::time::Duration;

/// The request's own words, redacted, cut and kept in one piece of memory, because the
/// host shows the headers only once.
#[derive(Clone, Debug, Default)]
pub struct RequestText {
    bytes: Vec<u8>,
    ends: [u32; PARTS],
    /// The protocol of a request that is a call.
    pub rpc: Option<Protocol>,
    /// How long the client of a call was going to wait for its end.
    pub timeout: Option<Duration>,
    /// The secrets that were replaced.
    pub redacted: Counts,
}

const PARTS: usize = 9;

/// By so much a query grows, as a rule, where a value is masked.
const MASKED: usize = 16;

impl RequestText {
    /// Copies what a span will say about the request. A caller that is `trusted` may say by
    /// `x-forwarded-host` and `-proto` what was asked for.
    pub fn keep(
        fields: &RequestFields<'_>,
        tracestate: &[u8],
        trusted: bool,
        settings: &Settings,
    ) -> Self {
        let Settings { redact, limits, .. } = settings;
        let rpc = Protocol::of(fields);
        let timeout = rpc.and_then(|it| it.timeout(fields));
        let mut it = Self { rpc, timeout, ..Self::default() };
        let fields = RequestFields { path: without_fragment(fields.path), ..*fields };
        let (path, query) = fields.path_and_query();
        let said = |forwarded, own| match first_of_list(forwarded) {
            first if trusted && !first.is_empty() => first,
            _ => own,
        };
        let authority = said(fields.forwarded_host, fields.authority);
        let text = [
            fields.method,
            said(fields.forwarded_proto, fields.scheme),
            without_userinfo(authority),
            fields.user_agent,
            fields.request_id,
            tracestate,
        ];
        let Self { bytes, ends, redacted, .. } = &mut it;
        let query_room = query.map_or(0, |it| it.len().saturating_add(MASKED));
        let parts = text.iter().chain([&path]).map(|part| limits.cut(part).len());
        bytes.reserve(parts.fold(query_room, usize::saturating_add));
        let mut ends = ends.iter_mut();
        let mut end = |bytes: &Vec<u8>| {
            if let Some(end) = ends.next() {
                *end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            }
        };
        for part in text {
            bytes.extend_from_slice(limits.cut(part));
            end(bytes);
        }
        let shape = match redact.path {
            Path::Raw => None,
            Path::Template => shape(path),
        };
        redact.write_path(shape.as_deref().unwrap_or(limits.cut(path)), bytes, redacted);
        end(bytes);
        if let Some(query) = query {
            redact.write_query(limits.cut(query), bytes, redacted);
        }
        end(bytes);
        redact.write_userinfo(authority, bytes, redacted);
        end(bytes);
        it
    }

    /// Copies what metrics say about the request, and no more.
    pub fn brief(fields: &RequestFields<'_>) -> Self {
        let rpc = Protocol::of(fields);
        let timeout = rpc.and_then(|it| it.timeout(fields));
        let (path, _) = fields.path_and_query();
        let path = if rpc.is_some() { path } else { b"" };
        let authority = without_userinfo(fields.authority);
        let bytes = [fields.method, authority, path].concat();
        let end = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        let method = end(fields.method.len());
        let authority = method.saturating_add(end(authority.len()));
        let all = end(bytes.len());
        let ends = [method, method, authority, authority, authority, authority, all, all, all];
        Self { bytes, ends, rpc, timeout, redacted: Counts::default() }
    }

    /// How long it is, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.capacity()
    }

    /// `:method`
    pub fn method(&self) -> &[u8] {
        self.part(0)
    }

    /// `:scheme`, or what a trusted caller says in its place
    pub fn scheme(&self) -> &[u8] {
        self.part(1)
    }

    /// `:authority`, or what a trusted caller says in its place, without userinfo
    pub fn authority(&self) -> &[u8] {
        self.part(2)
    }

    /// `user-agent`
    pub fn user_agent(&self) -> &[u8] {
        self.part(3)
    }

    /// `x-request-id`
    pub fn request_id(&self) -> &[u8] {
        self.part(4)
    }

    /// `tracestate` as it went on
    pub fn tracestate(&self) -> &[u8] {
        self.part(5)
    }

    /// `:path`, without query and fragment; secrets replaced
    pub fn path(&self) -> &[u8] {
        self.part(6)
    }

    /// The query, secrets replaced
    pub fn query(&self) -> &[u8] {
        self.part(7)
    }

    /// What stands for the userinfo before the authority, up to its `@`
    pub fn userinfo(&self) -> &[u8] {
        self.part(8)
    }

    fn part(&self, number: usize) -> &[u8] {
        let at = |number: usize| self.ends.get(number).and_then(|end| usize::try_from(*end).ok());
        let start = number.checked_sub(1).and_then(at).unwrap_or(0);
        self.bytes.get(start..at(number).unwrap_or(start)).unwrap_or_default()
    }
}

/// The first of a list: each proxy on the way adds to its end.
fn first_of_list(value: &[u8]) -> &[u8] {
    value.split(|&b| b == b',').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Place;

    #[test]
    fn keeps_the_words_of_a_request_apart_and_redacted() {
        let fields = RequestFields {
            method: b"GET",
            scheme: b"http",
            authority: b"me:secret@shop:80",
            path: b"/cart;sid=secret?token=secret&debug#secret",
            user_agent: b"curl",
            request_id: b"r-1",
            ..RequestFields::default()
        };
        let it = RequestText::keep(&fields, b"a=1", true, &Settings::default());
        assert_eq!(it.method(), b"GET");
        assert_eq!(it.scheme(), b"http");
        assert_eq!(it.authority(), b"shop:80");
        assert_eq!(it.path(), b"/cart;sid=REDACTED");
        assert_eq!(it.user_agent(), b"curl");
        assert_eq!(it.request_id(), b"r-1");
        assert_eq!(it.tracestate(), b"a=1");
        assert_eq!(it.query(), b"token=REDACTED&debug");
        assert_eq!(it.userinfo(), b"REDACTED:REDACTED@");
        assert_eq!(it.rpc, None);
        let redacted: Vec<_> = it.redacted.iter().collect();
        assert_eq!(redacted, [(Place::Query, 1), (Place::Userinfo, 1), (Place::Path, 1)]);
    }

    #[test]
    fn a_trusted_caller_says_what_was_asked_for() {
        let plain =
            RequestFields { scheme: b"http", authority: b"shop", ..RequestFields::default() };
        let proxied = RequestFields {
            forwarded_proto: b" https , http",
            forwarded_host: b"me:secret@www.example:444, inner",
            ..plain
        };
        for (why, fields, trusted, want) in [
            ("nothing forwarded", plain, true, ("http", "shop")),
            ("trusted", proxied, true, ("https", "www.example:444")),
            ("not trusted", proxied, false, ("http", "shop")),
        ] {
            let it = RequestText::keep(&fields, b"", trusted, &Settings::default());
            let got = (it.scheme(), it.authority());
            assert_eq!(got, (want.0.as_bytes(), want.1.as_bytes()), "{why}");
        }
    }

    #[test]
    fn long_values_are_cut_and_others_not_moved() {
        let long = [b'x'; 5000];
        let fields = RequestFields { path: &long, user_agent: b"curl", ..RequestFields::default() };
        let it = RequestText::keep(&fields, b"", true, &Settings::default());
        assert_eq!(it.path(), &long[..1024]);
        assert_eq!(it.user_agent(), b"curl");
        assert_eq!((it.method(), it.query()), (&b""[..], &b""[..]));
    }
}
