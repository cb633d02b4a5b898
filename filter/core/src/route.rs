//! Routes: what the paths of many requests have in common.
//!
//! A route is configured ([`template`]) or learned: the [`mod@shape`] of a path, once something was
//! found there ([`learned`]).

pub mod template;
pub mod shape;
pub mod learned;

use learned::Learned;
use shape::shape;
use std::rc::Rc;
use template::Templates;

/// Which routes there are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// Those that somebody has written.
    pub patterns: Templates,
    /// The most that are learned; none where nothing is to be learned.
    pub max_learned: usize,
    /// Whether the metadata of the proxy's routes has a say.
    pub metadata: bool,
}

/// The route of one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// As somebody has written it.
    Configured(Rc<str>),
    /// The shape of its path, at which something was found before.
    Learned(Vec<u8>),
    /// One of those that there was no more room for.
    Other,
}

/// What a request's path alone says of its route.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Sought {
    /// It is not sought, or the path is none.
    #[default]
    Nothing,
    /// It is this one.
    Configured(Rc<str>),
    /// It is of this shape.
    Shape(Vec<u8>),
}

/// Routes at work: those of one configuration in one worker.
#[derive(Debug)]
pub struct Routes {
    settings: Settings,
    learned: Learned,
}

/// What [`Route::Other`] is called.
pub const OTHER: &str = "_other";

// === impl Route ===

impl Route {
    /// What it is called.
    pub fn text(&self) -> &[u8] {
        match self {
            Self::Configured(text) => text.as_bytes(),
            Self::Learned(shape) => shape,
            Self::Other => OTHER.as_bytes(),
        }
    }
}

// === impl Routes ===

impl Routes {
    /// Nothing is learned yet.
    pub fn new(settings: Settings) -> Self {
        Self { learned: Learned::new(settings.max_learned), settings }
    }

    /// Whether the metadata of the proxy's routes has a say.
    pub fn are_in_metadata(&self) -> bool {
        self.settings.metadata
    }

    /// What the method and the `:path` of a request say.
    pub fn seek(&self, method: &[u8], path: &[u8]) -> Sought {
        let path = path.split(|&b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
        match self.settings.patterns.find(method, path) {
            Some(route) => Sought::Configured(Rc::clone(route)),
            None if self.settings.max_learned == 0 => Sought::Nothing,
            None => shape(path).map_or(Sought::Nothing, Sought::Shape),
        }
    }

    /// The route of a request at its end. Only where something was `found`, a shape is learned.
    pub fn at_end(&mut self, sought: Sought, found: impl FnOnce() -> bool) -> Option<Route> {
        match sought {
            Sought::Nothing => None,
            Sought::Configured(route) => Some(Route::Configured(route)),
            Sought::Shape(shape) => self.learned.route(shape, found),
        }
    }
}

#[cfg(test)]
mod tests;
