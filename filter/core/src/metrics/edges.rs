//! Who calls whom: the edges of the service graph.
//!
//! They are named and counted as OpenTelemetry's service graph connector does it, so that what
//! reads its metrics reads these. That one pairs spans; here each side counts for itself: the
//! client's how many requests there were, how many failed and how long they took, the server's how
//! long they took as it sees it, and the former only where no client counts them.
//!
//! Source: <https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/connector/servicegraphconnector>

use super::histogram::{Histogram, REQUESTS, Shape};
use super::table::{Key, Table};
use crate::peer::Node;
use crate::route;
use crate::semconv::Kind;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// All edges of one resource.
#[derive(Debug)]
pub struct Edges(Table<Edge>);

/// Requests of one client to one server.
#[derive(Debug)]
pub struct Edge {
    client: Box<[u8]>,
    server: Box<[u8]>,
    /// Whether one of the ends is no service that tells of itself.
    pub is_virtual: bool,
    /// How many there were, where it is this side that counts them.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// How long they took, as the client sees it.
    pub by_client: Histogram,
    /// The same as the server sees it.
    pub by_server: Histogram,
    /// Whether the last one that was looked at came over TLS, and in which report's time.
    pub secured: Option<(u64, bool)>,
}

/// A request on its edge.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a> {
    /// Which side tells.
    pub kind: Kind,
    /// What this side calls itself.
    pub own: &'a [u8],
    /// The other side.
    pub other: Node<'a>,
    /// Whether the other side counts it as well: then this one does not.
    pub is_told: bool,
    /// Whether it failed.
    pub failed: bool,
    /// How long it took.
    pub took: Duration,
}

/// The most edges for what finds no room: one for each side.
pub const OVERFLOWS: usize = 2;

// === impl Edges ===

impl Edges {
    /// None yet, and never more than `max`.
    pub fn new(max: usize, shape: Shape) -> Self {
        Self(Table::new(max, OVERFLOWS, shape))
    }

    /// Counts a request. Whether it came over TLS is asked once for each edge and `report`. Returns
    /// whether there was no room for an edge of its own.
    pub fn record(
        &mut self,
        passed: &Passed<'_>,
        report: u64,
        is_secured: &mut dyn FnMut() -> bool,
    ) -> bool {
        let place = self.0.place(passed);
        if let Some(edge) = self.0.entries_mut().get_mut(place.at) {
            edge.add(passed);
            if edge.secured.is_none_or(|(it, _)| it != report) {
                edge.secured = Some((report, is_secured()));
            }
        }
        place.is_other
    }

    /// All of them, in the order in which they were seen first.
    pub fn all(&self) -> &[Edge] {
        self.0.entries()
    }
}

// === impl Edge ===

impl Edge {
    /// Who calls.
    pub fn client(&self) -> &[u8] {
        &self.client
    }

    /// Who is called.
    pub fn server(&self) -> &[u8] {
        &self.server
    }

    fn add(&mut self, passed: &Passed<'_>) {
        match passed.kind {
            Kind::Client => self.by_client.record(passed.took),
            Kind::Server => self.by_server.record(passed.took),
        }
        if !passed.is_told {
            self.requests = self.requests.saturating_add(1);
            self.failed = self.failed.saturating_add(passed.failed.into());
        }
    }
}

// === impl Passed ===

impl<'a> Passed<'a> {
    /// Client and server.
    pub fn ends(&self) -> (&'a [u8], &'a [u8]) {
        match self.kind {
            Kind::Client => (self.own, self.other.name),
            Kind::Server => (self.other.name, self.own),
        }
    }
}

/// Both sides of an edge count in one place.
impl Hash for Passed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (client, server) = self.ends();
        state.write(client);
        state.write(server);
    }
}

