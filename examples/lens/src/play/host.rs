//! A proxy that has just started: it knows what it was told, and its workers share nothing yet.

use std::collections::HashMap;

use hopspan_core::request::{Fact, Stream};
use hopspan_core::shared::{Shared, Written};

pub(super) struct Host {
    facts: Vec<(Fact, Vec<u8>)>,
    shared: HashMap<String, (Vec<u8>, u32)>,
}

impl Host {
    pub(super) fn new(facts: Vec<(Fact, Vec<u8>)>) -> Self {
        Self { facts, shared: HashMap::new() }
    }
}

impl Stream for Host {
    fn fact(&mut self, fact: Fact) -> Option<Vec<u8>> {
        self.facts.iter().find(|(it, _)| *it == fact).map(|(_, value)| value.clone())
    }

    fn leave(&mut self, _name: &str, _text: &[u8]) -> bool {
        true
    }

    // The rest is asked when a stream ends, and this one never does.

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

impl Shared for Host {
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
