//! What may be added to an unsampled request by what is switched on and finds nothing to do. The
//! request itself is one of [`cases`](crate::cases).

use host_test::{Headers, Proxy};

use crate::module::module;

/// How many requests a worker looks at for another tracer, and some more.
const WARM: usize = 20;

/// An inbound listener.
const INBOUND: &str =
    r#"{"direction":"inbound","collector":{"cluster":"otel"},"metrics":{"to":[]}}"#;

/// The instructions of all callbacks of one request that its caller did not sample.
fn unsampled(more: &[(&str, &str)]) -> u64 {
    unsampled_by(INBOUND, more)
}

/// The same, with this configuration.
fn unsampled_by(config: &str, more: &[(&str, &str)]) -> u64 {
    let proxy = Proxy::builder(module()).vm_id("hopspan").plugin_config(config);
    let proxy = proxy.start().unwrap_or_else(|refused| panic!("{refused}"));
    let mut before = 0;
    for _ in 0..=WARM {
        before = proxy.worker(0).callbacks().len();
        let stream = proxy.worker(0).stream();
        let request = Headers::plain_get("/cart")
            .with("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
            .with("x-envoy-expected-rq-timeout-ms", "15000")
            .with("cookie", "a=b");
        let request = more.iter().fold(request, |it, (name, value)| it.with(*name, *value));
        stream.request_headers(request, true);
        stream.respond(200);
        stream.finish();
    }
    proxy.worker(0).callbacks().get(before..).unwrap_or_default().iter().map(|it| it.fuel).sum()
}

/// With room for a compiler's mood: it is to catch a mistake (an allocation, a loop over all
/// formats).
#[test]
fn what_is_not_used_stays_cheap() {
    let plain = unsampled(&[]);
    let value = "Root=1-67891233-abcdef012345678912345678";
    let other = unsampled(&[("x-amzn-other-id", value)]);
    let not_read = unsampled(&[("x-amzn-trace-id", value)]);
    assert!(not_read < other + 500, "{not_read}, not {other}: a format that is not read");
    let b3 = unsampled(&[("b3", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0")]);
    assert!(b3 < plain + 5_000, "{b3}, not {plain}: a second format");
    let export = |path| unsampled(&[(":method", "POST"), (":path", path), (":authority", "otel")]);
    let (near, export) = (export("/v1/tracez"), export("/v1/traces"));
    println!("{plain} plain, {near} nearly an export, {export} an export");
    assert!(near < plain + 500, "{near}, not {plain}: what might be an export");
    assert!(export < plain + 100, "{export}, not {plain}: an export");
}

/// What is switched on and finds nothing to do: a table of the process is asked, the response's
/// headers are read and the next hop is told of this one, rules are tried.
#[test]
fn keeping_and_rules_stay_cheap() {
    let plain = unsampled(&[]);
    let with = |more: &str| unsampled_by(&INBOUND.replace("}}", &format!("}},{more}}}")), &[]);
    let kept = with(r#""sampling":{"keep":{"errors":true,"slower_than_ms":500}}"#);
    let explain = with(r#""explain":{"header":"x-why"},"sampling":{"force":{"header":"x-force"}}"#);
    let rules = r#"{"match":{"path":"/a*b","method":"POST"},"action":"restart"},"#.repeat(20);
    let rules = with(&format!(r#""trust":{{"rules":[{}]}}"#, rules.trim_end_matches(',')));
    println!("{plain} plain, {kept} kept, {explain} explain and force, {rules} with 20 rules");
    assert!(kept < plain + 4_500, "{kept}, not {plain}: sampling.keep");
    assert!(explain < plain + 2_500, "{explain}, not {plain}: headers to look for");
    assert!(rules < plain + 3_000, "{rules}, not {plain}: rules that do not fit");
}
