//! Header maps, and their form on the wire between host and module.

use std::fmt;

/// A header map: names in lower case, values as bytes, in order, with duplicates.
///
/// Made from any list of pairs: `Headers::from([("x-a", "1")])`.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// A plain GET of `path` as a browser behind a gateway sends it: 11 headers, no trace context.
    pub fn plain_get(path: &str) -> Self {
        Self::from([
            (":authority", "shop.example.com"),
            (":path", path),
            (":method", "GET"),
            (":scheme", "http"),
            ("user-agent", "curl/8.5.0"),
            ("accept", "*/*"),
            ("accept-encoding", "gzip, deflate"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "http"),
            ("x-envoy-expected-rq-timeout-ms", "15000"),
            ("x-request-id", "6f1f0a52-53d3-9fbb-8f0a-0b1b6d8d9e2c"),
        ])
    }

    /// A gRPC request for `path`, such as `/shop.Cart/Add`.
    pub fn grpc(path: &str) -> Self {
        Self::plain_get(path)
            .with(":method", "POST")
            .with("content-type", "application/grpc")
            .with("te", "trailers")
            .with("user-agent", "grpc-go/1.70.0")
    }

    /// The map with `name` set to `value`, in place of any values it had.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.replace(name.as_ref(), value.as_ref());
        self
    }

    /// The map with one more value for `name`.
    #[must_use]
    pub fn and(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.add(name.as_ref(), value.as_ref());
        self
    }

    /// The map without `name`.
    #[must_use]
    pub fn without(mut self, name: impl AsRef<[u8]>) -> Self {
        self.remove(name.as_ref());
        self
    }

    /// The first value of `name`, as the ABI's getter would return it.
    pub fn value(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = lower(name.as_ref());
        self.0.iter().find(|(it, _)| *it == name).map(|(_, value)| value.as_slice())
    }

    /// The first value of `name` as text; `None` also if it is not UTF-8.
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.value(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// All values of `name`, in order.
    pub fn values(&self, name: impl AsRef<[u8]>) -> Vec<&[u8]> {
        let name = lower(name.as_ref());
        self.0.iter().filter(|(it, _)| *it == name).map(|(_, value)| value.as_slice()).collect()
    }

    /// The number of headers, duplicates counted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        self.0.push((lower(name), value.to_vec()));
    }

    /// Duplicates collapse to one, as Envoy does.
    pub(crate) fn replace(&mut self, name: &[u8], value: &[u8]) {
        let name = lower(name);
        match self.0.iter().position(|(it, _)| *it == name) {
            Some(first) => {
                let mut index = 0;
                self.0.retain(|(it, _)| {
                    index += 1;
                    index <= first + 1 || *it != name
                });
                self.0[first].1 = value.to_vec();
            }
            None => self.0.push((name, value.to_vec())),
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        let name = lower(name);
        self.0.retain(|(it, _)| *it != name);
    }

    /// Bytes of names and values, without any separators.
    pub(crate) fn byte_size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// All values of `name` joined with commas, as properties show them.
    pub(crate) fn joined(&self, name: &[u8]) -> Option<Vec<u8>> {
        let values = self.values(name);
        (!values.is_empty()).then(|| values.join(&b','))
    }

    /// The ABI's form: count, lengths, then each name and value ended by a zero.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = u32_bytes(self.0.len()).to_vec();
        for (name, value) in &self.0 {
            bytes.extend(u32_bytes(name.len()));
            bytes.extend(u32_bytes(value.len()));
        }
        for part in self.0.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend(part);
            bytes.push(0);
        }
        bytes
    }

    /// The reverse of `encode`; nothing for what does not fit, as Envoy does.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        fn split<'a>(bytes: &mut &'a [u8], at: usize) -> Option<&'a [u8]> {
            let (head, tail) = bytes.split_at_checked(at)?;
            *bytes = tail;
            Some(head)
        }
        fn number(bytes: &mut &[u8]) -> Option<usize> {
            let four = split(bytes, 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(four)).ok()
        }
        fn all(mut rest: &[u8]) -> Option<Headers> {
            let count = number(&mut rest)?;
            let mut lengths = split(&mut rest, count.checked_mul(8)?)?;
            let mut headers = Headers::new();
            for _ in 0..count {
                let (name, value) = (number(&mut lengths)?, number(&mut lengths)?);
                let name = split(&mut rest, name.checked_add(1)?)?;
                let value = split(&mut rest, value.checked_add(1)?)?;
                headers.add(&name[..name.len() - 1], &value[..value.len() - 1]);
            }
            Some(headers)
        }
        all(bytes).unwrap_or_default()
    }
}

fn u32_bytes(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// Envoy lower-cases names, and `host` is another name of `:authority`.
fn lower(name: &[u8]) -> Vec<u8> {
    let name = name.to_ascii_lowercase();
    if name == b"host" { b":authority".to_vec() } else { name }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.add(name.as_ref(), value.as_ref());
        }
        headers
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>, const COUNT: usize> From<[(N, V); COUNT]> for Headers {
    fn from(pairs: [(N, V); COUNT]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>, const COUNT: usize> From<&[(N, V); COUNT]> for Headers {
    fn from(pairs: &[(N, V); COUNT]) -> Self {
        pairs.as_slice().into()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> From<&[(N, V)]> for Headers {
    fn from(pairs: &[(N, V)]) -> Self {
        pairs.iter().map(|(name, value)| (name, value)).collect()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> From<Vec<(N, V)>> for Headers {
    fn from(pairs: Vec<(N, V)>) -> Self {
        pairs.into_iter().collect()
    }
}

impl From<&Self> for Headers {
    fn from(headers: &Self) -> Self {
        headers.clone()
    }
}

/// One header a line, so that a failed assertion can be read.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(Shown)).finish()
    }
}

struct Shown<'a>(&'a (Vec<u8>, Vec<u8>));

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.0.escape_ascii(), self.0.1.escape_ascii())
    }
}
