//! The name of the service at the other end.

use crate::hopspan::{GATEWAY, Hopspan, INBOUND, OUTBOUND, sampled_get};
use host_test::Stream;

const SERVICES: &str = r#""services":[
    {"name":"cart","cluster":["outbound|*|cart.*","cart"],"peer":"spiffe://*/sa/cart"},
    {"name":"stripe","host":"*.stripe.com"},
    {"name":"web","peer":["spiffe://*/sa/web","web.example"]}]"#;

fn peers(config: &str, authority: &str, prepare: impl Fn(&Stream)) -> Vec<Option<String>> {
    let (before, _) = config.rsplit_once('}').unwrap();
    let hopspan = Hopspan::start(&format!("{before},{SERVICES}}}"));
    let stream = hopspan.stream();
    prepare(&stream);
    stream.request_headers(sampled_get().with(":authority", authority), true);
    hopspan.pass(700);
    stream.respond(200);
    stream.finish();
    let name = |it: &crate::received::Received| it.text("service.peer.name").map(str::to_owned);
    hopspan.spans().iter().map(name).collect()
}

fn called_by(san: &'static str) -> impl Fn(&Stream) {
    move |it| {
        it.set_property("connection.mtls", true);
        it.set_property("connection.tls_version", "TLSv1.3");
        let kind = if san.starts_with("spiffe:") { "uri" } else { "dns" };
        it.set_property(&format!("connection.{kind}_san_peer_certificate"), san);
    }
}

#[test]
fn who_is_called_is_told_by_cluster_host_or_certificate() {
    let cluster = |name: &'static str| move |it: &Stream| it.set_property("xds.cluster_name", name);
    let certificate = |it: &Stream| {
        it.set_property("upstream.tls_version", "TLSv1.3");
        it.set_property("upstream.uri_san_peer_certificate", "spiffe://x/sa/cart");
    };
    for (why, authority, prepare, want) in [
        ("nothing fits", "shop.example", &(|_: &Stream| ()) as &dyn Fn(&Stream), None),
        ("the cluster", "x", &cluster("outbound|80||cart.shop.svc.cluster.local"), Some("cart")),
        ("the host", "api.stripe.com:443", &|_| (), Some("stripe")),
        ("its case", "API.Stripe.com", &|_| (), Some("stripe")),
        ("the certificate", "x", &certificate, Some("cart")),
        ("the first that fits", "api.stripe.com", &cluster("cart"), Some("cart")),
        ("who calls is not who is called", "x", &called_by("spiffe://x/sa/web"), None),
    ] {
        assert_eq!(peers(OUTBOUND, authority, prepare), [want.map(str::to_owned)], "{why}");
    }
}

#[test]
fn who_calls_is_told_by_certificate_alone() {
    for (why, authority, prepare, want) in [
        ("none", "x", &(|_: &Stream| ()) as &dyn Fn(&Stream), None),
        ("its URI", "x", &called_by("spiffe://x/sa/web"), Some("web")),
        ("its DNS name", "x", &called_by("web.example"), Some("web")),
        ("another's", "x", &called_by("spiffe://x/sa/other"), None),
        ("a host is who is called", "api.stripe.com", &|_| (), None),
    ] {
        assert_eq!(peers(INBOUND, authority, prepare), [want.map(str::to_owned)], "{why}");
    }
}

#[test]
fn a_gateway_has_one_on_either_side() {
    let got = peers(GATEWAY, "api.stripe.com", called_by("spiffe://x/sa/web"));
    assert_eq!(got, [Some("web".to_owned()), Some("stripe".to_owned())]);
}
