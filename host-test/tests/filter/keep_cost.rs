//! What `sampling.keep` and `explain.header` cost: host calls, and memory of open requests.

use crate::hopspan::{self, Hopspan, UNSAMPLED};
use crate::mesh::{Pod, forwarded, keeping};
use host_test::{Headers, HostcallCounts, Stream};

/// Name, subject and count of the calls of one request's life, as one text each.
fn life(config: &str, request: &Headers, respond: fn(&Stream)) -> Vec<String> {
    calls(&hopspan::life(config, request, respond))
}

fn calls(counts: &HostcallCounts) -> Vec<String> {
    let name = |it: &str| it.trim_start_matches("proxy_").trim_end_matches("_value").to_owned();
    let shared = |about: &str| about.starts_with("hopspan.keep.").then_some("kept");
    let text = |(it, about, count): (&str, &str, u64)| {
        let about = shared(about).unwrap_or(about);
        let times = if count > 1 { format!(" x{count}") } else { String::new() };
        format!("{} {about}{times}", name(it))
    };
    counts.iter().map(text).collect()
}

const CLOCK: &str = "clock_time_get monotonic";
const REQUEST: &str = "get_header_map_pairs request_headers";
const WRITE: &str = "replace_header_map request_headers";

#[test]
fn what_is_switched_on_and_finds_nothing_costs_little() {
    let unsampled = Headers::plain_get("/cart").with("traceparent", UNSAMPLED);
    let announced = unsampled.clone().with("tracestate", "hopspan=b7ad6b7169203331;shop");
    let plain = |direction: &str, more: &str| {
        format!(
            r#"{{"direction":"{direction}","collector":{{"cluster":"otel"}},
            "metrics":{{"to":[]}}{more}}}"#
        )
    };
    let errors = r#","sampling":{"keep":{"errors":true}}"#;
    let slow = r#","sampling":{"keep":{"slower_than_ms":500}}"#;
    let explain = r#","explain":{"header":"x-why"}"#;
    let ok: fn(&Stream) = |it| {
        it.respond(200);
    };
    let (response, kept) = ("get_header_map_pairs response_headers", "get_shared_data kept");
    let twice = "replace_header_map request_headers x2";
    let thrice = "clock_time_get monotonic x3";
    let four = "clock_time_get monotonic x4";
    let remove = "remove_header_map request_headers";
    for (why, config, request, want) in [
        ("inbound, off", plain("inbound", ""), &unsampled, vec![CLOCK, REQUEST]),
        ("outbound, off", plain("outbound", ""), &unsampled, vec![CLOCK, REQUEST]),
        ("explain, not asked", plain("inbound", explain), &unsampled, vec![CLOCK, REQUEST]),
        (
            "inbound, errors",
            plain("inbound", errors),
            &unsampled,
            vec![thrice, REQUEST, response, kept, WRITE],
        ),
        (
            "inbound, whose caller asks",
            plain("inbound", errors),
            &announced,
            vec![thrice, REQUEST, response, kept, remove, WRITE],
        ),
        (
            "outbound, errors",
            plain("outbound", errors),
            &unsampled,
            vec![thrice, REQUEST, response, twice],
        ),
        (
            "inbound, slow ones",
            plain("inbound", slow),
            &unsampled,
            vec![four, REQUEST, response, kept, WRITE],
        ),
    ] {
        let mut found = life(&config, request, ok);
        let mut want: Vec<_> = want.into_iter().map(str::to_owned).collect();
        found.sort();
        want.sort();
        assert_eq!(found, want, "{why}");
    }
}

/// What a call ended with stands in its trailers, unless it stood in its head; and what a client
/// did wrong is nothing to look into.
#[test]
fn how_a_request_ended_is_looked_at_once() {
    let config = r#"{"direction":"outbound","collector":{"cluster":"otel"},
        "sampling":{"keep":{"errors":true}},"metrics":{"to":[],"announce_caller":"never"}}"#;
    let get = Headers::plain_get("/cart").with("traceparent", UNSAMPLED);
    let call = Headers::grpc("/shop.Cart/Add").with("traceparent", UNSAMPLED);
    let trailers = "get_header_map response_trailers";
    for (why, request, respond, more) in [
        (
            "a call",
            &call,
            (|it| {
                it.response_headers([(":status", "200")], false);
                it.response_trailers([("grpc-status", "0")]);
            }) as fn(&Stream),
            &[trailers][..],
        ),
        (
            "a call that ended at its head",
            &call,
            |it| {
                it.response_headers([(":status", "200"), ("grpc-status", "5")], true);
            },
            &[],
        ),
        (
            "what is not there",
            &get,
            |it| {
                it.respond(404);
            },
            &[],
        ),
    ] {
        let mut found = life(config, request, respond);
        let response = "get_header_map_pairs response_headers";
        let usual = [REQUEST, WRITE, response, "clock_time_get monotonic x3"];
        let mut want: Vec<_> = usual.iter().chain(more).map(|it| (*it).to_owned()).collect();
        found.sort();
        want.sort();
        assert_eq!(found, want, "{why}");
    }
}

