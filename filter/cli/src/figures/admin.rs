//! Asking an Envoy: what `metrics.to: ["host"]` has in its stats, see `docs/metrics.md`, "In the proxy's
//! own stats".
//!
//! Stats only grow, so figures are what they have grown by between two looks.
//!
//! Source: <https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--stats?format=json>

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::What;

/// A stat: what it counts, and its tags.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Name {
    what: String,
    tags: BTreeMap<String, String>,
}

/// All that is counted at one moment.
#[derive(Debug, Default)]
struct Look {
    numbers: BTreeMap<Name, f64>,
    /// Durations in microseconds: the lower ends of buckets, their widths, and what is in them.
    histograms: BTreeMap<Name, Vec<[f64; 3]>>,
}

const OPEN: &str = "hopspan.active_requests";
const EDGES: &str = "traces_service_graph_request_total";
const EDGES_FAILED: &str = "traces_service_graph_request_failed_total";
/// How durations on edges begin, of either side.
const EDGES_DURATION: &str = "traces_service_graph_request_";

/// What a row is made of.
#[derive(Debug, Default)]
struct Sums {
    requests: f64,
    failed: f64,
    open: Option<f64>,
    buckets: Vec<[f64; 3]>,
}

/// Golden metrics, but not hopspan's stats of itself, by an expression:
/// `^wasmcustom\.(hopspan\.(...)|traces_service_graph_request_)`
const PATH: &str = "/stats?format=json&histogram_buckets=detailed&filter=%5Ewasmcustom%5C.(hopspan%5C.\
                    (requests%7Crequest_duration_us%7Cactive_requests)%7Ctraces_service_graph_request_)";

/// Looks twice, so many seconds apart, and has the list of what happened meanwhile.
pub(super) fn ask(admin: &str, what: What, seconds: u32) -> io::Result<Vec<Value>> {
    let url = [admin.trim_end_matches('/'), PATH].concat();
    let (before, start) = (look(&url)?, Instant::now());
    thread::sleep(Duration::from_secs(seconds.into()));
    Ok(look(&url)?.since(&before).rows(what, start.elapsed().as_secs_f64()))
}

fn look(url: &str) -> io::Result<Look> {
    let text = super::get(url).map_err(|error| {
        let (admin, _) = url.split_once("/stats?").unwrap_or((url, ""));
        io::Error::other(format!("{admin}: {error}. Is that an Envoy's admin address?"))
    })?;
    let read = serde_json::from_str(&text).ok().and_then(|it: Value| Look::read(&it));
    read.ok_or_else(|| io::Error::other(format!("{url}: that is no answer of an Envoy")))
}

// === impl Look ===

impl Look {
    /// What an Envoy answers; `None` if it is something else.
    fn read(answer: &Value) -> Option<Self> {
        let mut look = Self::default();
        for stat in answer["stats"].as_array()? {
            if let (Some(name), Some(value)) = (stat["name"].as_str(), stat["value"].as_f64()) {
                look.numbers.extend(Name::parse(name).map(|it| (it, value)));
            }
            for histogram in stat["histograms"]["details"].as_array().into_iter().flatten() {
                let name = histogram["name"].as_str().and_then(Name::parse);
                let buckets = histogram["totals"].as_array().into_iter().flatten();
                let number = |it: &Value, key: &str| it[key].as_f64().unwrap_or(0.0);
                let keys = ["lower_bound", "width", "count"];
                let buckets = buckets.map(|it| keys.map(|key| number(it, key))).collect();
                look.histograms.extend(name.map(|it| (it, buckets)));
            }
        }
        Some(look)
    }

    /// What came since another look. A proxy that began anew has it all.
    fn since(mut self, before: &Self) -> Self {
        for (name, value) in &mut self.numbers {
            let was = before.numbers.get(name).copied().unwrap_or(0.0);
            if name.what != OPEN && was <= *value {
                *value -= was;
            }
        }
        for (name, buckets) in &mut self.histograms {
            for [lower, _, count] in buckets {
                let same = before.histograms.get(name).into_iter().flatten();
                let was = same.filter(|it| it[0] == *lower).map(|it| it[2]).sum::<f64>();
                *count = (*count - was).max(0.0);
            }
        }
        self
    }

