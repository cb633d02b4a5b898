//! A configuration in JSON or binary `Struct`: accepted, or refused with reasons.
#![no_main]

use hopspan_config::{self as config, Surroundings};
use hopspan_core::tracer::Tracer;

libfuzzer_sys::fuzz_target!(|document: &[u8]| {
    let around = Surroundings {
        node_id: "sidecar~10.0.0.1~shop-1.prod~prod.svc.cluster.local",
        node_cluster: "shop.prod",
        metadata: &|keys| Some(keys.replace('\0', "/")),
        env: &|name| (name == "TOKEN").then(|| "a-secret-value".to_owned()),
    };
    match config::read(document, &around) {
        Ok(config) => {
            assert!(!config.effective.contains("a-secret-value"));
            assert!(config.batch.max_in_flight > 0 && config.batch.max_export_batch_size > 0);
            Tracer::new(config);
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
});