/// A hop that is told of a failure costs two calls to tell the others, and then as much as one
/// that was sampled.
#[test]
fn telling_the_others_costs_one_look_and_one_write() {
    let cart = Pod::of("cart");
    let (cart_in, cart_out) = (cart.inbound(0), cart.outbound(0));
    cart_in.request_headers(Headers::plain_get("/").with("traceparent", UNSAMPLED), true);
    cart_out.request_headers(forwarded(&cart_in), true);
    let before = cart.hopspan.hostcalls();
    cart_out.response_headers([(":status", "500")], true);
    let told = cart.hopspan.hostcalls().since(&before);
    assert_eq!((told.of("proxy_get_shared_data"), told.of("proxy_set_shared_data")), (1, 1));
    let again = cart.outbound(1);
    again.request_headers(forwarded(&cart_in), true);
    let before = cart.hopspan.hostcalls();
    again.response_headers([(":status", "500")], true);
    let told = cart.hopspan.hostcalls().since(&before);
    assert_eq!((told.of("proxy_get_shared_data"), told.of("proxy_set_shared_data")), (1, 0));
    [&cart_out, &again, &cart_in].into_iter().for_each(Stream::finish);
}

#[test]
fn an_explanation_costs_one_write() {
    let config = r#"{"direction":"inbound","collector":{"cluster":"otel"},"metrics":{"to":[]},
        "explain":{"header":"x-why"}}"#;
    let asks = Headers::plain_get("/").with("traceparent", UNSAMPLED).with("x-why", "1");
    let mut found = life(config, &asks, |it| {
        it.respond(200);
    });
    found.sort();
    let mut want = [CLOCK, REQUEST, "add_header_map response_headers"];
    want.sort_unstable();
    assert_eq!(found, want);
}

/// A proxy may hold very many requests open, nearly all of which go well.
#[test]
fn open_requests_that_may_be_kept_take_little_memory() {
    const OPEN: usize = 10_000;
    let grown = |config: &str, request: &Headers| {
        let hopspan = Hopspan::start(config);
        let worker = hopspan.worker(0);
        hopspan.requests(10);
        hopspan.run_for(crate::hopspan::DELAY);
        let before = worker.memory_bytes();
        let open: Vec<_> = (0..OPEN).map(|_| worker.stream()).collect();
        for stream in &open {
            stream.request_headers(request, true);
        }
        let grown = worker.memory_bytes() - before;
        for stream in &open {
            stream.respond(200);
            stream.finish();
        }
        let settled = worker.memory_bytes();
        for stream in (0..OPEN).map(|_| worker.stream()) {
            stream.request_headers(request, true);
            stream.respond(200);
            stream.finish();
        }
        assert_eq!(worker.memory_bytes(), settled, "what ended is given back");
        grown / OPEN
    };
    let large = format!("a={}", "x".repeat(250));
    let request = Headers::plain_get(&format!("/{}", "x".repeat(2000)))
        .with("traceparent", UNSAMPLED)
        .with("tracestate", large);
    let off = grown(crate::hopspan::UNCOUNTED_INBOUND, &request);
    let kept = grown(&keeping("inbound", "cart", r#""metrics":{"to":[]},"#), &request);
    let counted = grown(&keeping("inbound", "cart", ""), &request);
    println!(
        "{off} bytes for an open request, {kept} where it may be kept, {counted} if counted too"
    );
    assert!(kept <= 544, "{kept} bytes");
    assert!(kept <= off + 64, "{kept} bytes, not {off}");
    assert!(counted <= kept + 512, "{counted} bytes, not {kept}");
}
