//! OpenTelemetry's consistent probability sampling: what the `ot` member of `tracestate` says
//! about a decision, and what becomes of it when we decide.
//!
//! ```text
//! list        = list-member *( ";" list-member ) ; at most 256 characters, keys are unique
//! list-member = key ":" value
//! key         = lcalpha *( lcalpha / DIGIT )
//! value       = *( ucalpha / lcalpha / DIGIT / "." / "_" / "-" )
//!
//! th = 1*14hexdigit ; rejection threshold, filled up with zeros on its right
//! rv = 14hexdigit   ; randomness, instead of the last 56 bits of the trace-id
//! ```
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/>

use super::TraceIdRatio;
use super::threshold::{self, Threshold};
use crate::id::TraceId;
use crate::propagation::tracestate;
use std::borrow::Cow;

/// The member's key.
pub const KEY: &str = "ot";

/// The most characters of its value.
const LONGEST: usize = 256;

/// The `ot` member of a list, as far as sampling has to do with it.
///
/// Read it, say who decided, and [`apply`](Self::apply) it: that changes nothing in a list that
/// says so already. What breaks the grammar was never there: a `th` or `rv` alone, or all of a
/// value whose form is wrong.
///
/// ```
/// use hopspan_core::id::TraceId;
/// use hopspan_core::sampling::{TraceIdRatio, probability::OtMember};
///
/// let trace_id = TraceId::from_bytes([0xd2; 16]).unwrap();
/// let mut ot = OtMember::of(b"a=1");
/// assert!(ot.decide(TraceIdRatio::new(0.25).unwrap(), trace_id));
/// assert_eq!(*ot.apply(b"a=1".into()), *b"ot=th:c,a=1");
/// ```
///
/// Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/#tracestate-handling-requirements>
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OtMember {
    says: Says,
    said: Says,
    /// Whether something in it is invalid, and must not go on.
    is_broken: bool,
}

/// The two sub-keys of sampling.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Says {
    /// `th`
    threshold: Option<Threshold>,
    /// `rv`
    randomness: Option<u64>,
}

impl OtMember {
    /// The member of a checked list, or of one that has none.
    pub fn of(list: &[u8]) -> Self {
        match tracestate::get(list, KEY) {
            None => Self::default(),
            Some(value) => {
                let broken = Self { is_broken: true, ..Self::default() };
                Self::parse(value).unwrap_or(broken)
            }
        }
    }

    /// Reads the member's value; `None` if its form is wrong.
    fn parse(value: &[u8]) -> Option<Self> {
        let mut it = Self::default();
        if value.is_empty() || value.len() > LONGEST {
            return None;
        }
        for (at, member) in members(value).enumerate() {
            let (key, digits) = pair(member)?;
            if members(value).take(at).filter_map(pair).any(|(other, _)| other == key) {
                return None;
            }
            match key {
                b"th" => {
                    it.said.threshold = Threshold::parse(digits);
                    it.is_broken |= it.said.threshold.is_none();
                }
                b"rv" => {
                    it.said.randomness = threshold::randomness(digits);
                    it.is_broken |= it.said.randomness.is_none();
                }
                _ => {}
            }
        }
        Some(Self { says: it.said, ..it })
    }

    /// The threshold that goes on.
    pub fn threshold(&self) -> Option<Threshold> {
        self.says.threshold
    }

    /// The randomness that goes on, where it is not the trace-id's.
    pub fn explicit_randomness(&self) -> Option<u64> {
        self.says.randomness
    }

    /// The dice of this trace: those that came with it, else its id. Ids are taken to be random,
    /// as the specification asks, whether the random flag says so or not.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/otel/trace/sdk/#presumption-of-traceid-randomness>
    pub fn randomness(&self, trace_id: TraceId) -> u64 {
        self.says.randomness.unwrap_or_else(|| trace_id.randomness())
    }

