//! Compressed requests, where the host can compress.

use crate::hopspan::{DELAY, Hopspan, INBOUND, builder};
use host_test::{Answer, Injection, Status};
use std::time::Duration;

const GZIP: &str = r#"{"direction":"inbound","collector":{"cluster":"otel","compression":"gzip"}}"#;

/// How often the host was asked to compress.
fn asked(hopspan: &Hopspan) -> u64 {
    hopspan.hostcalls().about("proxy_call_foreign_function", "compress")
}

#[test]
fn a_request_is_gzip_that_others_unpack() {
    for spans in [1, 40, 512] {
        let hopspan = Hopspan::start(GZIP);
        hopspan.requests(spans);
        hopspan.run_for(DELAY);
        let taken = hopspan.collector.taken();
        assert_eq!(taken.len(), spans, "the collector unpacks by another library");
        let [request] = hopspan.collector.requests().try_into().unwrap();
        assert_eq!(request.headers.values("content-encoding"), [b"gzip"]);
        assert_eq!(request.headers.text("content-type"), Some("application/x-protobuf"));
        let len = request.body.len();
        assert_eq!(request.headers.text("content-length"), Some(len.to_string().as_str()));
        assert_eq!(hopspan.stat("export.bytes"), i64::try_from(len).unwrap(), "those on the wire");
        // A span's id cannot be made smaller; what spans have in common nearly vanishes.
        assert!((8 * spans..650 + 50 * spans).contains(&len), "{len} bytes for {spans} spans");
        assert_eq!(hopspan.said("collector.compression"), []);
    }
}

#[test]
fn nothing_is_compressed_unless_it_is_asked_for() {
    let none = r#"{"direction":"inbound","collector":{"cluster":"otel","compression":"none"}}"#;
    for config in [INBOUND, none] {
        let hopspan = Hopspan::start(config);
        hopspan.requests(1);
        assert_eq!(hopspan.spans().len(), 1);
        assert!(hopspan.collector.requests()[0].headers.values("content-encoding").is_empty());
        assert_eq!(asked(&hopspan), 0);
    }
}

/// It takes a millisecond, which no request shall wait for.
#[test]
fn nothing_is_compressed_on_a_requests_way() {
    let config = r#"{"direction":"inbound","batch":{"max_export_batch_size":4},
        "collector":{"cluster":"otel","compression":"gzip"}}"#;
    let hopspan = Hopspan::start(config);
    hopspan.requests(8);
    assert_eq!(asked(&hopspan), 0, "two whole requests wait");
    hopspan.run_for(Duration::from_millis(1));
    assert_eq!((asked(&hopspan), hopspan.collector.taken().len()), (2, 8));
}

#[test]
fn what_is_sent_again_is_compressed_again() {
    let hopspan = Hopspan::start(GZIP);
    hopspan.collector.next([Answer::status(503)]);
    hopspan.requests(3);
    hopspan.run_for(DELAY * 5);
    assert_eq!(hopspan.accounts(), [3, 3, 0, 0, 0]);
    let requests = hopspan.collector.requests();
    assert_eq!((requests.len(), asked(&hopspan)), (2, 2));
    assert_eq!(requests[0].body, requests[1].body);
}

/// Whatever the host does instead of compressing, requests go as they are, and one line says so.
#[test]
fn a_host_that_cannot_compress_sends_more_bytes_and_no_fewer_spans() {
    type Compress = fn(&[u8]) -> Result<Vec<u8>, Status>;
    let answers: [(&str, Compress); 5] = [
        ("nothing", |_| Ok(Vec::new())),
        ("what it was given", |plain| Ok(plain.to_vec())),
        ("gzip", |_| Ok(b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0".to_vec())),
        ("half a header", |_| Ok(vec![0x78])),
        ("no memory", |_| Err(Status::INTERNAL_FAILURE)),
    ];
    let mut hosts = vec![("it is not there".to_owned(), builder(GZIP).without_compression())];
    hosts.extend(answers.map(|(why, compress)| {
        (format!("it answers: {why}"), builder(GZIP).foreign_function("compress", compress))
    }));
    hosts.extend((1..=12).map(|status| {
        let failure = Injection::always("proxy_call_foreign_function", Status(status));
        (format!("status {status}"), builder(GZIP).inject(failure.about("compress")))
    }));
    for (why, host) in hosts {
        let hopspan = Hopspan::of(host.workers(2));
        for _ in 0..3 {
            hopspan.requests_on(0, 2);
            hopspan.requests_on(1, 2);
            hopspan.run_for(DELAY);
        }
        assert_eq!(hopspan.accounts(), [12, 12, 0, 0, 0], "{why}");
        let requests = hopspan.collector.requests();
        assert_eq!((requests.len(), hopspan.collector.taken().len()), (6, 12), "{why}");
        let is_plain = |it: &host_test::Request| it.headers.values("content-encoding").is_empty();
        assert!(requests.iter().all(is_plain), "{why}");
        let said = hopspan.said("collector.compression");
        assert_eq!(said.len(), 1, "{why}: once a process: {:#?}", hopspan.log());
    }
}

#[test]
fn a_host_that_fails_for_a_while_compresses_again() {
    let hopspan = Hopspan::start(GZIP);
    hopspan.inject(Injection::nth("proxy_call_foreign_function", 1, Status(10)).about("compress"));
    for _ in 0..2 {
        hopspan.requests(1);
        hopspan.run_for(DELAY);
    }
    let is_gzip: Vec<_> = (hopspan.collector.requests().iter())
        .map(|it| it.headers.text("content-encoding") == Some("gzip"))
        .collect();
    assert_eq!(is_gzip, [false, true]);
    assert_eq!(hopspan.collector.taken().len(), 2);
}
