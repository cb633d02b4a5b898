//! The configuration that the README gives to copy.

use serde_json::{Value, json};

use crate::bootstrap::Direction;
use crate::client::get;
use crate::hop::Hop;
use crate::proxy;
use crate::upstream::Answer;

#[tokio::test]
async fn the_readmes_filter_works_as_it_stands() {
    let mut filter = readme();
    // All but the place of the module, which is the reader's.
    let code = &mut filter["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"];
    assert_eq!(*code, json!("/etc/envoy/hopspan.wasm"));
    *code = json!(proxy::wasm());

    let hop = Hop::start_with(
        Direction::Inbound,
        |_| Answer::status(200),
        |it| {
            it.hopspan = None;
            it.before = vec![filter];
        },
    );
    let hop = hop.await;
    assert_eq!(hop.client().await.ask(get("/")).await.status, 200);
    let span = hop.span().await;
    assert_eq!(span.int("http.response.status_code"), Some(200));
}

/// The first item of the README's list of HTTP filters.
fn readme() -> Value {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("```yaml\n").expect("a block of YAML");
    let (yaml, _) = rest.split_once("```").expect("its end");
    let filters: Vec<Value> = serde_yaml_ng::from_str(yaml).expect("a list of filters");
    let [filter] = <[Value; 1]>::try_from(filters).expect("one filter");
    filter
}