    /// The rows that a Lens would have, as far as one proxy knows.
    fn rows(&self, what: What, seconds: f64) -> Vec<Value> {
        let keys = match what {
            What::Services => &["service"][..],
            What::Routes | What::Top => &["reporter", "service", "route"],
            What::Edges => &["client", "server"],
        };
        let mut rows = BTreeMap::<Vec<&str>, Sums>::new();
        for (name, value) in &self.numbers {
            let is_failed = name.what == EDGES_FAILED || !name.tag("error_type").is_empty();
            let is_of_edges = [EDGES, EDGES_FAILED].contains(&&*name.what);
            if is_of_edges != (what == What::Edges) || name.what == OPEN {
                continue;
            }
            let row = rows.entry(name.tags(keys)).or_default();
            row.requests += if name.what == EDGES_FAILED { 0.0 } else { *value };
            row.failed += if is_failed { *value } else { 0.0 };
        }
        for (name, buckets) in &self.histograms {
            if name.what.starts_with(EDGES_DURATION) == (what == What::Edges)
                && let Some(row) = rows.get_mut(&name.tags(keys))
            {
                row.buckets.extend(buckets);
            }
        }
        if what == What::Services {
            self.add_open(&mut rows);
        }
        rows.retain(|_, sums| sums.requests > 0.0 || sums.open.is_some_and(|it| it > 0.0));
        rows.iter().map(|(names, sums)| row(what, names, sums, seconds)).collect()
    }

    /// Open requests are told by side alone: on the server's that is this one's own service.
    fn add_open<'a>(&'a self, rows: &mut BTreeMap<Vec<&'a str>, Sums>) {
        let of = |name: &&Name| name.tag("reporter") == "destination";
        let own = self.numbers.keys().filter(of).find(|it| it.what != OPEN);
        let open = self.numbers.iter().filter(|(it, _)| it.what == OPEN && of(it));
        if let Some(row) = own.and_then(|it| rows.get_mut(&vec![it.tag("service")])) {
            row.open = Some(open.map(|(_, value)| value).sum());
        }
    }
}

fn row(what: What, names: &[&str], sums: &Sums, seconds: f64) -> Value {
    let Sums { requests, failed, open, buckets } = sums;
    let success = (*requests > 0.0).then(|| 1.0 - failed / requests);
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|it| percentile(buckets, it));
    let mut row = json!({
        "success": success, "rate": requests / seconds, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99,
    });
    match (what, names) {
        (What::Services, [service]) => {
            row["name"] = json!(service);
            row["open"] = json!(open);
        }
        (What::Edges, [client, server]) => {
            row["client"] = json!(client);
            row["server"] = json!(server);
        }
        // Who calls is not told with a route.
        (_, [reporter, service, route]) => {
            let is_called = *reporter == "source";
            row["service"] = json!(if is_called { "" } else { service });
            row["peer"] = json!(if is_called { service } else { "" });
            row["route"] = json!(route);
        }
        _ => {}
    }
    row
}

/// In milliseconds, as if what is in a bucket were spread evenly.
fn percentile(buckets: &[[f64; 3]], share: f64) -> Option<f64> {
    let mut buckets = buckets.to_vec();
    buckets.sort_by(|one, other| one[0].total_cmp(&other[0]));
    let mut left = buckets.iter().map(|it| it[2]).sum::<f64>() * share;
    for [lower, width, count] in buckets {
        if count > 0.0 && left <= count {
            return Some((lower + width * left / count) / 1000.0);
        }
        left -= count;
    }
    None
}

// === impl Name ===

impl Name {
    /// ```text
    /// name = "wasmcustom." what "." *( key "=.=" value ";.;" )
    /// ```
    fn parse(name: &str) -> Option<Self> {
        let name = name.strip_prefix("wasmcustom.")?;
        let (before, _) = name.split_once("=.=")?;
        let (what, _) = before.rsplit_once('.')?;
        let tags = name.strip_prefix(what)?.strip_prefix('.')?.split(";.;");
        let tags = tags.filter_map(|it| it.split_once("=.="));
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Some(Self { what: what.to_owned(), tags })
    }

