//! A stand-in for the proxy around the filter: it knows what it was told, and notes what it was
//! asked.

use hopspan_core::request::{Fact, Stream};
use hopspan_core::shared::{Shared, Written};
use std::collections::HashMap;

/// A proxy that has just started: its first stream, and the data that its workers share.
#[derive(Debug)]
pub(crate) struct Proxy<'a> {
    facts: &'a [(Fact, Vec<u8>)],
    /// Each fact that was asked for, known or not.
    pub(crate) asked: Vec<Fact>,
    shared: HashMap<String, (Vec<u8>, u32)>,
}

impl<'a> Proxy<'a> {
    pub(crate) fn new(facts: &'a [(Fact, Vec<u8>)]) -> Self {
        Self { facts, asked: Vec::new(), shared: HashMap::new() }
    }
}

impl Stream for Proxy<'_> {
    fn fact(&mut self, fact: Fact) -> Option<Vec<u8>> {
        self.asked.push(fact);
        let known = self.facts.iter().find(|(it, _)| *it == fact);
        known.map(|(_, value)| value.clone())
    }

    fn leave(&mut self, _name: &str, _text: &[u8]) -> bool {
        true
    }

    // What follows is asked when a stream ends, and this one never does.

    fn property(&mut self, _path: &str) -> Option<Vec<u8>> {
        None
    }

    fn request_header(&mut self, _name: &str) -> Option<Vec<u8>> {
        None
    }

    fn request_headers(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn response_headers(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn response_trailer(&mut self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

impl Shared for Proxy<'_> {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.shared.get(key).cloned()
    }

    fn set(&mut self, key: &str, value: &[u8], cas: u32) -> Written {
        let state = self.shared.get(key).map(|(_, cas)| *cas);
        if state.is_some_and(|it| it != cas) {
            return Written::Raced;
        }
        let next = state.unwrap_or(0).wrapping_add(1);
        self.shared.insert(key.to_owned(), (value.to_vec(), next));
        Written::Done
    }
}