    /// A caller that we believe decided: its threshold goes on unless it contradicts that.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/#parent-based-threshold>
    pub fn follow(&mut self, sampled: bool, trace_id: TraceId) {
        let randomness = self.randomness(trace_id);
        self.says.threshold = self.says.threshold.filter(|it| it.keeps(randomness) == sampled);
    }

    /// A ratio decides, by the dice of the trace: whether it is kept.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/#independent-parentchild-threshold>
    pub fn decide(&mut self, ratio: TraceIdRatio, trace_id: TraceId) -> bool {
        let sampled = ratio.keeps(self.randomness(trace_id));
        // That all traces are kept is worth saying only where it corrects another threshold.
        let says = |it: &Threshold| sampled && (*it > Threshold::ZERO || self.is_said());
        self.says.threshold = ratio.threshold().filter(says);
        sampled
    }

    /// A ratio decides on a stranger's trace, who chose its id: by random bits of our own, of
    /// which the last 56 count. If it is kept, who decides behind us is told them, unless all are.
    pub fn decide_anew(&mut self, ratio: TraceIdRatio, bits: u64) -> bool {
        let dice = bits & threshold::RANDOM;
        let sampled = ratio.keeps(dice);
        let threshold = ratio.threshold().filter(|it| sampled && *it > Threshold::ZERO);
        self.says = Says { threshold, randomness: threshold.map(|_| dice) };
        sampled
    }

    /// What decided is described by no probability.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/#general-requirements>
    pub fn erase_threshold(&mut self) {
        self.says.threshold = None;
    }

    /// A stranger's words do not count, and go no further.
    pub fn erase(&mut self) {
        self.says = Says::default();
    }

    /// The list with this member, at its beginning if it is not what it was.
    ///
    /// `list` is the one that the member was read from. A value that would be too long goes on
    /// without `th`, for which that of another decision is no substitute.
    pub fn apply<'a>(&self, list: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        if self.says == self.said && !self.is_broken {
            return list;
        }
        let came = tracestate::get(&list, KEY).filter(|it| Self::parse(it).is_some());
        match self.says.value(came.unwrap_or_default()) {
            value if value.is_empty() => tracestate::without(list, KEY),
            value => tracestate::with(list, KEY, &value),
        }
    }

    /// Whether there was a threshold, valid or not.
    fn is_said(&self) -> bool {
        self.said.threshold.is_some() || self.is_broken
    }
}

impl Says {
    /// The member's value: this, and what else `came` in a value of good form.
    fn value(self, came: &[u8]) -> Vec<u8> {
        let Self { threshold, randomness } = self;
        let mut value = Vec::new();
        if let Some(threshold) = threshold {
            value.extend_from_slice(b"th:");
            threshold.write(&mut value);
        }
        if let Some(randomness) = randomness {
            separate(&mut value);
            value.extend_from_slice(b"rv:");
            threshold::write_randomness(randomness, &mut value);
        }
        for member in members(came).filter(|it| !it.starts_with(b"th:") && !it.starts_with(b"rv:"))
        {
            separate(&mut value);
            value.extend_from_slice(member);
        }
        match self {
            _ if value.len() <= LONGEST => value,
            Self { threshold: Some(_), .. } => Self { threshold: None, ..self }.value(came),
            // What came with the rest had room, so these dice are ours.
            Self { randomness: Some(_), .. } => Self { randomness: None, ..self }.value(came),
            _ => Vec::new(),
        }
    }
}

fn separate(value: &mut Vec<u8>) {
    if !value.is_empty() {
        value.push(b';');
    }
}

/// The members of a value.
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b';').filter(move |_| !value.is_empty())
}

/// A member's key and value; `None` if it breaks the grammar.
fn pair(member: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = member.iter().position(|&b| b == b':')?;
    let (key, value) = member.split_at_checked(colon)?;
    let value = value.get(1..)?;
    let [b'a'..=b'z', rest @ ..] = key else { return None };
    let keychar = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9');
    let chr = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (rest.iter().all(keychar) && value.iter().all(chr)).then_some((key, value))
}

#[cfg(test)]
mod tests;
