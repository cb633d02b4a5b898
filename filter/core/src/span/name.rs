//! What spans are called.
//!
//! ```text
//! template    = *( text / placeholder )
//! placeholder = "{" word "}"
//! text        = 1*( any character but "{" )
//! ```

use std::fmt;
use std::str::FromStr;

/// How the name of a span is put together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(Box<str>),
    Place(Placeholder),
}

/// What a name may be made of: words of which there are few.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Placeholder {
    /// The HTTP method, `HTTP` for one that the conventions do not know; nothing for an RPC.
    Method,
    /// The route, if it is known; for an RPC the called method.
    Route,
    /// The host that the request names, without its port.
    Host,
    /// The cluster that the request was routed to.
    Cluster,
    /// `service.name`.
    Service,
}

/// Why a text is no template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TemplateError;

// === impl Placeholder ===

impl Placeholder {
    /// Each with its word.
    pub const ALL: [(&'static str, Self); 5] = [
        ("method", Self::Method),
        ("route", Self::Route),
        ("host", Self::Host),
        ("cluster", Self::Cluster),
        ("service", Self::Service),
    ];
}

// === impl Template ===

impl Template {
    /// The name, made of what there is: where something is missing, no blank stands for it.
    pub fn write<'a>(&self, value: impl Fn(Placeholder) -> &'a [u8]) -> Vec<u8> {
        let mut name = Vec::with_capacity(64);
        for part in &self.0 {
            let mut bytes = match part {
                Part::Text(text) => text.as_bytes(),
                Part::Place(place) => value(*place),
            };
            if name.last().is_none_or(|it| *it == b' ') {
                bytes = bytes.trim_ascii_start();
            }
            name.extend_from_slice(bytes);
        }
        name.truncate(name.trim_ascii_end().len());
        name
    }
}

/// `{method} {route}`
impl Default for Template {
    fn default() -> Self {
        let [method, route] = [Placeholder::Method, Placeholder::Route].map(Part::Place);
        Self(vec![method, Part::Text(" ".into()), route])
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (word, after) = after.split_once('}').ok_or(TemplateError)?;
            let place = Placeholder::ALL.iter().find(|(it, _)| *it == word).ok_or(TemplateError)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(Part::Place(place.1));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self(parts))
    }
}

/// The template as it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Place(place) => {
                let word = Placeholder::ALL.iter().find(|(_, it)| it == place);
                write!(f, "{{{}}}", word.map_or("", |(word, _)| word))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(template: &str, route: &str) -> String {
        let template: Template = template.parse().unwrap();
        let name = template.write(|place| match place {
            Placeholder::Method => b"GET",
            Placeholder::Route => route.as_bytes(),
            Placeholder::Host => b"shop",
            Placeholder::Cluster => b"",
            Placeholder::Service => b"cart",
        });
        String::from_utf8(name).unwrap()
    }

    #[test]
    fn a_name_is_made_of_what_there_is() {
        for (why, template, route, want) in [
            ("the default", "{method} {route}", "/cart", "GET /cart"),
            ("no route", "{method} {route}", "", "GET"),
            ("nothing at the beginning", "{cluster} {route}", "/cart", "/cart"),
            ("nothing between", "{method} {cluster} {route}", "/cart", "GET /cart"),
            ("text", "in {service}: {host}", "", "in cart: shop"),
            ("nothing but text", "hop", "/cart", "hop"),
            ("nothing at all", "{route}", "", ""),
            ("no placeholder", "} {method}}", "", "} GET}"),
        ] {
            assert_eq!(name(template, route), want, "{why}");
        }
    }

    #[test]
    fn what_is_no_placeholder_is_refused() {
        for template in ["{path}", "{", "{method", "{Method}", "{ method }", "{}", "a {{method}}"] {
            assert_eq!(template.parse::<Template>(), Err(TemplateError), "{template}");
        }
    }

    proptest! {
        #[test]
        fn a_template_is_written_as_it_was(text in "(\\{method\\}|\\{route\\}|[a} ]){0,9}") {
            prop_assert_eq!(text.parse::<Template>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_default_is_method_and_route() {
        assert_eq!(Template::default(), "{method} {route}".parse().unwrap());
    }
}
