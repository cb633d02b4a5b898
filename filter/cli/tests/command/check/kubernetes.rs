//! Manifests of Istio, Envoy Gateway and Higress, and of what runs beside them.

use super::mistake::{judge, with};

const COLLECTOR: &str = "
---
apiVersion: v1
kind: Service
metadata: { name: otel-collector, namespace: observability }
spec: { ports: [{ name: otlp-http, port: 4318 }] }
";

const PLUGIN: &str = "
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: hopspan, namespace: istio-system }
spec:
  url: oci://registry.example/hopspan:0.1.0
  phase: AUTHN
  priority: 1000
  failStrategy: FAIL_OPEN
  pluginConfig:
    collector:
      cluster: outbound|4318||otel-collector.observability.svc.cluster.local
    batch: { schedule_delay_ms: 1000 }
";

const EXTENSION: &str = "
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata: { name: hopspan, namespace: istio-system }
spec:
  phase: AUTHN
  priority: 1000
  wasm:
    url: oci://registry.example/hopspan:0.1.0
    failStrategy: FAIL_OPEN
    pluginConfig:
      collector: { cluster: outbound|4318||otel-collector.observability.svc.cluster.local }
";

const FILTER: &str = "
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: hopspan, namespace: istio-system }
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: { context: SIDECAR_INBOUND }
    patch:
      operation: INSERT_FIRST
      value:
        name: hopspan
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
          config:
            name: hopspan
            fail_open: true
            configuration:
              '@type': type.googleapis.com/google.protobuf.StringValue
              value: '{ \"collector\": { \"cluster\": \"outbound|4318||otel-collector.observability.svc.cluster.local\" } }'
            vm_config: { vm_id: hopspan }
";

const GATEWAY: &str = "
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: { name: hopspan, namespace: default }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: eg }]
  wasm:
  - name: hopspan
    failOpen: true
    code: { type: Image, image: { url: registry.example/hopspan:0.1.0 } }
    config: { collector: { cluster: otel_collector }, direction: gateway }
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: { name: otel-collector, namespace: default }
spec:
  type: JSONPatch
  targetRef: { group: gateway.networking.k8s.io, kind: Gateway, name: eg }
  jsonPatches:
  - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
    name: otel_collector
    operation:
      op: add
      path: ''
      value: { name: otel_collector, type: STRICT_DNS, load_assignment: { cluster_name: otel_collector } }
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: { name: eg, namespace: default }
spec:
  filterOrder: [{ name: envoy.filters.http.wasm, before: envoy.filters.http.fault }]
  shutdown: { drainTimeout: 60s, minDrainDuration: 10s }
";

const HIGRESS: &str = "
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: hopspan, namespace: higress-system }
spec:
  url: oci://registry.example/hopspan:0.1.0
  phase: AUTHN
  priority: 1000
  failStrategy: FAIL_OPEN
  defaultConfig:
    direction: gateway
    collector: { cluster: outbound|4318||otel-collector.dns }
---
apiVersion: networking.higress.io/v1
kind: McpBridge
metadata: { name: default, namespace: higress-system }
spec:
  registries: [{ name: otel-collector, type: dns, domain: otel.example, port: 4318 }]
";

const WORKLOAD: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: envoy }
data:
  envoy.yaml: |
    static_resources:
      listeners:
      - name: edge
        filter_chains:
        - filters:
          - typed_config:
              stat_prefix: edge
              http_filters:
              - name: hopspan
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                  config:
                    fail_open: true
                    configuration:
                      "@type": type.googleapis.com/google.protobuf.StringValue
                      value: |
                        { "collector": {
                          "cluster": "otel" } }
      clusters: [{ name: otel, type: STRICT_DNS }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: edge }
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 60
      containers:
      - name: envoy
        image: docker.io/envoyproxy/envoy:v1.36.2
        lifecycle: { preStop: { exec: { command: [/bin/sh, -c, "drain; sleep 25"] } } }
"#;

#[test]
fn good_manifests_are_fine() {
    for (platform, document) in [
        ("istio", format!("{PLUGIN}{COLLECTOR}")),
        ("istio", PLUGIN.to_owned()),
        ("istio", format!("{EXTENSION}{COLLECTOR}")),
        ("istio", format!("{FILTER}{COLLECTOR}")),
        ("envoy-gateway", GATEWAY.to_owned()),
        ("higress", HIGRESS.to_owned()),
        ("envoy", WORKLOAD.to_owned()),
    ] {
        let judged = judge(&document);
        let [instance] = judged.is_fine().instances() else { panic!("one instance: {document}") };
        assert_eq!(instance["platform"], platform);
        assert!(instance["effective"]["collector"]["cluster"].is_string(), "{instance}");
    }
}

