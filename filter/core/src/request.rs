//! Facts about a request and its response, borrowed as the host gives them.

pub mod fields;
pub mod trace_fields;

use crate::time::Monotonic;

/// A header map, read in place from the bytes in which a proxy-wasm host hands it over.
///
/// ```text
/// map  = count (u32 LE), then count × ( name length (u32 LE), value length (u32 LE) ),
///        then count × ( name, NUL, value, NUL )
/// ```
/// Source: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1#built-in-types>
///
/// Names are lower-case (the host makes them so), values any bytes. What contradicts
/// its own lengths ends the map early: a reader gets fewer headers, never an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    lengths: &'a [[u8; 8]],
    strings: &'a [u8],
}

/// What arrives first of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// All request headers, pseudo-headers included.
    pub headers: Headers<'a>,
    /// Whether no body and no trailers follow.
    pub end_of_stream: bool,
    /// When the filter was handed the headers.
    pub now: Monotonic,
}

/// Which way a listener's traffic goes, seen from the service beside the proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// To the service: this proxy is the server side of the hop.
    Inbound,
    /// From the service: this proxy is the client side of the hop.
    Outbound,
    /// From outside to services: both sides at once.
    Gateway,
}

/// What the host can be asked about a stream. Each answer costs a host call that
/// brings bytes back, the dearest thing there is: ask only for what is used.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fact {
    /// `traffic_direction` of the listener: integer, 1 inbound, 2 outbound, else neither.
    ListenerDirection,
    /// `HTTP/1.1`, `HTTP/2`, ...
    Protocol,
    /// Address and port of the client, as the proxy trusts it.
    ClientAddress,
    /// The cluster that the request was routed to.
    Cluster,
    /// Address and port of the upstream host.
    UpstreamAddress,
    /// Attempts to reach an upstream: integer, 0 = never tried.
    Attempts,
    /// Last upstream byte in - first upstream byte out, of the last attempt: nanoseconds.
    BackendLatency,
    /// Integer status of the response that was sent; absent if none was.
    ResponseCode,
    /// Integer bit mask of the proxy's response flags.
    ResponseFlags,
    /// The proxy's own words for why the response is as it is.
    CodeDetails,
    /// When the first byte of the request arrived: integer, Unix nanoseconds.
    RequestTime,
    /// From then to the end of the stream: nanoseconds.
    RequestDuration,
    /// `hopspan.disabled` in the metadata of the proxy's route: one byte, 1 is true.
    RouteDisabled,
    /// `hopspan.sampling_ratio` there: the 8 bytes of a floating-point number.
    RouteSamplingRatio,
    /// The name of the route that the proxy chose.
    RouteName,
    /// The name of the listener's filter chain that took the connection.
    FilterChain,
    /// Whether the client presented a certificate: one byte, 1 if so. Whether the proxy has
    /// also validated it is a matter of its own configuration.
    MutualTls,
    /// The first URI of the subject alternative names in the client's certificate.
    PeerUriSan,
    /// The first DNS name of them.
    PeerDnsSan,
    /// Version of TLS on the client's connection: `TLSv1.3`, ...; absent without TLS.
    DownstreamTls,
    /// How long the last attempt waited for a connection: nanoseconds.
    PoolReady,
    /// Version of TLS on the connection to the upstream.
    UpstreamTls,
    /// The first URI of the subject alternative names in the upstream's certificate.
    UpstreamUriSan,
    /// The first DNS name of them.
    UpstreamDnsSan,
    /// Why the transport of the connection to the upstream failed; empty if it did not.
    TransportFailure,
    /// `hopspan.span_name` in the metadata of the proxy's route.
    RouteSpanName,
    /// `hopspan.route` there.
    RouteTemplate,
}

/// The host's side of one stream: what can be asked while it handles that stream.
pub trait Stream {
    /// Has the facts that the end of a recorded request asks for come all at once, where the
    /// host can do that; each is then asked for by [`Stream::fact`] all the same.
    fn gather(&mut self) {}
    /// The same for the few facts that metrics ask for.
    fn gather_few(&mut self) {}
    /// One fact, in the host's own wire form: text as it is, integers as 8 bytes, little endian.
    fn fact(&mut self, fact: Fact) -> Option<Vec<u8>>;
    /// A property by its path, whose parts are joined by NUL bytes, in the host's own wire
    /// form; `None` where the host has none. Each costs a host call.
    fn property(&mut self, path: &str) -> Option<Vec<u8>>;
    /// The first request header of this name, as it stands now.
    fn request_header(&mut self, name: &str) -> Option<Vec<u8>>;
    /// All request headers in the form that [`Headers::new`] reads, as they stand now; `None`
    /// where the host does not let them be read.
    fn request_headers(&mut self) -> Option<Vec<u8>>;
    /// The response headers in the form that [`Headers::new`] reads; `None` where the
    /// host does not let them be read, or there was no response.
    fn response_headers(&mut self) -> Option<Vec<u8>>;
    /// The first response trailer of this name.
    fn response_trailer(&mut self, name: &str) -> Option<Vec<u8>>;
    /// Leaves a text by this name to whoever logs the stream. Returns whether the host took it.
    fn leave(&mut self, name: &str, text: &[u8]) -> bool;
    /// Records a value in a histogram of the host, if it has any.
    fn record(&mut self, _histogram: u32, _value: u64) {}
}

// === impl Direction ===

impl Direction {
    /// The listener's, asked once: `known` remembers it.
    pub fn ask(known: &mut Option<Self>, stream: &mut impl Stream) -> Self {
        *known.get_or_insert_with(|| {
            Self::of_listener(stream.fact(Fact::ListenerDirection).as_deref())
        })
    }

