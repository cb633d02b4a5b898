//! temp
use host_test::*;
use std::time::{Duration, Instant};
fn main() {
    let t = Instant::now();
    let module = Module::from_file(std::env::args().nth(1).unwrap()).unwrap();
    println!("compile {:?} imports {:?}", t.elapsed(), module.imports());
    let t = Instant::now();
    let proxy = Proxy::builder(&module).workers(2).property("xds.listener_direction", 1).env("POD", "p1")
        .plugin_config(r#"{"service":{"name":"cart"},"direction":"inbound","collector":{"cluster":"otel"}}"#).start().unwrap_or_else(|e| panic!("{e}"));
    println!("start {:?}", t.elapsed());
    let before = proxy.hostcalls();
    for n in 0..3 {
        let s = proxy.worker(0).stream();
        let a = s.request_headers(Headers::plain_get("/cart?x=1"), true);
        proxy.clock().advance(Duration::from_millis(20));
        if n == 2 { s.set_property("boom", "x"); }
        let b = s.respond(200);
        s.finish();
        println!("{n} {a:?} {b:?} {:?}", s.upstream_headers().text("traceparent"));
    }
    println!("{}", proxy.hostcalls().since(&before));
    proxy.run_for(Duration::from_secs(1));
    for c in proxy.callouts() { println!("{:?}", c.request().headers); println!("{}", c.answer(Answer::status(200))); }
    proxy.run_for(Duration::from_secs(3));
    for c in proxy.callouts() { c.answer(Answer::reset()); }
    println!("{:#?}", proxy.metrics());
    for l in proxy.log() { println!("{l}"); }
    println!("traps {:?}", proxy.traps());
    for c in proxy.worker(0).callbacks().iter().take(40) { println!("{c:?}"); }
    println!("mem {}", proxy.worker(0).memory_bytes());
}
