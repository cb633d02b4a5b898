//! Counting hostcalls, and answering them with a status that a test injects.

use crate::abi::Status;
use std::collections::BTreeMap;
use std::fmt;

/// How often each hostcall was made, over all VMs.
///
/// Names are those of the imports: `proxy_get_property`, `random_get`. Calls
/// that say what they are about are also counted by that: a header map
/// (`request_headers`), a property's path with dots, a cluster, a key, a
/// metric's or function's name, a log level.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HostcallCounts(BTreeMap<(&'static str, String), u64>);

impl HostcallCounts {
    /// Calls of `name`, whatever about.
    pub fn of(&self, name: &str) -> u64 {
        self.0.iter().filter(|((it, _), _)| *it == name).map(|(_, count)| count).sum()
    }

    /// Calls of `name` about `subject`: a map, a property's path, ...
    pub fn about(&self, name: &str, subject: &str) -> u64 {
        let made = self.0.iter().filter(|((it, about), _)| *it == name && about == subject);
        made.map(|(_, count)| count).sum()
    }

    /// All calls.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// What was made after `earlier` was taken.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let left = self.0.iter().map(|(call, count)| {
            let before = earlier.0.get(call).copied().unwrap_or_default();
            (call.clone(), count.saturating_sub(before))
        });
        Self(left.filter(|(_, count)| *count > 0).collect())
    }

    /// The names of the calls made, each once.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.0.keys().map(|(name, _)| *name).collect();
        names.dedup();
        names
    }

    /// Name, subject and count, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, u64)> {
        self.0.iter().map(|((name, about), count)| (*name, about.as_str(), *count))
    }
}

impl fmt::Display for HostcallCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, about, count) in self.iter() {
            writeln!(f, "{count:>6} {name} {about}")?;
        }
        Ok(())
    }
}

/// A hostcall that fails because a test says so. It returns the status, and
/// does and writes nothing.
///
/// WASI calls take their errno as the status.
#[derive(Clone, Debug)]
pub struct Injection {
    name: String,
    about: Option<String>,
    when: When,
    status: Status,
}

#[derive(Clone, Copy, Debug)]
enum When {
    Always,
    /// Counts down to the call that fails.
    After(u64),
    Over,
}

impl Injection {
    /// Every call of `name`.
    pub fn always(name: &str, status: Status) -> Self {
        Self { name: name.into(), about: None, when: When::Always, status }
    }

    /// Only the `nth` call of `name` from now on, counted from 1.
    pub fn nth(name: &str, nth: u64, status: Status) -> Self {
        let when = When::After(nth.saturating_sub(1));
        Self { name: name.into(), about: None, when, status }
    }

    /// Only calls about `subject`, named as in [`HostcallCounts`].
    #[must_use]
    pub fn about(self, subject: &str) -> Self {
        Self { about: Some(subject.into()), ..self }
    }

    fn strikes(&mut self, name: &str, about: &str) -> bool {
        if self.name != name || self.about.as_ref().is_some_and(|it| it != about) {
            return false;
        }
        match self.when {
            When::Always => true,
            When::Over => false,
            When::After(0) => {
                self.when = When::Over;
                true
            }
            When::After(calls) => {
                self.when = When::After(calls - 1);
                false
            }
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Hostcalls {
    pub(crate) counts: HostcallCounts,
    pub(crate) injections: Vec<Injection>,
    pub(crate) injected: u64,
}

impl Hostcalls {
    /// Counts a call; a status if it is to fail.
    pub(crate) fn record(&mut self, name: &'static str, about: String) -> Option<Status> {
        // Each injection sees each call, so that `nth` counts its own.
        let mut status = None;
        for injection in &mut self.injections {
            if injection.strikes(name, &about) && status.is_none() {
                status = Some(injection.status);
            }
        }
        self.injected += u64::from(status.is_some());
        *self.counts.0.entry((name, about)).or_default() += 1;
        status
    }
}
