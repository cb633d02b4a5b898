//! Names of stats, with tags in them: `hopspan.requests.reporter=.=source;.;service=.=cart;.;`
//!
//! `reporter`, `request_protocol` and `response_code` mean what they mean in Istio's metrics.
//! Source: <https://istio.io/latest/docs/reference/config/metrics/>

use super::About;
use crate::metrics::edges::Edge;
use crate::metrics::open::OpenSeries;
use crate::metrics::{CallLabels, Labels, Series};
use crate::semconv::Kind;

/// Of requests that have all labels in common.
pub(super) fn of_series(series: &Series) -> String {
    // The service is where other series have the cluster.
    let Labels { kind, method, status, error, route, cluster: service, call, .. } = series.labels();
    let mut it = of_requests("hopspan.requests", kind, [service, route]);
    let rpc = call.unwrap_or(CallLabels { system: "http", method: b"", status: "" });
    tag("request_protocol", rpc.system.as_bytes(), &mut it);
    tag("request_method", method.as_bytes(), &mut it);
    if let Some(status) = status {
        tag("response_code", status.to_string().as_bytes(), &mut it);
    }
    tag("rpc_method", rpc.method, &mut it);
    tag("rpc_status", rpc.status.as_bytes(), &mut it);
    tag("error_type", error.as_bytes(), &mut it);
    it
}

/// Of a group's durations: in microseconds.
pub(super) fn of_durations(about: About, names: &[Box<[u8]>; 2]) -> String {
    let what = match about {
        About::Requests(_) => "hopspan.request_duration_us",
        About::Edge(Kind::Client) => "traces_service_graph_request_client_us",
        About::Edge(Kind::Server) => "traces_service_graph_request_server_us",
        About::Proxy => "hopspan.proxy_time_us",
    };
    of_group(what, about, names)
}

/// Of something that a group has.
pub(super) fn of_group(what: &str, about: About, names: &[Box<[u8]>; 2]) -> String {
    let names = names.each_ref().map(|it| &**it);
    match about {
        About::Requests(kind) => of_requests(what, kind, names),
        About::Edge(_) => of_ends(what, names),
        About::Proxy => what.to_owned(),
    }
}

/// Of something that an edge has.
pub(super) fn of_edge(what: &str, edge: &Edge) -> String {
    let mut it = of_ends(what, [edge.client(), edge.server()]);
    let kind = if edge.is_virtual { "virtual_node" } else { "" };
    tag("connection_type", kind.as_bytes(), &mut it);
    it
}

/// Of requests that have begun and not ended.
pub(super) fn of_open(open: &OpenSeries) -> String {
    let mut it = "hopspan.active_requests.".to_owned();
    tag("reporter", reporter(open.kind), &mut it);
    tag("request_method", open.method.as_bytes(), &mut it);
    it
}

fn of_requests(what: &str, kind: Kind, [service, route]: [&[u8]; 2]) -> String {
    let mut it = [what, "."].concat();
    tag("reporter", reporter(kind), &mut it);
    tag("service", service, &mut it);
    tag("route", route, &mut it);
    it
}

fn of_ends(what: &str, [client, server]: [&[u8]; 2]) -> String {
    let mut it = [what, "."].concat();
    tag("client", client, &mut it);
    tag("server", server, &mut it);
    it
}

fn reporter(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Client => b"source",
        Kind::Server => b"destination",
    }
}

/// The longest value of a tag, in bytes.
const LIMIT: usize = 200;

/// Nothing is quoted in a name: what would end a tag there, or mean something to those who read
/// stats, becomes `_`.
fn tag(key: &str, value: &[u8], name: &mut String) {
    if value.is_empty() {
        return;
    }
    name.push_str(key);
    name.push_str("=.=");
    for byte in value.iter().take(LIMIT) {
        let is_plain = byte.is_ascii_graphic() && !b";:|=\"\\#".contains(byte);
        name.push(if is_plain { char::from(*byte) } else { '_' });
    }
    name.push_str(";.;");
}
