use std::sync::Arc;

use super::*;
use crate::view::counts::{Series, Step, Window};

fn row(
    source: Source,
    kind: Kind,
    service: &str,
    route: &str,
    (requests, failures): (u64, u64),
) -> Row {
    let series = Series {
        source,
        kind,
        service: service.to_owned(),
        peer: String::new(),
        route: route.to_owned(),
        status: if failures > 0 { "503" } else { "200" }.to_owned(),
        is_bare: false,
        is_gateway: false,
    };
    let step = Step { time: 100, requests, failures, durations: None };
    Row { series: Arc::new(series), step }
}

fn counts(rows: Vec<Row>) -> Counts {
    let window = Window { step: 10, from: 0, to: 120 };
    Counts { window, rows, first: 100, seconds: 20.0 }
}

#[test]
fn what_the_sender_counted_wins_over_what_its_spans_say() {
    let counts = counts(vec![
        row(Source::Metrics, Kind::Server, "shop", "GET /a", (100, 0)),
        row(Source::Metrics, Kind::Server, "shop", "GET /a", (20, 20)),
        row(Source::Spans, Kind::Server, "shop", "GET /a", (7, 7)),
        row(Source::Spans, Kind::Server, "cart", "GET /b", (4, 1)),
        row(Source::Spans, Kind::Client, "cron", "GET /c", (2, 0)),
    ]);
    let services = services(&counts, &HashMap::from([("shop".to_owned(), 3)]));
    let got: Vec<_> = services
        .iter()
        .map(|it| (&*it.name, it.side, it.source, it.figures.requests, it.open))
        .collect();
    assert_eq!(
        got,
        [
            ("cart", "server", Source::Spans, 4, None),
            ("cron", "client", Source::Spans, 2, None),
            ("shop", "server", Source::Metrics, 120, Some(3)),
        ]
    );
    assert_eq!(services[2].figures.rate, 6.0);
    assert_eq!(services[2].figures.success, Some(100.0 / 120.0));
    let routes = routes(&counts, Some("shop"));
    assert_eq!(routes.len(), 1);
    let statuses = BTreeMap::from([("200".to_owned(), 100), ("503".to_owned(), 20)]);
    assert_eq!(routes[0].statuses, statuses);
}

#[test]
fn calls_without_context_are_counted_from_spans() {
    let call = |is_bare, requests| {
        let row = row(Source::Spans, Kind::Client, "catalog", "GET /s", (requests, 0));
        let series = Series { is_bare, ..Series::clone(&row.series) };
        Row { series: Arc::new(series), ..row }
    };
    let counts = counts(vec![
        row(Source::Metrics, Kind::Server, "catalog", "GET /p", (10, 0)),
        call(false, 8),
        call(true, 2),
    ]);
    let services = services(&counts, &HashMap::new());
    assert_eq!((services[0].calls, services[0].bare_calls), (10, 2));
}

#[test]
fn steps_begin_where_counting_did_and_leave_out_the_one_that_goes_on() {
    let counts = counts(vec![row(Source::Metrics, Kind::Server, "shop", "GET /a", (100, 50))]);
    let figures = &services(&counts, &HashMap::new())[0].figures;
    assert_eq!(figures.steps, [0.0, 0.0, 0.0, 0.0, 10.0, 0.0]);
    assert_eq!(figures.failed_steps, [0.0, 0.0, 0.0, 0.0, 5.0, 0.0]);
}
