//! Envoy's own files: one good one, and each mistake in it.

use super::mistake::{judge, with};
use super::run;
use serde_json::Value;

/// A gateway as it should be, with its tries seen one by one.
const GOOD: &str = r#"
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 9901 } } }
static_resources:
  listeners:
  - name: edge
    address: { socket_address: { address: 0.0.0.0, port_value: 8080 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: /, headers: [{ name: x-tenant, present_match: true }] }
                route: { cluster: shop }
          http_filters:
          - name: hopspan
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: hopspan
                fail_open: true
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: |
                    { "direction": "gateway",
                      "collector": {
                        "cluster": "otel_collector",
                        "timeout_ms": 5000 } }
                vm_config:
                  vm_id: hopspan
                  runtime: envoy.wasm.runtime.v8
                  code: { remote: { sha256: abc, http_uri: { uri: "http://modules/m.wasm", cluster: shop, timeout: 10s } } }
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: shop
    type: STRICT_DNS
    load_assignment: { cluster_name: shop, endpoints: [] }
  - name: otel_collector
    type: STRICT_DNS
    load_assignment: { cluster_name: otel_collector, endpoints: [] }
"#;

/// The cluster's part of a hopspan that sees tries, behind `- name: NAME`.
const TRIES: &str = r#"
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http_protocol_options: {} }
        http_filters:
        - name: hopspan
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
            config:
              name: hopspan
              fail_open: true
              configuration:
                "@type": type.googleapis.com/google.protobuf.StringValue
                value: '{ "role": "upstream", "collector": { "cluster": "otel_collector" } }'
              vm_config: { vm_id: hopspan, runtime: envoy.wasm.runtime.v8, code: { local: { filename: h.wasm } } }
        - name: envoy.filters.http.upstream_codec
"#;

#[test]
fn a_good_bootstrap_is_fine_and_found_in() {
    let judged = judge(GOOD);
    let [instance] = judged.is_fine().instances() else { panic!("one instance") };
    assert_eq!(instance["platform"], "envoy");
    assert_eq!(
        instance["path"],
        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0]\
         .typed_config.config"
    );
    assert_eq!(instance["effective"]["collector"]["timeout_ms"], 5000);
    let (status, out, err) = run(&["check", "-"], GOOD);
    assert_eq!((status, out.as_str()), (0, ""));
    assert_eq!(err, "stdin: OK, hopspan is there once\n");
}

#[test]
fn the_same_as_json_and_in_the_names_of_json_is_found_as_well() {
    let document: Value = serde_yaml_ng::from_str(GOOD).unwrap();
    let json = format!("{document:#}");
    assert_eq!(judge(&json).is_fine().instances().len(), 1);
    let camel = [
        ("static_resources", "staticResources"),
        ("filter_chains", "filterChains"),
        ("http_filters", "httpFilters"),
        ("typed_config", "typedConfig"),
        ("fail_open", "failOpen"),
        ("vm_config", "vmConfig"),
    ];
    let camel = camel.iter().fold(json, |it, (snake, camel)| it.replace(snake, camel));
    assert_eq!(judge(&camel).is_fine().instances().len(), 1);
    let bad = camel.replace("otel_collector\\\"", "otel\\\"");
    assert_ne!(bad, camel);
    judge(&bad).finds("problem", "collector-cluster", "otel", "is no cluster of this proxy");
}

#[test]
fn a_wrong_value_is_named_with_its_line_in_the_file() {
    let bad = with(GOOD, "\"timeout_ms\": 5000", "\"timeout_ms\": 0");
    let judged = judge(&bad);
    judged.finds("problem", "configuration", "timeout_ms", "must be 1 to 60000, not 0");
    assert_eq!(judged.path(), "collector.timeout_ms");
}

#[test]
fn an_unknown_key_is_a_problem() {
    let bad = with(GOOD, "\"timeout_ms\"", "\"timeout\"");
    judge(&bad).finds("problem", "configuration", "\"timeout\"", "is it collector.timeout_ms?");
}

#[test]
fn text_that_is_not_json_is_named_with_its_line_in_the_file() {
    let bad = with(GOOD, "\"direction\": \"gateway\",", "\"direction\": \"gateway\"");
    judge(&bad).finds("problem", "configuration", "\"collector\": {", "is not JSON");
}

#[test]
fn a_variable_that_the_vm_is_not_given_is_a_problem() {
    let headers = "\"timeout_ms\": 5000, \"headers\": { \"authorization\": \"Bearer ${TOKEN}\" }";
    let bad = with(GOOD, "\"timeout_ms\": 5000", headers);
    judge(&bad).finds("problem", "configuration", "TOKEN", "it is not set");
    let given = "vm_config:\n                  environment_variables: { host_env_keys: [TOKEN] }\n";
    judge(&with(&bad, "vm_config:\n", given)).is_fine();
}