#[test]
fn a_list_as_kubectl_prints_it_is_read() {
    let indented = |it: &str| it.trim().replace("\n---\n", "\n").replace('\n', "\n  ");
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n",
        indented(PLUGIN),
        indented(COLLECTOR.trim_start_matches("\n---")),
    );
    judge(&list).is_fine();
    let bad = with(&list, "schedule_delay_ms: 1000", "schedule_delay_ms: 1");
    judge(&bad).finds("problem", "configuration", "schedule_delay_ms", "must be 10 to 60000");
}

#[test]
fn problems_in_a_plugins_configuration_have_their_line() {
    let bad = with(PLUGIN, "schedule_delay_ms: 1000", "schedule_delay: 1000");
    let message = "is it batch.schedule_delay_ms?";
    judge(&bad).finds("problem", "configuration", "schedule_delay", message);
}

#[test]
fn a_cluster_that_has_not_istios_form_is_a_problem() {
    let bad = with(
        PLUGIN,
        "outbound|4318||otel-collector.observability.svc.cluster.local",
        "otel_collector",
    );
    judge(&bad).finds("problem", "collector-cluster", "cluster: otel", "write outbound|PORT||HOST");
    let bad = with(PLUGIN, ".observability.svc.cluster.local", "");
    judge(&bad).finds("problem", "collector-cluster", "otel-collector", "the host must be whole");
}

#[test]
fn a_collector_that_the_mesh_does_not_have_is_told_with_the_nearest() {
    let document = format!("{PLUGIN}{COLLECTOR}");
    let bad = with(&document, "otel-collector.observability", "otel-colector.observability");
    let message = "is it otel-collector.observability.svc.cluster.local?";
    judge(&bad).finds("problem", "collector-cluster", "otel-colector", message);
    let bad = with(&document, "port: 4318", "port: 4317");
    judge(&bad).finds(
        "problem",
        "collector-cluster",
        "cluster: outbound",
        "has port 4317 here, not 4318",
    );
    let entry = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: otlp }\n\
                 spec: { hosts: [otlp.example.com], ports: [{ number: 443, name: tls, protocol: TLS }] }\n";
    let vendor = with(
        PLUGIN,
        "4318||otel-collector.observability.svc.cluster.local",
        "443||otlp.example.com",
    );
    judge(&format!("{vendor}{entry}")).is_fine();
}

#[test]
fn istios_fail_strategies_are_judged() {
    let judged = judge(PLUGIN);
    let note = judged.is_fine().note("fail-policy").expect("a note");
    assert!(note["message"].as_str().unwrap().contains("answered 503"), "{note}");
    for (document, on) in
        [(PLUGIN, "FAIL_CLOSE"), (EXTENSION, "FAIL_CLOSE"), (HIGRESS, "FAIL_CLOSE")]
    {
        let bad = with(document, "FAIL_OPEN", "FAIL_CLOSE");
        judge(&bad).finds("problem", "fail-policy", on, "Write failStrategy: FAIL_OPEN");
    }
    let none = with(PLUGIN, "  failStrategy: FAIL_OPEN\n", "");
    judge(&none).finds("problem", "fail-policy", "spec:", "Write failStrategy: FAIL_OPEN");
    let bad = with(FILTER, "fail_open: true", "failure_policy: FAIL_OPEN");
    judge(&bad).finds("problem", "fail-policy", "FAIL_OPEN", "Write fail_open: true instead");
    let bad = with(GATEWAY, "    failOpen: true\n", "");
    judge(&bad).finds("problem", "fail-policy", "- name: hopspan", "Write failOpen: true");
}

#[test]
fn places_behind_other_filters_are_warned_of() {
    for (document, good, bad, on, message) in [
        (PLUGIN, "  phase: AUTHN\n", "", "spec:", "without phase: AUTHN"),
        (EXTENSION, "phase: AUTHN", "phase: STATS", "spec:", "without phase: AUTHN"),
        (HIGRESS, "phase: AUTHN", "phase: STATS", "spec:", "without phase: AUTHN"),
        (FILTER, "INSERT_FIRST", "INSERT_BEFORE", "config:", "INSERT_FIRST puts it first"),
        (
            GATEWAY,
            "before: envoy.filters.http.fault",
            "after: envoy.filters.http.fault",
            "- name: hopspan",
            "filterOrder",
        ),
    ] {
        judge(&with(document, good, bad)).finds("warning", "filter-order", on, message);
    }
    let other = PLUGIN.replace("hopspan", "waf").replace("collector", "x");
    let document = format!("{PLUGIN}---{other}");
    judge(&document).finds("warning", "filter-order", "spec:", "WasmPlugin waf has the same phase");
    judge(
        &with(&format!("{PLUGIN}---"), "1000\n  fail", "1001\n  fail")
            .replace("---", &format!("---{other}")),
    )
    .is_fine();
}

#[test]
fn native_tracing_of_the_mesh_is_a_problem() {
    let telemetry = "---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: { name: mesh }\n\
                     spec: { tracing: [{ providers: [{ name: otel }] }] }\n";
    let document = format!("{PLUGIN}{telemetry}");
    judge(&document).finds("problem", "native-tracing", "tracing:", "writes its traceparent over");
    judge(&with(&document, "providers:", "disableSpanReporting: true, providers:")).is_fine();
    let bad =
        with(GATEWAY, "  shutdown:", "  telemetry: { tracing: { samplingRate: 10 } }\n  shutdown:");
    judge(&bad).finds("problem", "native-tracing", "telemetry:", "writes its traceparent over");
}

