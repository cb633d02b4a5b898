//! Where requests are counted.

use super::*;
use hopspan_core::metrics::Settings;
use hopspan_core::metrics::histogram::Shape;

#[test]
fn requests_are_counted_where_metrics_go_somewhere() {
    let counting = |interval, max_series| {
        let is_odd = max_series == 20;
        Some(Settings {
            otlp: true,
            host: None,
            interval: Duration::from_millis(interval),
            max_series,
            histogram: if is_odd { Shape::Exponential } else { Shape::Explicit },
            exemplars: !is_odd,
            proxy_time: is_odd,
        })
    };
    let host = |host, otlp| counting(10_000, 500).map(|it| Settings { host, otlp, ..it });
    let json = json!({"cluster": "otel", "protocol": "http/json"});
    let otel = json!({"cluster": "otel"});
    let nothing_is_sent = "metrics.to: there is no collector.cluster, so nothing is sent";
    for (document, want, warnings) in [
        (json!({"collector": otel, "metrics": {"max_series": 30}}), counting(10_000, 30), vec![]),
        (json!({"collector": otel, "metrics": {"to": "auto"}}), counting(10_000, 500), vec![]),
        (json!({"collector": otel, "metrics": {"to": []}}), None, vec![]),
        (json!({"collector": json}), counting(10_000, 500), vec![]),
        (json!({"collector": {"cluster": "otel", "protocol": "zipkin/json"}}), None, vec![]),
        (json!({"metrics": {"to": ["host"]}}), host(Some(100), false), vec![]),
        (
            json!({"collector": otel, "metrics": {"to": ["otlp", "host"], "max_host_histograms": 20}}),
            host(Some(20), true),
            vec![],
        ),
        (
            json!({
                "collector": {"cluster": "otel", "protocol": "zipkin/json"},
                "metrics": {"to": ["host"]},
            }),
            host(Some(100), false),
            vec![],
        ),
        (json!({}), None, vec![]),
        (json!({"collector": otel, "metrics": {"to": ["otlp"]}}), counting(10_000, 500), vec![]),
        (
            json!({
                "collector": otel,
                "metrics": {
                    "to": ["otlp"], "interval_ms": 1000, "max_series": 20, "exemplars": false, "proxy_time": true,
                    "histogram": "exponential",
                },
            }),
            counting(1000, 20),
            vec![],
        ),
        (json!({"metrics": {"to": ["otlp"]}}), counting(10_000, 500), vec![nothing_is_sent]),
        (json!({"role": "upstream", "collector": otel, "metrics": {"to": ["otlp"]}}), None, vec![]),
    ] {
        let config = Proxy::default().read(document.to_string()).unwrap();
        assert_eq!(
            (config.metrics, config.warnings),
            (want, warnings.into_iter().map(str::to_owned).collect()),
            "{document}"
        );
    }
}
