//! The graph of services, laid out in layers from left to right.

use std::collections::{BTreeMap, HashMap};

use rust_sugiyama::configure::Config;
use serde::Serialize;

use super::edges::Edge;
use super::services::Service;

/// Width and height of a node, and room between nodes, in the page's units.
const SIZE: (f64, f64) = (168.0, 64.0);
const LAYER_GAP: f64 = 120.0;
const NODE_GAP: f64 = 28.0;

/// Nodes with a place, and edges between them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Topology {
    /// Width of the whole.
    pub width: f64,
    /// Height of the whole.
    pub height: f64,
    /// In the order of their names.
    pub nodes: Vec<Node>,
    /// In the order of their names.
    pub edges: Vec<Edge>,
}

/// A service in its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `service`, `gateway`, `external`, `database` or `messaging_system`.
    pub class: &'static str,
    /// The left edge.
    pub x: f64,
    /// The upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// What is known of it, if it says anything itself.
    pub service: Option<Service>,
}

/// Lays the graph out. The same names and edges get the same places, whatever the figures are.
#[must_use]
pub fn topology(services: Vec<Service>, edges: Vec<Edge>) -> Topology {
    let mut known: BTreeMap<String, Option<Service>> =
        edges.iter().flat_map(|it| [&it.client, &it.server]).map(|it| (it.clone(), None)).collect();
    known.extend(services.into_iter().map(|it| (it.name.clone(), Some(it))));
    let names: Vec<&String> = known.keys().collect();
    let places = places(&names, &edges);
    let node = |((name, service), (x, y)): ((&String, &Option<Service>), (f64, f64))| Node {
        class: class(name, service.as_ref(), &edges),
        name: name.clone(),
        x,
        y,
        width: SIZE.0,
        height: SIZE.1,
        service: service.clone(),
    };
    let nodes: Vec<Node> = known.iter().zip(places).map(node).collect();
    let width = nodes.iter().map(|node| node.x + node.width).fold(0.0, f64::max);
    let height = nodes.iter().map(|node| node.y + node.height).fold(0.0, f64::max);
    Topology { width, height, nodes, edges }
}

fn class(name: &str, service: Option<&Service>, edges: &[Edge]) -> &'static str {
    if let Some(service) = service {
        return if service.is_gateway { "gateway" } else { "service" };
    }
    let types = edges.iter().filter(|it| it.server == name).map(|it| &*it.connection_type);
    for kind in types {
        match kind {
            "database" => return "database",
            "messaging_system" => return "messaging_system",
            _ => {}
        }
    }
    // It says nothing of itself: outside, or without a proxy that does.
    "external"
}

/// The upper left corner of each name's node.
fn places(names: &[&String], edges: &[Edge]) -> Vec<(f64, f64)> {
    let index: HashMap<&String, u32> = names.iter().copied().zip(0..).collect();
    let mut pairs: Vec<(u32, u32)> = edges
        .iter()
        .filter_map(|it| Some((*index.get(&it.client)?, *index.get(&it.server)?)))
        .filter(|(from, to)| from != to)
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    // The crate draws from top to bottom: what is wide there is high here.
    let size = (SIZE.1 + NODE_GAP, SIZE.0 + LAYER_GAP);
    let vertices: Vec<(u32, (f64, f64))> = index.values().map(|it| (*it, size)).collect();
    let mut vertices = vertices;
    vertices.sort_by_key(|(id, _)| *id);
    let config = Config { vertex_spacing: 0.0, ..Config::default() };
    let parts = rust_sugiyama::from_vertices_and_edges(&vertices, &pairs, &config);
    let mut places = vec![(0.0, 0.0); names.len()];
    let mut below = 0.0;
    // Parts that nothing connects stand below each other, the one with the first name on top.
    let mut parts: Vec<Vec<(usize, (f64, f64))>> = parts.into_iter().map(|it| it.0).collect();
    parts.sort_by_key(|part| part.iter().map(|(id, _)| *id).min());
    for part in parts {
        let least = |of: fn(&(f64, f64)) -> f64| {
            part.iter().map(|(_, at)| of(at)).fold(f64::INFINITY, f64::min)
        };
        let (left, top) = (least(|at| at.1.abs()), least(|at| at.0));
        let mut bottom: f64 = below;
        for (id, (across, along)) in &part {
            let place = ((along.abs() - left).round(), (across - top).round() + below);
            bottom = bottom.max(place.1 + SIZE.1 + NODE_GAP);
            if let Some(it) = places.get_mut(*id) {
                *it = place;
            }
        }
        below = bottom;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::counts::{Figures, Source};

    fn edge(client: &str, server: &str) -> Edge {
        Edge {
            client: client.into(),
            server: server.into(),
            connection_type: String::new(),
            source: Source::Metrics,
            figures: Figures::default(),
        }
    }

    fn demo() -> Vec<Edge> {
        [
            ("catalog", "stock"),
            ("gateway", "shop"),
            ("shop", "cart"),
            ("shop", "catalog"),
            ("shop", "pay"),
        ]
        .map(|(client, server)| edge(client, server))
        .into()
    }

    #[test]
    fn callers_are_left_of_those_whom_they_call() {
        let topology = topology(Vec::new(), demo());
        let x = |name: &str| topology.nodes.iter().find(|it| it.name == name).unwrap().x;
        for edge in &topology.edges {
            assert!(x(&edge.client) + SIZE.0 < x(&edge.server), "{} {}", edge.client, edge.server);
        }
    }

    #[test]
    fn no_two_nodes_overlap_and_all_are_inside() {
        let mut edges = demo();
        edges.extend([edge("cron", "mailer"), edge("stock", "shop"), edge("pay", "pay")]);
        let topology = topology(Vec::new(), edges);
        assert_eq!(topology.nodes.len(), 8);
        for (i, a) in topology.nodes.iter().enumerate() {
            assert!(a.x >= 0.0 && a.y >= 0.0, "{a:?}");
            assert!(a.x + a.width <= topology.width && a.y + a.height <= topology.height);
            for b in &topology.nodes[i + 1..] {
                let apart = a.x + a.width <= b.x
                    || b.x + b.width <= a.x
                    || a.y + a.height <= b.y
                    || b.y + b.height <= a.y;
                assert!(apart, "{} and {}: {a:?} {b:?}", a.name, b.name);
            }
        }
    }

    #[test]
    fn everything_stays_in_its_place_from_one_time_to_the_next() {
        let first = topology(Vec::new(), demo());
        for _ in 0..20 {
            let mut edges = demo();
            edges.iter_mut().for_each(|it| it.figures.requests += 1);
            let next = topology(Vec::new(), edges);
            assert_eq!(next.nodes, first.nodes);
        }
    }

    #[test]
    fn nothing_at_all_is_an_empty_picture() {
        let topology = topology(Vec::new(), Vec::new());
        assert_eq!((topology.width, topology.nodes.len()), (0.0, 0));
    }
}