#[test]
fn a_collector_cluster_that_is_missing_is_a_problem() {
    let bad = with(GOOD, "\"cluster\": \"otel_collector\"", "\"cluster\": \"elsewhere\"");
    let message = "\"elsewhere\" is no cluster of this proxy";
    let judged = judge(&bad);
    judged.finds("problem", "collector-cluster", "elsewhere", message);
    assert_eq!(judged.path(), "collector.cluster");
}

#[test]
fn a_collector_cluster_that_is_misspelt_is_told_with_the_nearest() {
    let bad = with(GOOD, "\"cluster\": \"otel_collector\"", "\"cluster\": \"otel-colector\"");
    let message = "is no cluster of this proxy; is it \"otel_collector\"?";
    judge(&bad).finds("problem", "collector-cluster", "otel-colector", message);
}

#[test]
fn a_cluster_that_the_control_plane_may_have_is_only_warned_of() {
    let bad = with(GOOD, "\"cluster\": \"otel_collector\"", "\"cluster\": \"elsewhere\"");
    let dynamic = "dynamic_resources: { cds_config: { ads: {} } }\nstatic_resources:";
    let bad = with(&bad, "static_resources:", dynamic);
    judge(&bad).finds(
        "warning",
        "collector-cluster",
        "elsewhere",
        "the control plane must have it",
    );
}

#[test]
fn a_download_without_a_limit_is_a_problem() {
    let bad = with(GOOD, "timeout: 10s", "timeout: 0s");
    judge(&bad).finds("problem", "timeout-zero", "timeout: 0s", "is no limit");
}

#[test]
fn fail_policies_that_cut_traffic_are_problems() {
    for (policy, on, message) in [
        ("failure_policy: FAIL_OPEN", "FAIL_OPEN", "Write fail_open: true instead"),
        ("failure_policy: FAIL_RELOAD", "FAIL_RELOAD", "until it is loaded anew"),
        ("failure_policy: FAIL_CLOSED", "FAIL_CLOSED", "503 for every request"),
        ("fail_open: false", "fail_open: false", "503 for every request"),
    ] {
        judge(&with(GOOD, "fail_open: true", policy)).finds("problem", "fail-policy", on, message);
    }
    let none = with(GOOD, "                fail_open: true\n", "");
    judge(&none).finds("problem", "fail-policy", "config:", "503 for every request");
}

#[test]
fn native_tracing_beside_hopspan_is_a_problem() {
    let provider =
        "stat_prefix: edge\n          tracing: { provider: { name: envoy.tracers.zipkin } }";
    let bad = with(GOOD, "stat_prefix: edge", provider);
    judge(&bad).finds("problem", "native-tracing", "tracing:", "writes its traceparent over");

    // The provider may be the bootstrap's; without one, the key does nothing.
    let bare = with(GOOD, "stat_prefix: edge", "stat_prefix: edge\n          tracing: {}");
    judge(&bare).is_fine();
    let tracer = "tracing: { http: { name: envoy.tracers.zipkin } }\nstatic_resources:";
    let bad = with(&bare, "static_resources:", tracer);
    judge(&bad).finds("problem", "native-tracing", "tracing: {}", "writes its traceparent over");
}

#[test]
fn a_filter_before_hopspan_is_warned_of() {
    let before = "http_filters:\n          - name: envoy.filters.http.jwt_authn\n";
    let bad = with(GOOD, "http_filters:\n", before);
    let message = "behind envoy.filters.http.jwt_authn";
    judge(&bad).finds("warning", "filter-order", "config:", message);
}

#[test]
fn tries_are_seen_in_a_services_cluster() {
    let good = with(GOOD, "  - name: shop\n", &format!("  - name: shop{TRIES}"));
    assert_eq!(judge(&good).is_fine().instances().len(), 2);
}

#[test]
fn tries_are_seen_in_all_clusters_by_the_routers_list() {
    let (_, filters) = TRIES.split_once("        http_filters:\n").unwrap();
    let filters = filters.replace("\n        ", "\n              ").replacen(
        "        -",
        "              -",
        1,
    );
    let router = "envoy.extensions.filters.http.router.v3.Router";
    let list = format!("{router}\n              upstream_http_filters:\n{filters}");
    let good = with(GOOD, router, list.trim_end());
    assert_eq!(judge(&good).is_fine().instances().len(), 2);
    let camel = with(&good, "upstream_http_filters", "upstreamHttpFilters");
    let bad = with(&camel, "\"role\": \"upstream\", ", "");
    judge(&bad).finds("problem", "role", "config:", "without role: upstream");
}

#[test]
fn the_upstream_role_on_the_collectors_cluster_is_a_problem() {
    let bad = with(GOOD, "  - name: otel_collector\n", &format!("  - name: otel_collector{TRIES}"));
    let message = "the collector's own cluster";
    judge(&bad).finds("problem", "role", "config:", message);
}

