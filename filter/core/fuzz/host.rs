//! A host that answers whatever the fuzzer wants.

use hopspan_core::request::{Fact, Stream};
use hopspan_core::shared::{Shared, Written};

/// Hands out the fuzzer's bytes as the host's answers, in turn.
pub struct Host<'a>(std::slice::Iter<'a, &'a [u8]>);

impl<'a> Host<'a> {
    /// A host with these answers, and none after them.
    pub fn new(answers: &'a [&'a [u8]]) -> Self {
        Self(answers.iter())
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        self.0.next().map(|it| it.to_vec())
    }
}

impl Stream for Host<'_> {
    fn fact(&mut self, _: Fact) -> Option<Vec<u8>> {
        self.next()
    }

    fn property(&mut self, _: &str) -> Option<Vec<u8>> {
        self.next()
    }

    fn request_header(&mut self, _: &str) -> Option<Vec<u8>> {
        self.next()
    }

    fn request_headers(&mut self) -> Option<Vec<u8>> {
        self.next()
    }

    fn response_headers(&mut self) -> Option<Vec<u8>> {
        self.next()
    }

    fn response_trailer(&mut self, _: &str) -> Option<Vec<u8>> {
        self.next()
    }

    fn leave(&mut self, _: &str, _: &[u8]) -> bool {
        self.next().is_some()
    }
}

impl Shared for Host<'_> {
    fn get(&mut self, _: &str) -> Option<(Vec<u8>, u32)> {
        self.next().map(|it| (it, 1))
    }

    fn set(&mut self, _: &str, value: &[u8], _: u32) -> Written {
        match value.iter().fold(0_u8, |sum, it| sum.wrapping_add(*it)) % 3 {
            0 => Written::Done,
            1 => Written::Raced,
            _ => Written::Failed,
        }
    }
}
