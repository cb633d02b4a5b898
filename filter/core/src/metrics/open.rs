//! Requests that have begun and not ended.

use crate::semconv::Kind;

/// How many are open.
#[derive(Debug, Default)]
pub struct Open(Vec<OpenSeries>);

/// Open requests of one kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpenSeries {
    /// Which side of the hop counts.
    pub kind: Kind,
    /// `http.request.method`
    pub method: &'static str,
    /// `url.scheme`
    pub scheme: &'static str,
    /// How many.
    pub count: u64,
}

/// Where a request was counted when it began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place(u8);

// === impl Open ===

impl Open {
    /// A request begins.
    pub fn begin(
        &mut self,
        kind: Kind,
        method: &'static str,
        scheme: &'static str,
    ) -> Option<Place> {
        let is_it = |it: &OpenSeries| (it.kind, it.method, it.scheme) == (kind, method, scheme);
        let at = self.0.iter().position(is_it).unwrap_or_else(|| {
            self.0.push(OpenSeries { kind, method, scheme, count: 0 });
            self.0.len().saturating_sub(1)
        });
        let place = Place(u8::try_from(at).ok()?);
        let it = self.0.get_mut(at)?;
        it.count = it.count.saturating_add(1);
        Some(place)
    }

    /// It ends.
    pub fn end(&mut self, Place(at): Place) {
        if let Some(it) = self.0.get_mut(usize::from(at)) {
            it.count = it.count.saturating_sub(1);
        }
    }

    /// All series, those of which none is open any more as well.
    pub fn series(&self) -> &[OpenSeries] {
        &self.0
    }
}

#[test]
fn each_request_ends_where_it_began() {
    let mut open = Open::default();
    let get = open.begin(Kind::Server, "GET", "http").unwrap();
    let post = open.begin(Kind::Server, "POST", "http").unwrap();
    assert_eq!(open.begin(Kind::Server, "GET", "http"), Some(get));
    assert_ne!(open.begin(Kind::Client, "GET", "http"), Some(get));
    let counts = |open: &Open| open.series().iter().map(|it| it.count).collect::<Vec<_>>();
    assert_eq!(counts(&open), [2, 1, 1]);
    open.end(get);
    open.end(post);
    open.end(post);
    assert_eq!(counts(&open), [1, 0, 1], "never below none");
}
