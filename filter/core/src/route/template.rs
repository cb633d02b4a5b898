//! Templates of paths, as somebody has written them.
//!
//! ```text
//! template  = [ method SP ] path
//! method    = 1*( %x41-5A / "-" / "_" )     ; methods have a case: GET, not get
//! path      = 1*( "/" segment ) [ "/*" ] / "/*"
//! segment   = *char / "{" name "}"          ; all of it or nothing
//! name      = 1*( ALPHA / DIGIT / "_" / "-" / "." )
//! char      = visible ASCII, none of # * / ? { }
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

/// One template.
///
/// `{name}` is one segment that is not empty; a `*` at the end is any rest, an empty one too;
/// all else is itself, byte by byte and as the request has it: nothing is decoded.
///
/// ```
/// use hopspan_core::route::template::Templates;
///
/// let users = "GET /users/{id}".parse()?;
/// let templates: Templates = [users].into_iter().collect();
/// assert_eq!(templates.find(b"GET", b"/users/7").map(|it| &**it), Some("/users/{id}"));
/// assert_eq!(templates.find(b"GET", b"/users/7/cart"), None);
/// # Ok::<_, hopspan_core::route::template::TemplateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Template {
    method: Option<Box<str>>,
    segments: Vec<Segment>,
    /// The path as it was written.
    path: Rc<str>,
}

/// Some templates, of which the most specific one counts: from left to right, text comes
/// before `{name}` and that before `*`; of the same path, one method before all.
///
/// To find it takes time linear in the path. However many templates there are, only those
/// are looked at that fit so far: in a list that is sorted by segments they stand together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Templates(Vec<Template>);

/// The most segments of a template.
pub const DEEPEST: usize = 32;

/// What a segment must be like, the most specific first.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Segment {
    Text(Box<[u8]>),
    Any,
    Rest,
}

/// A segment of a template at some depth, in the order in which templates are sorted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Part<'a> {
    /// The template is not that deep.
    Ended,
    Text(&'a [u8]),
    Any,
    Rest,
}

/// What is wrong with a template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TemplateError {
    /// Something other than capitals stands before the path.
    Method,
    /// The path does not begin with `/`.
    Path,
    /// There is a character that no path has as it is, or a `?` or `#`, which end it.
    Character,
    /// A brace that is not around a whole segment with a name.
    Brace,
    /// A star that is not the whole last segment.
    Star,
    /// More than [`DEEPEST`] segments.
    Deep,
}

// === impl Template ===

impl Template {
    /// Whether it is for the same requests as another one.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.order() == other.order()
    }

    fn order(&self) -> (&[Segment], bool, &Option<Box<str>>) {
        (&self.segments, self.method.is_none(), &self.method)
    }

    fn part(&self, depth: usize) -> Part<'_> {
        match self.segments.get(depth) {
            None => Part::Ended,
            Some(Segment::Text(text)) => Part::Text(text),
            Some(Segment::Any) => Part::Any,
            Some(Segment::Rest) => Part::Rest,
        }
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        use TemplateError as E;

        let space = text.bytes().position(|it| it == b' ');
        let (method, path) = match space.and_then(|it| text.split_at_checked(it)) {
            Some((method, path)) => (Some(method), path.get(1..).unwrap_or_default()),
            None => (None, text),
        };
        let is_capital = |it: u8| it.is_ascii_uppercase() || matches!(it, b'-' | b'_');
        if !method.is_none_or(|it| !it.is_empty() && it.bytes().all(is_capital)) {
            return Err(E::Method);
        }
        let segments = path.as_bytes().strip_prefix(b"/").ok_or(E::Path)?.split(|&b| b == b'/');
        let mut read = Vec::new();
        for segment in segments {
            if read.last() == Some(&Segment::Rest) {
                return Err(E::Star);
            }
            read.push(Segment::read(segment)?);
        }
        if read.len() > DEEPEST {
            return Err(E::Deep);
        }
        Ok(Self { method: method.map(Into::into), segments: read, path: path.into() })
    }
}

