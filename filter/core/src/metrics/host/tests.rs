use super::*;
use crate::metrics::CallLabels;
use crate::metrics::open::Open;
use crate::peer::Node;
use std::collections::BTreeMap;

const GET: Labels<'static> = Labels {
    kind: Kind::Server,
    method: "GET",
    status: Some(200),
    error: "",
    route: b"/users/{id}",
    is_configured: true,
    cluster: b"not told",
    call: None,
};
const CALLED: Passed<'static> = Passed {
    kind: Kind::Server,
    own: b"shop",
    other: Node { name: b"web", is_virtual: false },
    is_told: false,
    failed: false,
    took: Duration::from_micros(7),
};
const MEASURED: Measured =
    Measured { took: Duration::from_micros(7), bodies: [0, 30], attempts: 0, example: None };

/// A proxy that keeps stats: by name their form, and all that was told.
#[derive(Default)]
struct Proxy {
    stats: Vec<(String, Form, Vec<i64>)>,
    is_broken: bool,
}

impl Registry for Proxy {
    fn define(&mut self, form: Form, name: String) -> Option<u32> {
        let name = name.replace("=.=", "=").replace(";.;", ";");
        self.stats.push((name, form, Vec::new()));
        u32::try_from(self.stats.len()).ok().filter(|_| !self.is_broken)
    }

    fn add(&mut self, id: u32, by: i64) -> bool {
        assert_ne!(self.stats[id as usize - 1].1, Form::Histogram);
        self.stats[id as usize - 1].2.push(by);
        true
    }

    fn record(&mut self, id: u32, value: u64) {
        assert_eq!(self.stats[id as usize - 1].1, Form::Histogram);
        self.stats[id as usize - 1].2.push(value.cast_signed());
    }
}

impl Proxy {
    fn all(&self) -> BTreeMap<&str, &[i64]> {
        self.stats.iter().map(|(name, _, told)| (&**name, &told[..])).collect()
    }
}

fn count(it: &mut HostStats, labels: &Labels<'_>, passed: &Passed<'_>, proxy: &mut Proxy) -> bool {
    it.record(labels, &MEASURED, passed, true, &mut |id, value| proxy.record(id, value))
}

#[test]
fn counts_are_told_when_the_proxy_is_and_durations_at_once_after_that() {
    let (mut it, mut proxy) = (HostStats::new(100, 100), Proxy::default());
    assert!(!count(&mut it, &GET, &CALLED, &mut proxy));
    assert!(!count(&mut it, &GET, &CALLED, &mut proxy));
    assert!(proxy.stats.is_empty(), "nothing is defined on the way of a request");
    it.tell(&[], &[], false, &mut proxy);
    let requests = "hopspan.requests.reporter=destination;service=shop;route=/users/{id};\
                    request_protocol=http;request_method=GET;response_code=200;";
    let group = "reporter=destination;service=shop;route=/users/{id};";
    let durations = format!("hopspan.request_duration_us.{group}");
    let bytes = format!("hopspan.response_bytes.{group}");
    let edge = "traces_service_graph_request_server_us.client=web;server=shop;";
    let want: BTreeMap<_, &[i64]> =
        [(requests, &[2][..]), (&durations, &[7, 7]), (&bytes, &[60]), (edge, &[7, 7])].into();
    assert_eq!(proxy.all(), want, "what is nothing is not there");

    count(&mut it, &GET, &CALLED, &mut proxy);
    let [told, waits] = [&*durations, requests].map(|it| proxy.all()[it].to_vec());
    assert_eq!((told, waits), (vec![7, 7, 7], vec![2]));
    it.tell(&[], &[], false, &mut proxy);
    it.tell(&[], &[], false, &mut proxy);
    assert_eq!((proxy.all()[requests], proxy.stats.len()), (&[2, 1][..], 4));
    assert_eq!(it.size(), 3);
}

