//! The shapes of paths at which something was found.

use super::Route;

/// Shapes that were admitted, up to a bound.
///
/// One is admitted when a request that has it found something, and then it is every
/// request's. So those who try paths that are not there cannot fill the table, and what they
/// try has no route. There is no way out of the table: what a route is called today it is
/// called tomorrow, on all workers that had room for it.
#[derive(Debug)]
pub struct Learned {
    /// In order, so that one is found in few steps.
    shapes: Vec<Box<[u8]>>,
    max: usize,
}

// === impl Learned ===

impl Learned {
    /// Nothing is learned yet, and no more than `max` shapes will be.
    pub fn new(max: usize) -> Self {
        Self { shapes: Vec::new(), max }
    }

    /// The route of a request whose path has this shape. Whether something was `found` there is asked
    /// of shapes alone that are new.
    pub fn route(&mut self, shape: Vec<u8>, found: impl FnOnce() -> bool) -> Option<Route> {
        match self.shapes.binary_search_by(|it| (**it).cmp(&shape)) {
            Ok(_) => Some(Route::Learned(shape)),
            Err(_) if !found() => None,
            Err(_) if self.shapes.len() >= self.max => Some(Route::Other),
            Err(place) => {
                self.shapes.insert(place, shape.as_slice().into());
                Some(Route::Learned(shape))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn told(learned: &mut Learned, path: &str, found: bool) -> Option<String> {
        let route = learned.route(path.as_bytes().to_vec(), || found)?;
        Some(String::from_utf8(route.text().to_vec()).unwrap())
    }

    #[test]
    fn a_shape_is_there_once_something_was_found_and_for_all() {
        let mut it = Learned::new(2);
        for (why, path, found, want) in [
            ("nothing was found yet", "/users/{number}", false, None),
            ("something is", "/users/{number}", true, Some("/users/{number}")),
            ("from now on", "/users/{number}", false, Some("/users/{number}")),
            ("another", "/cart", true, Some("/cart")),
            ("there is no room", "/orders", true, Some("_other")),
            ("nor will there be", "/orders", true, Some("_other")),
            ("what is not found is not even that", "/wp-admin", false, None),
            ("those that are there stay", "/users/{number}", true, Some("/users/{number}")),
            ("those, too", "/cart", false, Some("/cart")),
        ] {
            assert_eq!(told(&mut it, path, found).as_deref(), want, "{why}");
        }
    }

    #[test]
    fn a_scanner_fills_nothing() {
        let mut it = Learned::new(1);
        for number in 0..10_000 {
            assert_eq!(told(&mut it, &format!("/admin{number}.php"), false), None);
        }
        assert_eq!(told(&mut it, "/cart", true).as_deref(), Some("/cart"));
    }

    proptest! {
        /// Against a set without order or bound, cut off behind the first `max`.
        #[test]
        fn agrees_with_a_naive_table(
            max in 1_usize..4, requests in prop::collection::vec(("/[a-e]", any::<bool>()), 0..40),
        ) {
            let mut it = Learned::new(max);
            let mut naive = BTreeSet::new();
            for (path, found) in requests {
                let is_known = naive.contains(&path);
                if !is_known && found && naive.len() < max {
                    naive.insert(path.clone());
                }
                let want = match (naive.contains(&path), found) {
                    (true, _) => Some(path.clone()),
                    (false, true) => Some("_other".to_owned()),
                    (false, false) => None,
                };
                prop_assert_eq!(told(&mut it, &path, found), want);
            }
        }
    }
}