/// The template as it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            f.write_str(method)?;
            f.write_str(" ")?;
        }
        f.write_str(&self.path)
    }
}

impl Eq for Template {}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order() && self.path == other.path
    }
}

// === impl Segment ===

impl Segment {
    fn read(text: &[u8]) -> Result<Self, TemplateError> {
        use TemplateError as E;

        let is_name = |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.');
        if !text.iter().all(|it| it.is_ascii_graphic() && !matches!(it, b'#' | b'?')) {
            return Err(E::Character);
        }
        match text {
            b"*" => Ok(Self::Rest),
            [b'{', name @ .., b'}'] if !name.is_empty() && name.iter().all(is_name) => {
                Ok(Self::Any)
            }
            _ if text.iter().any(|it| matches!(it, b'{' | b'}')) => Err(E::Brace),
            _ if text.contains(&b'*') => Err(E::Star),
            _ => Ok(Self::Text(text.into())),
        }
    }
}

// === impl Templates ===

impl Templates {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of the most specific template for such a request. `path` is without its query.
    pub fn find(&self, method: &[u8], path: &[u8]) -> Option<&Rc<str>> {
        let path = path.strip_prefix(b"/").filter(|_| !self.is_empty())?;
        // One more than templates have tells that a path is deeper than any of them.
        let mut segments = [&b""[..]; DEEPEST + 1];
        let mut count = 0_usize;
        for (place, segment) in segments.iter_mut().zip(path.split(|&b| b == b'/')) {
            *place = segment;
            count = count.saturating_add(1);
        }
        let segments = segments.get(..count).unwrap_or_default();
        find(&self.0, 0, segments, method).map(|it| &it.path)
    }
}

impl FromIterator<Template> for Templates {
    /// Of several for the same requests, the first counts.
    fn from_iter<I: IntoIterator<Item = Template>>(templates: I) -> Self {
        let mut sorted: Vec<Template> = Vec::new();
        for it in templates {
            let place = sorted.partition_point(|other| other.order() < it.order());
            if !sorted.get(place).is_some_and(|other| it.is_same_as(other)) {
                sorted.insert(place, it);
            }
        }
        Self(sorted)
    }
}

/// The most specific of some templates that all fit the path down to `depth`.
fn find<'t>(
    templates: &'t [Template],
    depth: usize,
    path: &[&[u8]],
    method: &[u8],
) -> Option<&'t Template> {
    let for_method = |templates: &'t [Template]| {
        let fits = |it: &Option<Box<str>>| it.as_ref().is_none_or(|it| it.as_bytes() == method);
        templates.iter().find(|it| fits(&it.method))
    };
    let Some(segment) = path.get(depth) else {
        return for_method(with(templates, depth, Part::Ended));
    };
    for part in [Part::Text(segment), Part::Any] {
        let fit = with(templates, depth, part);
        if !fit.is_empty() && (part != Part::Any || !segment.is_empty()) {
            let found = find(fit, depth.saturating_add(1), path, method);
            if found.is_some() {
                return found;
            }
        }
    }
    for_method(with(templates, depth, Part::Rest))
}

/// Those of some templates, sorted from `depth` on, that have this part there.
fn with<'t>(templates: &'t [Template], depth: usize, part: Part<'_>) -> &'t [Template] {
    let behind = |it: &Template, or_at: bool| match it.part(depth).cmp(&part) {
        Ordering::Less => true,
        Ordering::Equal => or_at,
        Ordering::Greater => false,
    };
    let [start, end] = [false, true].map(|it| templates.partition_point(|t| behind(t, it)));
    templates.get(start..end).unwrap_or_default()
}

// === impl TemplateError ===

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "a method is written in capitals, with one space behind it",
            Self::Path => "the path must begin with /",
            Self::Character => "only visible ASCII, without ? and #",
            Self::Brace => "braces are around a whole segment and have a name between them",
            Self::Star => "a star is the whole last segment",
            Self::Deep => "no more than 32 segments",
        })
    }
}

impl std::error::Error for TemplateError {}

#[cfg(test)]
mod tests;