#[test]
fn each_label_is_a_tag() {
    let call = CallLabels { system: "grpc", method: b"a.B/C", status: "OK" };
    let client = Labels { kind: Kind::Client, error: "503", status: Some(503), ..GET };
    for (why, labels, want) in [
        (
            "of a client, that failed",
            client,
            "reporter=source;service=web;route=/users/{id};request_protocol=http;\
             request_method=GET;response_code=503;error_type=503;",
        ),
        (
            "a call",
            Labels { method: "", status: None, call: Some(call), route: b"", ..GET },
            "reporter=destination;service=shop;request_protocol=grpc;rpc_method=a.B/C;\
             rpc_status=OK;",
        ),
        (
            "what a name cannot quote",
            Labels { route: "/a;.;b=c|\"é\"/:id ".as_bytes(), status: None, ..GET },
            "reporter=destination;service=shop;route=/a_._b_c_____/_id_;request_protocol=http;\
             request_method=GET;",
        ),
    ] {
        let (mut it, mut proxy) = (HostStats::new(100, 100), Proxy::default());
        count(&mut it, &labels, &Passed { kind: labels.kind, ..CALLED }, &mut proxy);
        it.tell(&[], &[], false, &mut proxy);
        let want = format!("hopspan.requests.{want}");
        let names: Vec<_> = proxy.all().into_keys().collect();
        assert!(names.contains(&&*want), "{why}: {names:#?}");
    }
    let (mut it, mut proxy) = (HostStats::new(100, 100), Proxy::default());
    count(&mut it, &Labels { route: &[b'x'; 999], ..GET }, &CALLED, &mut proxy);
    it.tell(&[], &[], false, &mut proxy);
    assert!(proxy.all().keys().all(|it| it.len() < 400), "{:?}", proxy.all());
}

#[test]
fn histograms_are_few() {
    let (mut it, mut proxy) = (HostStats::new(100, OVERFLOWS + 1), Proxy::default());
    let of = |route| Labels { route, ..GET };
    let mut record = |route| {
        it.record(&of(route), &MEASURED, &CALLED, false, &mut |id, _| {
            assert_eq!(id, 0, "none is there")
        })
    };
    assert_eq!([b"/a", b"/b", b"/c", b"/a"].map(|it| record(it)), [false, true, true, false]);
    it.tell(&[], &[], false, &mut proxy);
    let histograms = proxy.all().into_iter().filter(|(it, _)| it.contains("duration"));
    let told: Vec<_> = histograms.map(|(_, told)| told).collect();
    assert_eq!(told, [&[7, 7], &[7, 7]]);
    let other = "hopspan.request_duration_us.reporter=destination;service=shop;route=_other;";
    assert!(proxy.all().contains_key(other), "{:#?}", proxy.all());
}

#[test]
fn what_is_open_goes_down_again_and_to_nothing_in_the_end() {
    let (mut it, mut proxy, mut open) =
        (HostStats::new(100, 100), Proxy::default(), Open::default());
    let name = "hopspan.active_requests.reporter=destination;request_method=GET;";
    let places = [0; 3].map(|_| open.begin(Kind::Server, "GET", "http"));
    it.tell(&[], open.series(), false, &mut proxy);
    open.end(places[0].unwrap());
    it.tell(&[], open.series(), false, &mut proxy);
    it.tell(&[], open.series(), true, &mut proxy);
    assert_eq!(proxy.all()[name], [3, -1, -2]);
}

#[test]
fn edges_are_named_as_the_service_graph_names_them() {
    let mut edges = super::super::edges::Edges::new(10, Shape::Explicit);
    let stranger = Passed { other: Node::EXTERNAL, failed: true, ..CALLED };
    edges.record(&stranger, 0, &mut || false);
    edges.record(&Passed { failed: false, ..stranger }, 0, &mut || false);
    let (mut it, mut proxy) = (HostStats::new(100, 100), Proxy::default());
    it.tell(edges.all(), &[], false, &mut proxy);
    let ends = "client=external;server=shop;connection_type=virtual_node;";
    let name = |what: &str| format!("traces_service_graph_request_{what}.{ends}");
    let (total, failed) = (name("total"), name("failed_total"));
    assert_eq!(proxy.all(), [(&*total, &[2][..]), (&failed, &[1])].into());
}

#[test]
fn a_proxy_that_takes_nothing_is_asked_once() {
    let (mut it, mut proxy) =
        (HostStats::new(100, 100), Proxy { is_broken: true, ..Proxy::default() });
    for _ in 0..3 {
        count(&mut it, &GET, &CALLED, &mut proxy);
        it.tell(&[], &[], false, &mut proxy);
    }
    assert_eq!(proxy.stats.len(), 4);
    assert!(proxy.all().values().all(|it| it.is_empty()));
    assert!(it.waiting.is_empty());
}

#[test]
fn durations_that_wait_are_bounded() {
    let (mut it, mut proxy) = (HostStats::new(100, 100), Proxy::default());
    for _ in 0..=MAX_WAITING {
        count(&mut it, &GET, &CALLED, &mut proxy);
    }
    assert_eq!(it.waiting.len(), MAX_WAITING);
}
