//! A message of which fields are picked by their numbers.

use crate::encode::protobuf::{Fields, Value, fields};

/// A message, and the last value of each of its fields below [`END`]. A field of another type than
/// it should be is like one that nobody knows: as if it were not there.
pub(super) struct Record<'a> {
    message: &'a [u8],
    values: [Option<Value<'a>>; END],
}

/// One more than the highest number of interest.
const END: usize = 16;

/// The messages of one field.
pub(super) struct Messages<'a> {
    fields: Fields<'a>,
    number: u32,
}

// === impl Record ===

impl<'a> Record<'a> {
    /// Returns `None` if the message is broken.
    #[inline(never)]
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let mut values = [None; END];
        for field in fields(message) {
            let (number, value) = field?;
            if let Some(slot) = values.get_mut(usize::try_from(number).ok()?) {
                *slot = Some(value);
            }
        }
        Some(Self { message, values })
    }

    /// A field as it is.
    pub(super) fn value(&self, number: usize) -> Option<Value<'a>> {
        self.values.get(number).copied().flatten()
    }

    /// A field of bytes or text; empty if it is not there.
    #[inline(never)]
    pub(super) fn bytes(&self, number: usize) -> &'a [u8] {
        match self.value(number) {
            Some(Value::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    /// A field of a number; zero if it is not there.
    #[inline(never)]
    pub(super) fn number(&self, number: usize) -> u64 {
        match self.value(number) {
            Some(Value::Number(number) | Value::Fixed64(number)) => number,
            _ => 0,
        }
    }

    /// All messages of a field.
    pub(super) fn messages(&self, number: u32) -> Messages<'a> {
        Messages { fields: fields(self.message), number }
    }
}

// === impl Messages ===

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if let (number, Value::Bytes(message)) = self.fields.next()??
                && number == self.number
            {
                return Some(message);
            }
        }
    }
}