    /// Empty if it has no such tag.
    fn tag(&self, key: &str) -> &str {
        self.tags.get(key).map_or("", String::as_str)
    }

    fn tags<'a>(&'a self, keys: &[&str]) -> Vec<&'a str> {
        keys.iter().map(|it| self.tag(it)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Envoy 1.40 answers.
    fn answer(ok: u64, failed: u64) -> Value {
        let request = "wasmcustom.hopspan.requests.reporter=.=destination;.;service=.=shop;.;\
                       route=.=/a.b/{id};.;request_protocol=.=http;.;request_method=.=GET;.;";
        let group = "reporter=.=destination;.;service=.=shop;.;route=.=/a.b/{id};.;";
        let edge = "client=.=external;.;server=.=shop;.;";
        let total = "wasmcustom.traces_service_graph_request_total";
        let failed_total = "wasmcustom.traces_service_graph_request_failed_total";
        let of_edge = "wasmcustom.traces_service_graph_request_server_us";
        let buckets = json!([
            {"lower_bound": 1000, "width": 100, "count": ok},
            {"lower_bound": 100_000, "width": 10_000, "count": failed},
        ]);
        json!({"stats": [
            {"name": "wasmcustom.hopspan.active_requests.reporter=.=destination;.;", "value": 2},
            {"name": format!("{request}response_code=.=200;.;"), "value": ok},
            {"name": format!("{request}response_code=.=503;.;error_type=.=503;.;"), "value": failed},
            {"name": format!("{total}.{edge}connection_type=.=virtual_node;.;"), "value": ok + failed},
            {"name": format!("{failed_total}.{edge}connection_type=.=virtual_node;.;"), "value": failed},
            {"histograms": {"supported_percentiles": [], "details": [
                {"name": format!("wasmcustom.hopspan.request_duration_us.{group}"), "totals": buckets},
                {"name": format!("{of_edge}.{edge}"), "totals": buckets},
            ]}},
        ]})
    }

    #[test]
    fn rows_are_what_stats_have_grown_by() {
        let before = Look::read(&answer(10, 0)).unwrap();
        let after = || Look::read(&answer(19, 1)).unwrap().since(&before);
        let figures = json!({
            "success": 0.9, "rate": 5.0, "p50_ms": 1.0555555555555556, "p95_ms": 105.0, "p99_ms": 109.0,
        });
        for (what, names) in [
            (What::Services, json!({"name": "shop", "open": 2.0})),
            (What::Routes, json!({"service": "shop", "peer": "", "route": "/a.b/{id}"})),
            (What::Edges, json!({"client": "external", "server": "shop"})),
        ] {
            let rows = after().rows(what, 2.0);
            let [Value::Object(row)] = &rows[..] else { panic!("{rows:#?}") };
            let mut want = figures.as_object().unwrap().clone();
            want.extend(names.as_object().unwrap().clone());
            for (key, value) in &want {
                let is_close = |one: f64, other: f64| (one - other).abs() < 1e-9;
                let numbers = row[key].as_f64().zip(value.as_f64());
                let is_same =
                    numbers.map_or(row[key] == *value, |(one, other)| is_close(one, other));
                assert!(is_same, "{what:?} {key}: {row:#?}");
            }
            assert_eq!(row.len(), want.len());
        }
    }

    #[test]
    fn a_proxy_that_began_anew_has_it_all_and_what_does_not_move_is_no_row() {
        let look = |ok| Look::read(&answer(ok, 0)).unwrap();
        let rows = look(4).since(&look(10)).rows(What::Routes, 1.0);
        assert_eq!(rows[0]["rate"], 4.0);
        assert_eq!(look(4).since(&look(4)).rows(What::Routes, 1.0), Vec::<Value>::new());
        assert!(Look::read(&json!({"stats": "none"})).is_none());
    }
}
