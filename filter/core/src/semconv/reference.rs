//! What each attribute means, for those who read spans: `docs/spans.md` has it as a table.

/// One attribute that a span or a resource can have.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its key.
    pub key: &'static str,
    /// What its value is.
    pub kind: Type,
    /// Which spans have it.
    pub on: On,
    /// What it says, with its unit.
    pub meaning: &'static str,
    /// What it takes for it to be there; empty if it always is.
    pub when: &'static str,
}

/// Types of values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// Text.
    Text,
    /// A list of texts.
    Texts,
    /// A 64-bit integer.
    Integer,
    /// True or false.
    Flag,
}

/// Whose attribute it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum On {
    /// That of every span.
    Each,
    /// That of SERVER spans.
    Server,
    /// That of CLIENT spans.
    Client,
    /// That of the one span of a hop that no other span of the hop is around.
    Outermost,
    /// That of the one span of a hop, or of each attempt, that is nearest to the upstream.
    Innermost,
    /// That of the resource, which all spans have in common.
    Resource,
}

// === impl Attribute ===

impl Attribute {
    /// The meaning as one line.
    pub fn sentence(&self) -> &'static str {
        self.meaning.trim()
    }
}

// === impl Type ===

impl Type {
    /// OpenTelemetry's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Texts => "string[]",
            Self::Integer => "int",
            Self::Flag => "boolean",
        }
    }
}

// === impl On ===

impl On {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Server => "SERVER",
            Self::Client => "CLIENT",
            Self::Outermost => "outermost",
            Self::Innermost => "innermost",
            Self::Resource => "resource",
        }
    }
}
