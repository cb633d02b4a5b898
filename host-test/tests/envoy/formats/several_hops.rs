//! A gateway, an application between its two sidecars, and a service, which share no format.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use super::readers::{Context, contexts};
use super::{PARENT, TRACE, traceparent};
use crate::bootstrap::{Direction, Setup};
use crate::client::{Client, get, with};
use crate::collector::Collector;
use crate::proxy::Proxy;
use crate::received::Received;
use crate::upstream::{Answer, Seen, Upstream};

/// The span of the application itself, which its own library makes.
const WORK: &str = "05e3ac9a4f6e3b90";

/// From the caller to the service, in the order in which a request meets them.
struct Mesh {
    gateway: Proxy,
    inbound: Proxy,
    app: Upstream,
    outbound: Proxy,
    service: Upstream,
    collector: Collector,
}

/// What differs: how hops propagate, and what the gateway samples.
struct Choices {
    gateway: Value,
    inbound: Value,
    outbound: Value,
    ratio: f64,
}

impl Mesh {
    async fn start(choices: Choices) -> Self {
        let Choices { gateway, inbound, outbound, ratio } = choices;
        let collector = Collector::start().await;
        let app = Upstream::start(|_| Answer::status(200)).await;
        let service = Upstream::start(|_| Answer::status(200)).await;
        let proxy = async |name: &str, direction, upstream, propagation, ratio| {
            let mut setup = Setup::new(direction, upstream, collector.address());
            setup.configure("service", json!({ "name": name }));
            setup.configure("propagation", propagation);
            setup.configure("sampling", json!({ "ratio": ratio }));
            Proxy::start(&setup).await
        };
        let (into_app, into_service) = (app.address(), service.address());
        // Who stands behind the gateway would record all that the gateway leaves to them.
        let inbound = proxy("inbound", Direction::Inbound, into_app, inbound, 1.0).await;
        let outbound = proxy("outbound", Direction::Outbound, into_service, outbound, 1.0).await;
        let behind = inbound.address();
        let gateway = proxy("gateway", Direction::Unspecified, behind, gateway, ratio).await;
        Self { gateway, inbound, app, outbound, service, collector }
    }

    /// A caller asks the application, which asks the service and passes on one format alone.
    async fn ask(&self, (name, value): (&'static str, &str), app: &'static str) -> (Seen, Seen) {
        let mut client = Client::http1(self.gateway.address()).await;
        assert_eq!(client.ask(with(get("/"), name, value)).await.status, 200);
        let at_app = self.app.seen(1).await.remove(0);

        let Context { trace_id, sampled, .. } = &contexts(&at_app)[app];
        let sampled = u8::from(*sampled);
        let (name, value) = match app {
            "b3" => ("b3", format!("{trace_id}-{WORK}-{sampled}")),
            _ => ("traceparent", format!("00-{trace_id}-{WORK}-0{sampled}")),
        };
        let mut client = Client::http1(self.outbound.address()).await;
        assert_eq!(client.ask(with(get("/"), name, value)).await.status, 200);
        (at_app, self.service.seen(1).await.remove(0))
    }

    /// The spans of all hops are of one trace, each the child of what called it, and the
    /// application and the service were told so in their formats.
    async fn check_trace(&self, app: &Context, service: &Context) {
        let spans = self.collector.spans(4).await;
        for (proxy, made) in [(&self.gateway, 2), (&self.inbound, 1), (&self.outbound, 1)] {
            proxy.at_rest(made).await;
        }
        let ids = |who: &str, kind: SpanKind| {
            let is_it =
                |it: &&Received| it.resource_text("service.name") == Some(who) && it.kind() == kind;
            let span = spans.iter().find(is_it).unwrap_or_else(|| panic!("{who} {kind:?}"));
            assert_eq!(span.trace_id(), TRACE, "{who} {kind:?}");
            (span.parent_id(), span.span_id())
        };
        let (caller, entered) = ids("gateway", SpanKind::Server);
        let (entered_too, left) = ids("gateway", SpanKind::Client);
        let (left_too, inbound) = ids("inbound", SpanKind::Server);
        let (work, outbound) = ids("outbound", SpanKind::Client);
        assert_eq!((caller.as_str(), work.as_str()), (PARENT, WORK));
        assert_eq!((entered, left), (entered_too, left_too));
        let trace_id = TRACE.to_owned();
        let told = |span_id| Context { trace_id: trace_id.clone(), span_id, sampled: true };
        assert_eq!((app, service), (&told(inbound), &told(outbound)));
    }

    /// Nobody recorded anything, and everybody passed that on.
    async fn check_silence(&self, app: &Context, service: &Context) {
        for (who, context) in [("app", app), ("service", service)] {
            assert_eq!((context.trace_id.as_str(), context.sampled), (TRACE, false), "{who}");
        }
        for proxy in [&self.gateway, &self.inbound, &self.outbound] {
            let counted = proxy.stats_when("a decision", |it| it.hopspan("sampling.dropped") == 1);
            assert_eq!(counted.await.hopspan("spans.created"), 0);
        }
    }
}

fn w3c_outside(ratio: f64) -> Choices {
    Choices {
        gateway: json!({ "extract": ["tracecontext"] }),
        inbound: json!({ "inject": ["tracecontext", "b3", "preserve"] }),
        outbound: json!({}),
        ratio,
    }
}

fn b3_outside(ratio: f64) -> Choices {
    let b3_alone = json!({ "inject": ["b3"], "clear": ["tracecontext"] });
    Choices { gateway: b3_alone.clone(), inbound: json!({}), outbound: b3_alone, ratio }
}

#[tokio::test]
async fn a_b3_app_behind_a_w3c_gateway_is_in_the_trace() {
    let mesh = Mesh::start(w3c_outside(1.0)).await;

    let caller = traceparent(TRACE, PARENT);
    let (at_app, at_service) = mesh.ask(("traceparent", &caller), "b3").await;

    let (app, service) = (contexts(&at_app), contexts(&at_service));
    mesh.check_trace(&app["b3"], &service["tracecontext"]).await;
}

#[tokio::test]
async fn a_w3c_app_behind_a_b3_gateway_is_in_the_trace() {
    let mesh = Mesh::start(b3_outside(1.0)).await;

    let caller = format!("{TRACE}-{PARENT}-1");
    let (at_app, at_service) = mesh.ask(("b3", &caller), "tracecontext").await;

    let (app, service) = (contexts(&at_app), contexts(&at_service));
    assert_eq!(service.keys().collect::<Vec<_>>(), [&"b3"]);
    mesh.check_trace(&app["tracecontext"], &service["b3"]).await;
}

#[tokio::test]
async fn what_a_gateway_does_not_sample_nobody_behind_it_records() {
    let mesh = Mesh::start(w3c_outside(0.0)).await;
    let caller = traceparent(TRACE, PARENT);
    let (at_app, at_service) = mesh.ask(("traceparent", &caller), "b3").await;
    let (app, service) = (contexts(&at_app), contexts(&at_service));
    mesh.check_silence(&app["b3"], &service["tracecontext"]).await;

    let mesh = Mesh::start(b3_outside(0.0)).await;
    let caller = format!("{TRACE}-{PARENT}-1");
    let (at_app, at_service) = mesh.ask(("b3", &caller), "tracecontext").await;
    let (app, service) = (contexts(&at_app), contexts(&at_service));
    mesh.check_silence(&app["tracecontext"], &service["b3"]).await;
}