impl Key for Passed<'_> {
    type Entry = Edge;

    fn is_of(&self, Edge { client, server, is_virtual, .. }: &Edge) -> bool {
        (&**client, &**server) == self.ends() && *is_virtual == self.other.is_virtual
    }

    fn entry(&self, shape: Shape) -> Edge {
        let (client, server) = self.ends();
        Edge {
            client: client.into(),
            server: server.into(),
            is_virtual: self.other.is_virtual,
            requests: 0,
            failed: 0,
            by_client: Histogram::new(shape, &REQUESTS),
            by_server: Histogram::new(shape, &REQUESTS),
            secured: None,
        }
    }

    fn other(&self) -> Self {
        Self { other: Node { name: route::OTHER.as_bytes(), is_virtual: false }, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: Passed<'static> = Passed {
        kind: Kind::Client,
        own: b"shop",
        other: Node { name: b"cart", is_virtual: false },
        is_told: false,
        failed: false,
        took: Duration::from_millis(7),
    };

    fn told(edge: &Edge) -> (String, [u64; 4]) {
        let [client, server] = [edge.client(), edge.server()].map(String::from_utf8_lossy);
        let mark = if edge.is_virtual { " (virtual)" } else { "" };
        let seen = [&edge.by_client, &edge.by_server].map(Histogram::count);
        (format!("{client} {server}{mark}"), [edge.requests, edge.failed, seen[0], seen[1]])
    }

    fn count(edges: &mut Edges, passed: &Passed<'_>) -> bool {
        edges.record(passed, 0, &mut || false)
    }

    #[test]
    fn a_request_counts_on_the_side_of_its_client() {
        let mut edges = Edges::new(10, Shape::Explicit);
        let called = Passed { kind: Kind::Server, is_told: true, failed: true, ..CALLS };
        let stranger = Node { name: b"external", is_virtual: true };
        for passed in [
            CALLS,
            Passed { failed: true, ..CALLS },
            called,
            Passed { is_told: false, other: stranger, ..called },
            Passed { other: Node { name: b"shop", is_virtual: false }, ..CALLS },
            Passed { other: Node { name: b"shop", is_virtual: false }, ..called },
        ] {
            count(&mut edges, &passed);
        }
        let all: Vec<_> = edges.all().iter().map(told).collect();
        let want = [
            ("shop cart", [2, 1, 2, 0]),
            ("cart shop", [0, 0, 0, 1]),
            ("external shop (virtual)", [1, 1, 0, 1]),
            ("shop shop", [1, 0, 1, 1]),
        ];
        assert_eq!(all, want.map(|(name, counts)| (name.to_owned(), counts)));
    }

    #[test]
    fn what_finds_no_room_is_counted_by_its_side() {
        let mut edges = Edges::new(OVERFLOWS + 1, Shape::Explicit);
        let named = |name| Passed { other: Node { name, is_virtual: false }, ..CALLS };
        let from = |name| Passed { kind: Kind::Server, ..named(name) };
        for (why, passed, is_overflow) in [
            ("the first", named(b"a"), false),
            ("no room", named(b"b"), true),
            ("again", named(b"c"), true),
            ("a caller", from(b"d"), true),
            ("another", from(b"e"), true),
            ("the first has its room", named(b"a"), false),
        ] {
            assert_eq!(count(&mut edges, &passed), is_overflow, "{why}");
        }
        let all: Vec<_> = edges.all().iter().map(|it| told(it).0).collect();
        assert_eq!(all, ["shop a", "shop _other", "_other shop"]);
    }

    #[test]
    fn tls_is_asked_about_once_for_each_report() {
        let mut edges = Edges::new(10, Shape::Explicit);
        let mut asked = 0;
        for (report, secured, want, times) in
            [(0, true, true, 1), (0, false, true, 1), (1, false, false, 2), (1, true, false, 2)]
        {
            edges.record(&CALLS, report, &mut || {
                asked += 1;
                secured
            });
            let found = edges.all().first().and_then(|it| it.secured);
            assert_eq!((found, asked), (Some((report, want)), times));
        }
    }
}
