use super::*;
use crate::encode::Protocol;
use crate::export::ClusterNaming;
use crate::semconv::Kind;

const INTERVAL: Duration = Duration::from_secs(10);

const LABELS: Labels<'static> = Labels {
    kind: Kind::Server,
    method: "GET",
    status: Some(200),
    error: "",
    route: b"",
    is_configured: false,
    cluster: b"",
    call: None,
};

fn collector() -> Collector {
    Collector {
        cluster: "otel".into(),
        naming: ClusterNaming::Envoy,
        protocol: Protocol::HttpProtobuf,
        compression: Compression::None,
        authority: "otel".into(),
        traces_path: "/v1/traces".into(),
        metrics_path: "/v1/metrics".into(),
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
    }
}

fn now(seconds: u64) -> Now {
    let nanos = seconds * 1_000_000_000;
    Now { wall: UnixNanos(nanos), mono: Monotonic(nanos) }
}

const SETTINGS: Settings = Settings {
    otlp: true,
    host: None,
    interval: INTERVAL,
    max_series: 20,
    histogram: Shape::Explicit,
    exemplars: true,
    proxy_time: false,
};

fn reporter() -> Reporter {
    Reporter::new(&Resource::default(), Some(&collector()), SETTINGS)
}

/// Counts a request that ends at this second.
fn count(it: &mut Reporter, second: u64) {
    let measured = Measured { took: Duration::from_millis(1), ..Measured::default() };
    it.record(&LABELS, &measured, &mut || now(second));
    it.take_number(|| 1);
}

/// Whether a report is sent at this second.
fn sent(it: &mut Reporter, second: u64, is_last: bool) -> Option<CallId> {
    it.next(now(second), is_last, &collector(), &mut |_| None).map(|it| it.id)
}

fn status(status: u16) -> Answer<'static> {
    Answer::Response { status, retry_after: b"", body: b"" }
}

#[test]
fn nothing_is_sent_before_something_was_counted() {
    let mut it = reporter();
    it.take_number(|| panic!("no number is needed"));
    assert_eq!(it.wait(now(5).mono), None);
    assert_eq!((sent(&mut it, 50, false), sent(&mut it, 50, true)), (None, None));
}

#[test]
fn a_report_leaves_every_interval_and_one_at_a_time() {
    let mut it = reporter();
    count(&mut it, 3);
    assert_eq!(it.wait(now(5).mono), Some(Duration::from_secs(8)));
    assert_eq!(sent(&mut it, 12, false), None, "too soon");
    let first = sent(&mut it, 13, false).unwrap();
    assert_eq!(sent(&mut it, 23, false), None, "the first is in flight");
    it.answered(first, &status(200), now(24));
    let second = sent(&mut it, 24, false).unwrap();
    it.answered(first, &status(404), now(25));
    assert!(it.is_on(), "an answer to what is not in flight");
    assert_eq!(sent(&mut it, 38, false), None);
    let third = sent(&mut it, 40, false).unwrap();
    assert_ne!(second, third, "no answer can come any more");
}

#[test]
fn the_last_report_tells_only_what_is_new() {
    let mut it = reporter();
    count(&mut it, 3);
    let id = sent(&mut it, 4, true).unwrap();
    assert_eq!(sent(&mut it, 5, true), None, "all is told");
    count(&mut it, 5);
    assert!(sent(&mut it, 5, true).is_some(), "although one is in flight: {id:?}");
}

#[test]
fn an_answer_decides_what_follows() {
    for (why, answer, ends, notices) in [
        ("taken", status(200), false, 0),
        ("none is there", status(404), true, 1),
        ("not to be written", status(405), true, 1),
        ("not known", status(501), true, 1),
        ("too much", status(429), false, 1),
        ("refused", status(400), false, 1),
        ("down", Answer::None, false, 1),
        ("no cluster", Answer::NoSuchCluster, false, 1),
    ] {
        let mut it = reporter();
        for second in [10, 20, 30] {
            count(&mut it, second - 10);
            if let Some(id) = sent(&mut it, second, false) {
                it.answered(id, &answer, now(second));
            }
        }
        let said = std::iter::from_fn(|| it.notice()).count();
        let ended = (!it.is_on(), it.wait(now(30).mono).is_none(), it.series() == 0);
        assert_eq!((ended, said), ((ends, ends, ends), notices), "{why}");
    }
}

#[test]
fn a_clock_that_went_back_stops_nothing() {
    let mut it = reporter();
    count(&mut it, 1000);
    assert!(sent(&mut it, 5, false).is_some());
}

#[test]
fn two_of_a_kind_are_told_from_others() {
    let other = |resource: &str, settings| {
        let name = crate::encode::Value::Text(resource.into());
        let attributes = vec![("service.name".to_owned(), name)];
        Reporter::new(&Resource { attributes }, Some(&collector()), settings)
    };
    let it = other("a", SETTINGS);
    assert!(it.is_like(&other("a", SETTINGS)));
    assert!(!it.is_like(&other("b", SETTINGS)));
    assert!(!it.is_like(&other("a", Settings { max_series: 21, ..SETTINGS })));
}
