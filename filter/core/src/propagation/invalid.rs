//! What can be wrong with a caller's trace headers.

/// Why a trace header, or a part of it, does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Invalid {
    /// What may come once came several times: a header, or a field in it.
    Repeated,
    /// Longer than anything that the format has to say.
    TooLong,
    /// A version that nobody may use, or of which nothing is known.
    Version,
    /// An id of zeroes.
    ZeroId,
    /// No trace-id, or no span id in a format that demands one.
    Incomplete,
    /// A `tracestate` that breaks its grammar: the trace goes on without it.
    Tracestate,
    /// Another breach of the grammar.
    Syntax,
}

/// Some of these reasons.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Invalids(u8);

impl Invalid {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Repeated,
        Self::TooLong,
        Self::Version,
        Self::ZeroId,
        Self::Incomplete,
        Self::Tracestate,
        Self::Syntax,
    ];
}

impl Invalids {
    /// Notes a reason, however often it comes up.
    pub fn add(&mut self, reason: Invalid) {
        self.0 |= 1 << (reason as u8);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each reason once.
    pub fn iter(self) -> impl Iterator<Item = Invalid> {
        Invalid::ALL.into_iter().filter(move |it| self.0 & 1 << (*it as u8) != 0)
    }
}

impl FromIterator<Invalid> for Invalids {
    fn from_iter<T: IntoIterator<Item = Invalid>>(reasons: T) -> Self {
        reasons.into_iter().fold(Self::default(), |mut it, reason| {
            it.add(reason);
            it
        })
    }
}