#[test]
fn keys_that_a_manifest_does_not_have_are_problems() {
    for (document, good, bad, hint) in [
        (PLUGIN, "priority:", "prioritiy:", "is it priority?"),
        (EXTENSION, "    url:", "    uri:", "is it url?"),
        (GATEWAY, "- name: hopspan\n", "- name: hopspan\n    rootId: hopspan\n", "is it rootID?"),
        (
            HIGRESS,
            "phase: AUTHN\n",
            "phase: AUTHN\n  failStrategie: FAIL_OPEN\n",
            "is it failStrategy?",
        ),
    ] {
        let key = bad.trim().rsplit('\n').next().unwrap().trim().split(':').next().unwrap();
        let judged = judge(&with(document, good, bad));
        judged.finds("problem", "manifest-key", key, hint);
    }
}

#[test]
fn envoy_gateway_needs_a_patch_for_the_collectors_cluster() {
    let (policy, _) = GATEWAY.split_once("---").unwrap();
    let (_, proxy) = GATEWAY.rsplit_once("---").unwrap();
    let bad = format!("{policy}---{proxy}");
    judge(&bad).finds("warning", "collector-cluster", "config:", "needs an EnvoyPatchPolicy");
    let bad = with(GATEWAY, "value: { name: otel_collector", "value: { name: otel-collector");
    judge(&bad).finds("problem", "collector-cluster", "config:", "is it \"otel-collector\"?");
}

#[test]
fn rules_of_higress_do_not_reach_hopspan() {
    let rules =
        "  matchRules: [{ ingress: [shop], config: { sampling: { ratio: 1 } } }]\n  defaultConfig:";
    let bad = with(HIGRESS, "  defaultConfig:", rules);
    judge(&bad).finds("problem", "configuration-form", "matchRules", "as the key _rules_");
    let bad =
        with(HIGRESS, "outbound|4318||otel-collector.dns", "outbound|4318||otel-collector.static");
    judge(&bad).finds("problem", "collector-cluster", "collector:", "is it otel-collector.dns?");
}

#[test]
fn a_bootstrap_in_a_config_map_has_the_lines_of_the_file() {
    let bad = with(WORKLOAD, "\"cluster\": \"otel\"", "\"clutser\": \"otel\"");
    judge(&bad).finds("problem", "configuration", "clutser", "is it collector.cluster?");
    let bad = with(WORKLOAD, "fail_open: true", "failure_policy: FAIL_OPEN");
    let judged = judge(&bad);
    judged.finds("problem", "fail-policy", "FAIL_OPEN", "Write fail_open: true");
    assert!(
        judged.path().starts_with("data[\"envoy.yaml\"].static_resources."),
        "{}",
        judged.path()
    );
}

#[test]
fn a_proxy_that_does_not_drain_is_warned_of() {
    let hook = "        lifecycle: { preStop: { exec: { command: [/bin/sh, -c, \"drain; sleep 25\"] } } }\n";
    for (good, bad, on, message) in [
        (hook, "", "- name: envoy", "without a preStop hook"),
        (
            "GracePeriodSeconds: 60",
            "GracePeriodSeconds: 20",
            "preStop",
            "killed before its proxy has drained",
        ),
        ("sleep 25", "sleep 1", "preStop", "spans wait up to 1 s"),
    ] {
        judge(&with(WORKLOAD, good, bad)).finds("warning", "drain", on, message);
    }
    let bad = with(PLUGIN, "schedule_delay_ms: 1000", "schedule_delay_ms: 6000");
    judge(&bad).finds("warning", "drain", "spec:", "terminationDrainDuration");
    let bad = with(GATEWAY, "minDrainDuration: 10s", "minDrainDuration: 0s");
    judge(&bad).finds("warning", "drain", "minDrainDuration", "not longer than the 1 s");
}

#[test]
fn routes_of_the_mesh_by_what_hopspan_writes_are_warned_of() {
    let service = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: shop }\n\
                   spec:\n  http:\n  - match:\n    - headers: { b3: { exact: '0' } }\n";
    judge(&format!("{PLUGIN}{service}")).finds("warning", "route-cache", "headers:", "by b3");
    let route = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: shop }\n\
                 spec:\n  rules:\n  - matches:\n    - headers: [{ name: traceparent, value: x }]\n";
    judge(&format!("{GATEWAY}{route}")).finds(
        "warning",
        "route-cache",
        "traceparent",
        "by traceparent",
    );
}

#[test]
fn other_peoples_plugins_are_left_alone() {
    let other = PLUGIN.replace("hopspan", "waf").replace("collector:", "x:");
    let judged = judge(&other);
    judged.finds_nothing_of_ours();
}
