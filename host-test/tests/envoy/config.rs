//! Configuration that is wrong, and how Envoy's log says so.

use serde_json::json;

use crate::bootstrap::{Direction, Setup};
use crate::client::get;
use crate::hop::Hop;
use crate::proxy::Proxy;
use crate::upstream::{Answer, Refusing, Seen};

#[tokio::test]
async fn wrong_values_refuse_the_bootstrap_and_are_all_named() {
    let nowhere = Refusing::anywhere();
    let mut setup = Setup::new(Direction::Inbound, nowhere.address(), nowhere.address());
    setup.hopspan = Some(json!({
        "direction": "sideways",
        "collector": { "cluster": 7, "timeout_ms": 0, "protocol": "carrier/pigeon" },
        "sampling": { "ratio": 50 },
        "batch": { "schedule_delay_ms": "soon" },
    }));

    let refused = Proxy::try_start(&setup).await.err().expect("a refused bootstrap");
    assert!(!refused.status.success(), "{refused}");
    for path in [
        "direction",
        "collector.cluster",
        "collector.timeout_ms",
        "collector.protocol",
        "sampling.ratio",
        "batch.schedule_delay_ms",
    ] {
        let named = refused.log.lines().any(|it| it.contains("[wasm]") && it.contains(path));
        assert!(named, "{path} is not named: {refused}");
    }
    for found in ["sideways", "carrier/pigeon", "50"] {
        assert!(refused.log.contains(found), "what was found is not named: {found}: {refused}");
    }
}

#[tokio::test]
async fn a_configuration_that_is_not_json_refuses_the_bootstrap() {
    let nowhere = Refusing::anywhere();
    for (why, document) in [("a list", json!([])), ("text", json!("collector"))] {
        let mut setup = Setup::new(Direction::Inbound, nowhere.address(), nowhere.address());
        setup.hopspan = Some(document);
        let refused = Proxy::try_start(&setup).await.err().expect(why);
        assert!(refused.log.contains("hopspan"), "{why}: {refused}");
    }
}

#[tokio::test]
async fn an_unknown_key_warns_and_names_the_nearest() {
    let hop = Hop::start_with(Direction::Inbound, ok, |it| {
        it.configure("samplign", json!({ "ratio": 0.5 }));
    });
    let hop = hop.await;

    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);

    let warning = hop.proxy.logged("the unknown key", |line| {
        line.starts_with("[warning]") && line.contains("samplign")
    });
    let warning = warning.await;
    assert!(warning.contains("sampling"), "the nearest key: {warning}");
    hop.proxy.stats_when("one unknown key", |it| it.hopspan("config.unknown_keys") == 1).await;
    hop.span().await;
}

#[tokio::test]
async fn strict_refuses_an_unknown_key() {
    let nowhere = Refusing::anywhere();
    let mut setup = Setup::new(Direction::Inbound, nowhere.address(), nowhere.address());
    setup.hopspan = Some(json!({ "strict": true, "samplign": {} }));

    let refused = Proxy::try_start(&setup).await.err().expect("a refused bootstrap");
    assert!(refused.log.contains("samplign"), "{refused}");
}

fn ok(_: &Seen) -> Answer {
    Answer::status(200)
}
