//! What becomes of headers.

use hopspan_core::config::Config;
use hopspan_core::propagation::{Edit, baggage};
use hopspan_core::request::trace_fields::TraceHeader;
use hopspan_core::sampling::head::Force;
use std::rc::Rc;

/// All headers of one name, before the filter and after it.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) before: Vec<Vec<u8>>,
    pub(crate) after: Vec<Vec<u8>>,
}

/// What the difference amounts to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Added,
    Changed,
    Removed,
    Same,
}

type Headers = Vec<(String, Vec<u8>)>;

// === impl Change ===

impl Change {
    /// What edits make of the request's headers that have to do with its trace.
    pub(crate) fn of_request(
        headers: &[(String, String)],
        edits: &[Edit],
        config: &Config,
    ) -> Vec<Self> {
        let before = headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes()));
        let before: Headers = before.collect();
        let mut after = before.clone();
        edits.iter().for_each(|it| apply(it, &mut after));
        let force = config.sampling.force.as_ref().map(|Force { header, .. }| header);
        let chosen = force.into_iter().chain(&config.explain).map(Rc::as_ref);
        let mut names: Vec<&str> = TraceHeader::ALL.map(TraceHeader::name).to_vec();
        for name in [baggage::NAME].into_iter().chain(chosen) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let of = |name: &str, headers: &Headers| -> Vec<Vec<u8>> {
            headers.iter().filter(|(it, _)| it == name).map(|(_, value)| value.clone()).collect()
        };
        let change = |name: &str| Self {
            name: name.to_owned(),
            before: of(name, &before),
            after: of(name, &after),
        };
        let is_there = |it: &Self| !it.before.is_empty() || !it.after.is_empty();
        names.into_iter().map(change).filter(is_there).collect()
    }

    /// What edits make of a response that has no such headers.
    pub(crate) fn of_response(edits: &[Edit]) -> Vec<Self> {
        let mut after = Headers::new();
        edits.iter().for_each(|it| apply(it, &mut after));
        let added = |(name, value)| Self { name, before: Vec::new(), after: vec![value] };
        after.into_iter().map(added).collect()
    }

    pub(crate) fn kind(&self) -> Kind {
        match (self.before.is_empty(), self.after.is_empty()) {
            (true, _) => Kind::Added,
            (false, true) => Kind::Removed,
            (false, false) if self.before == self.after => Kind::Same,
            (false, false) => Kind::Changed,
        }
    }
}

/// As a proxy does it.
fn apply(edit: &Edit, headers: &mut Headers) {
    let (name, value, stay) = match edit {
        Edit::Replace(name, value) => (*name, Some(value), false),
        Edit::Remove(name) => (*name, None, false),
        Edit::Add(name, value) => (*name, Some(value), true),
        Edit::AddChosen(name, value) => (&**name, Some(value), true),
        Edit::ReplaceChosen(name, value) => (&**name, Some(value), false),
        Edit::RemoveChosen(name) => (&**name, None, false),
    };
    headers.retain(|(it, _)| stay || it != name);
    headers.extend(value.map(|it| (name.to_owned(), it.clone())));
}

// === impl Kind ===

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Same => "same",
        }
    }
}