    /// What the listener's `traffic_direction` says; a listener without one is a gateway's.
    pub fn of_listener(fact: Option<&[u8]>) -> Self {
        match fact.and_then(integer) {
            Some(1) => Self::Inbound,
            Some(2) => Self::Outbound,
            _ => Self::Gateway,
        }
    }
}

// === impl Headers ===

impl<'a> Headers<'a> {
    /// Looks at a host's bytes; they are checked as they are read.
    pub fn new(bytes: &'a [u8]) -> Self {
        let whole = || {
            let (count, rest) = bytes.split_first_chunk()?;
            let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
            let (lengths, strings) = rest.split_at_checked(count.checked_mul(8)?)?;
            Some(Self { lengths: lengths.as_chunks().0, strings })
        };
        whole().unwrap_or_default()
    }

    /// The value of the first header called `name`.
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.into_iter().find_map(|(it, value)| (it == name).then_some(value))
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        Iter(self)
    }
}

/// The headers one by one, in the order in which they came.
#[derive(Debug)]
pub struct Iter<'a>(Headers<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let ([a, b, c, d, e, f, g, h], lengths) = self.0.lengths.split_first()?;
        let name = self.string([*a, *b, *c, *d])?;
        let value = self.string([*e, *f, *g, *h])?;
        self.0.lengths = lengths;
        Some((name, value))
    }
}

impl<'a> Iter<'a> {
    #[inline(always)]
    fn string(&mut self, length: [u8; 4]) -> Option<&'a [u8]> {
        let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let (string, rest) = self.0.strings.split_at_checked(length)?;
        let (0, rest) = rest.split_first()? else { return None };
        self.0.strings = rest;
        Some(string)
    }
}

/// An integer fact from its wire form.
pub fn integer(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_le_bytes)
}

/// Splits `address:port` of a fact or an authority; the port is `None` where there is none.
///
/// ```text
/// authority = host [ ":" port ] ; host may be an IPv6 address in brackets
/// ```
/// Spec: <https://www.rfc-editor.org/rfc/rfc3986#section-3.2>
pub fn host_and_port(authority: &[u8]) -> (&[u8], Option<u16>) {
    let parts = || {
        let colon = authority.iter().rposition(|&b| b == b':')?;
        let (host, port) = authority.split_at_checked(colon)?;
        let port = port.get(1..)?;
        let bracketed = host.first() == Some(&b'[');
        let plain = !host.contains(&b':') || (bracketed && host.last() == Some(&b']'));
        let digits = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
        let port = std::str::from_utf8(port).ok()?.parse().ok()?;
        (plain && digits).then_some((host, Some(port)))
    };
    let (host, port) = parts().unwrap_or((authority, None));
    let bare = host.strip_prefix(b"[").and_then(|it| it.strip_suffix(b"]"));
    (bare.unwrap_or(host), port)
}

/// The wire form of a header map, for tests and hosts written in Rust.
pub fn encode_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Vec<u8> {
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = length(headers.len()).to_vec();
    for (name, value) in headers {
        out.extend(length(name.as_ref().len()));
        out.extend(length(value.as_ref().len()));
    }
    for (name, value) in headers {
        for string in [name.as_ref(), value.as_ref()] {
            out.extend_from_slice(string);
            out.push(0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn host_and_port_knows_every_form_of_an_authority() {
        for (why, authority, want) in [
            ("name and port", "shop:8080", ("shop", Some(8080))),
            ("name alone", "shop.example", ("shop.example", None)),
            ("IPv6 and port", "[::1]:443", ("::1", Some(443))),
            ("IPv6 in brackets", "[::1]", ("::1", None)),
            ("bare IPv6 has no port", "fe80::1", ("fe80::1", None)),
            ("bare IPv6 that ends in digits", "fe80::1:80", ("fe80::1:80", None)),
            ("a port that is none", "shop:http", ("shop:http", None)),
            ("a port out of range", "shop:70000", ("shop:70000", None)),
            ("no port after the colon", "shop:", ("shop:", None)),
            ("nothing", "", ("", None)),
        ] {
            let (host, port) = host_and_port(authority.as_bytes());
            assert_eq!((std::str::from_utf8(host).unwrap(), port), want, "{why}");
        }
    }

    #[test]
    fn an_integer_has_eight_bytes() {
        assert_eq!(integer(&503_i64.to_le_bytes()), Some(503));
        assert_eq!(integer(b"503"), None);
        assert_eq!(integer(b""), None);
    }

    proptest! {
        #[test]
        fn headers_read_what_a_host_wrote(list: Vec<(Vec<u8>, Vec<u8>)>) {
            let bytes = encode_headers(&list);
            let read: Vec<_> =
                Headers::new(&bytes).into_iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(read, list);
        }

        #[test]
        fn a_damaged_map_gives_a_beginning_of_it(
            list: Vec<(Vec<u8>, Vec<u8>)>, cut: prop::sample::Index,
        ) {
            let bytes = encode_headers(&list);
            let cut = &bytes[..cut.index(bytes.len())];
            for (read, written) in Headers::new(cut).into_iter().zip(&list) {
                prop_assert_eq!(read, (&written.0[..], &written.1[..]));
            }
        }

        #[test]
        fn any_bytes_can_be_read_as_headers(bytes: Vec<u8>) {
            prop_assert!(Headers::new(&bytes).into_iter().count() <= bytes.len());
        }
    }
}