#[test]
fn a_role_that_does_not_fit_its_place_is_a_problem() {
    let bad = with(GOOD, "\"direction\": \"gateway\",", "\"role\": \"upstream\",");
    judge(&bad).finds("problem", "role", "config:", "is for the filters of a cluster");
    let tries = with(TRIES, "\"role\": \"upstream\", ", "");
    let bad = with(GOOD, "  - name: shop\n", &format!("  - name: shop{tries}"));
    judge(&bad).finds("problem", "role", "config:", "without role: upstream");
}

#[test]
fn routes_by_what_hopspan_writes_are_warned_of() {
    let bad = with(GOOD, "name: x-tenant", "name: TraceParent");
    let message = "chooses a route by traceparent";
    judge(&bad).finds("warning", "route-cache", "TraceParent", message);
}

#[test]
fn a_filter_before_hopspan_that_means_to_keep_its_route_is_warned_of() {
    let before = "http_filters:\n          - name: ext_proc\n            typed_config: { route_cache_action: RETAIN }\n";
    let bad = with(GOOD, "http_filters:\n", before);
    let (_, _, err) = run(&["check", "-"], &bad);
    assert!(err.contains("means to keep the route as it was chosen"), "{err}");
}

#[test]
fn a_struct_is_noted_and_read() {
    let text = GOOD.find("\"@type\": type.googleapis.com/google.protobuf.StringValue").unwrap();
    let end = GOOD.find("                vm_config:").unwrap();
    let tree = "\"@type\": type.googleapis.com/google.protobuf.Struct\n                  value:\n                    \
                collector:\n                      cluster: otel_collector\n";
    let good = format!("{}{tree}{}", &GOOD[..text], &GOOD[end..]);
    let judged = judge(&good);
    let note = judged.is_fine().note("configuration-form").expect("a note");
    assert!(note["message"].as_str().unwrap().contains("its numbers are doubles"), "{note}");
    let bad = with(
        &good,
        "cluster: otel_collector\n",
        "cluster: otel_collector\n                      timout_ms: 5\n",
    );
    judge(&bad).finds("problem", "configuration", "timout_ms", "is no key of hopspan");
}

#[test]
fn a_form_that_hopspan_cannot_read_is_a_problem() {
    let bad = with(GOOD, "google.protobuf.StringValue", "xds.type.v3.TypedStruct");
    judge(&bad).finds("problem", "configuration-form", "configuration:", "is a TypedStruct");
}

#[test]
fn filters_that_are_not_hopspan_are_left_alone() {
    let other = GOOD.replace("hopspan", "waf").replace("\"collector\"", "\"x\"");
    let (status, _, err) = run(&["check", "-"], &other);
    assert_eq!((status, err.as_str()), (1, "stdin: nothing of hopspan's is in it\n"));
}

#[test]
fn files_of_xds_are_judged_together() {
    let dir = std::env::temp_dir().join(format!("hopspan-xds-{}", std::process::id()));
    std::fs::create_dir(&dir).expect("a directory of our own");
    let (listeners, clusters) = GOOD.split_once("  clusters:\n").unwrap();
    let (_, listeners) = listeners.split_once("  listeners:\n").unwrap();
    let kind =
        |name: &str| format!("  - \"@type\": type.googleapis.com/envoy.config.{name}\n    name:");
    let files = [
        (
            "lds.yaml",
            format!(
                "resources:\n{}",
                listeners
                    .replace("  - name: edge", &format!("{} edge", kind("listener.v3.Listener")))
            ),
        ),
        (
            "cds.yaml",
            format!("resources:\n{}", clusters.replace("  - name:", &kind("cluster.v3.Cluster"))),
        ),
        (
            "other.yaml",
            format!("resources:\n{}", clusters.replace("otel_collector", "otel_colector")),
        ),
    ];
    let paths = files.map(|(name, text)| {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a name").to_owned()
    });
    let [lds, cds, other] = &paths;
    let fine = run(&["check", lds, cds], "");
    let alone = run(&["check", lds], "");
    let misspelt = run(&["check", lds, other], "");
    std::fs::remove_dir_all(&dir).expect("it was ours");
    let note = format!("{cds}: note: nothing of hopspan's is in it\n{cds}: OK\n");
    assert_eq!(fine, (0, String::new(), format!("{lds}: OK, hopspan is there once\n{note}")));
    assert_eq!((alone.0, alone.2), (0, format!("{lds}: OK, hopspan is there once\n")));
    assert_eq!(misspelt.0, 1);
    assert!(misspelt.2.contains("is it \"otel_colector\"?"), "{}", misspelt.2);
}

#[test]
fn warnings_count_where_one_says_so() {
    let bad = with(GOOD, "name: x-tenant", "name: b3");
    assert_eq!(run(&["check", "-"], &bad).0, 0);
    assert_eq!(run(&["check", "--deny-warnings", "-"], &bad).0, 1);
}

#[test]
fn there_is_colour_on_a_terminal_only() {
    let (_, _, err) = run(&["check", "-"], &with(GOOD, "fail_open: true", "fail_open: false"));
    assert!(!err.contains('\u{1b}'), "{err:?}");
}
