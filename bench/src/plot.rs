//! Plots as SVG, for light and dark pages: they bring their paper along, which follows the
//! reader's preference.

use std::fmt::Write;

use crate::variant::{NATIVE, NONE};

mod bars;
mod curves;
mod ticks;

pub(crate) use bars::{Bar, bars};
pub(crate) use curves::{Curve, curves};

/// Whose figures they are. Each tells apart from the others and from both papers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Colour {
    /// No tracing.
    None,
    /// Envoy's own tracer.
    Native,
    /// hopspan.
    Hopspan,
    /// hopspan, for what is not sampled.
    Unsampled,
}

impl Colour {
    /// That of a variant.
    pub(crate) fn of(variant: &str) -> Self {
        match variant {
            it if it.starts_with(NONE) => Self::None,
            "unsampled" | "unsampled-auto" | "ratio-0" | "ratio-1" | "keep" => Self::Unsampled,
            it if it.starts_with(NATIVE) || it == "zipkin" => Self::Native,
            _ => Self::Hopspan,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::None => "#7d8590",
            Self::Native => "#c2711d",
            Self::Hopspan => "#2a8f6c",
            Self::Unsampled => "#3f7fd0",
        }
    }
}

/// An image under way.
struct Svg(String);

impl Svg {
    /// Its paper, and its title in the first line.
    fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             {STYLE}\n\
             <rect class=\"paper\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n"
        ));
        let (first, rest) = title.split_at(title.chars().next().map_or(0, char::len_utf8));
        let title = first.to_uppercase() + &escaped(rest);
        svg.add(&format!(
            "<text x=\"16\" y=\"24\" font-size=\"14\" font-weight=\"bold\">{title}</text>"
        ));
        svg
    }

    fn add(&mut self, element: &str) {
        let _ = writeln!(self.0, "{element}");
    }

    /// `anchor` is "start", "middle" or "end"; `y` is the middle of the line.
    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let (y, text) = (y + 4.0, escaped(text));
        self.add(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A path of a class of [`STYLE`].
    fn path(&mut self, class: &str, path: &str) {
        self.add(&format!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    fn end(mut self) -> String {
        self.add("</svg>");
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const STYLE: &str = "<style>\
    .paper{fill:#fff}text{fill:#1f2328}path{fill:none}\
    .grid{stroke:#d8dee4}.axis{stroke:#59636e}.interval{stroke:#1f2328}\
    @media(prefers-color-scheme:dark){\
    .paper{fill:#0d1117}text{fill:#e6edf3}.grid{stroke:#30363d}.axis{stroke:#9198a1}\
    .interval{stroke:#e6edf3}}\
    </style>";
