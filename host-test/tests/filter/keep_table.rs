//! What the workers of a process tell each other of traces that were kept: it lives for a minute,
//! is bounded, and can be done without.

use crate::hopspan::{DELAY, Hopspan, TRACE, UNSAMPLED, builder};
use crate::mesh::{Pod, forwarded, keeping};
use host_test::{Headers, Injection, Status, Stream};

/// A minute is enough for all hops of a request.
#[test]
fn what_workers_told_each_other_is_forgotten_after_a_minute() {
    for (seconds, want) in [(59, 1), (61, 0)] {
        let cart = Pod::of("cart");
        let errors = keeping("inbound", "cart", "").replace(r#","slower_than_ms":1000"#, "");
        cart.hopspan.reconfigure(errors).unwrap();
        let (cart_in, cart_out) = (cart.inbound(0), cart.outbound(1));
        cart_in.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
        cart_out.request_headers(forwarded(&cart_in), true);
        cart_out.respond(500);
        cart_out.finish();
        assert_eq!(cart.hopspan.spans().len(), 1);
        cart.hopspan.clock().advance(DELAY * seconds - DELAY);
        cart_in.respond(200);
        cart_in.finish();
        assert_eq!(cart.hopspan.spans().len(), want, "after {seconds} s");
    }
}

/// The table is bounded: with very many failures some hops are missed, which is counted.
#[test]
fn a_table_that_is_full_forgets_and_counts() {
    let config = keeping("outbound", "cart", "");
    let hopspan = Hopspan::of(builder(config));
    for number in 0..2000_u32 {
        let stream = hopspan.stream();
        let traceparent = format!("00-{:08x}{}-00f067aa0ba902b7-00", number + 1, &TRACE[8..]);
        stream.request_headers(Headers::plain_get("/").with("traceparent", traceparent), true);
        stream.response_headers([(":status", "500")], true);
        stream.finish();
    }
    hopspan.run_for(DELAY);
    let forgotten = hopspan.stat("sampling.forgotten");
    assert!((976..=1400).contains(&forgotten), "{forgotten}");
    let keys: Vec<_> =
        (0..64).filter_map(|it| hopspan.shared_data(format!("hopspan.keep.{it}"))).collect();
    let bytes: usize = keys.iter().map(Vec::len).sum();
    assert!(bytes <= 20 << 10, "{bytes} bytes in {} keys", keys.len());
    assert_eq!(hopspan.shared_data("hopspan.keep.64"), None);
}

/// Workers without a table keep what they see themselves; the request is none the worse.
#[test]
fn without_shared_data_hops_keep_what_they_see() {
    for call in ["proxy_get_shared_data", "proxy_set_shared_data"] {
        let cart = Pod::of("cart");
        cart.hopspan.inject(Injection::always(call, Status::UNIMPLEMENTED));
        let (cart_in, cart_out) = (cart.inbound(0), cart.outbound(1));
        cart_in.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
        cart_out.request_headers(forwarded(&cart_in), true);
        cart_out.respond(500);
        cart_in.respond(200);
        [&cart_out, &cart_in].into_iter().for_each(Stream::finish);
        assert_eq!(cart.hopspan.spans().len(), 1, "{call}: the outbound one");
        cart.hopspan.run_for(DELAY);
        let degraded = cart.hopspan.stat("degraded");
        assert_eq!(degraded, i64::from(call == "proxy_set_shared_data"), "{call}");
    }
}
