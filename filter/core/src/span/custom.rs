//! Attributes that somebody has chosen: what spans tell besides what they tell of themselves.

use super::Settings;
use crate::propagation::baggage;
use crate::redact::{Counts, Place};
use crate::request::{Headers, Stream, integer};
use crate::semconv::Attributes;
use std::rc::Rc;

/// An attribute by where its value is found.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The attribute's key.
    pub key: Rc<str>,
    /// What the value is called where it comes from: a header in lower case, a key of baggage,
    /// the path of a property with its parts joined by NUL.
    pub name: Rc<str>,
    /// Where it comes from.
    pub from: From,
}

/// Where an attribute comes from.
#[derive(Clone, Debug)]
pub enum From {
    /// The configuration, or the environment.
    Settings(Value),
    /// The request's headers as they came.
    RequestHeader,
    /// The response's headers.
    ResponseHeader,
    /// The baggage.
    Baggage,
    /// The proxy's properties.
    Property(Type),
}

/// An attribute with its value.
pub type Attribute = (Rc<str>, Value);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(Vec<u8>),
    /// A 64-bit integer.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// A boolean.
    Flag(bool),
}

impl Value {
    /// How much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        let text = match self {
            Self::Text(text) => text.capacity(),
            Self::Integer(_) | Self::Float(_) | Self::Flag(_) => 0,
        };
        text.saturating_add(size_of::<Attribute>())
    }
}

/// What a property holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// Text.
    Text,
    /// A whole number; also durations and moments, in nanoseconds.
    Integer,
    /// A floating-point number.
    Float,
    /// True or false.
    Boolean,
}

// === impl Value ===

impl Value {
    /// Writes it under its key.
    #[inline(never)]
    pub fn describe(&self, key: &str, out: &mut impl Attributes) {
        match self {
            Self::Text(text) => out.text(key, text),
            Self::Integer(number) => out.integer(key, *number),
            Self::Float(number) => out.float(key, *number),
            Self::Flag(flag) => out.flag(key, *flag),
        }
    }

    /// From the wire form of a property that is no text; `None` where it holds something else.
    fn of_property(bytes: &[u8], kind: Type) -> Option<Self> {
        match (kind, bytes) {
            (Type::Integer, _) => integer(bytes).map(Self::Integer),
            (Type::Float, _) => Some(Self::Float(f64::from_le_bytes(bytes.try_into().ok()?))),
            (Type::Boolean, [flag]) => Some(Self::Flag(*flag != 0)),
            (Type::Boolean | Type::Text, _) => None,
        }
    }
}

// === impl Settings ===

impl Settings {
    /// What a request tells when it comes.
    #[inline(never)]
    pub fn at_request(
        &self,
        headers: Headers<'_>,
        reads_baggage: bool,
        counts: &mut Counts,
    ) -> Vec<Attribute> {
        let mut teller = Teller { settings: self, counts, told: Vec::new() };
        let mut wanted = Vec::new();
        for it in &self.custom {
            match it.from {
                From::RequestHeader => teller.header(it, headers),
                From::Baggage if reads_baggage => wanted.push(Rc::clone(&it.name)),
                _ => {}
            }
        }
        if !wanted.is_empty() {
            baggage::read(headers, &wanted, |name, value| {
                let is_it = |it: &&Chosen| matches!(it.from, From::Baggage) && it.name == *name;
                for it in self.custom.iter().filter(is_it) {
                    teller.text(Place::Baggage, it, &value);
                }
            });
        }
        teller.told
    }

    /// What is known at the end.
    #[inline(never)]
    pub fn at_end(&self, stream: &mut impl Stream, counts: &mut Counts) -> Vec<Attribute> {
        let mut teller = Teller { settings: self, counts, told: Vec::new() };
        let mut headers = None;
        for it in &self.custom {
            match &it.from {
                From::Settings(value) => teller.told.push((Rc::clone(&it.key), value.clone())),
                From::ResponseHeader => {
                    let headers = headers
                        .get_or_insert_with(|| stream.response_headers().unwrap_or_default());
                    teller.header(it, Headers::new(headers));
                }
                From::Property(kind) => match stream.property(&it.name) {
                    Some(value) if *kind == Type::Text && !value.is_empty() => {
                        teller.text(Place::Property, it, &value);
                    }
                    Some(value) => {
                        let value = Value::of_property(&value, *kind);
                        teller.told.extend(value.map(|value| (Rc::clone(&it.key), value)));
                    }
                    None => {}
                },
                From::RequestHeader | From::Baggage => {}
            }
        }
        teller.told
    }
}

/// Gathers attributes that may be told.
struct Teller<'a> {
    settings: &'a Settings,
    counts: &'a mut Counts,
    told: Vec<Attribute>,
}

impl Teller<'_> {
    /// A header that came in several lines is told as one, as HTTP lets anybody join them.
    ///
    /// Spec: <https://www.rfc-editor.org/rfc/rfc9110#section-5.3>
    #[inline(never)]
    fn header(&mut self, it: &Chosen, headers: Headers<'_>) {
        let mut value: Option<Vec<u8>> = None;
        for (_, line) in headers.into_iter().filter(|(name, _)| *name == it.name.as_bytes()) {
            match &mut value {
                None => value = Some(line.to_vec()),
                Some(value) => {
                    value.extend_from_slice(b", ");
                    value.extend_from_slice(line);
                }
            }
        }
        if let Some(value) = value {
            self.text(Place::Header, it, &value);
        }
    }

    /// An attribute's own key may say that its value is a secret, too.
    #[inline(never)]
    fn text(&mut self, place: Place, it: &Chosen, value: &[u8]) {
        let Settings { redact, limits, .. } = self.settings;
        let leaf = it.name.rsplit('\0').next().unwrap_or_default();
        let name = if redact.is_secret(it.key.as_bytes()) { &*it.key } else { leaf };
        if let Some(mut value) = redact.named(place, name.as_bytes(), value, self.counts) {
            value.truncate(limits.cut(&value).len());
            self.told.push((Rc::clone(&it.key), Value::Text(value)));
        }
    }
}
